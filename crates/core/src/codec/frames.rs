//! Takes a buffer of our own encoded frames apart again, for a writer that wants them one by one.

use super::encoder::{LENGTH_16, LENGTH_64};
use super::opcode::Opcode;
use std::ops::Range;

/// The frames in `buffer`, which [`encode`](super::encode) wrote one after the other, each with the range of its
/// payload in `buffer`.
///
/// Ends at the first byte that is not a whole frame of ours; a client's frames, being masked, are none.
pub fn frames(buffer: &[u8]) -> Frames<'_> {
    Frames { buffer, position: 0 }
}

/// The iterator of [`frames`].
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    buffer: &'a [u8],
    position: usize,
}

impl Iterator for Frames<'_> {
    type Item = (Opcode, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let (opcode, header_bytes, length) = parse_header(self.buffer.get(self.position..)?)?;
        let start = self.position.checked_add(header_bytes)?;
        let payload = start..start.checked_add(length)?;
        self.buffer.get(payload.clone())?;
        self.position = payload.end;
        Some((opcode, payload))
    }
}

/// The opcode, the header's length and the payload's.
fn parse_header(bytes: &[u8]) -> Option<(Opcode, usize, usize)> {
    let (&[first, short], rest) = bytes.split_first_chunk()?;
    let (header_bytes, length) = match short {
        LENGTH_16 => (4, u16::from_be_bytes(*rest.first_chunk()?).into()),
        LENGTH_64 => (10, usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?),
        short if short < LENGTH_16 => (2, short.into()),
        _ => return None,
    };
    Some((Opcode::from_bits(first & 0x0F)?, header_bytes, length))
}

#[cfg(test)]
mod tests {
    use super::super::encoder::{encode, encode_close};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_unfinished_frame_ends_the_iteration() {
        let whole = encode(Opcode::Text, b"whole");
        let buffer = [&whole[..], &whole[..whole.len() - 1]].concat();
        assert_eq!(frames(&buffer).collect::<Vec<_>>(), [(Opcode::Text, 2..7)]);
    }

    #[test]
    fn a_masked_frame_is_not_ours() {
        assert_eq!(frames(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").count(), 0);
    }

    #[test]
    fn a_length_beyond_every_buffer_is_no_frame() {
        assert_eq!(frames(b"\x82\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF").count(), 0);
    }

    #[test]
    fn an_empty_close_frame_is_a_frame() {
        assert_eq!(frames(&encode_close(None)).collect::<Vec<_>>(), [(Opcode::Close, 2..2)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_was_encoded_comes_back(lengths in prop::collection::vec(
            prop_oneof![0_usize..300, 65_530_usize..65_540], 0..6,
        )) {
            let payloads = lengths.iter().map(|&length| vec![7; length]).collect::<Vec<_>>();
            let buffer = payloads.iter().flat_map(|payload| encode(Opcode::Binary, payload)).collect::<Vec<_>>();
            let found = frames(&buffer).map(|(_, payload)| buffer[payload].to_vec()).collect::<Vec<_>>();
            prop_assert_eq!(found, payloads);
        }

        #[test]
        fn any_buffer_yields_ranges_inside_it(buffer in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(frames(&buffer).all(|(_, payload)| payload.end <= buffer.len()));
        }
    }
}
