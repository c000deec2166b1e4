//! Connections on their way to another process. The shard that has them packs them, and the shard that gets them unpacks
//! them, so that all processors take part. Their bytes are in a file in memory, whose descriptor travels beside theirs: so
//! what is much need not be read before the new process serves, and is as safe there as if it had been.

use std::{
    fs::File,
    io::{self, Write as _},
    net::{SocketAddr, TcpStream},
    ops::Range,
    os::fd::OwnedFd,
    sync::Arc,
};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    HandoverError,
    errands::RunningHooks,
    message::RunningHook,
    wire::{read, write},
};
use crate::{
    ConnectionId, Hub, Socket,
    codec::Decoder,
    hub::Place,
    line::MOST_DESCRIPTORS,
    shard::{ConnectionState, TaskState, Work},
    supervision::LineError,
};

/// Sockets in one message, which also carries the file.
const MOST_SOCKETS: usize = MOST_DESCRIPTORS - 1;

/// Bytes of connections beyond which the next one goes with another message: those that are read at once, and those that
/// are not. Each message is a file that stays open until all of it has been read.
const MOST_BYTES: usize = 1 << 20;
const MOST_LATE_BYTES: usize = 16 << 20;

/// Bytes of a part of a connection beyond which it is read only when it is needed.
const LATE_BYTES: usize = 16 << 10;

/// What a message says of a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parcel {
    pub(super) connection: ConnectionId,
    pub(super) peer: Option<SocketAddr>,
    /// The hook that goes on in the old process.
    pub(super) running: Option<RunningHook>,
    /// Its bytes in the file: what it is, what has come of a message, and what waits to be written. Each is read on its own,
    /// so that one that is not understood costs no other. What is more than [`LATE_BYTES`] is not beside the others, but
    /// behind those of all connections.
    pub(super) state: usize,
    pub(super) decoder: usize,
    pub(super) unsent: usize,
}

/// Connections that go with one message, while they are packed.
pub(crate) struct Batch {
    most_sockets: usize,
    parcels: Vec<Parcel>,
    first: Vec<u8>,
    late: Vec<Bytes>,
    late_bytes: usize,
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
    /// Bytes of what comes first.
    first: usize,
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
    state: Range<usize>,
    decoder: Range<usize>,
    unsent: Range<usize>,
}

/// What a connection is.
pub(crate) struct Unpacked {
    pub(crate) state: ConnectionState,
    pub(crate) task: TaskState,
    pub(crate) decoder: Rest<Decoder>,
    /// What waits to be written.
    pub(crate) unsent: Rest<Bytes>,
}

/// Something that has been read, or is to be read later.
pub(crate) enum Rest<T> {
    Read(T),
    Late(Part),
}

/// A part of a file, which is there, and which is to be read later, by whoever has it.
pub(crate) struct Part {
    file: Arc<File>,
    range: Range<usize>,
}

impl Batch {
    /// For at least one, and at most so many sockets.
    pub(crate) fn new(most_sockets: usize) -> Self {
        Self {
            most_sockets: most_sockets.clamp(1, MOST_SOCKETS),
            parcels: Vec::new(),
            first: Vec::new(),
            late: Vec::new(),
            late_bytes: 0,
            sockets: Vec::new(),
        }
    }

    /// Adds a connection.
    ///
    /// # Errors
    /// What it is cannot be written down.
    pub(crate) fn add(
        &mut self,
        socket: &Socket,
        state: &(ConnectionState, TaskState),
        decoder: &Decoder,
        unsent: Vec<Bytes>,
        work: Option<&Work>,
        descriptor: OwnedFd,
    ) -> Result<(), HandoverError> {
        let running = work.map(|work| match work {
            Work::Hook(hook, _) => RunningHook { hook: *hook, command: None },
            Work::Command(command, hook, _) => RunningHook { hook: *hook, command: Some(*command) },
        });
        let parcel = Parcel {
            connection: socket.id(),
            peer: socket.peer(),
            running,
            state: self.add_state(state)?,
            decoder: self.add_decoder(decoder)?,
            unsent: self.add_pieces(unsent),
        };
        self.parcels.push(parcel);
        self.sockets.push(descriptor);
        Ok(())
    }

    fn add_state(&mut self, state: &(ConnectionState, TaskState)) -> Result<usize, LineError> {
        let start = self.first.len();
        write(&mut self.first, state)?;
        Ok(self.first.len() - start)
    }

