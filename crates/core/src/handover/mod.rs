//! Handover: how a process passes its listening sockets, the hub's state and its open connections on to the next one,
//! with one owner at every instant.

mod error;
mod fail_point;
mod predecessor;
mod rendezvous;
mod successors;

pub use self::{
    error::HandoverError,
    fail_point::{FAIL_POINTS, FailPoint, Side},
    predecessor::Predecessor,
    rendezvous::{Rendezvous, RendezvousError, RendezvousGuard},
    successors::{SuccessorSender, Successors},
};

/// The version of everything that crosses from one process to the next. Processes of different versions hand over only
/// their listening sockets.
pub const STATE_VERSION: u32 = 1;
