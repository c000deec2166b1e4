//! Where a client is in a channel's stream.

use std::{fmt, num::NonZeroU64};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

/// Names one life of a stream. A stream that had to be created again has another one, so that a position in the old one
/// is not mistaken for a position in the new.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(NonZeroU64);

/// A position in a channel's stream: everything up to `offset` has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "contract", derive(ts_rs::TS))]
pub struct Position {
    /// The life of the stream.
    #[cfg_attr(feature = "contract", ts(type = "string"))]
    pub epoch: Epoch,
    /// The offset of the last publication seen; 0 before the first. Offsets grow by 1.
    #[cfg_attr(feature = "contract", ts(type = "number"))]
    pub offset: u64,
}

/// A position as a client states it, which may be one that no stream here ever had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// The text of an epoch. Empty fits every one: the client does not know.
    #[serde(default)]
    pub epoch: String,
    /// The offset of the last publication seen.
    #[serde(default)]
    pub offset: u64,
}

impl Epoch {
    /// A fresh one, random.
    pub(crate) fn random() -> Self {
        let (high, low) = Uuid::new_v4().as_u64_pair();
        // The marks of the version and the variant stand in different places of the two halves.
        Self(NonZeroU64::new(high ^ low.rotate_left(32)).unwrap_or(NonZeroU64::MIN))
    }
}

impl Since {
    /// Whether it may be a position in a stream with this epoch.
    pub(crate) fn fits(&self, epoch: Epoch) -> bool {
        self.epoch.is_empty() || self.epoch == epoch.to_string()
    }
}

impl From<Position> for Since {
    fn from(position: Position) -> Self {
        Self { epoch: position.epoch.to_string(), offset: position.offset }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = u64::from_str_radix(&text, 16).ok().and_then(NonZeroU64::new);
        number.map(Self).ok_or_else(|| D::Error::custom("an epoch is a number of 16 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_survives_its_text_form() {
        let epoch = Epoch::random();
        let text = serde_json::to_string(&epoch).unwrap();
        assert_eq!(text.len(), 18);
        assert_eq!(serde_json::from_str::<Epoch>(&text).unwrap(), epoch);
    }

    #[test]
    fn epochs_differ() {
        let epochs: std::collections::HashSet<_> = (0..1000).map(|_| Epoch::random()).collect();
        assert_eq!(epochs.len(), 1000);
    }

    #[test]
    fn a_client_that_knows_no_epoch_fits_every_one() {
        let epoch = Epoch::random();
        assert!(Since { epoch: String::new(), offset: 3 }.fits(epoch));
        assert!(Since::from(Position { epoch, offset: 3 }).fits(epoch));
        assert!(!Since { epoch: "_".to_owned(), offset: 0 }.fits(epoch));
    }
}
