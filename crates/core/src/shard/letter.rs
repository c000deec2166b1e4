//! What comes in through a shard's inbox.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{
    moving::Remains,
    outgoing::{Dialect, Outgoing},
    transport::Incoming,
};
use crate::{
    Channel, ConnectionId, Identity, Json, Position, Publication, Stop,
    codec::CloseFrame,
    handover::{Delivery, HandoverError, Link, Packed},
    hooks::Rejection,
    hub::{Place, Target},
};

/// A letter to a shard.
pub(crate) enum Letter {
    /// A socket has been accepted.
    Accept(Box<Newcomer>),
    /// A publication for the channel's subscribers.
    Publish { channel: Channel, outgoing: Arc<Outgoing> },
    /// Somebody has come to a channel or left it: news for those subscribers who want to know.
    News { channel: Channel, outgoing: Arc<Outgoing> },
    /// A message past the channels.
    Send { to: Target, outgoing: Arc<Outgoing> },
    /// A subscription, taken together with the state of the channel: what is published later comes behind this letter.
    /// The channel counts one subscriber for it on this shard; the shard corrects that.
    Subscribe(Box<NewSubscription>),
    /// The end of subscriptions.
    Unsubscribe { target: Target, channel: Channel },
    /// Make clients ask again for their subscriptions in a namespace.
    Renew(Arc<str>),
    /// A new end to the time for which connections are let in.
    Refresh { target: Target, expires: Option<SystemTime> },
    /// Close connections.
    Disconnect { target: Target, close: CloseFrame },
    /// What a client's command came to; what its hook sent is before this letter.
    Answer { connection: ConnectionId, command: u32, outcome: Result<Outcome, Rejection> },
    /// The `on_connect` hook of a raw socket has ended well; what it sent is before this letter.
    Arrive(ConnectionId),
    /// A connection's own task asks for its end: behind everything its hooks have asked for.
    End { connection: ConnectionId, end: End },
    /// Say who is here.
    List(oneshot::Sender<Vec<ConnectionInfo>>),
    /// Stop the tasks of all connections, and say when that is done. What comes in goes on to be worked off.
    Park(oneshot::Sender<()>),
    /// Say that everything before this letter is done.
    Sync(oneshot::Sender<()>),
    /// Pack all parked connections, some at a time.
    Pack { to: mpsc::Sender<Result<Packed, HandoverError>>, most_sockets: usize },
    /// Let go of all parked connections.
    Dissolve(oneshot::Sender<Vec<Remains>>),
    /// Take connections in, and keep them parked.
    Adopt(Delivery),
    /// Let the parked connections go on.
    Resume,
    /// The hub is another process's: sockets that still come in are for it.
    Forward(Link),
    /// Close everybody, now and later, spread over a time.
    Drain { stop: Stop, spread: Duration },
    /// End the shard, and with it every connection that is left.
    Stop,
}

/// A new subscription on its way to its shard.
#[derive(Clone)]
pub(crate) struct NewSubscription {
    pub(crate) target: Target,
    pub(crate) channel: Channel,
    /// Where the channel's stream is, if the subscriber has a position in it.
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) terms: Terms,
}

/// Where a channel's stream is at the moment of a subscription, and what the subscriber has missed in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) position: Position,
    /// Whether all of it was there; nothing when nobody asked.
    pub(crate) recovered: Option<bool>,
    pub(crate) missed: Vec<Publication>,
}

impl Snapshot {
    /// Bytes of data that were missed.
    pub(crate) fn bytes(&self) -> usize {
        self.missed.iter().map(|publication| publication.data.as_str().len()).sum()
    }
}

/// What a subscription is granted with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// The client's command that asked for it; nothing when the server did.
    pub(crate) command: Option<u32>,
    /// The subscriber is told who comes and goes.
    pub(crate) join_leave: bool,
    pub(crate) expires: Option<SystemTime>,
    /// The client has a token, and may bring a new one before it expires.
    pub(crate) refreshable: bool,
    /// What others see of the subscriber.
    pub(crate) info: Option<Json>,
    /// What the subscriber gets along with the reply.
    pub(crate) data: Option<Json>,
}

/// What a client's command came to, when it went well.
pub(crate) enum Outcome {
    /// The reply is all there is to it.
    Reply(crate::centrifuge::Reply),
    /// The client is connected.
    Connect { data: Option<Json>, expires: Option<SystemTime>, refreshable: bool },
    /// The connection may stay until then.
    Refresh { expires: Option<SystemTime> },
    /// The subscription may stay until then.
    SubRefresh { channel: Channel, expires: Option<SystemTime> },
    /// The reply, encoded by another process.
    Written(Bytes),
    /// A letter that was posted meanwhile brings the reply.
    Posted,
    /// There is nothing to say.
    Silent,
}

/// How a connection's task wants it to end.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer has sent a close frame.
    ByPeer(Option<CloseFrame>),
    /// The peer broke the protocol: it is told how, and nothing it says counts any more.
    Violation(CloseFrame),
    /// A hook failed.
    HookFailed,
}

/// A socket on its way to its shard.
pub(crate) struct Newcomer {
    pub(crate) id: ConnectionId,
    pub(crate) dialect: Dialect,
    pub(crate) identity: Identity,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) hub: crate::Hub,
    pub(crate) place: Place,
    pub(crate) transport: Incoming,
    /// Bytes the client sent behind its request, before the answer.
    pub(crate) early: Bytes,
}

impl Newcomer {
    pub(crate) fn shard(&self) -> usize {
        self.place.shard()
    }

    pub(crate) fn early_bytes(&self) -> usize {
        self.early.len()
    }
}

/// An open connection, as [`Hub::connections`](crate::Hub::connections) lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Its id.
    pub id: ConnectionId,
    /// Who `authenticate`, or the client's token, said it is.
    pub identity: Identity,
    /// The other end of the TCP connection.
    pub peer: Option<SocketAddr>,
    /// What it is subscribed to.
    pub channels: Vec<Channel>,
    /// How long it has been open.
    pub age: Duration,
}
