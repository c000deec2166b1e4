//! What a hook knows of its connection, and the verbs it has for it.

use std::{net::SocketAddr, sync::Arc};

use bytestring::ByteString;

use crate::{CloseCode, ConnectionId, Hub, HubError, Identity, Message, codec::CloseFrame};

/// A connection, as hooks see it: cheap to clone, and free to be kept and used from anywhere after the hook has ended.
#[derive(Clone)]
pub struct Socket {
    shared: Arc<Shared>,
}

struct Shared {
    id: ConnectionId,
    identity: Identity,
    peer: Option<SocketAddr>,
    hub: Hub,
}

impl Socket {
    pub(crate) fn new(id: ConnectionId, identity: Identity, peer: Option<SocketAddr>, hub: Hub) -> Self {
        Self { shared: Arc::new(Shared { id, identity, peer, hub }) }
    }

    /// The connection's id.
    pub fn id(&self) -> ConnectionId {
        self.shared.id
    }

    /// Who `authenticate` said it is.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// The other end of the TCP connection; behind a proxy that is the proxy.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.shared.peer
    }

    /// The hub, to reach everybody else.
    pub fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    /// Sends a message to this connection.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), HubError> {
        self.hub().send(self.id(), message).await
    }

    /// Subscribes this connection to a channel.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn subscribe(&self, channel: &str) -> Result<(), HubError> {
        self.hub().subscribe(self.id(), channel).await
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
