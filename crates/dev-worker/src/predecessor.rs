//! The worker that serves until this one does: its open sockets move here. Whatever is wrong with it, this worker is to
//! serve; sockets that cannot move are closed by their owner and come back.

use std::os::unix::net::UnixStream;

use duplex_core::handover::{HandoverError, Predecessor};
use duplex_core::{ServeError, Server};

/// Has the server take over from whoever is at the other end of the line, if there is one; says whether it will.
pub(crate) fn succeed(server: Server, line: Option<UnixStream>) -> Result<(Server, bool), ServeError> {
    match line.map(Predecessor::greet) {
        Some(Ok(mut predecessor)) => {
            // The supervisor has sent the same ones.
            drop(predecessor.take_listeners());
            Ok((server.take_over(predecessor)?, true))
        }
        Some(Err(error)) => {
            log::warn!("open sockets do not move to this worker: {error}");
            Ok((server, false))
        }
        None => Ok((server, false)),
    }
}

/// Whether it was the handover that failed, and how: then this program may well be able to serve.
pub(crate) fn why_not_taken_over(error: &anyhow::Error) -> Option<String> {
    match error.chain().find_map(|cause| cause.downcast_ref())? {
        HandoverError::Application(_) => None,
        error => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handover_that_fails_is_told_from_a_program_that_does() {
        let why = |error| {
            let error = duplex_app::AppError::from(ServeError::from(error));
            why_not_taken_over(&error.into())
        };
        assert_eq!(why(HandoverError::HungUp), Some(HandoverError::HungUp.to_string()));
        assert_eq!(why(HandoverError::Application("no".into())), None);
        assert_eq!(why_not_taken_over(&ServeError::TooLate.into()), None);
    }
}
