//! What happens when sockets come, speak and go.

use std::{sync::Arc, time::SystemTime};

use actix_web::HttpRequest;
use duplex_core::{
    Calling, Connected, Connecting, Grant, HookResult, Hooks, Identity, Json, Message, Publishing, Refusal,
    Rejection, Socket, Subscribing, contract::Contract,
};
use httpdate::fmt_http_date;

use crate::{Application, session::Sessions};

/// The demo: raw sockets are greeted, and get their text messages back; pages call and subscribe as the contract has it.
pub(crate) struct Demo {
    sessions: Arc<Sessions>,
    contract: Contract<Application>,
    app: Arc<Application>,
}

impl Demo {
    pub(crate) fn new(
        sessions: Arc<Sessions>,
        contract: Contract<Application>,
        app: Arc<Application>,
    ) -> Self {
        Self { sessions, contract, app }
    }
}

impl Hooks for Demo {
    /// The socket's request has the same cookies as any other.
    async fn authenticate(&self, request: &HttpRequest) -> Result<Identity, Refusal> {
        Ok(self.sessions.identity(request))
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

    async fn on_connecting(&self, socket: &Socket, _: Connecting) -> Result<Connected, Rejection> {
        self.contract.on_connecting(socket)
    }

    async fn on_subscribe(&self, socket: &Socket, asked: Subscribing) -> Result<Grant, Rejection> {
        self.contract.on_subscribe(socket, asked, &self.app).await
    }

    async fn on_publish(&self, socket: &Socket, asked: Publishing) -> Result<Json, Rejection> {
        self.contract.on_publish(socket, asked, &self.app).await
    }

    async fn on_call(&self, socket: &Socket, calling: Calling) -> Result<Json, Rejection> {
        self.contract.on_call(socket, calling, &self.app).await
    }
}
