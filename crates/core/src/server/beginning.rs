//! What a server begins with: nothing, what an earlier one has left in a file, or what another one hands over.

use std::{path::Path, sync::Arc};

use tokio::{runtime, sync::oneshot};

use super::ServeError;
use crate::{
    Hub,
    blocking::in_thread,
    handover::{HandoverError, Luggage, Predecessor, Taken, explain, take},
    state_file,
};

/// How a server has come by its hub.
pub(super) enum Beginning {
    /// From nobody, or from a file.
    Fresh,
    /// From another process, with everything.
    TakenOver(Taken),
    /// Another process gives its listening sockets alone.
    Replacing(Predecessor),
}

impl Beginning {
    /// Gets the hub. `rehearse` tries whether the application can be set up, before anything is taken.
    pub(super) async fn new(
        predecessor: Option<Predecessor>,
        state_file: Option<&Path>,
        hub: &Hub,
        luggage: &Arc<Luggage>,
        rehearse: impl AsyncFnOnce() -> Result<(), HandoverError>,
    ) -> Result<Self, ServeError> {
        match predecessor {
            Some(predecessor) if predecessor.moves_streams() => {
                rehearse().await?;
                let process = predecessor.process();
                if !predecessor.moves_sockets() {
                    log::warn!(
                        "process {process} has another state version: its sockets are closed and come back"
                    );
                }
                let taken = take_over(predecessor, hub, Arc::clone(luggage)).await?;
                log::info!("took over {} sockets from process {process}", taken.sockets);
                state_file.map(outdate);
                Ok(Self::TakenOver(taken))
            }
            Some(predecessor) => {
                rehearse().await?;
                let process = predecessor.process();
                log::warn!(
                    "process {process} keeps channels in another version: its sockets are closed and come back to an empty hub"
                );
                state_file.map(outdate);
                Ok(Self::Replacing(predecessor))
            }
            None => {
                if let Some(path) = state_file {
                    hub.load(path)?;
                }
                Ok(Self::Fresh)
            }
        }
    }

    pub(super) fn is_taken_over(&self) -> bool {
        matches!(self, Self::TakenOver(_))
    }

    /// This process accepts connections. Returns what fails when the one before has nothing more to ask.
    pub(super) async fn say_started(self) -> Option<oneshot::Receiver<()>> {
        match self {
            Self::Fresh => None,
            Self::TakenOver(taken) => {
                taken.say_started().await;
                Some(taken.ended)
            }
            Self::Replacing(predecessor) => {
                if let Err(error) = predecessor.replace() {
                    log::warn!("the process before is gone already: {}", explain(&error));
                }
                None
            }
        }
    }
}

/// Removes a file of a time before the process that served until now: after a crash of this one, it would bring that time
/// back.
fn outdate(state_file: &Path) {
    if let Err(error) = state_file::discard(state_file) {
        log::error!("{error}");
    }
}

/// Takes over in a thread that may block.
async fn take_over(
    predecessor: Predecessor,
    hub: &Hub,
    luggage: Arc<Luggage>,
) -> Result<Taken, HandoverError> {
    let (hub, runtime) = (hub.clone(), runtime::Handle::current());
    let taken = in_thread("handover", move || take(predecessor, &hub, &luggage, &runtime)).await?;
    // Nothing if the thread has panicked.
    taken.unwrap_or(Err(HandoverError::HungUp))
}
