//! What a program can ask of the hub, as plain data: a verb can be written down, sent to another process and applied
//! there.

use std::{sync::Arc, time::SystemTime};

use serde::{Deserialize, Serialize};

use super::Content;
use crate::{Channel, ClientInfo, ConnectionId, Json, Since, codec::CloseFrame};

/// Something the hub is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Verb {
    /// Gives JSON data to everybody who is subscribed to a channel.
    Publish {
        /// Where to.
        channel: Channel,
        /// What.
        data: Json,
        /// The client that publishes; nothing when the server does.
        info: Option<Arc<ClientInfo>>,
    },
    /// Sends one message past all channels.
    Send {
        /// Whom to.
        to: Target,
        /// What.
        content: Content,
    },
    /// Subscribes connections to a channel.
    Subscribe {
        /// The connections.
        target: Target,
        /// The channel.
        channel: Channel,
        /// How far they have come in it.
        since: Option<Since>,
    },
    /// Takes subscriptions back.
    Unsubscribe {
        /// The connections.
        target: Target,
        /// The channel.
        channel: Channel,
    },
    /// Makes clients ask again for the subscriptions they have in a namespace.
    Renew {
        /// The part of the channels' names before the colon; empty for channels without one.
        namespace: String,
    },
    /// Sets a new end to the time for which connections are let in.
    Refresh {
        /// The connections.
        target: Target,
        /// The end; one that has passed closes them.
        expires: Option<SystemTime>,
    },
    /// Closes connections.
    Disconnect {
        /// Which.
        target: Target,
        /// The close frame they get.
        close: CloseFrame,
    },
}

/// Which connections a verb means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Target {
    /// This one.
    Connection(ConnectionId),
    /// Every connection of this user.
    User(String),
    /// Every connection.
    All,
}

impl From<ConnectionId> for Target {
    fn from(id: ConnectionId) -> Self {
        Self::Connection(id)
    }
}
