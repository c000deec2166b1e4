//! The application's database, a file of SQLite: where it is, how it is opened, and the steps its schema has taken. The
//! statements belong to those who ask them.

mod error;
mod file;
mod migrations;
mod pools;

pub use self::error::DatabaseError;
pub(crate) use self::{
    file::DatabaseFile,
    pools::{Database, is_busy},
};
