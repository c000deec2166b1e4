//! The new process's part from its readiness to COMMIT.

use std::{net::TcpStream, os::fd::OwnedFd};

use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};

use super::{
    Arrival, HandoverError, Luggage, Predecessor,
    errands::{Errands, RunningHooks},
    fail_point,
    message::{ToNew, ToOld},
    parcel::Parcel,
    wire::Wire,
};
use crate::{Hub, Socket, descriptors::room_for_descriptors};

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
    let mut arrived = 0;
    loop {
        let (message, descriptors) = wire.expect()?;
        match message {
            ToNew::Refused(refusal) => return Err(refusal.into()),
            ToNew::Hub { fresh } => {
                hub.begin_with(fresh);
                fail_point::reach("state-received", wire)?;
            }
            ToNew::Streams(streams) => hub.go_on_with(streams),
            ToNew::Luggage(name, packed) => luggage.unpack(&name, &packed),
            ToNew::Connections(parcels) => {
                let count = descriptors.len();
                fail_point::reach("socket-received", wire)?;
                hub.adopt(open(wire, hub, parcels, descriptors, hooks)?);
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

/// The connections of a message, with what is behind it, each for its shard.
fn open(
    wire: &mut Wire,
    hub: &Hub,
    parcels: Vec<Parcel>,
    descriptors: Vec<OwnedFd>,
    hooks: &mut RunningHooks,
) -> Result<Vec<Arrival>, HandoverError> {
    if parcels.len() != descriptors.len() {
        return Err(HandoverError::Miscounted { announced: parcels.len(), arrived: descriptors.len() });
    }
    let total = parcels.iter().fold(0_usize, |sum, parcel| sum.saturating_add(parcel.state));
    let mut states = wire.receive_bytes(total)?;
    let arrival = |(parcel, descriptor): (Parcel, OwnedFd)| {
        let Parcel { connection, peer, running, state, unsent } = parcel;
        let socket = Socket::new(connection, None, peer, hub.clone());
        Ok(Arrival {
            place: hub.place_for(connection),
            stream: TcpStream::from(descriptor),
            work: running.map(|running| hooks.expect(&socket, running)),
            unsent: wire.receive_bytes(unsent)?,
            state: states.split_to(state),
            socket,
        })
    };
    parcels.into_iter().zip(descriptors).map(arrival).collect()
}
