//! The old process's part from the freeze to COMMIT.

use std::{
    collections::VecDeque,
    os::fd::AsFd as _,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    Greeted, HandoverError, Intent, Link, Luggage, Packed, fail_point,
    message::{ToNew, ToOld},
    wire::Wire,
};
use crate::{
    Hub, Socket,
    blocking::in_thread,
    hub::{StreamState, Told},
    shard::{Remains, Work},
};

/// How long the hub may take to stand still. It takes some milliseconds, unless a hook blocks the thread of its shard.
const FREEZE_PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of streams in one message beyond which the next ones go into another.
const BATCH_BYTES: usize = 1 << 20;

/// Messages with sockets that may be on their way: the kernel counts descriptors that nobody has received yet against the
/// limit on open files.
const UNACKNOWLEDGED: usize = 2;

/// Batches of connections that may wait to be sent.
const PACKED: usize = 2;

/// Connections, as the shards pack them.
type Batches = mpsc::Receiver<Result<Packed, HandoverError>>;

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

/// A process that knows what channels keep, all but what has changed since.
pub(crate) struct Ahead {
    greeted: Greeted,
    told: Told,
}

impl Ahead {
    /// Whether it takes the connections too.
    pub(crate) fn takes_over(&self) -> bool {
        self.greeted.intent == Intent::TakeOver
    }
}

/// What did not work.
#[derive(Debug)]
pub(crate) enum GivingFailed {
    /// Nothing has happened, and everything goes on here.
    Kept(HandoverError),
    /// Everything is the other process's, and it cannot be spoken to any more.
    Lost(HandoverError),
}

/// Sends what channels keep while everything goes on: it may be much. Blocks for as long as that takes.
///
/// # Errors
/// The line has failed, and nothing has happened.
pub(crate) fn send_ahead(greeted: Greeted, hub: &Hub) -> Result<Ahead, HandoverError> {
    let mut ahead = Ahead { greeted, told: Told::default() };
    let Ahead { greeted: Greeted { wire, .. }, told } = &mut ahead;
    let fresh = hub.fresh_epoch();
    told.tell_fresh(fresh);
    let sent = wire.send(&ToNew::Hub { fresh }, &[]).and_then(|()| {
        let streams = hub.stream_states().flatten();
        send_streams(wire, streams.inspect(|stream| told.tell(stream)))
    });
    sent.inspect_err(|_| wire.hang_up())?;
    Ok(ahead)
}

/// Hands the hub and all connections over. Blocks, for some seconds at most.
///
/// # Errors
/// See [`GivingFailed`].
pub(crate) fn give(
    ahead: Ahead,
    hub: &Hub,
    luggage: Arc<Luggage>,
    runtime: &runtime::Handle,
) -> Result<Given, GivingFailed> {
    let Ahead { greeted: Greeted { mut wire, peer, .. }, told } = ahead;
    fail_point::reach("freeze", &mut wire).map_err(GivingFailed::Kept)?;
    let began = Instant::now();
    freeze(hub, runtime)?;
    let packed = runtime.block_on(pack_luggage(luggage));
    if let Err(error) = packed.and_then(|packed| hand_over(&mut wire, hub, told, packed, Some(pack(hub)))) {
        if has_committed(&mut wire) {
            return Err(GivingFailed::Lost(error));
        }
        wire.hang_up();
        hub.resume();
        return Err(GivingFailed::Kept(error));
    }
    let took = began.elapsed();
    for point in ["commit-received", "forwarding"] {
        fail_point::reach(point, &mut wire).unwrap_or_else(|error| log::warn!("{error}"));
    }
    let (has_started, started) = oneshot::channel();
    let link = Link::start(wire, peer, has_started).map_err(GivingFailed::Lost)?;
    hub.give_away(&link);
    // What is left of the connections here takes its time, and holds nobody up.
    let (moved, stayed): (Vec<_>, Vec<_>) =
        runtime.block_on(hub.dissolve()).into_iter().partition(|one| one.moved);
    for Remains { socket, .. } in stayed {
        log::warn!("connection {} could not move, and is closed", socket.id());
        hub.lost(&socket);
    }
    let moved = moved.into_iter().map(|Remains { socket, work, .. }| (socket, work)).collect();
    Ok(Given { link, started, moved, took })
}

