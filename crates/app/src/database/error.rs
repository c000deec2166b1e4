//! Why the database cannot be used. Each error says which file it is about and what to do.

use std::{io, path::PathBuf};

/// The database could not be made ready. None of these has changed what is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The folder that the file is to be in cannot be made.
    #[error(
        "cannot make the folder for the database {path}: {cause}; set DATABASE_FILE to a file that can be written",
        path = path.display()
    )]
    Folder {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },

    /// The file cannot be opened, or is something else than a database.
    #[error(
        "cannot open the database {path}: {cause}; set DATABASE_FILE to a file that can be read and written",
        path = path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        cause: sqlx::Error,
    },

    /// A newer program has been here.
    #[error(
        "the database {path} is newer than this program, which does not know migration {number} ({name}): \
         start a newer program, or set DATABASE_FILE to another file",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The newest migration in it.
        number: i64,
        /// What that one is called.
        name: String,
    },

    /// A migration was edited after it had been applied.
    #[error(
        "migration {number} ({name}) has been changed since it was applied to the database {path}: \
         put the change into a new migration, or remove the file if nothing in it is needed",
        path = path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// Which migration.
        number: i64,
        /// What it is called now.
        name: &'static str,
    },

    /// A migration cannot be applied.
    #[error("migration {number} ({name}) of the database {path} failed: {cause}", path = path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// Which migration.
        number: i64,
        /// What it is called.
        name: &'static str,
        /// What SQLite said.
        cause: sqlx::Error,
    },

    /// What migrations it has cannot be found out, or not be noted down.
    #[error("cannot bring the database {path} up to date: {cause}", path = path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        cause: sqlx::Error,
    },
}
