//! What holds for every stream, however the network divides it.

use super::client::{cuts, decode, sent};
use crate::codec::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn every_layout_and_every_split_decodes_to_what_was_sent(
        sent in prop::collection::vec(sent(), 0..6),
        indexes in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes = sent.iter().flat_map(|sent| sent.bytes()).collect::<Vec<_>>();
        let expected = sent.iter().flat_map(|sent| sent.events()).collect::<Vec<_>>();
        let mut decoder = Decoder::new(DecoderLimits::default());
        let (events, violation) = decode(&mut decoder, &bytes, &cuts(&bytes, &indexes));
        prop_assert_eq!(violation, None);
        prop_assert_eq!(events, expected);
        prop_assert_eq!(decoder.heap_bytes(), 0);
        prop_assert_eq!(decoder, Decoder::new(DecoderLimits::default()));
    }

    #[test]
    fn arbitrary_bytes_neither_panic_nor_outgrow_what_was_received(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x01), Just(0x82), Just(0x83), Just(0xFE)], 0..200),
        indexes in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut decoder = Decoder::new(DecoderLimits::for_message_bytes(usize::MAX));
        let mut received = bytes.clone();
        let mut start = 0;
        for end in cuts(&bytes, &indexes) {
            let mut input = &mut received[start..end];
            while let Ok(Some(_)) = decoder.decode(&mut input) {}
            // A growing vector doubles its room, and two boxes may be in use at once.
            prop_assert!(decoder.heap_bytes() <= 2 * end + 256, "{} for {end}", decoder.heap_bytes());
            start = end;
        }
    }

    #[test]
    fn a_stream_means_the_same_however_it_is_divided(
        sent in prop::collection::vec(sent(), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        indexes in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut bytes = sent.iter().flat_map(|sent| sent.bytes()).collect::<Vec<_>>();
        for (index, byte) in damage {
            *index.get_mut(&mut bytes) = byte;
        }
        let limits = DecoderLimits { max_message_bytes: 70_000, max_fragments: 3 };
        let whole = decode(&mut Decoder::new(limits), &bytes, &[]);
        let divided = decode(&mut Decoder::new(limits), &bytes, &cuts(&bytes, &indexes));
        prop_assert_eq!(whole, divided);
    }
}
