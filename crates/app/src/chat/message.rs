//! What is said in a room: as it is about to be, and as it is kept.

use std::net::{IpAddr, Ipv6Addr};

use duplex_core::contract::SafeInteger;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use super::{RoomName, Text};
use crate::name::Name;

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
    pub(crate) text: Text,
    /// What its sender knows it by. Sent again with the same one, it is still one message.
    pub(crate) nonce: Option<Uuid>,
}

/// Who says it.
#[derive(Clone, Debug)]
pub(crate) enum Author {
    /// Somebody who is signed in.
    User(String),
    /// Whoever calls without a session.
    Outside {
        /// As they call themselves.
        name: Name,
        /// Where the call comes from; behind a proxy that is the proxy.
        peer: Option<IpAddr>,
    },
}

/// Whose messages are counted together, to see whether they come too fast.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sender {
    User(Box<str>),
    /// A name without a session costs nothing, so it does not count, but the address does.
    Peer(Option<IpAddr>),
}

impl Draft {
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
            Self::Outside { name, .. } => name.as_str(),
        }
    }

    pub(crate) fn is_outside(&self) -> bool {
        matches!(self, Self::Outside { .. })
    }

    pub(crate) fn sender(&self) -> Sender {
        match self {
            Self::User(name) => Sender::User(name.as_str().into()),
            Self::Outside { peer, .. } => Sender::Peer(peer.map(network_of)),
        }
    }
}

/// One customer has at least 2⁶⁴ addresses of IPv6, which differ in their second half.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(name: &str, peer: &str) -> Author {
        Author::Outside { name: name.parse().unwrap(), peer: Some(peer.parse().unwrap()) }
    }

    #[test]
    fn whoever_has_no_session_is_counted_by_address_and_not_by_name() {
        assert_eq!(outside("ada", "192.0.2.1").sender(), outside("bob", "192.0.2.1").sender());
        assert_ne!(outside("ada", "192.0.2.1").sender(), outside("ada", "192.0.2.2").sender());
        assert_eq!(outside("ada", "192.0.2.1").sender(), outside("ada", "::ffff:192.0.2.1").sender());
        assert_eq!(outside("ada", "2001:db8::1").sender(), outside("ada", "2001:db8::ffff:0:0:2").sender());
        assert_ne!(outside("ada", "2001:db8::1").sender(), outside("ada", "2001:db8:0:1::1").sender());
        assert_ne!(Author::User("192.0.2.1".to_owned()).sender(), outside("ada", "192.0.2.1").sender());
    }
}
