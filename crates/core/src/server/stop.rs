//! Why a server ends, and the signals that ask for it.

use tokio::signal::unix::{SignalKind, signal};

/// Why a server stops. Either way it ends in this order:
///
/// 1. It accepts no more connections, refuses new sockets, and every answer closes its connection.
/// 2. All sockets are closed with a code that makes them come back.
/// 3. After a grace period, idle connections are closed and running requests finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The server goes away: raw sockets are closed with 1001, clients of the protocol with 3001.
    Shutdown,
    /// Another process takes over on the same listening socket: raw sockets are closed with 1012, clients of the
    /// protocol with 3001.
    Restart,
}

impl Stop {
    /// Resolves at the first SIGTERM or SIGINT. This is what a server waits for by default.
    pub async fn signalled() -> Self {
        first_signal().await;
        Self::Shutdown
    }
}

async fn first_signal() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        _ => {
            log::error!("signals cannot be listened to; only SIGKILL will end this process");
            std::future::pending::<()>().await;
        }
    }
}
