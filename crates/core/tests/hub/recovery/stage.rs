//! The channels of one case, as publishers and clients of the test share them: what was begun, what is done, and what
//! publishers were told.

use std::{
    mem,
    ops::RangeInclusive,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use duplex_core::Hub;

use super::{
    Kind,
    script::Burst,
    seen::{Published, Said},
};

/// All channels of a case.
pub(super) struct Stage(Vec<Channel>);

/// A channel of a case.
pub(super) struct Channel {
    kind: Kind,
    pub(super) name: String,
    begun: AtomicU64,
    done: AtomicU64,
    /// The highest offset that a publisher was told.
    highest: AtomicU64,
    published: Mutex<Published>,
    /// Held by whoever publishes without being told where to: so the order is known all the same.
    pub(super) turn: tokio::sync::Mutex<()>,
}

impl Stage {
    pub(super) fn new(case: u64) -> Self {
        Self(Kind::ALL.map(|kind| Channel::new(kind, case)).into())
    }

    pub(super) fn channel(&self, kind: Kind) -> &Channel {
        self.0.iter().find(|channel| channel.kind == kind).unwrap()
    }

    /// Publishes what one publisher of a burst has to.
    pub(super) async fn publish(&self, hub: &Hub, burst: &Burst) {
        let channel = self.channel(burst.channel);
        for _ in 0..burst.each {
            for _ in 0..burst.pace {
                tokio::task::yield_now().await;
            }
            let turn = channel.turn.lock();
            let _turn = if channel.kind.keeps_history() { None } else { Some(turn.await) };
            let data = channel.begin(burst.bytes);
            let position = hub.publish(&channel.name, &data).await.unwrap();
            assert_eq!(position.is_some(), channel.kind.keeps_history(), "{:?}", channel.kind);
            let said = position.map(|at| Said { epoch: at.epoch.to_string(), offset: at.offset });
            channel.finish(said, data);
        }
    }
}

impl Channel {
    fn new(kind: Kind, case: u64) -> Self {
        Self {
            kind,
            name: kind.channel(case),
            begun: AtomicU64::new(0),
            done: AtomicU64::new(0),
            highest: AtomicU64::new(0),
            published: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Something will be published, with so much data that nothing else has in this channel.
    pub(super) fn begin(&self, bytes: usize) -> String {
        let number = self.begun.fetch_add(1, SeqCst) + 1;
        format!("{number:.<bytes$}")
    }

    /// It was published, with this position if the publisher was told one.
    pub(super) fn finish(&self, position: Option<Said>, data: String) {
        let mut published = self.published.lock().unwrap();
        match position {
            Some(position) => {
                self.highest.fetch_max(position.offset, SeqCst);
                published.placed.push((position, data));
            }
            None => published.ordered.push(data),
        }
        self.done.fetch_add(1, SeqCst);
    }

    /// How much is in the channel for certain.
    pub(super) fn least(&self) -> u64 {
        self.done.load(SeqCst).max(self.highest.load(SeqCst))
    }

    /// From what was certain before to what may be in the channel now.
    pub(super) fn since(&self, least: u64) -> RangeInclusive<u64> {
        least..=self.begun.load(SeqCst)
    }

    pub(super) fn most(&self) -> u64 {
        self.begun.load(SeqCst)
    }

    /// What was published since the last call.
    pub(super) fn take(&self) -> Published {
        mem::take(&mut *self.published.lock().unwrap())
    }
}