    /// How much it takes is known when it is written down, and so is where it belongs.
    fn add_decoder(&mut self, decoder: &Decoder) -> Result<usize, LineError> {
        let mut bytes = Vec::with_capacity(decoder.heap_bytes() + 256);
        write(&mut bytes, decoder)?;
        Ok(self.add_pieces(vec![bytes.into()]))
    }

    /// Adds bytes to those that belong together, and returns how many that were.
    fn add_pieces(&mut self, pieces: Vec<Bytes>) -> usize {
        let length = pieces.iter().map(Bytes::len).sum();
        if is_late(length) {
            self.late_bytes += length;
            self.late.extend(pieces);
        } else {
            pieces.iter().for_each(|piece| self.first.extend_from_slice(piece));
        }
        length
    }

    /// Whether the next connection goes with another message.
    pub(crate) fn is_full(&self) -> bool {
        self.sockets.len() >= self.most_sockets
            || self.first.len() >= MOST_BYTES
            || self.late_bytes >= MOST_LATE_BYTES
    }

    /// Writes the file.
    ///
    /// # Errors
    /// The system gives no memory or descriptor for it.
    pub(crate) fn pack(self) -> Result<Packed, HandoverError> {
        let file = self.write().map_err(HandoverError::Packing)?;
        Ok(Packed { parcels: self.parcels, file, sockets: self.sockets })
    }

    fn write(&self) -> io::Result<File> {
        let mut file = file_in_memory()?;
        file.write_all(&self.first)?;
        self.late.iter().try_for_each(|piece| file.write_all(piece))?;
        Ok(file)
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
            let (announced, arrived) = (parcels.len(), descriptors.len().saturating_sub(1));
            return Err(HandoverError::Miscounted { announced, arrived });
        }
        let sockets = descriptors.split_off(1);
        let file: File = descriptors.remove(0).into();
        let first = parcels.iter().fold(0_usize, |sum, parcel| sum.saturating_add(parcel.first_bytes()));
        let (mut prompt, mut late) = (0, first);
        let arrivals = parcels.into_iter().zip(sockets).map(|(parcel, descriptor)| {
            let socket = Socket::new(parcel.connection, None, parcel.peer, hub.clone());
            let state = next(&mut prompt, parcel.state);
            let mut rest = |length| next(if is_late(length) { &mut late } else { &mut prompt }, length);
            let (decoder, unsent) = (rest(parcel.decoder), rest(parcel.unsent));
            Arrival {
                place: hub.place_for(parcel.connection),
                stream: TcpStream::from(descriptor),
                work: parcel.running.map(|running| hooks.expect(&socket, running)),
                socket,
                state,
                decoder,
                unsent,
            }
        });
        let arrivals = arrivals.collect();
        // What is read from it is allocated first.
        if file.metadata()?.len() < late as u64 {
            return Err(LineError::Truncated.into());
        }
        Ok(Self { file: Arc::new(file), first, arrivals })
    }

    /// What is for each of some shards.
    pub(crate) fn by_shard(self, shards: usize) -> impl Iterator<Item = Self> {
        let Self { file, first, arrivals } = self;
        let mut lists: Vec<_> = (0..shards).map(|_| Vec::new()).collect();
        arrivals.into_iter().for_each(|arrival| lists[arrival.place.shard()].push(arrival));
        lists.into_iter().map(move |arrivals| Self { file: Arc::clone(&file), first, arrivals })
    }

    pub(crate) fn len(&self) -> usize {
        self.arrivals.len()
    }

    /// All of it. A connection whose bytes are not understood is told apart.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn unpack(self) -> io::Result<impl Iterator<Item = (Arrival, Result<Unpacked, LineError>)>> {
        let Self { file, first, arrivals } = self;
        let first = Bytes::from(bytes_of(&file, &(0..first))?);
        Ok(arrivals.into_iter().map(move |arrival| {
            let unpacked = arrival.unpack(&file, &first);
            (arrival, unpacked)
        }))
    }
}

impl Parcel {
    /// Bytes that are read at once.
    fn first_bytes(&self) -> usize {
        let rest = [self.decoder, self.unsent].into_iter().filter(|length| !is_late(*length));
        rest.fold(self.state, usize::saturating_add)
    }
}

