//! What clients and publishers report to the model: plain data.

use std::{fmt, ops::RangeInclusive};

use serde::Deserialize;

use super::Kind;

/// A position, as it is said.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) epoch: String,
    pub(super) offset: u64,
}

/// What a client has seen, in the order it saw it.
#[derive(Debug)]
pub(super) enum Seen {
    /// The reply to its connect command, with the subscriptions that the server has made for it.
    Connected(Vec<Subscribed>),
    Subscribed(Box<Subscribed>),
    Published(Kind, Publication),
    Unsubscribed(Kind),
    /// Everything that was published before this has been read.
    Everything,
    /// It has left.
    Left,
    /// The server has closed the connection.
    Closed(u16),
}

/// A subscription that was granted.
#[derive(Debug)]
pub(super) struct Subscribed {
    pub(super) channel: Kind,
    pub(super) said: Option<Said>,
    /// A position was asked for.
    pub(super) positioned: bool,
    pub(super) answer: Answer,
    /// How much can have been published when the channel was read: from what was there before the request to what was
    /// begun before the reply.
    pub(super) between: RangeInclusive<u64>,
}

/// The answer to a subscription.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    pub(super) recoverable: bool,
    pub(super) positioned: bool,
    pub(super) epoch: Option<String>,
    pub(super) offset: u64,
    pub(super) publications: Vec<Publication>,
    pub(super) recovered: bool,
    pub(super) was_recovering: bool,
}

/// A publication, as a client gets it.
#[derive(Clone, Deserialize, PartialEq)]
pub(super) struct Publication {
    #[serde(default)]
    pub(super) offset: u64,
    pub(super) data: String,
}

/// What was published to a channel in one round.
#[derive(Default)]
pub(super) struct Published {
    /// With the position that its publisher was told.
    pub(super) placed: Vec<(Said, String)>,
    /// One behind the other, at places that nobody was told.
    pub(super) ordered: Vec<String>,
}

impl fmt::Debug for Publication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What fills it up is of no interest.
        write!(formatter, "{}@{}", self.data.trim_end_matches('.'), self.offset)
    }
}
