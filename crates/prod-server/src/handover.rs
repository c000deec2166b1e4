//! The way from the process before this one, and to the next: who is found at the handover socket, which listening
//! sockets are used, and when this process is the one to be found. How a handover goes is the core's business.

use std::{
    net::TcpListener,
    sync::{Arc, OnceLock},
};

use anyhow::Context as _;
use duplex_core::{
    ListenError,
    handover::{Predecessor, Rendezvous, RendezvousGuard, SuccessorSender},
    is_listening, listen,
};
use prod_server::Settings;

/// Greets the process that serves at the rendezvous, if one does. It goes on whatever becomes of this one.
pub(crate) fn greet(rendezvous: &Rendezvous) -> anyhow::Result<Option<Predecessor>> {
    let Some(line) = rendezvous.find()? else { return Ok(None) };
    let predecessor = Predecessor::greet(line)
        .context("cannot take over from the process that serves now, which goes on")?;
    if predecessor.moves_sockets() {
        log::info!("taking over from the process that serves now, with its open sockets");
    } else {
        log::info!(
            "taking over from another version than this one: its open sockets cannot move, so they are closed and come back"
        );
    }
    Ok(Some(predecessor))
}

/// The predecessor's listening sockets, if they are where this process is to listen. Otherwise it makes its own.
pub(crate) fn listeners(
    settings: &Settings,
    predecessor: Option<&mut Predecessor>,
) -> Result<Vec<TcpListener>, ListenError> {
    let (host, port) = (&settings.host, settings.port);
    if let Some(predecessor) = predecessor {
        let listeners = predecessor.take_listeners();
        if is_listening(&listeners, host, port) {
            return Ok(listeners);
        }
        log::info!(
            "the process before this one listens somewhere else; only its open sockets are taken over"
        );
    }
    listen(host, port)
}

/// Whether this process is the one that the next would find, which it is as soon as it serves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place(Arc<OnceLock<RendezvousGuard>>);

impl Place {
    /// Puts this process in the place of whoever was found there before. A server that cannot be found serves all the same.
    pub(crate) fn occupy(&self, rendezvous: Rendezvous, successors: SuccessorSender) {
        match rendezvous.open(successors) {
            // This is called once; another guard would only be dropped.
            Ok(guard) => drop(self.0.set(guard)),
            Err(error) => {
                let error = anyhow::Error::from(error);
                log::error!("no later process can take over from this one: {error:#}");
            }
        }
    }

    /// Whether the next process would find this one. `None` if that was never so.
    pub(crate) fn is_occupied(&self) -> Option<bool> {
        self.0.get().map(RendezvousGuard::is_current)
    }
}
