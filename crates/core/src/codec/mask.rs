//! The masking of client payloads (RFC 6455, section 5.3).

/// Unmasks `payload` in place; masking it again gives the bytes as they were. `key` is turned so that its first byte
/// belongs to the first byte of `payload`, which it is at the start of a frame.
pub(super) fn unmask(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let key_word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    // Whole words let the compiler use vector instructions; fewer than eight bytes are left for the loop below.
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key_word).to_ne_bytes();
    }
    for (byte, key_byte) in rest.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key_byte;
    }
}

/// The key for the payload bytes that follow the first `length` ones.
pub(super) fn turned(mut key: [u8; 4], length: usize) -> [u8; 4] {
    key.rotate_left(length % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn unmasking_in_two_pieces_equals_the_definition(
            payload in prop::collection::vec(any::<u8>(), 0..100),
            key: [u8; 4],
            cut: prop::sample::Index,
        ) {
            let expected = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect::<Vec<_>>();
            let mut unmasked = payload.clone();
            let (first, second) = unmasked.split_at_mut(cut.index(payload.len() + 1));
            unmask(first, key);
            unmask(second, turned(key, first.len()));
            prop_assert_eq!(unmasked, expected);
        }
    }
}
