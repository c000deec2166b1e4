//! What a handler answers when it does not do what it was asked to: a status, and a JSON object whose `error` is for
//! people, and names the field that is wrong.

use std::{fmt, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use duplex_core::HubError;
use serde_json::json;

use crate::chat::{ChatError, SendError};

/// The refusal of a request.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    error: String,
    retry_after: Option<Duration>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), retry_after: None }
    }

    /// 422: the request is understood, and something in it is wrong.
    pub(super) fn invalid(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    /// 429: the client has to wait.
    pub(super) fn too_fast(error: impl Into<String>, wait: Duration) -> Self {
        Self::later(StatusCode::TOO_MANY_REQUESTS, error, wait)
    }

    /// The same request may be good later.
    fn later(status: StatusCode, error: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(status, error) }
    }

    fn try_again() -> Self {
        Self::later(StatusCode::SERVICE_UNAVAILABLE, "try again", Duration::from_secs(1))
    }
}

impl From<SendError> for ApiError {
    fn from(refusal: SendError) -> Self {
        match refusal {
            SendError::TooFast { wait } => {
                Self::too_fast(refusal.to_string(), Duration::from_millis(wait.into()))
            }
            _ => Self::invalid(refusal.to_string()),
        }
    }
}

/// What went wrong inside is for the log; a client learns whether to come back.
impl From<ChatError> for ApiError {
    fn from(failure: ChatError) -> Self {
        log::error!("a handler could not use the chat: {failure}");
        match failure {
            ChatError::Store(error) if error.is_busy() => Self::try_again(),
            ChatError::Hub(HubError::Overloaded(_) | HubError::Stopped) => Self::try_again(),
            ChatError::Late(_) | ChatError::Crowded => Self::try_again(),
            ChatError::Store(_) | ChatError::Hub(_) | ChatError::Lost => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
            }
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.status, self.error)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(wait) = self.retry_after {
            // The header knows whole seconds only, and a client that comes too early is refused again.
            response.insert_header((header::RETRY_AFTER, wait.as_millis().div_ceil(1000).to_string()));
        }
        response.json(json!({ "error": self.error }))
    }
}
