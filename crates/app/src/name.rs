//! The name that somebody goes by: to sign in with, or to sign a message with that comes without a session.

use std::str::FromStr;

/// The longest name, in characters.
const MAX_CHARS: usize = 64;

/// A name of 1 to 64 characters, none of which is a control character, without space around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

/// A text that nobody can be called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to {MAX_CHARS} characters, and no control characters")]
pub(crate) struct BadName;

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let name = text.trim();
        let fits = (1..=MAX_CHARS).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if fits { Ok(Self(name.to_owned())) } else { Err(BadName) }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_64_characters_without_the_space_around_them() {
        assert_eq!("  Ada Lovelace\n".parse::<Name>().unwrap().as_str(), "Ada Lovelace");
        assert!("日".repeat(64).parse::<Name>().is_ok());
        for bad in ["", " \t", &"a".repeat(65), "a\nb", "a\u{0}", "\u{7f}"] {
            assert_eq!(bad.parse::<Name>(), Err(BadName), "{bad:?}");
        }
    }
}
