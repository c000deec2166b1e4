//! A message while its parts arrive. It grows with the bytes received and never by what a header announces.

use super::message::Message;
use super::text::PartialText;
use super::violation::Violation;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a message's first frame says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageKind {
    Text,
    Binary,
}

impl MessageKind {
    /// The message whose whole payload is `payload`: one check, one copy.
    pub(super) fn message(self, payload: &[u8]) -> Result<Message, Violation> {
        match self {
            Self::Text => std::str::from_utf8(payload).map(Message::from).map_err(|_| Violation::InvalidUtf8),
            Self::Binary => Ok(Bytes::copy_from_slice(payload).into()),
        }
    }
}

/// The payload received so far, and the number of frames that it came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Assembly {
    pub(super) frames: u32,
    payload: Payload,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Payload {
    Text(PartialText),
    Binary(#[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")] Vec<u8>),
}

/// As bytes and not as a list of numbers, where the format knows the difference.
fn write_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

fn read_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    Bytes::deserialize(deserializer).map(Vec::from)
}

impl Assembly {
    /// An empty message at its first frame.
    pub(super) fn new(kind: MessageKind) -> Self {
        let payload = match kind {
            MessageKind::Text => Payload::Text(PartialText::EMPTY),
            MessageKind::Binary => Payload::Binary(Vec::new()),
        };
        Self { frames: 1, payload }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), Violation> {
        match &mut self.payload {
            Payload::Text(text) => text.push(chunk),
            Payload::Binary(bytes) => {
                bytes.extend_from_slice(chunk);
                Ok(())
            }
        }
    }

    pub(super) fn finish(self) -> Result<Message, Violation> {
        match self.payload {
            Payload::Text(text) => text.finish().map(Message::from),
            Payload::Binary(bytes) => Ok(bytes.into()),
        }
    }

    /// The number of payload bytes received.
    pub(super) fn len(&self) -> usize {
        match &self.payload {
            Payload::Text(text) => text.len(),
            Payload::Binary(bytes) => bytes.len(),
        }
    }

    /// The memory that a boxed message takes.
    pub(super) fn heap_bytes(&self) -> usize {
        let payload = match &self.payload {
            Payload::Text(text) => text.capacity(),
            Payload::Binary(bytes) => bytes.capacity(),
        };
        size_of::<Self>() + payload
    }
}
