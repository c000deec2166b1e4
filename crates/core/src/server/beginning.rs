//! What a server begins with: nothing, what an earlier one has left in a file, or what another one hands over.

use std::{path::Path, sync::Arc, thread};

use tokio::{runtime, sync::oneshot};

use super::ServeError;
use crate::{
    Hub,
    handover::{HandoverError, Luggage, Predecessor, Taken, take},
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
            Some(predecessor) if predecessor.moves_sockets() => {
                rehearse().await?;
                let process = predecessor.process();
                let taken = take_over(predecessor, hub, Arc::clone(luggage)).await?;
                log::info!("took over {} sockets from process {process}", taken.sockets);
                state_file.map(outdate);
                Ok(Self::TakenOver(taken))
            }
            Some(predecessor) => {
                rehearse().await?;
                let process = predecessor.process();
                log::warn!(
                    "process {process} has another version of what would move: its sockets are closed and come back"
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

    /// This process accepts connections.
    pub(super) async fn say_started(self) {
        match self {
            Self::Fresh => {}
            Self::TakenOver(taken) => taken.say_started().await,
            Self::Replacing(predecessor) => {
                if let Err(error) = predecessor.replace() {
                    log::warn!("the process before is gone already: {error}");
                }
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
    let (report, taken) = oneshot::channel();
    let take = move || drop(report.send(take(predecessor, &hub, &luggage, &runtime)));
    thread::Builder::new().name("handover".to_owned()).spawn(take)?;
    taken.await.unwrap_or(Err(HandoverError::HungUp))
}
