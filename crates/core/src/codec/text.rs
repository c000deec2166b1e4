//! The text of a message while its parts arrive: valid UTF-8 so far, or refused at the first byte that rules it out.

use super::inline_bytes::InlineBytes;
use super::violation::Violation;
use serde::{Deserialize, Serialize};

/// The valid text received so far, and the first bytes of a character that is not complete yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartialText {
    text: String,
    /// At most three bytes between two chunks; room for the fourth that completes the character.
    incomplete: InlineBytes<4>,
}

impl PartialText {
    pub(super) const EMPTY: Self = Self { text: String::new(), incomplete: InlineBytes::EMPTY };

    /// Appends a chunk, which may begin and end inside a character.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), Violation> {
        let chunk = self.complete_character(chunk)?;
        let Err(error) = std::str::from_utf8(chunk).map(|text| self.text.push_str(text)) else {
            return Ok(());
        };
        // An error without a length means that the chunk ended too early, and nothing worse.
        if error.error_len().is_some() {
            return Err(Violation::InvalidUtf8);
        }
        let (valid, incomplete) = chunk.split_at(error.valid_up_to());
        // Only a chunk that ends inside a character is looked at twice.
        self.text.push_str(std::str::from_utf8(valid).map_err(|_| Violation::InvalidUtf8)?);
        self.incomplete.extend(incomplete);
        Ok(())
    }

    /// The whole text, unless it ends inside a character.
    pub(super) fn finish(self) -> Result<String, Violation> {
        if self.incomplete.as_slice().is_empty() { Ok(self.text) } else { Err(Violation::InvalidUtf8) }
    }

    /// The number of bytes received.
    pub(super) fn len(&self) -> usize {
        self.text.len() + self.incomplete.as_slice().len()
    }

    /// The number of bytes allocated.
    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Gives the waiting character its next bytes, one by one, and returns what follows it.
    fn complete_character<'a>(&mut self, mut chunk: &'a [u8]) -> Result<&'a [u8], Violation> {
        while !self.incomplete.as_slice().is_empty() {
            let Some(byte) = chunk.split_off(..1) else { break };
            self.incomplete.extend(byte);
            match std::str::from_utf8(self.incomplete.as_slice()) {
                Ok(character) => {
                    self.text.push_str(character);
                    self.incomplete = InlineBytes::EMPTY;
                }
                Err(error) if error.error_len().is_some() => return Err(Violation::InvalidUtf8),
                Err(_) => {}
            }
        }
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether some continuation makes `bytes` valid. Knows nothing of UTF-8 but that a character has at most three
    /// continuation bytes and that their first one falls into one of three ranges, which these bytes stand for.
    fn may_become_valid(bytes: &[u8], missing: usize) -> bool {
        std::str::from_utf8(bytes).is_ok()
            || missing > 0
                && [0x80, 0x90, 0xA0]
                    .iter()
                    .any(|&next| may_become_valid(&[bytes, &[next]].concat(), missing - 1))
    }

    /// The number of bytes after which no continuation could be valid any more.
    fn first_hopeless(bytes: &[u8]) -> Option<usize> {
        (1..=bytes.len()).find(|&length| !may_become_valid(&bytes[..length], 3))
    }

    fn refused_after(bytes: &[u8]) -> Option<usize> {
        let mut text = PartialText::EMPTY;
        bytes.iter().position(|&byte| text.push(&[byte]).is_err()).map(|index| index + 1)
    }

    /// Bytes that are valid for a while: characters of every length and at every border, with bad bytes in between.
    fn nearly_text() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            4 => any::<char>().prop_map(|character| character.to_string().into_bytes()),
            1 => prop::collection::vec(any::<u8>(), 1..3),
            2 => prop::sample::select(vec![
                b"\xE0\xA0".to_vec(), b"\xED\x9F".to_vec(), b"\xED\xA0".to_vec(), b"\xF0\x90".to_vec(),
                b"\xF0\x8F".to_vec(), b"\xF4\x8F".to_vec(), b"\xF4\x90".to_vec(), b"\xC1".to_vec(), b"\xF5".to_vec(),
            ]),
        ];
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    #[test]
    fn two_bytes_are_refused_where_no_character_can_begin_with_them() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let bytes = [first, second];
                assert_eq!(refused_after(&bytes), first_hopeless(&bytes), "{bytes:x?}");
            }
        }
    }

    proptest! {
        #[test]
        fn refused_at_the_earliest_possible_byte(bytes in nearly_text()) {
            prop_assert_eq!(refused_after(&bytes), first_hopeless(&bytes));
        }

        #[test]
        fn agrees_with_the_standard_library_for_every_split(bytes in nearly_text()) {
            let expected = std::str::from_utf8(&bytes).ok();
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let mut text = PartialText::EMPTY;
                    let chunks = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    let result = chunks.iter().try_for_each(|chunk| text.push(chunk)).and_then(|()| text.finish());
                    prop_assert_eq!(result.as_deref().ok(), expected);
                }
            }
        }
    }
}
