//! What happens when sockets come, speak and go.

use std::{sync::Arc, time::Duration, time::SystemTime};

use actix_web::HttpRequest;
use duplex_core::{
    ErrorCode, Grant, HookResult, Hooks, Identity, JoinLeave, Json, Message, Namespace, Namespaces,
    Publishing, Recovery, Refusal, Rejection, Socket, Subscribing,
};
use httpdate::fmt_http_date;

use crate::session::Sessions;

/// The demo: raw sockets are greeted, and get their text messages back; whoever is signed in may talk in rooms.
pub(crate) struct Demo {
    sessions: Arc<Sessions>,
}

/// What channels can do here. The rooms, `chat:lobby` and others, show who is there, and whoever was away for some
/// minutes gets what was said meanwhile.
pub(crate) fn namespaces() -> Namespaces {
    let rooms = Namespace {
        history_size: 100,
        history_ttl: Duration::from_secs(5 * 60),
        recovery: Recovery::Forced,
        presence: true,
        join_leave: JoinLeave::On,
        ..Namespace::default()
    };
    Namespaces::default().with("chat", rooms)
}

impl Demo {
    pub(crate) fn new(sessions: Arc<Sessions>) -> Self {
        Self { sessions }
    }
}

impl Hooks for Demo {
    /// The socket's request has the same cookies as any other.
    async fn authenticate(&self, request: &HttpRequest) -> Result<Identity, Refusal> {
        Ok(self.sessions.user(request).map_or_else(Identity::anonymous, Identity::user))
    }

    /// Clients of the protocol are greeted as well: they have an event for messages past all channels.
    async fn on_connect(&self, socket: &Socket) -> HookResult {
        let time = fmt_http_date(SystemTime::now());
        socket.send(format!("Hello from the server {time} ({})", socket.id())).await?;
        if let Some(user) = socket.identity().user_id() {
            socket.send(format!("You are signed in as {user}")).await?;
        }
        Ok(())
    }

    async fn on_message(&self, socket: &Socket, message: Message) -> HookResult {
        if let Message::Text(text) = message {
            socket.send(format!("{text} ({})", socket.id())).await?;
        }
        Ok(())
    }

    async fn on_subscribe(&self, socket: &Socket, _: Subscribing) -> Result<Grant, Rejection> {
        match socket.identity().user_id() {
            Some(_) => Ok(Grant::default()),
            None => Err(ErrorCode::UNAUTHORIZED.into()),
        }
    }

    async fn on_publish(&self, _: &Socket, publishing: Publishing) -> Result<Json, Rejection> {
        if publishing.subscribed { Ok(publishing.data) } else { Err(ErrorCode::PERMISSION_DENIED.into()) }
    }
}
