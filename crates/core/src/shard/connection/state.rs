//! A connection as plain data: what another process needs to go on with it. Times are distances from the
//! moment of the change.

use std::{
    cell::{Cell, RefCell},
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Connection, Phase, Subscription};
use crate::{
    Channel, ClientInfo, Ended, Identity, Limits, Socket,
    deadline::{after, before, left},
    handover::Rest,
    hub::Place,
    shard::{
        held::Held,
        outbound::{Outbound, OutboundState},
        roster::Audience,
        session::{Session, SessionState},
        transport::Transport,
    },
};

/// Everything that a connection is, but for its byte stream and what its task knows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConnectionState {
    identity: Identity,
    /// `on_connect` has begun, so `on_disconnect` will be due.
    opened: bool,
    subscriptions: Vec<SubscriptionState>,
    session: Option<SessionState>,
    outbound: OutboundState,
    held: Option<Held>,
    phase: Phase,
    ended: Option<Ended>,
    hook_runs: bool,
    age: Duration,
    heard: Duration,
    spoken: Duration,
    pinged: Option<Duration>,
    expires_in: Option<Duration>,
    given_up_in: Option<Duration>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SubscriptionState {
    channel: Channel,
    audience: Audience,
    info: Option<Arc<ClientInfo>>,
    expires_in: Option<Duration>,
    refreshable: bool,
    asked: bool,
}

impl ConnectionState {
    /// Tells the connection's handle who is there.
    pub(in crate::shard) fn introduce(&self, socket: &Socket) {
        socket.identify(self.identity.clone());
        if self.opened {
            socket.open();
        }
    }
}

impl Connection {
    /// What it is now, but for what waits to be written.
    pub(in crate::shard) fn state(&self, now: Instant) -> ConnectionState {
        let ago = |then: Instant| now.saturating_duration_since(then);
        let subscriptions = self.subscriptions.borrow();
        let subscriptions = subscriptions.iter().map(|one| SubscriptionState {
            channel: one.channel.clone(),
            audience: one.audience,
            info: one.info.clone(),
            expires_in: one.expires.map(|expires| left(now, expires)),
            refreshable: one.refreshable,
            asked: one.asked,
        });
        ConnectionState {
            identity: self.socket.identity().clone(),
            opened: self.socket.has_opened(),
            subscriptions: subscriptions.collect(),
            session: self.session().map(|session| session.state(now)),
            outbound: self.outbound.borrow().state(),
            held: self.held.borrow().as_deref().cloned(),
            phase: self.phase.get(),
            ended: self.ended.borrow().as_deref().cloned(),
            hook_runs: self.hook_runs.get(),
            age: ago(self.opened),
            heard: ago(self.heard.get()),
            spoken: ago(self.spoken.get()),
            pinged: self.pinged.get().map(ago),
            expires_in: self.expires.get().map(|expires| left(now, expires)),
            given_up_in: self.deadline.get().map(|deadline| left(now, deadline)),
        }
    }

    /// Reads what is still to be read of what waits to be written.
    pub(in crate::shard) fn read_late(&self) -> io::Result<()> {
        self.outbound.borrow_mut().read_late()
    }

    /// What waits to be written, in pieces.
    pub(in crate::shard) fn unsent(&self) -> Vec<Bytes> {
        self.outbound.borrow().pieces()
    }

    /// Puts a connection together again; nothing if `unsent` is not what waited to be written. Its subscriptions are yet to
    /// be entered into the roster.
    pub(in crate::shard) fn from_state(
        state: ConnectionState,
        unsent: Rest<Bytes>,
        socket: Socket,
        transport: Transport,
        place: Place,
        limits: &Limits,
    ) -> Option<(Self, Vec<Subscription>)> {
        let now = Instant::now();
        let outbound = Outbound::from_state(state.outbound, unsent)?;
        let session = state.session.map(|session| Session::from_state(session, now));
        let connection = Self {
            expires: Cell::new(state.expires_in.map(|time| after(now, time))),
            hook_runs: Cell::new(state.hook_runs),
            outbound: RefCell::new(outbound),
            held: RefCell::new(state.held.map(Box::new)),
            phase: Cell::new(state.phase),
            deadline: Cell::new(state.given_up_in.map(|time| after(now, time))),
            ended: RefCell::new(state.ended.map(Box::new)),
            opened: before(now, state.age),
            heard: Cell::new(before(now, state.heard)),
            spoken: Cell::new(before(now, state.spoken)),
            pinged: Cell::new(state.pinged.map(|time| before(now, time))),
            ..Self::new(socket, transport, place, session, limits)
        };
        let subscriptions = state.subscriptions.into_iter().map(|one| Subscription {
            channel: one.channel,
            audience: one.audience,
            index: 0,
            info: one.info,
            expires: one.expires_in.map(|time| after(now, time)),
            refreshable: one.refreshable,
            asked: one.asked,
        });
        Some((connection, subscriptions.collect()))
    }
}
