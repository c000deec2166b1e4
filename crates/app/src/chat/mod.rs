//! The chat: what is said in rooms is kept in the database, and published to whoever is there. Its rules hold for hooks,
//! calls and HTTP handlers alike, which ask [`Chat`] and nothing below it.

mod calls;
mod channels;
mod delivery;
mod error;
mod handle;
mod message;
mod room;
mod store;
mod text;
mod visit;

pub(crate) use self::{
    calls::{EarlierMessages, ListRooms, OpenRoom, SendMessage},
    channels::{RoomChannel, TypingChannel},
    error::{ChatError, SendError},
    handle::{Chat, OpenedRoom},
    message::{Author, Draft, Message, Page, Room},
    room::{BadRoom, RoomName},
    store::Store,
    text::Text,
};
