//! What a client of the protocol has beyond a raw socket: how far it has come, and until when it may stay.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::{Snapshot, Terms};
use crate::{
    Channel, Identity,
    centrifuge::{Commands, Refreshed},
    deadline::{after, left},
};

/// The state of a client.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) stage: Stage,
    /// What came in and has not been begun.
    pub(super) commands: Commands,
    /// A command is being carried out; its letter brings the answer.
    pub(super) awaits_answer: bool,
    /// Who the upgrade request said it is; taken when the client connects.
    upgraded: Option<Box<Identity>>,
    /// The subscription that the client's command asks for.
    subscribing: Option<Asked>,
    /// When the next ping is due.
    pub(super) ping_due: Instant,
    pub(super) unanswered_pings: u32,
    /// The client has a token, and may bring a new one.
    pub(super) refreshable: bool,
    /// The server has set an end to the connection while the client connected; that counts more than what its token or
    /// its request says.
    pub(super) end_is_set: bool,
}

/// The same as plain data, which another process understands.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SessionState {
    stage: Stage,
    commands: Commands,
    awaits_answer: bool,
    upgraded: Option<Box<Identity>>,
    subscribing: Option<Asked>,
    ping_due_in: Duration,
    unanswered_pings: u32,
    refreshable: bool,
    end_is_set: bool,
}

/// A subscription that is not made yet: the hook decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Asked {
    channel: Channel,
    /// It was taken back meanwhile, so what the hook says counts no more: it may have looked before that.
    revoked: bool,
}

/// How far a client has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Welcome {
    pub(super) subs: BTreeMap<Channel, (Terms, Option<Snapshot>)>,
    /// Bytes of recovered data in it.
    pub(super) bytes: usize,
}

impl Session {
    pub(super) fn new(identity: Identity, now: Instant) -> Self {
        Self {
            stage: Stage::New,
            commands: Commands::default(),
            awaits_answer: false,
            upgraded: Some(Box::new(identity)),
            subscribing: None,
            ping_due: now,
            unanswered_pings: 0,
            refreshable: false,
            end_is_set: false,
        }
    }

    /// What another process needs to go on with it.
    pub(super) fn state(&self, now: Instant) -> SessionState {
        SessionState {
            stage: self.stage.clone(),
            commands: self.commands.clone(),
            awaits_answer: self.awaits_answer,
            upgraded: self.upgraded.clone(),
            subscribing: self.subscribing.clone(),
            ping_due_in: left(now, self.ping_due),
            unanswered_pings: self.unanswered_pings,
            refreshable: self.refreshable,
            end_is_set: self.end_is_set,
        }
    }

    pub(super) fn from_state(state: SessionState, now: Instant) -> Self {
        Self {
            stage: state.stage,
            commands: state.commands,
            awaits_answer: state.awaits_answer,
            upgraded: state.upgraded,
            subscribing: state.subscribing,
            ping_due: after(now, state.ping_due_in),
            unanswered_pings: state.unanswered_pings,
            refreshable: state.refreshable,
            end_is_set: state.end_is_set,
        }
    }

    /// A connect command has come: the first, and nothing but the first, finds who the upgrade request named.
    pub(super) fn begin_to_connect(&mut self) -> Option<Identity> {
        let upgraded = self.upgraded.take()?;
        self.stage = Stage::Connecting(Box::default());
        Some(*upgraded)
    }

    /// The user whom the upgrade request named, until the client connects.
    pub(super) fn upgraded_user(&self) -> Option<&str> {
        self.upgraded.as_deref().and_then(Identity::user_id)
    }

    pub(super) fn begin_subscribing(&mut self, channel: Channel) {
        self.subscribing = Some(Asked { channel, revoked: false });
    }

    /// The hook has decided; true if the subscription was taken back meanwhile.
    pub(super) fn end_subscribing(&mut self) -> bool {
        self.subscribing.take().is_some_and(|asked| asked.revoked)
    }

    /// The server takes a subscription back, also one that is not made yet.
    pub(super) fn revoke(&mut self, channel: &Channel) {
        if let Some(asked) = self.subscribing.as_mut().filter(|asked| asked.channel == *channel) {
            asked.revoked = true;
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
