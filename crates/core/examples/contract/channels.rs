//! The kinds of channels.

use duplex_core::{
    JoinLeave, Namespace, Recovery, Rejection, Socket,
    contract::{ChannelKind, Terms},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Shared;

/// What is said in a room.
#[derive(Serialize, Deserialize, TS)]
pub(crate) struct Said {
    pub(crate) text: String,
}

/// What others see of whoever is in a room.
#[derive(Serialize, TS)]
pub(crate) struct Look {
    color: String,
}

/// A room that keeps what is said and knows who is there: `room:<name>`.
pub(crate) struct Room(String);

impl Room {
    /// The name of a room's channel.
    pub(crate) fn named(name: String) -> String {
        Self(name).channel()
    }
}

impl ChannelKind<Shared> for Room {
    const NAMESPACE: &'static str = "room";
    type Publication = Said;
    type Info = Look;

    fn options() -> Namespace {
        Namespace {
            history_size: 100,
            recovery: Recovery::Forced,
            presence: true,
            join_leave: JoinLeave::On,
            ..Namespace::default()
        }
    }

    fn parse(name: &str) -> Option<Self> {
        (!name.is_empty()).then(|| Self(name.to_owned()))
    }

    fn name(&self) -> &str {
        &self.0
    }

    /// The colour is made of the name, so that everybody sees the same.
    async fn on_subscribe(&self, socket: &Socket, _: &Shared) -> Result<Terms<Look>, Rejection> {
        let user = socket.identity().user_id().unwrap_or_default();
        let hue = user.bytes().fold(0_u16, |hue, byte| (hue * 31 + u16::from(byte)) % 360);
        Ok(Terms { info: Look { color: format!("hsl({hue} 60% 40%)") }, expires: None })
    }

    async fn on_publish(&self, said: Said, _: &Socket, _: &Shared) -> Result<Said, Rejection> {
        Ok(said)
    }
}

/// A channel that keeps nothing and shows nobody: `plain:<name>`.
pub(crate) struct Plain(String);

impl ChannelKind<Shared> for Plain {
    const NAMESPACE: &'static str = "plain";
    type Publication = Said;
    type Info = ();

    fn options() -> Namespace {
        Namespace::default()
    }

    fn parse(name: &str) -> Option<Self> {
        Some(Self(name.to_owned()))
    }

    fn name(&self) -> &str {
        &self.0
    }

    async fn on_subscribe(&self, _: &Socket, _: &Shared) -> Result<Terms<()>, Rejection> {
        Ok(Terms::default())
    }
}

/// A channel that nobody may enter: `closed:<name>`.
pub(crate) struct Closed(String);

impl ChannelKind<Shared> for Closed {
    const NAMESPACE: &'static str = "closed";
    type Publication = Said;
    type Info = ();

    fn options() -> Namespace {
        Namespace::default()
    }

    fn parse(name: &str) -> Option<Self> {
        Some(Self(name.to_owned()))
    }

    fn name(&self) -> &str {
        &self.0
    }
}
