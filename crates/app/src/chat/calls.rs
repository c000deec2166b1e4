//! What pages ask of the chat.

use std::net::IpAddr;

use duplex_core::{
    Socket,
    contract::{Call, Failure, Never, SafeInteger},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use super::{
    Author, BadRoom, Draft, Message, OpenedRoom, Page, Room, RoomName, SendError,
    visit::{peer, user},
};
use crate::Application;

/// Says something in a room.
#[derive(Deserialize, TS)]
pub(crate) struct SendMessage {
    room: String,
    text: String,
    /// A UUID, by which the page knows its message. Sent again with the same one, it is still one message.
    #[ts(type = "string")]
    nonce: Uuid,
}

impl Call<Application> for SendMessage {
    const NAME: &'static str = "chat.send";
    type Reply = Message;
    type Error = SendError;

    async fn answer(self, socket: &Socket, app: &Application) -> Result<Message, Failure<SendError>> {
        let author = Author::User(user(socket)?.to_owned());
        let draft = self.draft(author, peer(socket))?;
        Ok(app.chat.send(draft).await??)
    }
}

impl SendMessage {
    fn draft(self, author: Author, peer: Option<IpAddr>) -> Result<Draft, SendError> {
        let (room, text) = (self.room.parse()?, self.text.parse()?);
        Ok(Draft { room, author, peer, text, nonce: Some(self.nonce) })
    }
}

/// Why there is nothing to be had of a room.
#[derive(Debug, Serialize, TS, thiserror::Error)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum RoomError {
    /// There can be no room of that name.
    #[error("room: {BadRoom}")]
    BadRoom,
}

/// Asks for a room as it is now.
#[derive(Deserialize, TS)]
pub(crate) struct OpenRoom {
    room: String,
}

impl Call<Application> for OpenRoom {
    const NAME: &'static str = "chat.open";
    type Reply = OpenedRoom;
    type Error = RoomError;

    async fn answer(self, socket: &Socket, app: &Application) -> Result<OpenedRoom, Failure<RoomError>> {
        user(socket)?;
        Ok(app.chat.open(&room(&self.room)?).await?)
    }
}

/// Asks for the messages before one.
#[derive(Deserialize, TS)]
pub(crate) struct EarlierMessages {
    room: String,
    /// The id of the message before which they are wanted.
    before: SafeInteger,
}

impl Call<Application> for EarlierMessages {
    const NAME: &'static str = "chat.earlier";
    type Reply = Page;
    type Error = RoomError;

    async fn answer(self, socket: &Socket, app: &Application) -> Result<Page, Failure<RoomError>> {
        user(socket)?;
        Ok(app.chat.page(&room(&self.room)?, Some(self.before)).await?)
    }
}

/// Asks which rooms there are.
#[derive(Deserialize, TS)]
pub(crate) struct ListRooms;

impl Call<Application> for ListRooms {
    const NAME: &'static str = "chat.rooms";
    type Reply = Vec<Room>;
    type Error = Never;

    async fn answer(self, socket: &Socket, app: &Application) -> Result<Vec<Room>, Failure<Never>> {
        user(socket)?;
        Ok(app.chat.rooms().await?)
    }
}

fn room(name: &str) -> Result<RoomName, RoomError> {
    name.parse().map_err(|BadRoom| RoomError::BadRoom)
}
