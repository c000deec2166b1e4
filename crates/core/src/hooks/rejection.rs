//! The answer to a command that is not carried out.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CloseFrame, ConnectionId, DisconnectCode, ErrorCode, HookError};

/// Why a command of a client is not carried out: an error in the reply, or the end of the connection. Errors of other
/// kinds turn into error 100, whose cause is logged and not shown.
///
/// ```
/// use duplex_core::{ErrorCode, Rejection};
/// fn room(name: &str) -> Result<u32, Rejection> {
///     if name == "attic" {
///         return Err(ErrorCode::PERMISSION_DENIED.into());
///     }
///     if name.is_empty() {
///         return Err(Rejection::new(1000, "which room?"));
///     }
///     Ok(name.parse()?) // a number that cannot be parsed is error 100 here
/// }
/// ```
#[derive(Debug)]
pub struct Rejection {
    answer: Answer,
    cause: Option<HookError>,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Error(ErrorReply),
    Disconnect(CloseFrame),
}

/// An error on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorReply {
    pub(crate) code: u16,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) temporary: bool,
}

impl Rejection {
    /// An error of the application's own: the protocol leaves it the codes from 400 to 1999.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self::error(ErrorReply { code, message: message.into(), temporary: false })
    }

    /// The same, with the advice to try again later.
    pub fn temporary(code: u16, message: impl Into<String>) -> Self {
        Self::error(ErrorReply { code, message: message.into(), temporary: true })
    }

    /// Ends the connection. [`DisconnectCode`] has the protocol's codes; those from 4000 to 4999
    /// are the application's.
    pub fn disconnect(close: impl Into<CloseFrame>) -> Self {
        Self { answer: Answer::Disconnect(close.into()), cause: None }
    }

    /// Error 100, with a cause for the log that the client does not see. `?` does this for errors that implement
    /// [`std::error::Error`].
    pub fn internal(cause: impl Into<HookError>) -> Self {
        Self { cause: Some(cause.into()), ..ErrorCode::INTERNAL.into() }
    }

    /// A hook that has no answer of its own failed: the end of the connection, with a cause for the log.
    pub(crate) fn failed(cause: HookError) -> Self {
        Self { cause: Some(cause), ..Self::disconnect(DisconnectCode::SERVER_ERROR) }
    }

    /// The cause goes into the log, and no further: it is the application's, and must not be dropped just anywhere.
    pub(crate) fn log_cause(&mut self, connection: ConnectionId) {
        if let Some(cause) = self.cause.take() {
            log::error!("a command of connection {connection} failed: {cause}");
        }
    }

    /// What the client gets.
    pub(crate) fn into_answer(self) -> Answer {
        self.answer
    }

    pub(crate) fn error(error: ErrorReply) -> Self {
        Self { answer: Answer::Error(error), cause: None }
    }
}

impl From<ErrorCode> for ErrorReply {
    fn from(error: ErrorCode) -> Self {
        Self { code: error.code, message: error.message.to_owned(), temporary: error.temporary }
    }
}

impl From<ErrorCode> for Rejection {
    fn from(error: ErrorCode) -> Self {
        Self::error(error.into())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.answer {
            Answer::Error(error) => write!(formatter, "error {}: {}", error.code, error.message),
            Answer::Disconnect(close) => write!(formatter, "disconnect {}: {}", close.code, close.reason),
        }
    }
}

/// `Rejection` itself is no `std::error::Error`, which is what makes this possible.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for Rejection {
    fn from(error: E) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_another_kind_becomes_100_and_is_not_shown() {
        let rejection = Rejection::from(std::io::Error::other("the password is swordfish"));
        assert!(!rejection.to_string().contains("swordfish"));
        assert!(rejection.cause.as_ref().unwrap().to_string().contains("swordfish"));
        assert!(
            matches!(rejection.into_answer(), Answer::Error(error) if error == ErrorCode::INTERNAL.into())
        );
    }
}
