//! How much a single message may ask of a connection's decoder.

use serde::{Deserialize, Serialize};

/// The bounds of one incoming message. A control frame is bounded by the protocol itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecoderLimits {
    /// The longest message, in bytes of payload over all its frames. 1 MiB by default.
    pub max_message_bytes: usize,
    /// The most frames a message may be made of. An empty frame adds nothing to the bytes, so without this bound a
    /// message could go on for ever. One per 64 bytes of `max_message_bytes` by default, and never less than 16 384.
    pub max_fragments: u32,
}

impl DecoderLimits {
    /// The limits for messages of up to `bytes`, with the default number of fragments for that size.
    pub fn for_message_bytes(bytes: usize) -> Self {
        let fragments = u32::try_from(bytes / BYTES_PER_FRAGMENT).unwrap_or(u32::MAX);
        Self { max_message_bytes: bytes, max_fragments: fragments.max(FEWEST_FRAGMENTS) }
    }
}

impl Default for DecoderLimits {
    fn default() -> Self {
        Self::for_message_bytes(DEFAULT_MESSAGE_BYTES)
    }
}

/// Far above what interactive messages need, far below what would hurt a server with many connections.
const DEFAULT_MESSAGE_BYTES: usize = 1024 * 1024;

/// The smallest average fragment that conformance suites send in a large message.
const BYTES_PER_FRAGMENT: usize = 64;

/// A fragment costs no memory of its own, only its header's decoding, so a small message may have many.
const FEWEST_FRAGMENTS: u32 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_follow_the_bytes_above_a_floor() {
        assert_eq!(DecoderLimits::for_message_bytes(0).max_fragments, 16_384);
        assert_eq!(DecoderLimits::default().max_fragments, 16_384);
        assert_eq!(DecoderLimits::for_message_bytes(32 * 1024 * 1024).max_fragments, 524_288);
        assert_eq!(DecoderLimits::for_message_bytes(usize::MAX).max_fragments, u32::MAX);
    }
}
