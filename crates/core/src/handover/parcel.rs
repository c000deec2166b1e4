//! Connections on their way to another process. The shard that has them packs them, and the shard that gets them unpacks
//! them, so that all processors take part. Their bytes are in a file in memory, whose descriptor travels beside theirs: a
//! line would carry them through its small buffer, and the two processes would take turns.

use std::{
    fs::File,
    io::{self, IoSlice, Write as _},
    net::{SocketAddr, TcpStream},
    ops::Range,
    os::fd::OwnedFd,
    sync::Arc,
};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use serde::{Deserialize, Serialize};

use super::{
    HandoverError,
    errands::RunningHooks,
    message::RunningHook,
    wire::{read, write},
};
use crate::{
    ConnectionId, Hub, Socket,
    hub::Place,
    line::MOST_DESCRIPTORS,
    shard::{MovingState, Work},
    supervision::LineError,
};

/// Sockets in one message, which also carries the file.
const MOST_SOCKETS: usize = MOST_DESCRIPTORS - 1;

/// Bytes of connections beyond which the next one goes with another message.
const MOST_BYTES: usize = 1 << 20;

/// What a message says of a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parcel {
    pub(super) connection: ConnectionId,
    pub(super) peer: Option<SocketAddr>,
    /// The hook that goes on in the old process.
    pub(super) running: Option<RunningHook>,
    /// Bytes of its state. In the file the states of all come first, each on its own, so that one that is not understood
    /// costs no other.
    pub(super) state: usize,
    /// Bytes that wait to be written to it. They come behind all states, for each in its turn.
    pub(super) unsent: usize,
}

/// Connections that go with one message, while they are packed.
#[derive(Default)]
pub(crate) struct Batch {
    parcels: Vec<Parcel>,
    states: Vec<u8>,
    unsent: Vec<Bytes>,
    unsent_bytes: usize,
    sockets: Vec<OwnedFd>,
}

/// Connections that are packed.
pub(crate) struct Packed {
    pub(super) parcels: Vec<Parcel>,
    pub(super) file: File,
    pub(super) sockets: Vec<OwnedFd>,
}

/// Connections of one message that have arrived.
pub(crate) struct Delivery {
    file: Arc<File>,
    /// Bytes of all states in the file.
    states: usize,
    arrivals: Vec<Arrival>,
}

/// A connection that has arrived.
pub(crate) struct Arrival {
    /// Who is there its state says.
    pub(crate) socket: Socket,
    pub(crate) place: Place,
    pub(crate) stream: TcpStream,
    /// What the old process tells of a hook that goes on there.
    pub(crate) work: Option<Work>,
    /// Its parts of the file.
    state: Range<usize>,
    unsent: Range<usize>,
}

