//! What a client of the protocol has beyond a raw socket: how far it has come, and until when it may stay.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    Channel, Identity,
    centrifuge::{Refreshed, SubscribeResult},
};

/// The state of a client.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) stage: Stage,
    /// A command is being carried out; its letter brings the answer.
    pub(super) awaits_answer: bool,
    /// Who the upgrade request said it is; taken when the client connects.
    pub(super) upgraded: Option<Box<Identity>>,
    /// When the next ping is due.
    pub(super) ping_due: Instant,
    /// The client has a token, and may bring a new one.
    pub(super) refreshable: bool,
}

/// How far a client has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has not said who it is yet.
    New,
    /// Its connect command is being carried out. What it gets meanwhile waits.
    Connecting(Box<Welcome>),
    Connected,
    /// Its connect command was refused; it may only leave.
    Refused,
}

/// What the reply to a connect command will say.
#[derive(Debug, Default)]
pub(super) struct Welcome {
    pub(super) subs: BTreeMap<Channel, SubscribeResult>,
    /// Bytes of recovered data in it.
    pub(super) bytes: usize,
}

impl Session {
    pub(super) fn new(identity: Identity, now: Instant) -> Self {
        Self {
            stage: Stage::New,
            awaits_answer: false,
            upgraded: Some(Box::new(identity)),
            ping_due: now,
            refreshable: false,
        }
    }
}

/// When a time of the calendar comes, on the clock that only goes forward.
pub(super) fn deadline(expires: SystemTime, grace: Duration) -> Option<Instant> {
    let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now().checked_add(left)?.checked_add(grace)
}

/// What a client is told of the end of something.
pub(super) fn refreshed(expires: Option<SystemTime>) -> Refreshed {
    let left = expires.map(|expires| expires.duration_since(SystemTime::now()).unwrap_or_default());
    Refreshed { expires: expires.is_some(), ttl: left.map_or(0, |left| left.as_secs().max(1)) }
}
