//! What the service manager is told: that this process serves, is being replaced, or stops. systemd listens where its
//! variable NOTIFY_SOCKET says; without one, nobody does.

use std::net::{SocketAddr, TcpListener};

use sd_notify::NotifyState;

/// A line to whoever manages this process as a service.
#[derive(Clone, Debug)]
pub(crate) struct ServiceManager {
    status: String,
}

impl ServiceManager {
    /// A line, with what is to be shown of a server on these sockets.
    pub(crate) fn new(listeners: &[TcpListener]) -> Self {
        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok());
        let addresses: Vec<_> = addresses.map(|address: SocketAddr| address.to_string()).collect();
        Self { status: format!("Serving on {}", addresses.join(" and ")) }
    }

    /// This process serves: it is the service from now on, whichever process was before.
    pub(crate) fn serves(&self) {
        tell(&[
            NotifyState::Ready,
            NotifyState::MainPid(std::process::id()),
            NotifyState::Status(&self.status),
        ]);
    }

    /// A successor is being started.
    pub(crate) fn reloads(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("Starting the next process")]),
            Err(error) => log::warn!("cannot tell the service manager of a reload: {error}"),
        }
    }

    /// The successor has failed, and this process goes on.
    pub(crate) fn goes_on(&self, reason: &str) {
        let status = format!("{}; the next process failed: {reason}", self.status);
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }

    /// This process was told to stop.
    pub(crate) fn stops(&self) {
        tell(&[NotifyState::Stopping, NotifyState::Status("Stopping")]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("cannot reach the service manager: {error}");
    }
}