/// Hands over what channels keep, and nothing else: connections go on here without a hub, to be closed. Blocks, for some
/// seconds at most.
///
/// # Errors
/// See [`GivingFailed`].
pub(crate) fn give_streams(ahead: Ahead, hub: &Hub, runtime: &runtime::Handle) -> Result<(), GivingFailed> {
    let Ahead { greeted: Greeted { mut wire, .. }, told } = ahead;
    freeze(hub, runtime)?;
    if let Err(error) = hand_over(&mut wire, hub, told, Vec::new(), None)
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

/// Has the shards pack their connections, some at a time.
fn pack(hub: &Hub) -> Batches {
    let (packed, batches) = mpsc::channel(PACKED);
    hub.pack(&packed);
    batches
}

/// Sends everything and waits for COMMIT.
fn hand_over(
    wire: &mut Wire,
    hub: &Hub,
    told: Told,
    luggage: Vec<(String, Bytes)>,
    connections: Option<Batches>,
) -> Result<(), HandoverError> {
    fail_point::reach("frozen", wire)?;
    send_changes(wire, hub, told)?;
    for (name, packed) in luggage {
        wire.send(&ToNew::Luggage(name, packed), &[])?;
    }
    fail_point::reach("state-sent", wire)?;
    let sockets = connections.map_or(Ok(0), |batches| send_connections(wire, batches))?;
    wire.send(&ToNew::Complete { sockets }, &[])?;
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

/// What has changed in the hub since it was sent.
fn send_changes(wire: &mut Wire, hub: &Hub, mut told: Told) -> Result<(), HandoverError> {
    let fresh = hub.fresh_epoch();
    if told.tell_fresh(fresh) {
        wire.send(&ToNew::Hub { fresh }, &[])?;
    }
    send_streams(wire, hub.stream_changes(&mut told).flatten())?;
    let gone = told.gone();
    if gone.is_empty() { Ok(()) } else { wire.send(&ToNew::Forgotten(gone), &[]) }
}

fn send_streams(wire: &mut Wire, streams: impl Iterator<Item = StreamState>) -> Result<(), HandoverError> {
    let mut batch = Vec::new();
    let mut weight = 0;
    for stream in streams {
        weight += stream.weight();
        batch.push(stream);
        if weight >= BATCH_BYTES {
            wire.send(&ToNew::Streams(std::mem::take(&mut batch)), &[])?;
            weight = 0;
        }
    }
    if batch.is_empty() { Ok(()) } else { wire.send(&ToNew::Streams(batch), &[]) }
}

/// Sends all connections in counted batches as the shards pack them, each acknowledged. Returns how many there were.
fn send_connections(wire: &mut Wire, mut batches: Batches) -> Result<usize, HandoverError> {
    let mut sockets = 0;
    let mut on_their_way = VecDeque::new();
    while let Some(batch) = batches.blocking_recv() {
        if on_their_way.len() == UNACKNOWLEDGED {
            acknowledge(wire, &mut on_their_way)?;
        }
        let count = send_batch(wire, batch?)?;
        fail_point::reach("socket-sent", wire)?;
        on_their_way.push_back(count);
        sockets += count;
    }
    while !on_their_way.is_empty() {
        acknowledge(wire, &mut on_their_way)?;
    }
    Ok(sockets)
}

fn send_batch(wire: &mut Wire, batch: Packed) -> Result<usize, HandoverError> {
    let Packed { parcels, file, sockets } = batch;
    let sockets_behind = sockets.iter().map(|socket| socket.as_fd());
    let descriptors: Vec<_> = std::iter::once(file.as_fd()).chain(sockets_behind).collect();
    wire.send(&ToNew::Connections(parcels), &descriptors)?;
    Ok(sockets.len())
}

/// Waits until the batch that was sent first is taken in.
fn acknowledge(wire: &mut Wire, on_their_way: &mut VecDeque<usize>) -> Result<(), HandoverError> {
    let announced = on_their_way.pop_front().unwrap_or_default();
    match wire.expect()? {
        (ToOld::Taken(arrived), _) if arrived == announced => Ok(()),
        (ToOld::Taken(arrived), _) => Err(HandoverError::Miscounted { announced, arrived }),
        (other, _) => Err(HandoverError::OutOfTurn(format!("{other:?}"))),
    }
}
