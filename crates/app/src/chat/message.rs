//! What is said in a room: as it is about to be, and as it is kept.

use std::net::IpAddr;

use duplex_core::contract::SafeInteger;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use super::{RoomName, Text};
use crate::{name::Name, pace::Visitor};

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub(crate) struct Message {
    /// Grows from message to message, and is never given out twice.
    pub(crate) id: SafeInteger,
    #[ts(as = "String")]
    pub(crate) room: RoomName,
    pub(crate) author: String,
    /// Posted over HTTP without a session: the author is whoever they said they are.
    pub(crate) outside: bool,
    pub(crate) text: String,
    /// When, in milliseconds since 1970.
    pub(crate) sent: SafeInteger,
    /// What its sender knows it by.
    #[ts(type = "string | null")]
    pub(crate) nonce: Option<Uuid>,
}

/// Neighbouring messages of a room, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub(crate) struct Page {
    pub(crate) messages: Vec<Message>,
    /// Whether there are messages before these.
    pub(crate) earlier: bool,
}

/// What a list of rooms says of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub(crate) struct Room {
    #[ts(as = "String")]
    pub(crate) name: RoomName,
    /// How many there are in it.
    pub(crate) messages: SafeInteger,
    /// When the latest one was sent, in milliseconds since 1970.
    pub(crate) latest: Option<SafeInteger>,
}

/// Something that is to be said.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) room: RoomName,
    pub(crate) author: Author,
    /// Where it comes from; behind a proxy that is the proxy.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) text: Text,
    /// What its sender knows it by. Sent again with the same one, it is still one message.
    pub(crate) nonce: Option<Uuid>,
}

/// Who says it.
#[derive(Clone, Debug)]
pub(crate) enum Author {
    /// Somebody who is signed in.
    User(String),
    /// Whoever calls without a session, as they call themselves.
    Outside(Name),
}

impl Draft {
    /// Who is counted for it.
    pub(crate) fn visitor(&self) -> Visitor {
        let user = match &self.author {
            Author::User(name) => Some(name.as_str()),
            Author::Outside(_) => None,
        };
        Visitor::new(user, self.peer)
    }

    /// Whether this draft and that message are one thing that was sent twice.
    pub(crate) fn became(&self, message: &Message) -> bool {
        let Message { id: _, room, author, outside, text, sent: _, nonce } = message;
        self.nonce.is_some()
            && self.nonce == *nonce
            && self.room == *room
            && self.author.name() == author
            && self.author.is_outside() == *outside
            && self.text.as_str() == text
    }
}

impl Author {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::User(name) => name,
            Self::Outside(name) => name.as_str(),
        }
    }

    pub(crate) fn is_outside(&self) -> bool {
        matches!(self, Self::Outside(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_no_session_is_not_counted_by_name() {
        let visitor = |author| {
            let (room, text) = ("lobby".parse().unwrap(), "hello".parse().unwrap());
            Draft { room, author, peer: Some([192, 0, 2, 1].into()), text, nonce: None }.visitor()
        };
        let outside = |name: &str| visitor(Author::Outside(name.parse().unwrap()));
        let user = |name: &str| visitor(Author::User(name.to_owned()));
        assert_eq!(outside("ada"), outside("bob"));
        assert_ne!(user("ada"), user("bob"));
        assert_ne!(user("ada"), outside("ada"));
    }
}
