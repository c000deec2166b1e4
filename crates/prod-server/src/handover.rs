//! The way from the process before this one, and to the next: who is found at the handover socket, which listening
//! sockets are used, and when this process is the one to be found. How a handover goes is the core's business.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    log::info!("process {} serves now; this one takes over as soon as it can serve", predecessor.process());
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

/// Where the next process finds this one, for as long as this one is there to be found.
#[derive(Clone, Debug)]
pub(crate) struct Place(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rendezvous: Rendezvous,
    successors: SuccessorSender,
    guard: Mutex<Option<RendezvousGuard>>,
}

impl Place {
    /// A place that is not taken yet. Whoever comes goes to `successors`.
    pub(crate) fn new(rendezvous: Rendezvous, successors: SuccessorSender) -> Self {
        Self(Arc::new(Inner { rendezvous, successors, guard: Mutex::new(None) }))
    }

    /// Puts this process in the place of whoever was there before, and says whether it was not there already. A server that
    /// cannot be found serves all the same.
    pub(crate) fn take(&self) -> bool {
        if self.is_taken() == Some(true) {
            return false;
        }
        match self.0.rendezvous.open(self.0.successors.clone()) {
            Ok(guard) => *self.guard() = Some(guard),
            Err(error) => {
                let error = anyhow::Error::from(error);
                log::error!("no later process can take over from this one: {error:#}");
            }
        }
        true
    }

    /// Whether the next process would find this one. `None` if that was never so.
    pub(crate) fn is_taken(&self) -> Option<bool> {
        self.guard().as_ref().map(RendezvousGuard::is_current)
    }

    fn guard(&self) -> MutexGuard<'_, Option<RendezvousGuard>> {
        self.0.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use duplex_core::handover::Successors;

    use super::*;

    #[test]
    fn a_place_that_was_lost_to_a_process_that_is_gone_is_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let rendezvous = Rendezvous::at(folder.path().join("handover")).unwrap();
        let (sender, _successors) = Successors::channel();
        let place = Place::new(rendezvous.clone(), sender.clone());
        assert_eq!(place.is_taken(), None);
        assert!(place.take() && !place.take());
        assert_eq!(place.is_taken(), Some(true));

        let other = rendezvous.open(sender).unwrap();
        assert_eq!(place.is_taken(), Some(false));
        drop(other);
        assert!(rendezvous.find().unwrap().is_none());
        assert!(place.take());
        assert_eq!(place.is_taken(), Some(true));
        assert!(rendezvous.find().unwrap().is_some());
    }
}
