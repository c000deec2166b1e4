//! What a program can ask of the hub, as plain data: a verb can be written down, sent to another process and applied
//! there.

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use crate::{Channel, ConnectionId, Message, codec::CloseFrame};

/// Something the hub is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Verb {
    /// Gives JSON data to everybody who is subscribed to a channel.
    Publish {
        /// Where to.
        channel: Channel,
        /// JSON text.
        data: ByteString,
    },
    /// Sends one message past all channels.
    Send {
        /// Whom to.
        to: Target,
        /// What.
        message: Message,
    },
    /// Subscribes a connection to a channel.
    Subscribe {
        /// The connection.
        connection: ConnectionId,
        /// The channel.
        channel: Channel,
    },
    /// Takes a subscription back.
    Unsubscribe {
        /// The connection.
        connection: ConnectionId,
        /// The channel.
        channel: Channel,
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

impl Verb {
    /// Bytes that the verb's payload takes up in an inbox.
    pub(crate) fn payload_bytes(&self) -> usize {
        match self {
            Self::Publish { data, .. } => data.len(),
            Self::Send { message, .. } => message.len(),
            _ => 0,
        }
    }
}
