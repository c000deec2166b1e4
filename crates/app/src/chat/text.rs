//! The text of a message.

use std::str::FromStr;

/// The longest text, in characters. A page that counts must count those (`[...text].length`), not UTF-16 units.
pub(crate) const MAX_CHARS: u32 = 2000;

/// A text of 1 to 2000 characters without space around it. Of the control characters it may have line feeds and tabs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(String);

/// What cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadText {
    /// There is nothing but space.
    Empty,
    /// It has more than [`MAX_CHARS`].
    TooLong,
    /// It has a character that nobody can read, and that may do something to a terminal.
    Unprintable,
}

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Text {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadText::Empty);
        }
        if text.chars().count() > MAX_CHARS as usize {
            return Err(BadText::TooLong);
        }
        if text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t')) {
            return Err(BadText::Unprintable);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_around_it_does_not_count() {
        assert_eq!("\u{3000} a\n\tb \r\n".parse::<Text>().unwrap().as_str(), "a\n\tb");
        assert_eq!(" \n\u{a0}".parse::<Text>(), Err(BadText::Empty));
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert!(format!(" {} ", "🙂".repeat(MAX_CHARS as usize)).parse::<Text>().is_ok());
        assert_eq!("🙂".repeat(MAX_CHARS as usize + 1).parse::<Text>(), Err(BadText::TooLong));
    }

    #[test]
    fn control_characters_are_refused() {
        for bad in ["a\u{0}b", "a\u{1b}[2Jb", "a\rb", "a\u{85}b", "a\u{7f}b"] {
            assert_eq!(bad.parse::<Text>(), Err(BadText::Unprintable), "{bad:?}");
        }
    }
}
