//! A client frame's header, refused at the first byte that breaks the protocol whatever came before it. Which frame
//! may follow which, and how large a message may become, is the decoder's to say.

use super::encoder::{FINAL, LENGTH_16, LENGTH_64, MAX_CONTROL_BYTES};
use super::inline_bytes::InlineBytes;
use super::opcode::Opcode;
use super::violation::Violation;
use serde::{Deserialize, Serialize};

/// What stands in front of a client's payload (section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) last: bool,
    pub(super) opcode: Opcode,
    pub(super) length: u64,
    pub(super) key: [u8; 4],
}

impl Header {
    /// Reads the header that `bytes` begins with, and says how long it is; `None` if it is not complete.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let Some((&first, bytes)) = bytes.split_first() else { return Ok(None) };
        let opcode = parse_opcode(first)?;
        let last = first & FINAL != 0;
        if opcode.is_control() && !last {
            return Err(Violation::ControlFragmented);
        }

        let Some((&second, bytes)) = bytes.split_first() else { return Ok(None) };
        if second & MASKED == 0 {
            return Err(Violation::NotMasked);
        }
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL_BYTES {
            return Err(Violation::ControlTooLong);
        }

        let Some((length, length_bytes)) = parse_length(short, bytes)? else { return Ok(None) };
        let Some(&key) = bytes.get(length_bytes..).and_then(|bytes| bytes.first_chunk()) else {
            return Ok(None);
        };
        Ok(Some((Self { last, opcode, length, key }, 2 + length_bytes + key.len())))
    }
}

/// The beginning of a header whose rest is still to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartialHeader(InlineBytes<MAX_CLIENT_HEADER_BYTES>);

impl PartialHeader {
    pub(super) const EMPTY: Self = Self(InlineBytes::EMPTY);

    /// Takes a header off `input`; `None` if `input` ends before the header does, of which nothing is left then.
    pub(super) fn take(&mut self, input: &mut &mut [u8]) -> Result<Option<Header>, Violation> {
        if self.0.as_slice().is_empty()
            && let Some((header, header_bytes)) = Header::parse(input)?
        {
            let _read = input.split_off_mut(..header_bytes);
            return Ok(Some(header));
        }
        // A header that arrives in pieces is parsed anew at each byte, so that its payload is left alone.
        while let Some(byte) = input.split_off_mut(..1) {
            self.0.extend(byte);
            if let Some((header, _)) = Header::parse(self.0.as_slice())? {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}

/// Two bytes, a 64-bit length and the masking key.
const MAX_CLIENT_HEADER_BYTES: usize = 14;
const MASKED: u8 = 0x80;
const RESERVED_BITS: u8 = 0x70;
const OPCODE_BITS: u8 = 0x0F;

/// The opcode of a frame without reserved bits. An extension that gives one of them a meaning, as permessage-deflate
/// does to RSV1 on the first frame of a message, has to be known here.
fn parse_opcode(first: u8) -> Result<Opcode, Violation> {
    if first & RESERVED_BITS != 0 {
        return Err(Violation::ReservedBits((first & RESERVED_BITS) >> 4));
    }
    let bits = first & OPCODE_BITS;
    Opcode::from_bits(bits).ok_or(Violation::ReservedOpcode(bits))
}

/// The payload's length, and how many bytes it took behind the short one.
fn parse_length(short: u8, bytes: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    let (length, length_bytes, least) = match short {
        LENGTH_16 => match bytes.first_chunk() {
            Some(&bytes) => (u64::from(u16::from_be_bytes(bytes)), 2, u64::from(LENGTH_16)),
            None => return Ok(None),
        },
        LENGTH_64 => match bytes.first_chunk() {
            Some(&bytes) => (u64::from_be_bytes(bytes), 8, u64::from(u16::MAX) + 1),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, 0),
    };
    if length > i64::MAX as u64 {
        return Err(Violation::LengthTopBit);
    }
    if length < least {
        return Err(Violation::LengthNotMinimal(length));
    }
    Ok(Some((length, length_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses ever longer beginnings of `bytes`, as a slow network would deliver them.
    fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, (Violation, usize)> {
        for length in 0..bytes.len() {
            match Header::parse(&bytes[..length]) {
                Ok(None) => {}
                Ok(Some(_)) => panic!("header is complete after {length} bytes"),
                Err(violation) => return Err((violation, length)),
            }
        }
        Header::parse(bytes).map_err(|violation| (violation, bytes.len()))
    }

    fn length_of(bytes: &[u8]) -> u64 {
        let (header, header_bytes) = parse(bytes).unwrap().unwrap();
        assert_eq!(header_bytes, bytes.len());
        assert_eq!(header.key, *b"KEYS");
        header.length
    }

    #[test]
    fn all_three_lengths_are_read_at_their_borders() {
        assert_eq!(length_of(b"\x82\x80KEYS"), 0);
        assert_eq!(length_of(b"\x82\xFDKEYS"), 125);
        assert_eq!(length_of(b"\x82\xFE\x00\x7EKEYS"), 126);
        assert_eq!(length_of(b"\x82\xFE\xFF\xFFKEYS"), 65_535);
        assert_eq!(length_of(b"\x82\xFF\x00\x00\x00\x00\x00\x01\x00\x00KEYS"), 65_536);
        assert_eq!(length_of(b"\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFKEYS"), i64::MAX as u64);
    }

    #[test]
    fn every_first_byte_with_a_reserved_bit_is_refused_alone() {
        for first in (0..=u8::MAX).filter(|first| first & 0x70 != 0) {
            assert_eq!(parse(&[first]), Err((Violation::ReservedBits((first >> 4) & 7), 1)));
        }
    }

    #[test]
    fn every_reserved_opcode_is_refused_alone() {
        for opcode in (0x3..=0x7).chain(0xB..=0xF) {
            assert_eq!(parse(&[0x80 | opcode]), Err((Violation::ReservedOpcode(opcode), 1)));
            assert_eq!(parse(&[opcode]), Err((Violation::ReservedOpcode(opcode), 1)));
        }
    }

    #[test]
    fn a_fragmented_control_frame_is_refused_at_its_first_byte() {
        for first in [0x08, 0x09, 0x0A] {
            assert_eq!(parse(&[first]), Err((Violation::ControlFragmented, 1)));
        }
    }

    #[test]
    fn an_unmasked_frame_is_refused_at_its_second_byte() {
        assert_eq!(parse(b"\x81\x05Hello"), Err((Violation::NotMasked, 2)));
    }

    #[test]
    fn a_long_control_frame_is_refused_at_its_second_byte() {
        for second in [0xFE, 0xFF] {
            assert_eq!(parse(&[0x89, second]), Err((Violation::ControlTooLong, 2)));
        }
        assert!(parse(b"\x89\xFDKEYS").is_ok());
    }

    #[test]
    fn a_length_that_fits_a_shorter_form_is_refused_before_the_key() {
        assert_eq!(parse(b"\x82\xFE\x00\x7DKEYS"), Err((Violation::LengthNotMinimal(125), 4)));
        let bytes = b"\x82\xFF\x00\x00\x00\x00\x00\x00\xFF\xFFKEYS";
        assert_eq!(parse(bytes), Err((Violation::LengthNotMinimal(65_535), 10)));
    }

    #[test]
    fn a_length_with_its_top_bit_set_is_refused_before_the_key() {
        let bytes = b"\x82\xFF\x80\x00\x00\x00\x00\x00\x00\x00KEYS";
        assert_eq!(parse(bytes), Err((Violation::LengthTopBit, 10)));
    }
}
