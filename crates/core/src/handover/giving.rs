//! The old process's part from the freeze to COMMIT.

use std::{
    collections::VecDeque,
    os::fd::{AsFd as _, BorrowedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{runtime, sync::oneshot, time::timeout};

use super::{
    Greeted, HandoverError, Link, Luggage, fail_point,
    message::{RunningHook, ToNew, ToOld},
    wire::{Wire, write},
};
use crate::{
    Hub, Socket,
    blocking::in_thread,
    shard::{Incoming, Kept, Moving, MovingState, Work},
};

/// Sockets in one message.
const BATCH_SOCKETS: usize = 200;

/// How long the hub may take to stand still. It takes some milliseconds, unless a hook blocks the thread of its shard.
const FREEZE_PATIENCE: Duration = Duration::from_secs(2);

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
    /// The connections that have moved, and the hooks that go on here for them.
    pub(crate) moved: Vec<(Socket, Option<Work>)>,
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

/// Hands the hub and all connections over. Blocks, for some seconds at most.
///
/// # Errors
/// See [`GivingFailed`].
pub(crate) fn give(
    greeted: Greeted,
    hub: &Hub,
    luggage: Arc<Luggage>,
    runtime: &runtime::Handle,
) -> Result<Given, GivingFailed> {
    let Greeted { mut wire, peer, .. } = greeted;
    fail_point::reach("freeze", &mut wire).map_err(GivingFailed::Kept)?;
    let began = Instant::now();
    freeze(hub, runtime)?;
    let moving = runtime.block_on(hub.dissolve());
    // Carried by an actix worker, a connection cannot leave the process.
    let (moving, staying): (Vec<_>, Vec<_>) =
        moving.into_iter().partition(|one| matches!(one.stream, Incoming::Tcp(_)));
    let packed = runtime.block_on(pack_luggage(luggage));
    let handed = packed.and_then(|packed| hand_over(&mut wire, hub, packed, &moving));
    if let Err(error) = handed {
        if has_committed(&mut wire) {
            return Err(GivingFailed::Lost(error));
        }
        wire.hang_up();
        hub.adopt(moving);
        hub.adopt(staying);
        // Before anything is published again: only now are their shards known to their channels.
        runtime.block_on(hub.sync());
        hub.resume();
        return Err(GivingFailed::Kept(error));
    }
    for Moving { kept, .. } in staying {
        log::warn!("connection {} could not move, and is closed", kept.socket.id());
        hub.lost(&kept.socket);
    }
    let moved = moving.into_iter().map(|Moving { kept: Kept { socket, work, .. }, .. }| (socket, work));
    let moved = moved.collect();
    for point in ["commit-received", "forwarding"] {
        fail_point::reach(point, &mut wire).unwrap_or_else(|error| log::warn!("{error}"));
    }
    let (has_started, started) = oneshot::channel();
    let link = Link::start(wire, peer, has_started).map_err(GivingFailed::Lost)?;
    hub.give_away(&link);
    Ok(Given { link, started, moved, took: began.elapsed() })
}

/// Hands over what channels keep, and nothing else: connections go on here without a hub, to be closed. Blocks, for some
/// seconds at most.
///
/// # Errors
/// See [`GivingFailed`].
pub(crate) fn give_streams(
    greeted: Greeted,
    hub: &Hub,
    runtime: &runtime::Handle,
) -> Result<(), GivingFailed> {
    let Greeted { mut wire, .. } = greeted;
    freeze(hub, runtime)?;
    if let Err(error) = hand_over(&mut wire, hub, Vec::new(), &[])
        && !has_committed(&mut wire)
    {
        wire.hang_up();
        hub.resume();
        return Err(GivingFailed::Kept(error));
    }
    hub.lose();
    Ok(())
}

fn freeze(hub: &Hub, runtime: &runtime::Handle) -> Result<(), GivingFailed> {
    let frozen = async { timeout(FREEZE_PATIENCE, hub.freeze()).await };
    runtime.block_on(frozen).map_err(|_| {
        hub.resume();
        GivingFailed::Kept(HandoverError::Blocked(FREEZE_PATIENCE))
    })
}

/// The application writes down what it carries over; if it takes its time, everybody would have to wait.
async fn pack_luggage(luggage: Arc<Luggage>) -> Result<Vec<(String, Bytes)>, HandoverError> {
    let packed = timeout(FREEZE_PATIENCE, in_thread("luggage", move || luggage.pack())).await;
    let packed = packed.map_err(|_| HandoverError::Blocked(FREEZE_PATIENCE))?;
    // Nothing if the thread has panicked.
    Ok(packed?.unwrap_or_default())
}

/// Sends everything and waits for COMMIT.
fn hand_over(
    wire: &mut Wire,
    hub: &Hub,
    luggage: Vec<(String, Bytes)>,
    moving: &[Moving],
) -> Result<(), HandoverError> {
    fail_point::reach("frozen", wire)?;
    wire.send(&ToNew::Hub { fresh: hub.fresh_epoch() }, &[])?;
    send_streams(wire, hub)?;
    for (name, packed) in luggage {
        wire.send(&ToNew::Luggage(name, packed), &[])?;
    }
    fail_point::reach("state-sent", wire)?;
    send_connections(wire, moving)?;
    wire.send(&ToNew::Complete { sockets: moving.len() }, &[])?;
    fail_point::reach("before-commit-received", wire)?;
    match wire.expect()? {
        (ToOld::Commit, _) => Ok(()),
        (other, _) => Err(HandoverError::OutOfTurn(format!("{other:?}"))),
    }
}

/// Whatever went wrong, from here on the other process can no longer commit, nor say anything else. Whether it has committed
/// before: then the hub is its.
fn has_committed(wire: &mut Wire) -> bool {
    wire.end_reading();
    while let Ok(Some((message, _))) = wire.receive::<ToOld>() {
        if matches!(message, ToOld::Commit) {
            return true;
        }
    }
    false
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
    let mut on_their_way = VecDeque::new();
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
    let lengths = states.iter().map(Bytes::len).collect();
    wire.send_with(&ToNew::Connections(lengths), &states, &descriptors)?;
    Ok(descriptors.len())
}

fn pack(state: &MovingState, work: Option<&Work>) -> Result<Bytes, HandoverError> {
    let running = work.map(|work| match work {
        Work::Hook(hook, _) => RunningHook { hook: *hook, command: None },
        Work::Command(command, hook, _) => RunningHook { hook: *hook, command: Some(*command) },
    });
    let mut bytes = Vec::with_capacity(state.weight());
    write(&mut bytes, &(state, running))?;
    Ok(bytes.into())
}
