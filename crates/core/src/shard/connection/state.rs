//! A connection as plain data: what another shard, or another process, needs to go on with it. Times are distances from the
//! moment of the change.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{Connection, Phase, Subscription};
use crate::{
    Channel, ClientInfo, ConnectionId, Ended, Identity, Limits, Socket,
    deadline::{after, before, left},
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
    pub(crate) id: ConnectionId,
    pub(crate) identity: Identity,
    pub(crate) peer: Option<SocketAddr>,
    /// `on_connect` has begun, so `on_disconnect` will be due.
    pub(crate) opened: bool,
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
    /// Bytes that wait to be written.
    pub(in crate::shard) fn weight(&self) -> usize {
        self.outbound.weight()
    }
}

impl Connection {
    /// Takes a connection apart. Its subscriptions are no longer in the roster.
    pub(in crate::shard) fn into_state(
        self,
        subscriptions: Vec<Subscription>,
    ) -> (ConnectionState, Socket, Transport, Place) {
        let now = Instant::now();
        let ago = |then: Instant| now.saturating_duration_since(then);
        let subscriptions = subscriptions.into_iter().map(|one| SubscriptionState {
            channel: one.channel,
            audience: one.audience,
            info: one.info,
            expires_in: one.expires.map(|expires| left(now, expires)),
            refreshable: one.refreshable,
            asked: one.asked,
        });
        let state = ConnectionState {
            id: self.socket.id(),
            identity: self.socket.identity().clone(),
            peer: self.socket.peer(),
            opened: self.socket.has_opened(),
            subscriptions: subscriptions.collect(),
            session: self.session.map(|session| session.into_inner().into_state(now)),
            outbound: self.outbound.into_inner().into_state(),
            held: self.held.into_inner().map(|held| *held),
            phase: self.phase.get(),
            ended: self.ended.into_inner().map(|ended| *ended),
            hook_runs: self.hook_runs.get(),
            age: ago(self.opened),
            heard: ago(self.heard.get()),
            spoken: ago(self.spoken.get()),
            pinged: self.pinged.get().map(ago),
            expires_in: self.expires.get().map(|expires| left(now, expires)),
            given_up_in: self.deadline.get().map(|deadline| left(now, deadline)),
        };
        (state, self.socket, self.transport, self.place)
    }

    /// Puts a connection together again. Its subscriptions are yet to be entered into the roster.
    pub(in crate::shard) fn from_state(
        state: ConnectionState,
        socket: Socket,
        transport: Transport,
        place: Place,
        limits: &Limits,
    ) -> (Self, Vec<Subscription>) {
        let now = Instant::now();
        let session = state.session.map(|session| Session::from_state(session, now));
        let connection = Self {
            expires: Cell::new(state.expires_in.map(|time| after(now, time))),
            hook_runs: Cell::new(state.hook_runs),
            outbound: RefCell::new(Outbound::from_state(state.outbound)),
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
        (connection, subscriptions.collect())
    }
}
