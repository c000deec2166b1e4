//! A decoder is plain data: written down at any byte, it goes on in another process.

use super::client::{decode, sent};
use crate::codec::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_decoder_goes_on_where_it_was_written_down(
        sent in prop::collection::vec(sent(), 1..4),
        index: prop::sample::Index,
    ) {
        let bytes = sent.iter().flat_map(|sent| sent.bytes()).collect::<Vec<_>>();
        let (before, after) = bytes.split_at(index.index(bytes.len()));
        let mut decoder = Decoder::new(DecoderLimits::default());
        let (mut events, _) = decode(&mut decoder, before, &[]);

        let state = serde_json::to_string(&decoder).unwrap();
        let mut moved: Decoder = serde_json::from_str(&state).unwrap();
        prop_assert_eq!(&moved, &decoder);

        let (rest, violation) = decode(&mut moved, after, &[]);
        events.extend(rest);
        prop_assert_eq!(violation, None);
        prop_assert_eq!(events, sent.iter().flat_map(|sent| sent.events()).collect::<Vec<_>>());
    }
}

#[test]
fn a_decoder_that_has_ended_stays_so() {
    let mut decoder = Decoder::new(DecoderLimits::default());
    decode(&mut decoder, b"\xFF", &[]);
    let moved: Decoder = serde_json::from_str(&serde_json::to_string(&decoder).unwrap()).unwrap();
    assert!(moved.has_ended());
}
