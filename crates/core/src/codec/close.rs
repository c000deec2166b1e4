//! Close frames and their codes (RFC 6455, sections 5.5.1 and 7.4).

use super::violation::Violation;
use bytestring::ByteString;
use std::fmt;

/// A code that may stand in a close frame, in either direction: 1000 to 1003, 1007 to 1014 and 3000 to 4999.
///
/// 1005 (no code received), 1006 (no close frame received) and 1015 (TLS failed) are words of local interfaces that
/// never travel, so they cannot be expressed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The server stops, or the browser leaves the page.
    pub const AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// A type of data that the receiver has no use for, such as binary.
    pub const UNSUPPORTED: Self = Self(1003);
    /// Data that is not what its type says, such as text that is not UTF-8.
    pub const INVALID: Self = Self(1007);
    /// The receiver's policy forbids it, where no other code fits.
    pub const POLICY: Self = Self(1008);
    /// A message larger than the receiver takes.
    pub const TOO_BIG: Self = Self(1009);
    /// The client misses an extension. A client's word: a server uses it only to echo it.
    pub const EXTENSION: Self = Self(1010);
    /// The server met a condition that it did not expect.
    pub const ERROR: Self = Self(1011);
    /// The server restarts; come back after a short random delay.
    pub const RESTART: Self = Self(1012);
    /// The server is overloaded; come back later.
    pub const TRY_AGAIN: Self = Self(1013);
    /// A gateway got an invalid answer from the server behind it.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code with this number; `None` if it must not stand in a close frame.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for CloseCode {
    type Error = InvalidCloseCode;

    fn try_from(code: u16) -> Result<Self, InvalidCloseCode> {
        Self::new(code).ok_or(InvalidCloseCode(code))
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.get()
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A number that must not stand in a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a close code; use 1000-1003, 1007-1014 or 3000-4999")]
pub struct InvalidCloseCode(pub u16);

/// What a close frame says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct CloseFrame {
    /// Why the connection ends.
    pub code: CloseCode,
    /// The same for a person to read; may be empty. The encoder cuts it to 123 bytes, which is all that fits.
    pub reason: ByteString,
}

impl CloseFrame {
    /// A close frame with this code and reason.
    pub fn new(code: CloseCode, reason: impl Into<ByteString>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// Reads a close frame's payload; `None` if it is empty.
    pub(super) fn parse(payload: &[u8]) -> Result<Option<Self>, Violation> {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return if payload.is_empty() { Ok(None) } else { Err(Violation::CloseCodeTruncated) };
        };
        let code = u16::from_be_bytes(*code);
        let code = CloseCode::new(code).ok_or(Violation::InvalidCloseCode(code))?;
        let reason = std::str::from_utf8(reason).map_err(|_| Violation::InvalidCloseReason)?;
        Ok(Some(Self::new(code, reason)))
    }
}

impl From<Violation> for CloseFrame {
    /// The close frame that tells a client what it did wrong.
    fn from(violation: Violation) -> Self {
        Self::new(violation.code(), violation.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_that_may_travel() {
        let valid = (0..=u16::MAX).filter(|&code| CloseCode::new(code).is_some());
        assert!(valid.eq((1000..=1003).chain(1007..=1014).chain(3000..=4999)));
    }

    #[test]
    fn an_empty_payload_has_no_code() {
        assert_eq!(CloseFrame::parse(b""), Ok(None));
    }

    #[test]
    fn one_byte_is_too_short_for_a_code() {
        assert_eq!(CloseFrame::parse(b"\x03"), Err(Violation::CloseCodeTruncated));
    }

    #[test]
    fn code_and_reason_are_read() {
        let expected = CloseFrame::new(CloseCode::AWAY, "für immer");
        assert_eq!(
            CloseFrame::parse("\u{3}\u{0}für immer".as_bytes()),
            Err(Violation::InvalidCloseCode(0x0300))
        );
        assert_eq!(CloseFrame::parse(&[b"\x03\xE9", "für immer".as_bytes()].concat()), Ok(Some(expected)));
    }

    #[test]
    fn a_reason_has_to_be_utf8() {
        assert_eq!(CloseFrame::parse(b"\x03\xE8\xCE"), Err(Violation::InvalidCloseReason));
    }

    #[test]
    fn every_violation_fits_into_a_close_frame_uncut() {
        let longest = Violation::MessageTooBig { limit: usize::MAX };
        assert!(CloseFrame::from(longest).reason.len() <= 123);
        assert!(CloseFrame::from(Violation::LengthNotMinimal(u64::MAX)).reason.len() <= 123);
    }
}
