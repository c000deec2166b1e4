//! The calls: each shows one thing that a call can do.

use std::time::Duration;

use duplex_core::{
    CloseCode, CloseFrame, ErrorCode, Json, Position, Socket,
    contract::{Call, Failure, Never},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    Shared,
    channels::{Room, Said},
};

/// Replies with what it was asked.
#[derive(Serialize, Deserialize, TS)]
pub(crate) struct Echo {
    text: String,
    number: i32,
}

impl Call<Shared> for Echo {
    const NAME: &'static str = "test.echo";
    type Reply = Self;
    type Error = Never;

    async fn answer(self, _: &Socket, _: &Shared) -> Result<Self, Failure<Never>> {
        Ok(self)
    }
}

/// Refuses, for a reason that the page knows by its type.
#[derive(Deserialize, TS)]
pub(crate) struct Refuse {
    limit: u32,
}

/// Why `test.refuse` refuses.
#[derive(Serialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum RefuseError {
    /// The text is longer than it may be.
    TooLong { limit: u32 },
}

impl Call<Shared> for Refuse {
    const NAME: &'static str = "test.refuse";
    type Reply = ();
    type Error = RefuseError;

    async fn answer(self, _: &Socket, _: &Shared) -> Result<(), Failure<RefuseError>> {
        Err(Failure::Refused(RefuseError::TooLong { limit: self.limit }))
    }
}

/// Fails for a reason that the page is not told.
#[derive(Deserialize, TS)]
pub(crate) struct Fail;

impl Call<Shared> for Fail {
    const NAME: &'static str = "test.fail";
    type Reply = ();
    type Error = Never;

    async fn answer(self, _: &Socket, _: &Shared) -> Result<(), Failure<Never>> {
        Err(std::io::Error::other("the disk is on fire"))?
    }
}

/// Replies after a while.
#[derive(Deserialize, TS)]
pub(crate) struct Wait {
    millis: u32,
}

impl Call<Shared> for Wait {
    const NAME: &'static str = "test.wait";
    type Reply = ();
    type Error = Never;

    async fn answer(self, _: &Socket, _: &Shared) -> Result<(), Failure<Never>> {
        tokio::time::sleep(Duration::from_millis(self.millis.into())).await;
        Ok(())
    }
}

/// Who is asking.
#[derive(Deserialize, TS)]
pub(crate) struct User;

impl Call<Shared> for User {
    const NAME: &'static str = "test.user";
    type Reply = Option<String>;
    type Error = Never;

    async fn answer(self, socket: &Socket, _: &Shared) -> Result<Option<String>, Failure<Never>> {
        Ok(socket.identity().user_id().map(str::to_owned))
    }
}

/// Publishes to a room, as the server.
#[derive(Deserialize, TS)]
pub(crate) struct Publish {
    channel: String,
    text: String,
}

impl Call<Shared> for Publish {
    const NAME: &'static str = "test.publish";
    type Reply = Option<Position>;
    type Error = Never;

    async fn answer(self, socket: &Socket, _: &Shared) -> Result<Option<Position>, Failure<Never>> {
        Ok(socket.hub().publish(&self.channel, &Said { text: self.text }).await?)
    }
}

/// Where a room's stream is.
#[derive(Deserialize, TS)]
pub(crate) struct WhereIs {
    channel: String,
}

impl Call<Shared> for WhereIs {
    const NAME: &'static str = "test.position";
    type Reply = Position;
    type Error = Never;

    async fn answer(self, socket: &Socket, _: &Shared) -> Result<Position, Failure<Never>> {
        Ok(socket.hub().position(&self.channel).await?)
    }
}

/// Sends a message, which is JSON, to the connection that asks, past all channels.
#[derive(Deserialize, TS)]
pub(crate) struct Message {
    json: String,
}

impl Call<Shared> for Message {
    const NAME: &'static str = "test.message";
    type Reply = ();
    type Error = Never;

    async fn answer(self, socket: &Socket, _: &Shared) -> Result<(), Failure<Never>> {
        Ok(socket.send(Json::parse(self.json)?).await?)
    }
}

/// Closes the connection that asks.
#[derive(Deserialize, TS)]
pub(crate) struct Disconnect {
    code: u16,
}

impl Call<Shared> for Disconnect {
    const NAME: &'static str = "test.disconnect";
    type Reply = ();
    type Error = Never;

    async fn answer(self, socket: &Socket, _: &Shared) -> Result<(), Failure<Never>> {
        let close = CloseFrame::new(CloseCode::new(self.code).ok_or(ErrorCode::BAD_REQUEST)?, "asked for");
        Ok(socket.hub().disconnect(socket.id(), close).await?)
    }
}

/// Takes the room subscription of everybody called like this away.
#[derive(Deserialize, TS)]
pub(crate) struct Expel {
    room: String,
    user: String,
}

impl Call<Shared> for Expel {
    const NAME: &'static str = "test.expel";
    type Reply = ();
    type Error = Never;

    async fn answer(self, socket: &Socket, _: &Shared) -> Result<(), Failure<Never>> {
        Ok(socket.hub().unsubscribe_user(&self.user, &Room::named(self.room)).await?)
    }
}
