//! The part of a frame's payload that is still to come, unmasked as it is taken off the input.

use super::mask::{turned, unmask};
use serde::{Deserialize, Serialize};

/// The key for the next payload byte, and how many bytes there are left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PayloadRest {
    key: [u8; 4],
    length: usize,
}

impl PayloadRest {
    pub(super) fn new(key: [u8; 4], length: usize) -> Self {
        Self { key, length }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes as much of the payload off `input` as there is, unmasked in place.
    pub(super) fn take<'a>(&mut self, input: &mut &'a mut [u8]) -> &'a mut [u8] {
        let available = self.length.min(input.len());
        let chunk = input.split_off_mut(..available).unwrap_or_default();
        unmask(chunk, self.key);
        self.key = turned(self.key, available);
        self.length -= available;
        chunk
    }
}
