//! The hooks: where an application's code meets the life of a socket. How they are run is in `runner`.

mod refusal;
mod runner;
mod socket;

use std::future::{Future, ready};

use actix_web::HttpRequest;

pub(crate) use self::runner::{HookFailure, HookRunner, Progress};
pub use self::{refusal::Refusal, socket::Socket};
use crate::{Ended, Identity, Message};

/// An error that a hook ends with. Any error fits, so `?` works.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// What the hooks of an open connection end with.
pub type HookResult = Result<(), HookError>;

/// What an application does when sockets come, speak and go. Implement the methods you need, as `async fn`.
///
/// **Order.** The hooks of one connection run one at a time: `authenticate`, `on_connect`, `on_message` for each
/// message in the order they came, `on_disconnect` last. A slow hook delays its own connection and nobody else.
///
/// **Where.** A hook is polled once in place. If it has to wait, it goes on on the application runtime, where pools
/// and clients made at start-up live. `authenticate` is part of an HTTP request and stays on its worker thread, with
/// the application runtime entered. Hooks must not block their thread: one that holds it for longer than
/// [`Limits::slow_poll`](crate::Limits) is logged, and is spawned from then on.
///
/// **Failure.** Hooks fail closed. An error, a panic or a passed [`Limits::hook_deadline`](crate::Limits) refuses the
/// socket in `authenticate`, and closes the connection with 1011 in `on_connect` and `on_message`. At the deadline
/// the hook's future is dropped.
pub trait Hooks: Send + Sync + 'static {
    /// Decides who may open a socket, and who they are. It sees the request that asks for the upgrade: cookies,
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

    /// A message has arrived. No further message of this connection is read until the hook has ended.
    fn on_message(&self, socket: &Socket, message: Message) -> impl Future<Output = HookResult> + Send {
        let _ = (socket, message);
        ready(Ok(()))
    }

    /// The connection is gone, and `ended` says how. Runs once for each connection that was accepted.
    fn on_disconnect(&self, socket: &Socket, ended: Ended) -> impl Future<Output = HookResult> + Send {
        let _ = (socket, ended);
        ready(Ok(()))
    }
}
