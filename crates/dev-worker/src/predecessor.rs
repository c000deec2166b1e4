//! The worker that serves until this one does: its open sockets move here. Whatever is wrong with it, this worker is to
//! serve; sockets that cannot move are closed by their owner and come back.

use std::os::unix::net::UnixStream;

use duplex_core::Server;
use duplex_core::handover::{HandoverError, Predecessor};

/// Has the server take over at the other end of the line. If nobody sensible is there, it starts with nothing.
pub(crate) fn succeed(server: Server, line: Option<UnixStream>) -> Server {
    match line.map(Predecessor::greet) {
        Some(Ok(mut predecessor)) => {
            // The supervisor has sent the same ones.
            drop(predecessor.take_listeners());
            server.take_over(predecessor)
        }
        Some(Err(error)) => {
            log::warn!("open sockets do not move to this worker: {}", anyhow::Error::from(error));
            server
        }
        None => server,
    }
}

/// Whether it was the handover that failed, and how: then there is nothing wrong with this program.
pub(crate) fn why_not_taken_over(error: &anyhow::Error) -> Option<String> {
    error.chain().find(|cause| cause.is::<HandoverError>()).map(ToString::to_string)
}
