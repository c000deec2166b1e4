//! Integers that JavaScript can hold exactly.

use serde::{Deserialize, Serialize};

/// The largest integer that a JavaScript number holds exactly, and its neighbours too: 2⁵³ - 1
/// (`Number.MAX_SAFE_INTEGER`).
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// An integer between `-MAX_SAFE_INTEGER` and [`MAX_SAFE_INTEGER`]: the one to use in a contract where 32 bits are too
/// few. In TypeScript it is a `number`. Others are refused, going out as well as coming in.
///
/// ```
/// use duplex_core::contract::SafeInteger;
/// let id = SafeInteger::try_from(42_i64)?;
/// assert_eq!(id.get(), 42);
/// assert!(SafeInteger::try_from(i64::MAX).is_err());
/// # Ok::<(), duplex_core::contract::UnsafeInteger>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct SafeInteger(i64);

/// An integer that JavaScript would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is more than JavaScript can hold exactly, which is {MAX_SAFE_INTEGER} either way")]
pub struct UnsafeInteger(pub i128);

impl SafeInteger {
    /// The integer.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for SafeInteger {
    type Error = UnsafeInteger;

    fn try_from(integer: i64) -> Result<Self, UnsafeInteger> {
        let is_safe = (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&integer);
        if is_safe { Ok(Self(integer)) } else { Err(UnsafeInteger(integer.into())) }
    }
}

impl TryFrom<u64> for SafeInteger {
    type Error = UnsafeInteger;

    fn try_from(integer: u64) -> Result<Self, UnsafeInteger> {
        i64::try_from(integer).map_err(|_| UnsafeInteger(integer.into())).and_then(Self::try_from)
    }
}

impl TryFrom<usize> for SafeInteger {
    type Error = UnsafeInteger;

    fn try_from(integer: usize) -> Result<Self, UnsafeInteger> {
        i64::try_from(integer).map_err(|_| UnsafeInteger(integer as i128)).and_then(Self::try_from)
    }
}

macro_rules! from_small {
    ($($integer:ty),*) => { $(
        impl From<$integer> for SafeInteger {
            fn from(integer: $integer) -> Self {
                Self(integer.into())
            }
        }
    )* };
}

from_small!(i8, u8, i16, u16, i32, u32);

impl From<SafeInteger> for i64 {
    fn from(integer: SafeInteger) -> Self {
        integer.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_javascript_would_change_is_refused_both_ways() {
        for (integer, safe) in [
            (MAX_SAFE_INTEGER, true),
            (MAX_SAFE_INTEGER + 1, false),
            (-MAX_SAFE_INTEGER, true),
            (-MAX_SAFE_INTEGER - 1, false),
            (i64::MIN, false),
        ] {
            assert_eq!(SafeInteger::try_from(integer).is_ok(), safe, "{integer}");
            assert_eq!(serde_json::from_str::<SafeInteger>(&integer.to_string()).is_ok(), safe, "{integer}");
        }
        assert!(SafeInteger::try_from(u64::MAX).is_err());
        assert_eq!(serde_json::to_string(&SafeInteger(7)).unwrap(), "7");
    }
}
