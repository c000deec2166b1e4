//! Why the application could not start, or ended badly.

use duplex_core::{ServeError, contract::BadContract};

use crate::database::DatabaseError;

/// Why [`serve`](crate::serve) gave up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The contract cannot be kept.
    #[error(transparent)]
    Contract(#[from] BadContract),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The server could not start, or ended badly.
    #[error(transparent)]
    Server(#[from] ServeError),
}
