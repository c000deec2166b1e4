//! What hooks are asked on behalf of a client of the protocol, and what they answer.

use std::time::SystemTime;

use crate::{Channel, Json};

/// A client asks to connect. Who it is has been found out: see [`Socket::identity`](crate::Socket::identity).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Connecting {
    /// What the client sent along.
    pub data: Option<Json>,
    /// The name of the client's software, as it says.
    pub name: String,
    /// Its version, as it says.
    pub version: String,
}

/// The welcome to a client that may connect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connected {
    /// What the client gets along with the reply.
    pub data: Option<Json>,
}

/// A client asks for a subscription.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Subscribing {
    /// The channel, which has a known namespace.
    pub channel: Channel,
    /// What the client sent along.
    pub data: Option<Json>,
    /// Whether the client has been here before, and wants what it missed.
    pub recovering: bool,
}

/// The terms of a subscription.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grant {
    /// What others see of the client in this channel, beside its identity.
    pub info: Option<Json>,
    /// What the client gets along with the reply.
    pub data: Option<Json>,
    /// When the subscription ends. The client asks for a new one then. Default: never.
    pub expires: Option<SystemTime>,
}

/// A client asks to publish.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Publishing {
    /// The channel, which has a known namespace.
    pub channel: Channel,
    /// What the client wants to be published.
    pub data: Json,
    /// Whether it is subscribed to the channel.
    pub subscribed: bool,
}

/// A client asks about a channel.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reading {
    /// The channel, which has a known namespace that offers it.
    pub channel: Channel,
    /// What about it.
    pub what: Readable,
    /// Whether the client is subscribed to the channel.
    pub subscribed: bool,
}

/// What a client may want to know of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readable {
    /// Who is in it, or how many.
    Presence,
    /// What was published to it.
    History,
}

/// A client calls the application.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Calling {
    /// The name of the call.
    pub method: String,
    /// Its parameters; `null` where there are none.
    pub data: Json,
}
