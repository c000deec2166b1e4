//! How a server ends: the signals that ask for it, and the order in which it lets go.

use std::{future::Future, io, pin::Pin};

use actix_server::ServerHandle;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};

use super::gate::Gate;
use crate::{Hub, Settings};

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

/// A server that runs, with all it needs to end well.
pub(super) struct Drain {
    pub(super) handle: ServerHandle,
    pub(super) hub: Hub,
    pub(super) gate: Gate,
    pub(super) settings: Settings,
}

impl Drain {
    /// Serves until `stop` resolves and the server has let go of everything.
    pub(super) async fn serve(
        self,
        server: actix_server::Server,
        stop: Pin<Box<dyn Future<Output = Stop> + Send>>,
    ) -> io::Result<()> {
        let mut serving = tokio::spawn(server);
        let stop = tokio::select! {
            stop = stop => stop,
            // The server has ended by itself, which only an error makes it do.
            ended = &mut serving => return ended.unwrap_or_else(|error| Err(io::Error::other(error))),
        };
        self.drain(stop).await;
        serving.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    async fn drain(&self, stop: Stop) {
        log::info!("stopping: {} sockets to close", self.hub.count());
        self.handle.pause().await;
        self.gate.leave();
        // Sockets are not the HTTP server's any more, so both end side by side and share the deadline.
        tokio::join!(self.hub.drain(stop), self.finish_requests());
        self.hub.end_shards();
    }

    async fn finish_requests(&self) {
        sleep(self.settings.drain_grace).await;
        let deadline = self.settings.drain_deadline;
        if timeout(deadline, self.handle.stop(true)).await.is_err() {
            log::warn!("requests still run after {deadline:?}; they are cut off");
            self.handle.stop(false).await;
        }
    }
}
