//! The new process's part from its readiness to COMMIT.

use std::{net::TcpStream, os::fd::OwnedFd};

use bytes::Bytes;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
};

use super::{
    HandoverError, Luggage, Predecessor,
    errands::{Errands, RunningHooks},
    fail_point,
    message::{RunningHook, ToNew, ToOld},
    wire::{Wire, read},
};
use crate::{
    Hub,
    descriptors::room_for_descriptors,
    shard::{Incoming, Kept, Moving, MovingState},
};

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
        let (message, bytes, descriptors) = wire.receive_with()?.ok_or(HandoverError::HungUp)?;
        match message {
            ToNew::Refused(refusal) => return Err(refusal.into()),
            ToNew::Hub { fresh } => {
                hub.begin_with(fresh);
                fail_point::reach("state-received", wire)?;
            }
            ToNew::Streams(streams) => hub.go_on_with(streams),
            ToNew::Luggage(name, packed) => luggage.unpack(&name, &packed),
            ToNew::Connections(lengths) => {
                let count = descriptors.len();
                let states = split(bytes, &lengths).filter(|states| states.len() == count);
                let miscounted = HandoverError::Miscounted { announced: lengths.len(), arrived: count };
                let states = states.ok_or(miscounted)?;
                fail_point::reach("socket-received", wire)?;
                let moving = states.iter().zip(descriptors);
                hub.adopt(moving.filter_map(|(state, socket)| unpack(hub, hooks, state, socket)).collect());
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

/// The parts of these lengths at the end of a message; nothing if there is not so much.
fn split(mut bytes: Bytes, lengths: &[usize]) -> Option<Vec<Bytes>> {
    let total = lengths.iter().try_fold(0_usize, |sum, length| sum.checked_add(*length))?;
    let mut rest = bytes.split_off(bytes.len().checked_sub(total)?);
    Some(lengths.iter().map(|length| rest.split_to(*length)).collect())
}

/// A connection whose state is not understood is closed, by the end of its descriptor, and comes back.
fn unpack(hub: &Hub, hooks: &mut RunningHooks, state: &Bytes, socket: OwnedFd) -> Option<Moving> {
    let (state, running) = read::<(MovingState, Option<RunningHook>)>(state)
        .inspect_err(|error| log::error!("a connection cannot move and is closed: {error}"))
        .ok()?;
    let connection = &state.connection;
    let handle =
        hub.socket_for(connection.id, connection.identity.clone(), connection.peer, connection.opened);
    let work = running.map(|running| hooks.expect(&handle, running));
    let kept = Kept { place: hub.place_for(connection.id), socket: handle, work };
    Some(Moving { state, stream: Incoming::Tcp(TcpStream::from(socket)), kept })
}
