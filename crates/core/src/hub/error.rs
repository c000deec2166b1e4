//! What can go wrong with a hub: at its start, and with what it is asked to do.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};

use crate::{BadChannel, BadLimit, BadNamespace, Channel};

/// Why the hub did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A shard had no room in its inbox until the deadline.
    #[error("the hub is overloaded: a shard's inbox had no room for {0:?}")]
    Overloaded(Duration),
    /// The hub has stopped; nothing is delivered any more.
    #[error("the hub has stopped")]
    Stopped,
    /// The hub was between two processes for longer than anybody waits. In the set-up of a process that takes over from
    /// another one it stays so until [`Server::run`](crate::Server::run) has taken over.
    #[error(
        "the hub was not this process's for {0:?}: while it is taken over verbs wait, so do not wait for one before the server runs"
    )]
    Unsettled(Duration),
    /// The channel's name is not one.
    #[error(transparent)]
    Channel(#[from] BadChannel),
    /// The channel's namespace keeps no history.
    #[error("channel `{0}` has no history: its namespace keeps none")]
    NoHistory(Channel),
    /// The channel's namespace does not know who is in it.
    #[error("channel `{0}` has no presence: its namespace does not offer it")]
    NoPresence(Channel),
    /// The epoch of a query is not that of the channel's stream.
    #[error("the position is not one in the channel's stream")]
    Unrecoverable,
    /// The data of a publication cannot be written as JSON.
    #[error("the publication cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A hub could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubStartError {
    /// A limit makes no sense.
    #[error(transparent)]
    Limit(#[from] BadLimit),
    /// A namespace makes no sense.
    #[error(transparent)]
    Namespace(#[from] BadNamespace),
    /// It was started outside a tokio runtime. The runtime it is started in becomes the application runtime.
    #[error(
        "the hub needs a multi-threaded tokio runtime: start it inside one, for instance below #[tokio::main]"
    )]
    NoRuntime,
    /// The system gave no thread.
    #[error("cannot start a shard's thread")]
    Thread(#[from] std::io::Error),
}

impl actix_web::ResponseError for HubError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Overloaded(_) | Self::Stopped | Self::Unsettled(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What went wrong inside is for the log; a client learns whether to come back.
    fn error_response(&self) -> HttpResponse {
        log::error!("a handler could not use the hub: {self}");
        match self.status_code() {
            StatusCode::SERVICE_UNAVAILABLE => HttpResponse::ServiceUnavailable()
                .insert_header((header::RETRY_AFTER, "1"))
                .body("try again\n"),
            status => HttpResponse::build(status).body("internal error\n"),
        }
    }
}
