//! The ways in which a client's bytes break the protocol or a limit, each with the close code that answers it.

use super::close::CloseCode;

/// Why a decoder refused the bytes it was given. The connection has to be closed with [`code`](Self::code); the
/// decoder decodes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A reserved bit is set although no extension was negotiated (section 5.2). Carries RSV1 to RSV3 as 4, 2 and 1.
    #[error("frame sets reserved bits {0:03b} without a negotiated extension")]
    ReservedBits(u8),
    /// The opcode is one of the ten that nobody has defined (section 5.2).
    #[error("frame has the reserved opcode {0:#x}")]
    ReservedOpcode(u8),
    /// A client has to mask every frame (section 5.1).
    #[error("client frame is not masked")]
    NotMasked,
    /// The length is written in more bytes than it needs (section 5.2).
    #[error("frame length {0} is not written in its shortest form")]
    LengthNotMinimal(u64),
    /// The 64-bit length has its top bit set (section 5.2).
    #[error("64-bit frame length has its top bit set")]
    LengthTopBit,
    /// A close, ping or pong of more than 125 bytes (section 5.5).
    #[error("control frame is longer than 125 bytes")]
    ControlTooLong,
    /// A close, ping or pong that is not a whole frame (section 5.5).
    #[error("control frame is fragmented")]
    ControlFragmented,
    /// A continuation frame while no message is being received (section 5.4).
    #[error("continuation frame without a message to continue")]
    ContinuationWithoutStart,
    /// A text or binary frame before the fragmented message in front of it has ended (section 5.4).
    #[error("new message begins inside a fragmented one")]
    MessageInterrupted,
    /// The message would be longer than the connection's limit, by the lengths its frames declare.
    #[error("message is longer than {limit} bytes")]
    MessageTooBig {
        /// The limit, in bytes of payload.
        limit: usize,
    },
    /// The message has more frames than the connection's limit.
    #[error("message has more than {limit} frames")]
    TooManyFragments {
        /// The limit, in frames.
        limit: u32,
    },
    /// The text received so far can no longer become valid UTF-8, or ends inside a character (section 8.1).
    #[error("text message is not valid UTF-8")]
    InvalidUtf8,
    /// A close frame with a payload of one byte, too short for a code (section 5.5.1).
    #[error("close frame has a payload of one byte")]
    CloseCodeTruncated,
    /// A close frame with a code that must not be sent (section 7.4).
    #[error("close frame has the invalid code {0}")]
    InvalidCloseCode(u16),
    /// A close frame with a reason that is not valid UTF-8 (section 5.5.1).
    #[error("close reason is not valid UTF-8")]
    InvalidCloseReason,
}

impl Violation {
    /// The code to close the connection with: 1002, 1007 or 1009.
    pub const fn code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCloseReason => CloseCode::INVALID,
            Self::MessageTooBig { .. } | Self::TooManyFragments { .. } => CloseCode::TOO_BIG,
            _ => CloseCode::PROTOCOL,
        }
    }
}
