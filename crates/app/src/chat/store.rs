//! The messages in the database: every statement about them, and nothing else.

#[cfg(test)]
mod tests;

use duplex_core::contract::SafeInteger;
use sqlx::{FromRow, Row as _, sqlite::SqliteRow};
use uuid::Uuid;

use super::{Draft, Message, Page, Room, RoomName};
use crate::database::{Database, is_busy};

/// Messages in a page.
pub(crate) const PAGE: usize = 50;

/// The newest messages of a room before an id.
const PAGE_STATEMENT: &str = "SELECT id, room, author, outside, text, sent, nonce FROM messages
     WHERE room = ? AND id < ? ORDER BY id DESC LIMIT ?";

/// Rooms in a list: more than fit on a page, so that it does not grow with all that were ever opened.
const ROOMS: i64 = 100;

/// Reads and writes messages. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
}

/// A statement has failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Somebody else had the database for too long. Nothing has happened; it may work the next time.
    #[error("cannot {doing}: the database is busy ({cause})")]
    Busy { doing: &'static str, cause: sqlx::Error },
    /// Anything else.
    #[error("cannot {doing}: {cause}")]
    Failed { doing: &'static str, cause: sqlx::Error },
}

impl Store {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Keeps what is to be said, and returns the message that it has become: now, or when it was sent before with the
    /// same nonce. Nothing, if the nonce is that of another message.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn add(&self, draft: &Draft, sent: SafeInteger) -> Result<Option<Message>, StoreError> {
        let failed = StoreError::at("keep a message");
        // One statement, so that of several that are sent at once with one nonce exactly one is kept.
        let added = sqlx::query(
            "INSERT INTO messages (room, author, outside, text, sent, nonce) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (nonce) DO NOTHING",
        )
        .bind(draft.room.as_str())
        .bind(draft.author.name())
        .bind(draft.author.is_outside())
        .bind(draft.text.as_str())
        .bind(sent.get())
        .bind(draft.nonce.map(nonce_text))
        .execute(self.database.writer())
        .await
        .map_err(&failed)?;
        if added.rows_affected() == 0 {
            return Ok(self.with_nonce_of(draft).await?.filter(|message| draft.became(message)));
        }
        let id = SafeInteger::try_from(added.last_insert_rowid()).map_err(decode).map_err(&failed)?;
        Ok(Some(Message {
            id,
            room: draft.room.clone(),
            author: draft.author.name().to_owned(),
            outside: draft.author.is_outside(),
            text: draft.text.as_str().to_owned(),
            sent,
            nonce: draft.nonce,
        }))
    }

    async fn with_nonce_of(&self, draft: &Draft) -> Result<Option<Message>, StoreError> {
        sqlx::query_as("SELECT id, room, author, outside, text, sent, nonce FROM messages WHERE nonce = ?")
            .bind(draft.nonce.map(nonce_text))
            .fetch_optional(self.database.readers())
            .await
            .map_err(StoreError::at("find a message"))
    }

    /// The newest messages of a room, or the newest before the one with an id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn page(
        &self,
        room: &RoomName,
        before: Option<SafeInteger>,
    ) -> Result<Page, StoreError> {
        // One more than is shown tells whether there are more.
        let mut messages: Vec<Message> = sqlx::query_as(PAGE_STATEMENT)
            .bind(room.as_str())
            .bind(before.map_or(i64::MAX, SafeInteger::get))
            .bind(PAGE as i64 + 1)
            .fetch_all(self.database.readers())
            .await
            .map_err(StoreError::at("read messages"))?;
        let earlier = messages.len() > PAGE;
        messages.truncate(PAGE);
        messages.reverse();
        Ok(Page { messages, earlier })
    }

    /// The rooms in which something was said last, the latest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn rooms(&self) -> Result<Vec<Room>, StoreError> {
        sqlx::query_as("SELECT name, messages, latest FROM rooms ORDER BY latest DESC, name LIMIT ?")
            .bind(ROOMS)
            .fetch_all(self.database.readers())
            .await
            .map_err(StoreError::at("list rooms"))
    }
}

impl FromRow<'_, SqliteRow> for Message {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: integer(row.try_get("id")?)?,
            room: row.try_get::<String, _>("room")?.try_into().map_err(decode)?,
            author: row.try_get("author")?,
            outside: row.try_get("outside")?,
            text: row.try_get("text")?,
            sent: integer(row.try_get("sent")?)?,
            nonce: row
                .try_get::<Option<&str>, _>("nonce")?
                .map(Uuid::try_parse)
                .transpose()
                .map_err(decode)?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Room {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get::<String, _>("name")?.try_into().map_err(decode)?,
            messages: integer(row.try_get("messages")?)?,
            latest: row.try_get::<Option<i64>, _>("latest")?.map(integer).transpose()?,
        })
    }
}

fn integer(number: i64) -> Result<SafeInteger, sqlx::Error> {
    SafeInteger::try_from(number).map_err(decode)
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn nonce_text(nonce: Uuid) -> String {
    nonce.hyphenated().to_string()
}

impl StoreError {
    /// Whether it may work the next time.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    /// Says what was to be done when a statement failed.
    fn at(doing: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |cause| {
            if is_busy(&cause) { Self::Busy { doing, cause } } else { Self::Failed { doing, cause } }
        }
    }
}
