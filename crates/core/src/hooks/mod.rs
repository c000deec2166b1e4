//! The hooks: where an application's code meets the life of a socket. How they are run is in `runner`.

mod refusal;
mod rejection;
mod request;
mod runner;
mod socket;

use std::future::{Future, ready};

use actix_web::HttpRequest;

pub use self::{
    refusal::Refusal,
    rejection::Rejection,
    request::{Calling, Connected, Connecting, Grant, Publishing, Readable, Reading, Subscribing},
    socket::Socket,
};
pub(crate) use self::{
    rejection::{Answer, ErrorReply},
    runner::{ErasedHooks, HookFailure, HookName, HookRunner, Progress},
};
use crate::{Ended, ErrorCode, Identity, Json, Message};

/// An error that a hook ends with. Any error fits, so `?` works.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// What the hooks of an open connection end with.
pub type HookResult = Result<(), HookError>;

/// What an application does when sockets come, speak and go. Implement the methods you need, as `async fn`.
///
/// Rooms for everybody who is signed in:
///
/// ```
/// use actix_web::HttpRequest;
/// use duplex_core::{
///     Calling, ErrorCode, Grant, Hooks, Identity, Json, Publishing, Refusal, Rejection, Socket, Subscribing,
/// };
///
/// struct Rooms;
///
/// impl Hooks for Rooms {
///     async fn authenticate(&self, request: &HttpRequest) -> Result<Identity, Refusal> {
///         let cookie = request.cookie("user").ok_or_else(|| Refusal::unauthorized("sign in first"))?;
///         Ok(Identity::user(cookie.value()))
///     }
///
///     async fn on_subscribe(&self, _: &Socket, _: Subscribing) -> Result<Grant, Rejection> {
///         Ok(Grant::default())
///     }
///
///     async fn on_publish(&self, _: &Socket, publishing: Publishing) -> Result<Json, Rejection> {
///         if publishing.subscribed { Ok(publishing.data) } else { Err(ErrorCode::PERMISSION_DENIED.into()) }
///     }
///
///     async fn on_call(&self, socket: &Socket, calling: Calling) -> Result<Json, Rejection> {
///         match calling.method.as_str() {
///             "whoami" => Ok(Json::new(&socket.identity().user_id())?),
///             _ => Err(ErrorCode::METHOD_NOT_FOUND.into()),
///         }
///     }
/// }
/// ```
///
/// **Kinds of connections.** A raw socket has messages. A client of the Centrifuge protocol has commands: each of them
/// has a hook of its own below, and what is not allowed there is refused. `authenticate`, `on_connect` and
/// `on_disconnect` are for both.
///
/// **Order.** The hooks of one connection run one at a time: `authenticate`, `on_connect`, then one for each message or
/// command in the order they came, `on_disconnect` last. A slow hook delays its own connection and nobody else.
///
/// **Where.** A hook is polled once in place. If it has to wait, it goes on on the application runtime, where pools
/// and clients made at start-up live. `authenticate` is part of an HTTP request and stays on its worker thread, with
/// the application runtime entered. Hooks must not block their thread: one that holds it for longer than
/// [`Limits::slow_poll`](crate::Limits) is logged, and is spawned from then on.
///
/// **Failure.** Hooks fail closed. An error, a panic or a passed [`Limits::hook_deadline`](crate::Limits) refuses the
/// socket in `authenticate`, and closes the connection in `on_connect` and `on_message`: with 1011, or 3004 for a client
/// of the protocol. A command whose hook fails is answered with error 100. At the deadline the hook's future is dropped.
pub trait Hooks: Send + Sync + 'static {
    /// Decides who may open a socket, and who they are. The connection exists a moment later: what the application takes
    /// back in between, by [`Hub::disconnect_user`](crate::Hub::disconnect_user) and the like, has to be asked for again in
    /// `on_connect`.
    /// It sees the request that asks for the upgrade: cookies,
    /// headers, query, extensions left by middleware. By default everybody is accepted, anonymously.
    fn authenticate(&self, request: &HttpRequest) -> impl Future<Output = Result<Identity, Refusal>> {
        let _ = request;
        ready(Ok(Identity::anonymous()))
    }

    /// A connection has opened. What is sent to it here comes first: what its user or everybody is sent meanwhile waits
    /// until this hook has ended (or is more than [`Limits::queue_bytes`](crate::Limits)). A channel speaks as soon as
    /// it is subscribed to.
    fn on_connect(&self, socket: &Socket) -> impl Future<Output = HookResult> + Send {
        let _ = socket;
        ready(Ok(()))
    }

    /// A client of the protocol asks to connect. `on_connect` runs behind this hook, and the reply goes out behind both.
    /// What they subscribe the connection to is in the reply, with what a client that comes back has missed. By default
    /// everybody is welcome that `authenticate` or a token has let in.
    fn on_connecting(
        &self,
        socket: &Socket,
        connecting: Connecting,
    ) -> impl Future<Output = Result<Connected, Rejection>> + Send {
        let _ = (socket, connecting);
        ready(Ok(Connected::default()))
    }

    /// A client asks for a subscription; also when it comes back. A valid subscription token is enough instead. By
    /// default nobody may.
    fn on_subscribe(
        &self,
        socket: &Socket,
        subscribing: Subscribing,
    ) -> impl Future<Output = Result<Grant, Rejection>> + Send {
        let _ = (socket, subscribing);
        ready(Err(ErrorCode::PERMISSION_DENIED.into()))
    }

    /// A client asks to publish. What the hook returns is published. By default nobody may.
    fn on_publish(
        &self,
        socket: &Socket,
        publishing: Publishing,
    ) -> impl Future<Output = Result<Json, Rejection>> + Send {
        let _ = (socket, publishing);
        ready(Err(ErrorCode::PERMISSION_DENIED.into()))
    }

    /// A client asks who is in a channel, or what was published to it. By default subscribers may, and nobody else.
    fn on_read(
        &self,
        socket: &Socket,
        reading: Reading,
    ) -> impl Future<Output = Result<(), Rejection>> + Send {
        let _ = socket;
        ready(if reading.subscribed { Ok(()) } else { Err(ErrorCode::PERMISSION_DENIED.into()) })
    }

    /// A client calls the application (RPC), and gets what the hook returns. By default there is nothing to call.
    fn on_call(
        &self,
        socket: &Socket,
        calling: Calling,
    ) -> impl Future<Output = Result<Json, Rejection>> + Send {
        let _ = (socket, calling);
        ready(Err(ErrorCode::NOT_AVAILABLE.into()))
    }

    /// A message has arrived: from a raw socket, or by a client's `send`, whose data it has as a text. Nothing further
    /// of this connection is read until the hook has ended.
    fn on_message(&self, socket: &Socket, message: Message) -> impl Future<Output = HookResult> + Send {
        let _ = (socket, message);
        ready(Ok(()))
    }

    /// The connection is gone, and `ended` says how. Runs once for each connection whose `on_connect` has begun.
    fn on_disconnect(&self, socket: &Socket, ended: Ended) -> impl Future<Output = HookResult> + Send {
        let _ = (socket, ended);
        ready(Ok(()))
    }
}
