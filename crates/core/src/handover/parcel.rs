//! A connection on its way to another process. The shard that has it packs it, and the shard that gets it unpacks it, so
//! that all processors take part; in between it is bytes and a descriptor.

use std::{
    net::{SocketAddr, TcpStream},
    os::fd::OwnedFd,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    HandoverError,
    message::RunningHook,
    wire::{read, write},
};
use crate::{
    ConnectionId, Socket,
    hub::Place,
    shard::{MovingState, Work},
    supervision::LineError,
};

/// Sockets in one message.
const MOST_SOCKETS: usize = 200;

/// Bytes behind one message beyond which the next connection goes with another one.
const MOST_BYTES: usize = 1 << 20;

/// What a message says of a connection, whose bytes are behind it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parcel {
    pub(super) connection: ConnectionId,
    pub(super) peer: Option<SocketAddr>,
    /// The hook that goes on in the old process.
    pub(super) running: Option<RunningHook>,
    /// Bytes of its state. Those of all connections of the message come first.
    pub(super) state: usize,
    /// Bytes that wait to be written to it.
    pub(super) unsent: usize,
}

/// Connections that go with one message.
#[derive(Default)]
pub(crate) struct Batch {
    pub(super) parcels: Vec<Parcel>,
    /// One behind the other. Each is read on its own, so that one that is not understood costs no other.
    pub(super) states: Vec<u8>,
    /// What waits to be written. It may be much, and is not copied.
    pub(super) unsent: Vec<Bytes>,
    /// How much that is.
    unsent_bytes: usize,
    pub(super) sockets: Vec<OwnedFd>,
}

/// A connection that has arrived, for its shard.
pub(crate) struct Arrival {
    /// Who is there its state says.
    pub(crate) socket: Socket,
    pub(crate) place: Place,
    pub(crate) stream: TcpStream,
    /// What the old process tells of a hook that goes on there.
    pub(crate) work: Option<Work>,
    /// What waits to be written.
    pub(crate) unsent: Bytes,
    pub(super) state: Bytes,
}

impl Batch {
    /// Adds a connection, with what waits to be written to it, and the hook that runs for it.
    ///
    /// # Errors
    /// Its state cannot be written down.
    pub(crate) fn add(
        &mut self,
        socket: &Socket,
        state: &MovingState,
        unsent: Vec<Bytes>,
        work: Option<&Work>,
        descriptor: OwnedFd,
    ) -> Result<(), HandoverError> {
        let running = work.map(|work| match work {
            Work::Hook(hook, _) => RunningHook { hook: *hook, command: None },
            Work::Command(command, hook, _) => RunningHook { hook: *hook, command: Some(*command) },
        });
        let (state_start, unsent_start) = (self.states.len(), self.unsent_bytes);
        write(&mut self.states, state)?;
        for piece in unsent {
            self.unsent_bytes += piece.len();
            self.unsent.push(piece);
        }
        self.parcels.push(Parcel {
            connection: socket.id(),
            peer: socket.peer(),
            running,
            state: self.states.len() - state_start,
            unsent: self.unsent_bytes - unsent_start,
        });
        self.sockets.push(descriptor);
        Ok(())
    }

    /// Whether the next connection goes with another message.
    pub(crate) fn is_full(&self) -> bool {
        self.sockets.len() >= MOST_SOCKETS || self.states.len() + self.unsent_bytes >= MOST_BYTES
    }
}

impl Arrival {
    /// What the connection is.
    ///
    /// # Errors
    /// It is not understood.
    pub(crate) fn state(&self) -> Result<MovingState, LineError> {
        read(&self.state)
    }
}
