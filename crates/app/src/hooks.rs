//! What happens when sockets come, speak and go.

use std::{sync::Arc, time::SystemTime};

use actix_web::HttpRequest;
use duplex_core::{HookResult, Hooks, Identity, Message, Refusal, Socket};
use httpdate::fmt_http_date;

use crate::session::Sessions;

/// The demo: greets, and sends text messages back.
pub(crate) struct Demo {
    sessions: Arc<Sessions>,
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
}
