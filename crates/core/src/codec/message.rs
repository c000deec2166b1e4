//! A whole application message, of either direction.

use super::encoder::encode;
use super::opcode::Opcode;
use bytes::Bytes;
use bytestring::ByteString;

/// A text or binary message. Cloning one shares its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Message {
    /// Valid UTF-8.
    Text(ByteString),
    /// Any bytes.
    Binary(Bytes),
}

impl Message {
    /// The payload.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The payload's length in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty, which is a legal message.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The message as one unmasked frame, ready to be written to any number of clients.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Text(text) => encode(Opcode::Text, text.as_bytes()),
            Self::Binary(bytes) => encode(Opcode::Binary, bytes),
        }
    }
}

impl From<ByteString> for Message {
    fn from(text: ByteString) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}