/// What a connection is, and what waits to be written to it.
pub(crate) type Unpacked = (MovingState<'static>, Bytes);

impl Batch {
    /// Adds a connection, with what waits to be written to it, and the hook that runs for it.
    ///
    /// # Errors
    /// Its state cannot be written down.
    pub(crate) fn add(
        &mut self,
        socket: &Socket,
        state: &MovingState<'_>,
        unsent: Vec<Bytes>,
        work: Option<&Work>,
        descriptor: OwnedFd,
    ) -> Result<(), HandoverError> {
        let running = work.map(|work| match work {
            Work::Hook(hook, _) => RunningHook { hook: *hook, command: None },
            Work::Command(command, hook, _) => RunningHook { hook: *hook, command: Some(*command) },
        });
        let start = self.states.len();
        self.states.reserve(state.weight());
        write(&mut self.states, state)?;
        let unsent_bytes = unsent.iter().map(Bytes::len).sum();
        self.unsent.extend(unsent);
        self.unsent_bytes += unsent_bytes;
        self.parcels.push(Parcel {
            connection: socket.id(),
            peer: socket.peer(),
            running,
            state: self.states.len() - start,
            unsent: unsent_bytes,
        });
        self.sockets.push(descriptor);
        Ok(())
    }

    /// Whether the next connection goes with another message.
    pub(crate) fn is_full(&self) -> bool {
        self.sockets.len() >= MOST_SOCKETS || self.states.len() + self.unsent_bytes >= MOST_BYTES
    }

    /// Writes the file.
    ///
    /// # Errors
    /// The system gives no memory or descriptor for it.
    pub(crate) fn pack(self) -> Result<Packed, HandoverError> {
        let mut file = file_in_memory()?;
        let unsent = self.unsent.iter().map(|piece| IoSlice::new(piece));
        let mut pieces: Vec<_> = std::iter::once(IoSlice::new(&self.states)).chain(unsent).collect();
        let mut left = &mut pieces[..];
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match file.write_vectored(left) {
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Packed { parcels: self.parcels, file, sockets: self.sockets })
    }
}

impl Delivery {
    /// What has come with a message: the file, and a descriptor for each connection.
    ///
    /// # Errors
    /// It is not what the message speaks of.
    pub(super) fn new(
        parcels: Vec<Parcel>,
        mut descriptors: Vec<OwnedFd>,
        hub: &Hub,
        hooks: &mut RunningHooks,
    ) -> Result<Self, HandoverError> {
        if descriptors.len() != parcels.len() + 1 {
            return Err(HandoverError::Miscounted {
                announced: parcels.len() + 1,
                arrived: descriptors.len(),
            });
        }
        let sockets = descriptors.split_off(1);
        let file: File = descriptors.remove(0).into();
        let states = parcels.iter().fold(0_usize, |sum, parcel| sum.saturating_add(parcel.state));
        let (mut state, mut unsent) = (0, states);
        let arrivals = parcels.into_iter().zip(sockets).map(|(parcel, descriptor)| {
            let socket = Socket::new(parcel.connection, None, parcel.peer, hub.clone());
            Arrival {
                place: hub.place_for(parcel.connection),
                stream: TcpStream::from(descriptor),
                work: parcel.running.map(|running| hooks.expect(&socket, running)),
                socket,
                state: next(&mut state, parcel.state),
                unsent: next(&mut unsent, parcel.unsent),
            }
        });
        let arrivals = arrivals.collect();
        if file.metadata()?.len() < unsent as u64 {
            return Err(LineError::Truncated.into());
        }
        Ok(Self { file: Arc::new(file), states, arrivals })
    }

    /// What is for each of some shards.
    pub(crate) fn by_shard(self, shards: usize) -> impl Iterator<Item = Self> {
        let Self { file, states, arrivals } = self;
        let mut lists: Vec<_> = (0..shards).map(|_| Vec::new()).collect();
        arrivals.into_iter().for_each(|arrival| lists[arrival.place.shard()].push(arrival));
        lists.into_iter().map(move |arrivals| Self { file: Arc::clone(&file), states, arrivals })
    }

    pub(crate) fn len(&self) -> usize {
        self.arrivals.len()
    }

    /// All of it. A connection whose bytes are not understood is told apart.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn unpack(self) -> io::Result<impl Iterator<Item = (Arrival, Result<Unpacked, LineError>)>> {
        let Self { file, states, arrivals } = self;
        let states = part(&file, 0..states)?;
        Ok(arrivals.into_iter().map(move |arrival| {
            let unpack = || {
                let state = states.get(arrival.state.clone()).ok_or(LineError::Truncated)?;
                Ok((read(state)?, part(&file, arrival.unsent.clone())?.into()))
            };
            let unpacked = unpack();
            (arrival, unpacked)
        }))
    }
}

/// The next part of so many bytes.
fn next(end: &mut usize, length: usize) -> Range<usize> {
    let start = *end;
    *end = start.saturating_add(length);
    start..*end
}

/// A part of a file, which must be there: as much is allocated.
fn part(file: &File, part: Range<usize>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(part.len());
    while bytes.len() < part.len() {
        let position = (part.start + bytes.len()) as u64;
        // Without filling the memory with zeros first: it may be much.
        match rustix::io::pread(file, spare_capacity(&mut bytes), position) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(part.len());
    Ok(bytes)
}

/// A file without a name, which is gone with its last descriptor.
#[cfg(target_os = "linux")]
fn file_in_memory() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(memfd_create("handover", MemfdFlags::CLOEXEC)?.into())
}

/// Where connections do not move, none is needed.
#[cfg(not(target_os = "linux"))]
fn file_in_memory() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}
