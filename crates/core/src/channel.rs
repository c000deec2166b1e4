//! The name of a channel: checked once, shared by everybody who holds it.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The longest name of a channel, in bytes.
pub const MAX_CHANNEL_BYTES: usize = 255;

/// A channel's name, for instance `chat:lobby`. The part before the first `:` is its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channel(Arc<str>);

/// A name that no channel can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a channel's name has 1 to {MAX_CHANNEL_BYTES} bytes, this one has {0}")]
pub struct BadChannel(pub usize);

impl Channel {
    /// Checks a name.
    ///
    /// # Errors
    /// [`BadChannel`] when it is empty or longer than [`MAX_CHANNEL_BYTES`].
    pub fn new(name: &str) -> Result<Self, BadChannel> {
        if name.is_empty() || name.len() > MAX_CHANNEL_BYTES {
            return Err(BadChannel(name.len()));
        }
        Ok(Self(name.into()))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first `:`, or nothing where there is none.
    pub fn namespace(&self) -> Option<&str> {
        self.0.split_once(':').map(|(namespace, _)| namespace)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for Channel {
    type Error = BadChannel;

    fn try_from(name: String) -> Result<Self, BadChannel> {
        Self::new(&name)
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> Self {
        channel.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_255_bytes() {
        assert_eq!(Channel::new(""), Err(BadChannel(0)));
        assert!(Channel::new(&"c".repeat(255)).is_ok());
        assert_eq!(Channel::new(&"c".repeat(256)), Err(BadChannel(256)));
    }

    #[test]
    fn the_namespace_ends_at_the_first_colon() {
        assert_eq!(Channel::new("chat:a:b").unwrap().namespace(), Some("chat"));
        assert_eq!(Channel::new("news").unwrap().namespace(), None);
    }
}