impl Arrival {
    fn unpack(&self, file: &Arc<File>, first: &Bytes) -> Result<Unpacked, LineError> {
        let bytes = |range: &Range<usize>| first.get(range.clone()).ok_or(LineError::Truncated);
        let part = |range: &Range<usize>| Part { file: Arc::clone(file), range: range.clone() };
        let (state, task) = read(bytes(&self.state)?)?;
        let decoder = match is_late(self.decoder.len()) {
            true => Rest::Late(part(&self.decoder)),
            false => Rest::Read(read(bytes(&self.decoder)?)?),
        };
        let unsent = match is_late(self.unsent.len()) {
            true => Rest::Late(part(&self.unsent)),
            // A copy, so that it does not keep what is others'.
            false => Rest::Read(Bytes::copy_from_slice(bytes(&self.unsent)?)),
        };
        Ok(Unpacked { state, task, decoder, unsent })
    }
}

/// Whether so many bytes are read only when they are needed.
fn is_late(length: usize) -> bool {
    length > LATE_BYTES
}

impl Part {
    /// How long it is.
    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    /// Its bytes.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        bytes_of(&self.file, &self.range)
    }

    /// The value that was written down in it.
    ///
    /// # Errors
    /// The file cannot be read, or is not understood.
    pub(crate) fn value<T: DeserializeOwned>(&self) -> Result<T, LineError> {
        read(&self.read()?)
    }
}

/// Its memory is given back: the file lives as long as any part of it is to be read.
#[cfg(target_os = "linux")]
impl Drop for Part {
    fn drop(&mut self) {
        use rustix::fs::{FallocateFlags, fallocate};
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // Otherwise it goes with the file.
        let _ = fallocate(&self.file, hole, self.range.start as u64, self.range.len() as u64);
    }
}

/// The bytes of a file in a range that is there: as much is allocated.
fn bytes_of(file: &File, range: &Range<usize>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(range.len());
    while bytes.len() < range.len() {
        let position = (range.start + bytes.len()) as u64;
        // Without filling the memory with zeros first.
        match rustix::io::pread(file, spare_capacity(&mut bytes), position) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(range.len());
    Ok(bytes)
}

/// The next part of so many bytes.
fn next(end: &mut usize, length: usize) -> Range<usize> {
    let start = *end;
    *end = start.saturating_add(length);
    start..*end
}

/// A file without a name, which is gone with its last descriptor.
#[cfg(target_os = "linux")]
fn file_in_memory() -> io::Result<File> {
    use rustix::{
        fs::{MemfdFlags, memfd_create},
        io::Errno,
    };
    let create = |flags| memfd_create("duplex-handover", MemfdFlags::CLOEXEC | flags);
    // Some systems want it to be said that nothing in it is a program; kernels before 6.3 do not know how to say it.
    let file = create(MemfdFlags::NOEXEC_SEAL).or_else(|error| match error {
        Errno::INVAL => create(MemfdFlags::empty()),
        error => Err(error),
    });
    Ok(file?.into())
}

/// Where connections do not move, none is needed.
#[cfg(not(target_os = "linux"))]
fn file_in_memory() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
pub(crate) mod tests {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};

    use super::*;

    /// A file with nothing else in it.
    pub(crate) fn part_of(bytes: &[u8]) -> Part {
        let mut file = file_in_memory().unwrap();
        file.write_all(bytes).unwrap();
        Part { file: Arc::new(file), range: 0..bytes.len() }
    }

    #[test]
    fn a_part_is_read_alone_and_whole_and_gives_its_memory_back() {
        let text = |letter: &str| letter.repeat(10_000);
        let file = part_of((text("a") + &text("b") + &text("c")).as_bytes()).file.try_clone().unwrap();
        let file = Arc::new(file);
        // The one that made the file has given all of it back.
        assert_eq!(bytes_of(&file, &(0..30_000)).unwrap(), [0; 30_000]);
        file.write_all_at((text("a") + &text("b") + &text("c")).as_bytes(), 0).unwrap();
        let part = |range| Part { file: Arc::clone(&file), range };
        let (middle, nothing) = (part(10_000..20_000), part(5..5));
        assert_eq!((middle.read().unwrap(), nothing.read().unwrap()), (text("b").into_bytes(), Vec::new()));
        let before = file.metadata().unwrap().blocks();
        drop((middle, nothing));
        assert!(file.metadata().unwrap().blocks() < before);
        let rest = bytes_of(&file, &(0..30_000)).unwrap();
        assert_eq!(rest, (text("a") + &text("\0") + &text("c")).into_bytes());
        assert_eq!(part(25_000..30_001).read().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
