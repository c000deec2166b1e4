//! What can go wrong while one process takes over from another.

use std::{io, time::Duration};

use serde::{Deserialize, Serialize};

use crate::supervision::LineError;

/// Why a handover did not take place. The process that serves goes on serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// The line failed, or what came over it is no message.
    #[error(transparent)]
    Line(LineError),
    /// The other process said nothing.
    #[error("the other process said nothing for {0:?} in the middle of the handover")]
    Silent(Duration),
    /// The other process has gone, or has hung up.
    #[error("the other process ended the handover; its log may say why")]
    HungUp,
    /// The other process said something else than what was its turn.
    #[error("the other process said something that does not belong here: {0}")]
    OutOfTurn(String),
    /// The process that serves does not hand over.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Not everything that was announced has arrived.
    #[error("{announced} sockets were announced, and {arrived} arrived")]
    Miscounted {
        /// How many were announced.
        announced: usize,
        /// How many arrived.
        arrived: usize,
    },
    /// Its connections cannot be passed on.
    #[error("the connections cannot be packed for the other process")]
    Packing(#[source] io::Error),
    /// The application could not be set up in this process, so it must not take over.
    #[error("the application cannot be set up: {0}")]
    Application(String),
    /// Something in the application holds a thread that everything waits for.
    #[error(
        "the application did not stand still within {0:?}: a hook or a background task that blocks its thread holds everything up"
    )]
    Blocked(Duration),
}

/// Why the process that serves does not hand over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The new process may not open enough descriptors.
    #[error(
        "{needed} descriptors are needed for the sockets of the process that serves, and this process has room for {available}: raise its limit on open files (ulimit -n, or LimitNOFILE=)"
    )]
    Descriptors {
        /// How many are needed.
        needed: u64,
        /// How many the new process can still open.
        available: u64,
    },
    /// It is stopping, or hands over to somebody else.
    #[error("the process that serves is stopping, or being taken over already: try again in a moment")]
    Busy,
}

impl From<LineError> for HandoverError {
    fn from(error: LineError) -> Self {
        match error {
            LineError::Io(error) if is_end(&error) => Self::HungUp,
            LineError::Truncated => Self::HungUp,
            error => Self::Line(error),
        }
    }
}

impl From<io::Error> for HandoverError {
    fn from(error: io::Error) -> Self {
        LineError::from(error).into()
    }
}

/// An error with all that led to it, for the log.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", explain(source)))
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}
