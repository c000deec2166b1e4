//! What pages ask of the chat.

use duplex_core::{
    ErrorCode, Socket,
    contract::{Call, Failure, Never, SafeInteger},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

use super::{Author, BadRoom, Draft, Message, OpenedRoom, Page, Room, RoomName, SendError};
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
        let draft = self.draft(author).map_err(Failure::Refused)?;
        app.chat.send(draft).await?.map_err(Failure::Refused)
    }
}

impl SendMessage {
    fn draft(self, author: Author) -> Result<Draft, SendError> {
        Ok(Draft { room: self.room.parse()?, author, text: self.text.parse()?, nonce: Some(self.nonce) })
    }
}

/// Why there is nothing to be had of a room.
#[derive(Serialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum RoomError {
    /// There can be no room of that name.
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

    async fn answer(self, _: &Socket, app: &Application) -> Result<Vec<Room>, Failure<Never>> {
        Ok(app.chat.rooms().await?)
    }
}

fn room(name: &str) -> Result<RoomName, Failure<RoomError>> {
    name.parse().map_err(|BadRoom| Failure::Refused(RoomError::BadRoom))
}

/// Who asks; rooms are for those who have said who they are.
fn user(socket: &Socket) -> Result<&str, ErrorCode> {
    socket.identity().user_id().ok_or(ErrorCode::UNAUTHORIZED)
}
