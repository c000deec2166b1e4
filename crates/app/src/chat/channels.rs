//! The channels of a room: what is said there, and who is typing.

use std::time::Duration;

use duplex_core::{
    ErrorCode, JoinLeave, Namespace, Recovery, Rejection, Socket,
    contract::{ChannelKind, Terms},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{
    Message, RoomName,
    visit::{peer, user},
};
use crate::{Application, pace::Visitor};

/// What is said in a room: `chat:<room>`. Visitors do not publish to it; they call
/// [`SendMessage`](super::SendMessage), which keeps what they say.
pub(crate) struct RoomChannel(pub(crate) RoomName);

impl ChannelKind<Application> for RoomChannel {
    const NAMESPACE: &'static str = "chat";
    type Publication = Message;
    type Info = ();

    /// Whoever was away for some minutes gets what was said meanwhile. After that, the database has it.
    fn options() -> Namespace {
        Namespace {
            history_size: 100,
            history_ttl: Duration::from_secs(5 * 60),
            recovery: Recovery::Forced,
            presence: true,
            join_leave: JoinLeave::On,
            ..Namespace::default()
        }
    }

    fn parse(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    fn name(&self) -> &str {
        self.0.as_str()
    }

    async fn on_subscribe(&self, socket: &Socket, _: &Application) -> Result<Terms<()>, Rejection> {
        user(socket)?;
        Ok(Terms::default())
    }
}

/// Who is typing in a room: `typing:<room>`. Visitors publish to it themselves, and nothing is kept.
pub(crate) struct TypingChannel(RoomName);

/// Somebody, named by the publication's `info`, has begun to type or is done.
#[derive(Serialize, Deserialize, TS)]
pub(crate) struct Typing {
    typing: bool,
}

impl ChannelKind<Application> for TypingChannel {
    const NAMESPACE: &'static str = "typing";
    type Publication = Typing;
    type Info = ();

    fn options() -> Namespace {
        Namespace::default()
    }

    fn parse(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    fn name(&self) -> &str {
        self.0.as_str()
    }

    async fn on_subscribe(&self, socket: &Socket, _: &Application) -> Result<Terms<()>, Rejection> {
        user(socket)?;
        Ok(Terms::default())
    }

    /// More than anybody can type is error 111: a page leaves it at that, and says it again later.
    async fn on_publish(
        &self,
        typing: Typing,
        socket: &Socket,
        app: &Application,
    ) -> Result<Typing, Rejection> {
        let visitor = Visitor::new(Some(user(socket)?), peer(socket));
        app.pace.typing(visitor).map_err(|_| ErrorCode::TOO_MANY_REQUESTS)?;
        Ok(typing)
    }
}
