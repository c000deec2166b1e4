//! What comes in through a shard's inbox.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::transport::Incoming;
use crate::{
    Channel, ConnectionId, Identity,
    codec::CloseFrame,
    hub::{Place, Target},
};

/// A letter to a shard. Frames are encoded already, and shared by all who get them.
pub(crate) enum Letter {
    /// A socket has been accepted.
    Accept(Box<Newcomer>),
    /// A publication for the channel's subscribers.
    Publish { channel: Channel, frame: Bytes },
    /// A message past the channels.
    Send { to: Target, frame: Bytes },
    /// The audience counts this subscriber already; the shard takes it back if there is no such connection.
    Subscribe { connection: ConnectionId, channel: Channel },
    /// The end of a subscription.
    Unsubscribe { connection: ConnectionId, channel: Channel },
    /// Close connections.
    Disconnect { target: Target, close: CloseFrame },
    /// The `on_connect` hook of a connection has ended well; what it sent is before this letter.
    Arrive(ConnectionId),
    /// A connection's own task asks for its end: behind everything its hooks have asked for.
    End { connection: ConnectionId, end: End },
    /// Say who is here.
    List(oneshot::Sender<Vec<ConnectionInfo>>),
    /// Close everybody, now and later, spread over a time.
    Drain { close: CloseFrame, spread: Duration },
    /// End the shard, and with it every connection that is left.
    Stop,
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
    /// Who `authenticate` said it is.
    pub identity: Identity,
    /// The other end of the TCP connection.
    pub peer: Option<SocketAddr>,
    /// What it is subscribed to.
    pub channels: Vec<Channel>,
    /// How long it has been open.
    pub age: Duration,
}
