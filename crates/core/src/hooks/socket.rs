//! What a hook knows of its connection, and the verbs it has for it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use bytestring::ByteString;

use crate::{
    Channel, CloseCode, ConnectionId, Hub, HubError, Identity, Since, Target, Verb, codec::CloseFrame,
    hub::Content,
};

/// A connection, as hooks see it: cheap to clone, and free to be kept and used from anywhere after the hook has ended.
#[derive(Clone)]
pub struct Socket {
    shared: Arc<Shared>,
    /// While a client connects: how far it had come with the server's subscriptions of an earlier connection. Weak, so
    /// that an application that keeps the socket does not keep what the client said.
    positions: Weak<Positions>,
}

/// How far a client had come, by channel.
pub(crate) type Positions = HashMap<String, Since>;

struct Shared {
    id: ConnectionId,
    /// Nothing for an anonymous connection, and for a client of the protocol before it has connected. Boxed, because so
    /// many connections have none.
    identity: OnceLock<Box<Identity>>,
    /// `on_connect` has begun, so `on_disconnect` will be due.
    opened: AtomicBool,
    peer: Option<SocketAddr>,
    hub: Hub,
}

static NOBODY: Identity = Identity::NOBODY;

impl Socket {
    pub(crate) fn new(
        id: ConnectionId,
        identity: Option<Identity>,
        peer: Option<SocketAddr>,
        hub: Hub,
    ) -> Self {
        let (nobody, opened) = (OnceLock::new(), AtomicBool::new(false));
        let shared = Arc::new(Shared { id, identity: nobody, opened, peer, hub });
        let socket = Self { shared, positions: Weak::new() };
        identity.into_iter().for_each(|identity| socket.identify(identity));
        socket
    }

    /// It is now known who is there. That happens once.
    pub(crate) fn identify(&self, identity: Identity) {
        if identity != NOBODY {
            // A second connect is refused before it comes this far.
            let _ = self.shared.identity.set(Box::new(identity));
        }
    }

    /// `on_connect` begins.
    pub(crate) fn open(&self) {
        self.shared.opened.store(true, Ordering::Release);
    }

    /// Whether `on_connect` has begun.
    pub(crate) fn has_opened(&self) -> bool {
        self.shared.opened.load(Ordering::Acquire)
    }

    /// The same connection, whose subscriptions go on from these positions as long as they exist.
    pub(crate) fn returning(&self, positions: &Arc<Positions>) -> Self {
        Self { shared: Arc::clone(&self.shared), positions: Arc::downgrade(positions) }
    }

    /// The connection's id.
    pub fn id(&self) -> ConnectionId {
        self.shared.id
    }

    /// Who `authenticate`, or the client's token, said it is.
    pub fn identity(&self) -> &Identity {
        self.shared.identity.get().map_or(&NOBODY, Box::as_ref)
    }

    /// The other end of the TCP connection; behind a proxy that is the proxy.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.shared.peer
    }

    /// The hub, to reach everybody else.
    pub fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    /// Sends a message to this connection: see [`Hub::send`].
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn send(&self, content: impl Into<Content>) -> Result<(), HubError> {
        self.hub().send(self.id(), content).await
    }

    /// Subscribes this connection to a channel: see [`Hub::subscribe`]. In `on_connecting` and `on_connect`, a client of
    /// the protocol that comes back gets what it has missed in the channel.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn subscribe(&self, channel: &str) -> Result<(), HubError> {
        let channel = Channel::new(channel)?;
        let positions = self.positions.upgrade();
        let since = positions.and_then(|positions| positions.get(channel.as_str()).cloned());
        self.hub().apply(Verb::Subscribe { target: Target::Connection(self.id()), channel, since }).await
    }

    /// Takes a subscription of this connection back.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn unsubscribe(&self, channel: &str) -> Result<(), HubError> {
        self.hub().unsubscribe(self.id(), channel).await
    }

    /// Closes this connection, after what was sent to it before.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn close(&self, code: CloseCode, reason: impl Into<ByteString>) -> Result<(), HubError> {
        self.hub().disconnect(self.id(), CloseFrame::new(code, reason)).await
    }
}
