//! The new process's part from its readiness to COMMIT.

use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};

use super::{
    Delivery, HandoverError, Luggage, Predecessor,
    errands::{Errands, RunningHooks},
    fail_point,
    message::{ToNew, ToOld},
    wire::Wire,
};
use crate::{Hub, descriptors::room_for_descriptors};

/// A hub that has been taken over.
pub(crate) struct Taken {
    pub(crate) sockets: usize,
    /// Fails when the old process has nothing more to ask.
    pub(crate) ended: oneshot::Receiver<()>,
    to_old: mpsc::Sender<ToOld>,
}

impl Taken {
    /// Tells the old process that this one accepts connections, so that it can let go of its listening sockets.
    pub(crate) async fn say_started(&self) {
        fail_point::reach_alone("started");
        // It may have ended: then it has let go.
        let _ = self.to_old.send(ToOld::Started).await;
    }
}

/// Takes the hub and all connections over. Blocks until they are this process's.
///
/// # Errors
/// See [`HandoverError`]: then everything is still the other process's, and nothing has been read or written here. If the line
/// fails right behind COMMIT this process has to end, and the other one starts over.
pub(crate) fn take(
    predecessor: Predecessor,
    hub: &Hub,
    luggage: &Luggage,
    runtime: &runtime::Handle,
) -> Result<Taken, HandoverError> {
    let other_build = hub.settings().build.clone().filter(|ours| Some(ours.as_str()) != predecessor.build());
    let mut wire = predecessor.wire;
    fail_point::reach("ready", &mut wire)?;
    wire.send(&ToOld::Ready { descriptors: room_for_descriptors() }, &[])?;
    let mut hooks = RunningHooks::new(runtime.clone(), hub.settings().limits.hook_deadline);
    let sockets = receive(&mut wire, hub, luggage, &mut hooks)?;
    runtime.block_on(hub.sync());
    fail_point::reach("before-commit", &mut wire)?;
    // The decision: see the module's documentation.
    wire.send(&ToOld::Commit, &[])?;
    hub.resume();
    fail_point::reach("committed", &mut wire)?;
    if let Some(build) = other_build {
        hub.announce_build(&build);
    }
    let (to_old, ended) = Errands::start(wire, hub.clone(), runtime.clone(), hooks)?;
    Ok(Taken { sockets, ended, to_old })
}

/// Takes everything in, and returns how many sockets that were.
fn receive(
    wire: &mut Wire,
    hub: &Hub,
    luggage: &Luggage,
    hooks: &mut RunningHooks,
) -> Result<usize, HandoverError> {
    let (mut arrived, mut ahead) = (0, true);
    loop {
        let (message, descriptors) = wire.expect()?;
        match message {
            ToNew::Refused(refusal) => return Err(refusal.into()),
            ToNew::Hub { fresh } => {
                hub.begin_with(fresh);
                // Once ahead of everything, and once when everything stands still.
                let point = if ahead { "ahead-received" } else { "state-received" };
                fail_point::reach(point, wire)?;
                ahead = false;
            }
            ToNew::Streams(streams) => hub.go_on_with(streams),
            ToNew::Forgotten(channels) => hub.forget_streams(&channels),
            ToNew::Luggage(name, packed) => luggage.unpack(&name, &packed),
            ToNew::Connections(parcels) => {
                fail_point::reach("socket-received", wire)?;
                let delivery = Delivery::new(parcels, descriptors, hub, hooks)?;
                let count = delivery.len();
                hub.adopt(delivery);
                wire.send(&ToOld::Taken(count), &[])?;
                arrived += count;
            }
            ToNew::Complete { sockets } if sockets == arrived => return Ok(sockets),
            ToNew::Complete { sockets } => {
                return Err(HandoverError::Miscounted { announced: sockets, arrived });
            }
            other => return Err(HandoverError::OutOfTurn(format!("{other:?}"))),
        }
    }
}
