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
    wire::{PATIENCE, Wire},
};
use crate::{
    Hub,
    blocking::in_thread,
    descriptors::room_for_descriptors,
    hub::{StreamState, Told},
};

/// How long the hub may take to stand still. It takes some milliseconds, unless a hook blocks the thread of its shard.
const FREEZE_PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of streams in one message beyond which the next ones go into another.
const BATCH_BYTES: usize = 1 << 20;

/// Names of streams in one message.
const BATCH_NAMES: usize = 10_000;

/// Messages with sockets that may be on their way: the kernel counts descriptors that nobody has received yet against the
/// limit on open files.
const UNACKNOWLEDGED: usize = 2;

/// Batches of connections that may wait to be sent.
const PACKED: usize = 2;

/// Connections, as the shards pack them.
struct Batches<'a> {
    batches: mpsc::Receiver<Result<Packed, HandoverError>>,
    runtime: &'a runtime::Handle,
}

/// A hub that is another process's now.
pub(crate) struct Given {
    pub(crate) link: Link,
    /// Resolves when the other process accepts connections, and fails when it is gone before that.
    pub(crate) started: oneshot::Receiver<()>,
    /// How many connections have moved.
    pub(crate) sockets: usize,
    /// From the freeze to COMMIT.
    pub(crate) took: Duration,
}

/// A process that knows what channels keep, all but what has changed since.
pub(crate) struct Ahead {
    greeted: Greeted,
    told: Told,
    /// How many descriptors this process can still open.
    room: usize,
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

/// Sends what channels keep while everything goes on: it may be much. Blocks for as long as that takes. A process that takes
/// nothing else is told everything later: its version need not know how the rest is said.
///
/// # Errors
/// The line has failed, and nothing has happened.
pub(crate) fn send_ahead(greeted: Greeted, hub: &Hub) -> Result<Ahead, HandoverError> {
    let room = usize::try_from(room_for_descriptors()).unwrap_or(usize::MAX);
    let mut ahead = Ahead { greeted, told: Told::default(), room };
    if ahead.takes_over() {
        let sent = tell(&mut ahead.greeted.wire, hub, &mut ahead.told);
        sent.inspect_err(|_| ahead.greeted.wire.hang_up())?;
    }
    Ok(ahead)
}

fn tell(wire: &mut Wire, hub: &Hub, told: &mut Told) -> Result<(), HandoverError> {
    fail_point::reach("ahead", wire)?;
    wire.send(&ToNew::Hub { fresh: hub.fresh_epoch() }, &[])?;
    send_streams(wire, hub.stream_states().flatten().inspect(|stream| told.tell(stream)))
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
    let Ahead { greeted: Greeted { mut wire, peer, .. }, told, room } = ahead;
    fail_point::reach("freeze", &mut wire).map_err(GivingFailed::Kept)?;
    let began = Instant::now();
    freeze(hub, runtime)?;
    let packed = runtime.block_on(pack_luggage(luggage));
    let given = packed.and_then(|packed| {
        let batches = Batches::of(hub, room, runtime);
        hand_over(&mut wire, hub, told, packed, Some(batches))
    });
    let sockets = match given {
        Ok(sockets) => sockets,
        Err(error) if has_committed(&mut wire) => return Err(GivingFailed::Lost(error)),
        Err(error) => {
            wire.hang_up();
            hub.resume();
            return Err(GivingFailed::Kept(error));
        }
    };
    let took = began.elapsed();
    for point in ["commit-received", "forwarding"] {
        fail_point::reach(point, &mut wire).unwrap_or_else(|error| log::warn!("{error}"));
    }
    let (has_started, started) = oneshot::channel();
    let link = Link::start(wire, peer, has_started).map_err(GivingFailed::Lost)?;
    hub.give_away(&link);
    Ok(Given { link, started, sockets, took })
}

/// Hands over what channels keep, and nothing else: connections go on here without a hub, to be closed. Blocks, for some
/// seconds at most.
///
/// # Errors
/// See [`GivingFailed`].
pub(crate) fn give_streams(ahead: Ahead, hub: &Hub, runtime: &runtime::Handle) -> Result<(), GivingFailed> {
    let Ahead { greeted: Greeted { mut wire, .. }, told, .. } = ahead;
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

impl Batches<'_> {
    /// Has the shards pack their connections, a few batches at a time, so that their descriptors fit into the room there is.
    fn of<'a>(hub: &Hub, room: usize, runtime: &'a runtime::Handle) -> Batches<'a> {
        let (packed, batches) = mpsc::channel(PACKED);
        hub.pack(&packed, room / (PACKED + 2));
        Batches { batches, runtime }
    }

    /// The next one, or nothing when all connections are packed.
    fn next(&mut self) -> Result<Option<Packed>, HandoverError> {
        let next = async { timeout(PATIENCE, self.batches.recv()).await };
        let next = self.runtime.block_on(next);
        next.map_err(|_| HandoverError::Blocked(PATIENCE))?.transpose()
    }
}

/// Sends everything and waits for COMMIT. Returns how many connections that were.
fn hand_over(
    wire: &mut Wire,
    hub: &Hub,
    told: Told,
    luggage: Vec<(String, Bytes)>,
    connections: Option<Batches<'_>>,
) -> Result<usize, HandoverError> {
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
        (ToOld::Commit, _) => Ok(sockets),
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
    wire.send(&ToNew::Hub { fresh: hub.fresh_epoch() }, &[])?;
    send_streams(wire, hub.stream_changes(&mut told).flatten())?;
    told.gone().chunks(BATCH_NAMES).try_for_each(|gone| wire.send(&ToNew::Forgotten(gone.to_vec()), &[]))
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
fn send_connections(wire: &mut Wire, mut batches: Batches<'_>) -> Result<usize, HandoverError> {
    let mut sockets = 0;
    let mut on_their_way = VecDeque::new();
    while let Some(batch) = batches.next()? {
        if on_their_way.len() == UNACKNOWLEDGED {
            acknowledge(wire, &mut on_their_way)?;
        }
        let count = send_batch(wire, batch)?;
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
