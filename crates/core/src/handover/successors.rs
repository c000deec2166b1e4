//! Where processes that want to take over come in.

use std::os::unix::net::UnixStream;

use tokio::sync::mpsc;

/// Callers that may wait. One process hands over to one other, once.
const WAITING: usize = 4;

/// The processes that want to take over: see [`Server::hand_over_to`](crate::Server::hand_over_to).
#[derive(Debug)]
pub struct Successors {
    lines: mpsc::Receiver<UnixStream>,
}

/// Brings a process that wants to take over to the server.
#[derive(Clone, Debug)]
pub struct SuccessorSender {
    lines: mpsc::Sender<UnixStream>,
}

impl Successors {
    /// Both ends.
    pub fn channel() -> (SuccessorSender, Self) {
        let (sender, lines) = mpsc::channel(WAITING);
        (SuccessorSender { lines: sender }, Self { lines })
    }

    /// The next one. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<UnixStream> {
        self.lines.recv().await
    }
}

impl SuccessorSender {
    /// Passes on the line to a process that wants to take over. It never blocks: of too many at once, some are hung up on.
    pub fn offer(&self, line: UnixStream) {
        if self.lines.try_send(line).is_err() {
            log::warn!("too many processes want to take over at once; one was hung up on");
        }
    }
}
