//! What time does to a connection: heartbeats, silence, and the end of what it was let in for.

use std::time::Instant;

use bytes::Bytes;

use super::{Connection, Phase};
use crate::{
    Limits,
    deadline::after,
    shard::{ending::Ending, outgoing::Dialect, session::Stage},
};

impl Connection {
    /// Bytes have come in. They show that a raw socket is alive; a client of the protocol has to say so.
    pub(in crate::shard) fn hear(&self) {
        self.heard.set(Instant::now());
        if self.dialect() == Dialect::Raw {
            self.pinged.set(None);
        }
    }

    /// A message has come in.
    pub(in crate::shard) fn note_message(&self) {
        self.spoken.set(self.heard.get());
    }

    /// A hook has ended; while it ran nothing could be heard, and the peer may have waited for it before it goes on.
    pub(in crate::shard) fn forgive_silence(&self) {
        self.hook_runs.set(false);
        self.hear();
        self.spoken.set(self.heard.get());
        if let Some(pinged) = self.pinged.get() {
            self.pinged.set(Some(pinged.max(self.heard.get())));
        }
    }

    /// Looks at the clock: gives up closing connections, pings, closes dead, idle and expired ones.
    pub(in crate::shard) fn tick(&self, now: Instant, limits: &Limits, ping: &Bytes) {
        if self.phase.get() != Phase::Open {
            if self.deadline.get().is_some_and(|deadline| now >= deadline) {
                self.give_up();
            }
            return;
        }
        if self.expires.get().is_some_and(|expires| now >= expires) {
            return self.close_for(Ending::Expired);
        }
        if !self.hook_runs.get() && self.is_silent(now, limits) {
            return;
        }
        let asked = self.pinged.get().is_some() && !self.hook_runs.get();
        if !asked && self.ping_is_due(now, limits) {
            self.pinged.set(Some(now));
            self.outbound.borrow_mut().append(ping.clone());
            self.flush_or_wake();
        }
    }

    /// Closes a connection whose peer has been silent for too long. While a hook runs nothing is read, and silence means
    /// nothing.
    fn is_silent(&self, now: Instant, limits: &Limits) -> bool {
        let idle =
            limits.idle_timeout.is_some_and(|timeout| now.duration_since(self.spoken.get()) >= timeout);
        if idle || self.has_not_connected(now, limits) {
            self.close_for(Ending::Idle);
            return true;
        }
        let Some(pinged) = self.pinged.get() else { return false };
        // A peer that takes what is written is alive, however long the ping has to wait behind it.
        if self.outbound.borrow_mut().take_progress() {
            self.pinged.set(Some(now));
        } else if now.duration_since(pinged) >= limits.pong_timeout {
            self.close_for(Ending::NoPong);
            return true;
        }
        false
    }

    /// A client of the protocol has answered a ping; false if it was not asked.
    pub(in crate::shard) fn pong(&self) -> bool {
        let Some(mut session) = self.session() else { return false };
        let asked = session.unanswered_pings > 0;
        session.unanswered_pings = session.unanswered_pings.saturating_sub(1);
        if session.unanswered_pings == 0 {
            self.pinged.set(None);
        }
        asked
    }

    fn has_not_connected(&self, now: Instant, limits: &Limits) -> bool {
        let connecting =
            self.session().is_some_and(|session| matches!(session.stage, Stage::New | Stage::Refused));
        connecting && now.duration_since(self.opened) >= limits.connect_timeout
    }

    /// A raw socket is asked when it has been silent. A client of the protocol expects pings at equal distances, also while
    /// it waits for what a command comes to; its pongs are read behind that.
    fn ping_is_due(&self, now: Instant, limits: &Limits) -> bool {
        let Some(mut session) = self.session() else {
            return !self.hook_runs.get() && now.duration_since(self.heard.get()) >= limits.ping_interval;
        };
        let due = matches!(session.stage, Stage::Connected) && now >= session.ping_due;
        if due {
            session.ping_due = after(now, limits.ping_interval);
            session.unanswered_pings = session.unanswered_pings.saturating_add(1);
        }
        due
    }
}
