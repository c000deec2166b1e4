//! The old process's part from the freeze to COMMIT.

use std::{
    os::fd::{AsFd as _, BorrowedFd},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{runtime, sync::oneshot};

use super::{
    Greeted, HandoverError, Link, Luggage, fail_point,
    message::{Running, ToNew, ToOld},
    wire::{Wire, write},
};
use crate::{
    Hub, Socket,
    shard::{Incoming, Kept, Moving, MovingState, Work},
};

/// Sockets in one message.
const BATCH_SOCKETS: usize = 200;

/// Bytes of one message beyond which the next part goes into another one.
const BATCH_BYTES: usize = 1 << 20;

/// Messages with sockets that may be on their way: the kernel counts descriptors that nobody has received yet against the
/// limit on open files.
const UNACKNOWLEDGED: usize = 2;

/// A hub that is another process's now.
pub(crate) struct Given {
    pub(crate) link: Link,
    /// Resolves when the other process accepts connections, and fails when it is gone before that.
    pub(crate) started: oneshot::Receiver<()>,
    /// The hooks that go on here for connections which have moved.
    pub(crate) works: Vec<(Socket, Work)>,
    pub(crate) sockets: usize,
    /// From the freeze to COMMIT.
    pub(crate) took: Duration,
}

/// What did not work.
#[derive(Debug)]
pub(crate) enum GivingFailed {
    /// Nothing has happened, and everything goes on here.
    Kept(HandoverError),
    /// Everything is the other process's, and it cannot be spoken to any more.
    Lost(HandoverError),
}

/// Hands the hub and all connections over. Blocks.
///
/// # Errors
/// See [`GivingFailed`].
pub(crate) fn give(
    greeted: Greeted,
    hub: &Hub,
    luggage: &Luggage,
    runtime: &runtime::Handle,
) -> Result<Given, GivingFailed> {
    let Greeted { mut wire, process, .. } = greeted;
    fail_point::reach("freeze", &mut wire).map_err(GivingFailed::Kept)?;
    let began = Instant::now();
    let moving = runtime.block_on(async {
        hub.freeze().await;
        hub.dissolve().await
    });
    // Carried by an actix worker, a connection cannot leave the process.
    let (moving, staying): (Vec<_>, Vec<_>) =
        moving.into_iter().partition(|one| matches!(one.stream, Incoming::Tcp(_)));
    let handed = hand_over(&mut wire, hub, luggage, &moving);
    if let Err(error) = handed.or_else(|error| last_look(&mut wire, error)) {
        wire.hang_up();
        hub.adopt(moving);
        hub.adopt(staying);
        // Before anything is published again: only now are their shards known to their channels.
        runtime.block_on(hub.sync());
        hub.resume();
        return Err(GivingFailed::Kept(error));
    }
    let sockets = moving.len();
    let works = moving
        .into_iter()
        .filter_map(|Moving { kept: Kept { socket, work, .. }, .. }| work.map(|work| (socket, work)));
    let works = works.collect();
    if !staying.is_empty() {
        log::warn!("{} sockets could not move and are closed", staying.len());
    }
    for point in ["commit-received", "forwarding"] {
        fail_point::reach(point, &mut wire).unwrap_or_else(|error| log::warn!("{error}"));
    }
    let (has_started, started) = oneshot::channel();
    let link = Link::start(wire, process, has_started).map_err(GivingFailed::Lost)?;
    hub.give_away(&link);
    Ok(Given { link, started, works, sockets, took: began.elapsed() })
}

/// Sends everything and waits for COMMIT.
fn hand_over(wire: &mut Wire, hub: &Hub, luggage: &Luggage, moving: &[Moving]) -> Result<(), HandoverError> {
    fail_point::reach("frozen", wire)?;
    wire.send(&ToNew::Hub { fresh: hub.fresh_epoch() }, &[])?;
    send_streams(wire, hub)?;
    wire.send(&ToNew::Luggage(luggage.pack()), &[])?;
    fail_point::reach("state-sent", wire)?;
    send_connections(wire, moving)?;
    wire.send(&ToNew::Complete { sockets: moving.len() }, &[])?;
    fail_point::reach("before-commit-received", wire)?;
    match wire.expect()? {
        (ToOld::Commit, _) => Ok(()),
        (other, _) => Err(HandoverError::OutOfTurn(format!("{other:?}"))),
    }
}

/// Whatever went wrong, from here on the other process can no longer commit. If it has done so before, the hub is its.
fn last_look(wire: &mut Wire, error: HandoverError) -> Result<(), HandoverError> {
    wire.end_reading();
    while let Ok(Some((message, _))) = wire.receive::<ToOld>() {
        if matches!(message, ToOld::Commit) {
            return Ok(());
        }
    }
    Err(error)
}

fn send_streams(wire: &mut Wire, hub: &Hub) -> Result<(), HandoverError> {
    let mut batch = Vec::new();
    let mut weight = 0;
    for stream in hub.stream_states().flatten() {
        weight += stream.weight();
        batch.push(stream);
        if weight >= BATCH_BYTES {
            wire.send(&ToNew::Streams(std::mem::take(&mut batch)), &[])?;
            weight = 0;
        }
    }
    if batch.is_empty() { Ok(()) } else { wire.send(&ToNew::Streams(batch), &[]) }
}

/// Sends all connections in counted batches, each acknowledged.
fn send_connections(wire: &mut Wire, moving: &[Moving]) -> Result<(), HandoverError> {
    let mut rest = moving;
    let mut on_their_way = std::collections::VecDeque::new();
    while !rest.is_empty() || !on_their_way.is_empty() {
        if !rest.is_empty() && on_their_way.len() < UNACKNOWLEDGED {
            let sent = send_batch(wire, rest)?;
            fail_point::reach("socket-sent", wire)?;
            on_their_way.push_back(sent);
            rest = rest.get(sent..).unwrap_or_default();
            continue;
        }
        let sent = on_their_way.pop_front();
        match wire.expect()? {
            (ToOld::Taken(arrived), _) if Some(arrived) == sent => {}
            (ToOld::Taken(arrived), _) => {
                return Err(HandoverError::Miscounted { announced: sent.unwrap_or_default(), arrived });
            }
            (other, _) => return Err(HandoverError::OutOfTurn(format!("{other:?}"))),
        }
    }
    Ok(())
}

/// Sends as many of these as fit into one message, and says how many that were.
fn send_batch(wire: &mut Wire, moving: &[Moving]) -> Result<usize, HandoverError> {
    let mut states = Vec::new();
    let mut descriptors: Vec<BorrowedFd<'_>> = Vec::new();
    let mut bytes = 0;
    for Moving { state, stream, kept } in moving.iter().take(BATCH_SOCKETS) {
        let Incoming::Tcp(stream) = stream else { continue };
        let state = pack(state, kept.work.as_ref())?;
        bytes += state.len();
        states.push(state);
        descriptors.push(stream.as_fd());
        if bytes >= BATCH_BYTES {
            break;
        }
    }
    wire.send(&ToNew::Connections(states), &descriptors)?;
    Ok(descriptors.len())
}

fn pack(state: &MovingState, work: Option<&Work>) -> Result<Bytes, HandoverError> {
    let running = work.map(|work| match work {
        Work::Hook(hook, _) => Running { hook: *hook, command: None },
        Work::Command(command, hook, _) => Running { hook: *hook, command: Some(*command) },
    });
    let mut bytes = Vec::new();
    write(&mut bytes, &(state, running))?;
    Ok(bytes.into())
}
