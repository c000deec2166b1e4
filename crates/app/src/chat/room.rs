//! The names of rooms.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest name, in characters.
const MAX_CHARS: usize = 32;

/// The name of a room: 1 to 32 of the characters `a` to `z`, `0` to `9` and `-`. It can stand in a URL and in the name
/// of a channel as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct RoomName(String);

/// A text that is no room's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a room's name has 1 to {MAX_CHARS} of the characters a to z, 0 to 9 and -")]
pub(crate) struct BadRoom;

impl RoomName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoomName {
    type Err = BadRoom;

    fn from_str(text: &str) -> Result<Self, BadRoom> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for RoomName {
    type Error = BadRoom;

    fn try_from(text: String) -> Result<Self, BadRoom> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let fits = (1..=MAX_CHARS).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text)) } else { Err(BadRoom) }
    }
}

impl From<RoomName> for String {
    fn from(room: RoomName) -> Self {
        room.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_32_of_a_few_characters() {
        for good in ["a", "z9-0", "lobby", "-", &"a".repeat(32)] {
            assert_eq!(good.parse::<RoomName>().unwrap().as_str(), good);
        }
        for bad in ["", "Lobby", "a b", "a:b", "a/b", "ä", "a\n", "lobby ", &"a".repeat(33)] {
            assert_eq!(bad.parse::<RoomName>(), Err(BadRoom), "{bad:?}");
        }
    }

    #[test]
    fn in_json_it_is_a_checked_string() {
        let room: RoomName = serde_json::from_str("\"lobby\"").unwrap();
        assert_eq!(serde_json::to_string(&room).unwrap(), "\"lobby\"");
        let error = serde_json::from_str::<RoomName>("\"Lobby\"").unwrap_err().to_string();
        assert!(error.starts_with("a room's name has 1 to 32 of"), "{error}");
    }
}
