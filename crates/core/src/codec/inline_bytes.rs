//! A few bytes held in place, so that a connection which waits in the middle of a header or a character needs no heap.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Up to `N` bytes. Serialised as a plain list, and refused when that list is too long.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<u8>", try_from = "Vec<u8>")]
pub(super) struct InlineBytes<const N: usize> {
    /// Zero behind `length`, so that equality may compare all of it.
    bytes: [u8; N],
    length: u8,
}

impl<const N: usize> InlineBytes<N> {
    pub(super) const EMPTY: Self = Self { bytes: [0; N], length: 0 };

    /// Appends what there is room for, and says how many bytes that was.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> usize {
        let room = self.bytes.iter_mut().skip(self.length.into());
        let added = room.zip(bytes).map(|(place, byte)| *place = *byte).count();
        self.length = self.length.saturating_add(u8::try_from(added).unwrap_or(u8::MAX));
        added
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or(&self.bytes)
    }
}

impl<const N: usize> fmt::Debug for InlineBytes<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(formatter)
    }
}

impl<const N: usize> From<InlineBytes<N>> for Vec<u8> {
    fn from(bytes: InlineBytes<N>) -> Self {
        bytes.as_slice().to_vec()
    }
}

impl<const N: usize> TryFrom<Vec<u8>> for InlineBytes<N> {
    type Error = TooLong;

    fn try_from(bytes: Vec<u8>) -> Result<Self, TooLong> {
        let mut inline = Self::EMPTY;
        if inline.extend(&bytes) == bytes.len() { Ok(inline) } else { Err(TooLong { most: N }) }
    }
}

/// A serialised list that does not fit.
#[derive(Debug, thiserror::Error)]
#[error("expected at most {most} bytes")]
pub(super) struct TooLong {
    most: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_fits_and_no_more() {
        let mut bytes = InlineBytes::<4>::EMPTY;
        assert_eq!(bytes.extend(b"abc"), 3);
        assert_eq!(bytes.extend(b"de"), 1);
        assert_eq!(bytes.extend(b"f"), 0);
        assert_eq!(bytes.as_slice(), b"abcd");
    }

    #[test]
    fn a_serialised_list_that_is_too_long_is_refused() {
        assert!(serde_json::from_str::<InlineBytes<4>>("[1,2,3,4]").is_ok());
        let error = serde_json::from_str::<InlineBytes<4>>("[1,2,3,4,5]").unwrap_err();
        assert!(error.to_string().contains("at most 4 bytes"), "{error}");
    }
}
