//! Why a message is not sent: because of what it is, which its sender is told, or because of a failure.

use std::time::Duration;

use duplex_core::HubError;
use serde::Serialize;
use ts_rs::TS;

use super::{
    room::BadRoom,
    store::StoreError,
    text::{self, BadText},
};

/// Why a message is refused. The words are for people; programs go by the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS, thiserror::Error)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum SendError {
    /// There is nothing but space in it.
    #[error("text: there is nothing in it")]
    Empty,
    /// It has too many characters.
    #[error("text: it has more than {limit} characters")]
    TooLong {
        /// How many it may have.
        limit: u32,
    },
    /// It has control characters other than line feeds and tabs.
    #[error("text: it has control characters")]
    Unprintable,
    /// There can be no room of that name.
    #[error("room: {BadRoom}")]
    BadRoom,
    /// The sender has to wait.
    #[error("too many messages: wait for {wait} ms")]
    TooFast {
        /// For so many milliseconds.
        wait: u32,
    },
    /// The nonce is that of another message.
    #[error("nonce: it is that of another message")]
    NonceTaken,
}

/// The chat has failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChatError {
    /// At the database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// At the hub.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A message is not published yet, and perhaps not even kept. Work on it goes on without its sender.
    #[error("a message is still on its way after {0:?}")]
    Late(Duration),
    /// More messages are on their way than there is room for. Nothing has happened.
    #[error("too many messages are on their way")]
    Crowded,
    /// Whatever was at work on a message has ended, by a panic or with the program.
    #[error("a message was lost on its way")]
    Lost,
}

impl SendError {
    /// A sender that comes back after this time, or later, is not too fast.
    pub(crate) fn too_fast(wait: Duration) -> Self {
        let millis = wait.as_nanos().div_ceil(1_000_000);
        Self::TooFast { wait: millis.try_into().unwrap_or(u32::MAX) }
    }
}

impl From<BadRoom> for SendError {
    fn from(_: BadRoom) -> Self {
        Self::BadRoom
    }
}

impl From<BadText> for SendError {
    fn from(bad: BadText) -> Self {
        match bad {
            BadText::Empty => Self::Empty,
            BadText::TooLong => Self::TooLong { limit: text::MAX_CHARS },
            BadText::Unprintable => Self::Unprintable,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_knows_the_reason_by_its_type() {
        let too_long = SendError::from(BadText::TooLong);
        assert_eq!(json!(too_long), json!({ "type": "too_long", "limit": 2000 }));
        assert_eq!(json!(SendError::NonceTaken), json!({ "type": "nonce_taken" }));
    }

    #[test]
    fn a_wait_is_never_told_too_short() {
        for (nanos, wait) in [(1, 1), (1_000_000, 1), (1_000_001, 2), (u64::MAX, u32::MAX)] {
            assert_eq!(SendError::too_fast(Duration::from_nanos(nanos)), SendError::TooFast { wait });
        }
    }
}
