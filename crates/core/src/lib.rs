//! The hub, and the server that both binaries share.
//!
//! A WebSocket starts as a request to the application: same routes, middleware, cookies and extractors. If it is let
//! in, its socket leaves the HTTP server and lives on a *shard*. A [`Hub`] reaches it from everywhere: handlers, hooks
//! and background tasks. A chat:
//!
//! ```no_run
//! use actix_web::{App, web};
//! use duplex_core::{Hooks, HookResult, Message, Server, Settings, Socket, raw_socket};
//!
//! struct Chat;
//!
//! impl Hooks for Chat {
//!     async fn on_connect(&self, socket: &Socket) -> HookResult {
//!         socket.subscribe("chat:lobby").await?;
//!         Ok(socket.send("welcome").await?)
//!     }
//!
//!     async fn on_message(&self, socket: &Socket, message: Message) -> HookResult {
//!         if let Message::Text(text) = message {
//!             socket.hub().publish("chat:lobby", &text).await?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let listener = std::net::TcpListener::bind("127.0.0.1:3000")?;
//!     let server = Server::new(Settings::default(), vec![listener])?;
//!     server.run(Chat, || App::new().route("/websocket", web::to(raw_socket))).await?;
//!     Ok(())
//! }
//! ```

#[cfg(windows)]
compile_error!("Duplex needs a Unix system: on Windows, build and run it inside WSL2");

mod blocking;
mod centrifuge;
mod channel;
pub mod codec;
mod connection_id;
#[cfg(feature = "contract")]
pub mod contract;
mod deadline;
mod descriptors;
mod ended;
mod environment;
pub mod handover;
mod hooks;
mod hub;
mod identity;
mod json;
mod limits;
mod line;
mod listen;
mod namespace;
mod panics;
mod portable;
mod position;
mod publication;
mod server;
mod settings;
mod shard;
mod state_file;
pub mod supervision;
mod tokens;

pub use centrifuge::{DisconnectCode, ErrorCode, UnsubscribeCode};
pub use channel::{BadChannel, Channel, MAX_CHANNEL_BYTES};
pub use codec::{CloseCode, CloseFrame, Message};
pub use connection_id::ConnectionId;
pub use descriptors::raise_descriptor_limit;
pub use ended::Ended;
pub use environment::{Environment, EnvironmentError};
pub use hooks::{
    Calling, Connected, Connecting, Grant, HookError, HookResult, Hooks, Publishing, Readable, Reading,
    Refusal, Rejection, Socket, Subscribing,
};
pub use hub::{Content, History, HistoryQuery, Hub, HubError, HubStartError, PresenceStats, Target, Verb};
pub use identity::Identity;
pub use json::Json;
pub use limits::{BadLimit, Limits};
pub use listen::{ListenError, is_listening, listen, listen_on_next_free};
pub use namespace::{BadNamespace, JoinLeave, Namespace, Namespaces, Recovery};
pub use position::{Epoch, Position, Since};
pub use publication::{ClientInfo, Publication};
pub use server::{
    AppEntry, HandshakeError, HostPolicy, OriginPolicy, ServeError, Server, Stop, TakenSocket, Takeover,
    centrifuge_socket, origin_host, raw_socket,
};
pub use settings::Settings;
pub use shard::ConnectionInfo;
pub use state_file::{StateFileError, check_state_file};
pub use tokens::{BadKey, TokenKeys};
