//! What can be sent to connections past all channels.

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use crate::{Json, Message};

/// A message to connections of any kind.
///
/// | | a raw socket gets | a client of the protocol gets |
/// |---|---|---|
/// | text | a text message | a push whose data is a JSON string |
/// | JSON | a text message | a push with this data |
/// | binary | a binary message | nothing: its wire is JSON |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Content {
    /// A text or binary message.
    Message(Message),
    /// JSON.
    Json(Json),
}

impl Content {
    /// The length in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Message(message) => message.len(),
            Self::Json(json) => json.as_str().len(),
        }
    }
}

impl From<Message> for Content {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

impl From<Json> for Content {
    fn from(json: Json) -> Self {
        Self::Json(json)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Message(text.into())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Message(text.into())
    }
}

impl From<ByteString> for Content {
    fn from(text: ByteString) -> Self {
        Self::Message(text.into())
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Message(bytes.into())
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Message(bytes.into())
    }
}
