//! Close, ping and pong frames: at most 125 bytes, never fragmented, allowed between the frames of a message (section 5.5).

use super::close::CloseFrame;
use super::event::Event;
use super::payload::PayloadRest;
use super::violation::Violation;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Which of the three it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ControlKind {
    Close,
    Ping,
    Pong,
}

impl ControlKind {
    /// What a whole frame of this kind means.
    pub(super) fn event(self, payload: &[u8]) -> Result<Event, Violation> {
        match self {
            Self::Close => CloseFrame::parse(payload).map(Event::Close),
            Self::Ping => Ok(Event::Ping(Bytes::copy_from_slice(payload))),
            Self::Pong => Ok(Event::Pong(Bytes::copy_from_slice(payload))),
        }
    }
}

/// A control frame that arrives in more than one piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ControlFrame {
    kind: ControlKind,
    rest: PayloadRest,
    payload: Vec<u8>,
}

impl ControlFrame {
    pub(super) fn new(kind: ControlKind, rest: PayloadRest) -> Self {
        Self { kind, rest, payload: Vec::new() }
    }

    /// Takes what there is off `input`; `true` once the frame is complete.
    pub(super) fn take(&mut self, input: &mut &mut [u8]) -> bool {
        self.payload.extend_from_slice(self.rest.take(input));
        self.rest.is_empty()
    }

    pub(super) fn kind(&self) -> ControlKind {
        self.kind
    }

    /// The payload received so far.
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The memory that a boxed frame takes.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.payload.capacity()
    }
}
