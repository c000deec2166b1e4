//! Handover: how a process passes its listening sockets, the hub's state and its open connections on to the next one, with
//! one owner at every instant.
//!
//! 1. The new process says hello, and is welcomed with the listening sockets, or refused (`predecessor`, `successors`). When
//!    it could serve, it says so.
//! 2. The old one sends what channels keep, stops accepting, and freezes its hub. What has changed goes first, then the
//!    connections, which stay where they are (`giving`): packed by their shards, counted and acknowledged (`parcel`). The new
//!    one takes them in without reading or writing (`taking`).
//! 3. COMMIT is one write of the new process to the line. The kernel decides whether it comes in time: if it is in the old
//!    process's queue, the new one owns everything; if the old one has ended its end of the line before, the write fails, and
//!    nothing has happened.
//! 4. What the old process's last requests and hooks say to the hub is sent over the line and carried out by the new one
//!    (`link`, `errands`), until they have ended.

mod errands;
mod error;
mod fail_point;
mod giving;
mod link;
mod luggage;
mod message;
mod parcel;
mod peer;
mod predecessor;
mod rendezvous;
mod successors;
mod taking;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
mod wire;

#[cfg(test)]
#[cfg(target_os = "linux")]
pub(crate) use self::parcel::tests::part_of;
pub(crate) use self::{
    error::explain,
    giving::{Ahead, Given, GivingFailed, give, give_streams, send_ahead},
    link::Link,
    luggage::Luggage,
    message::Question,
    parcel::{Arrival, Batch, Delivery, Packed, Part, Rest, Unpacked},
    successors::{Conversation, Greeted, Intent, turn_away},
    taking::{Taken, take},
};
pub use self::{
    error::{HandoverError, Refusal},
    predecessor::Predecessor,
    rendezvous::{Rendezvous, RendezvousError, RendezvousGuard},
    successors::{SuccessorSender, Successors},
};

#[doc(hidden)]
pub use self::fail_point::{FAIL_POINTS, FailPoint, Side};

/// Whether the kernel makes COMMIT a decision: on other systems a write may succeed whose reader has stopped reading before.
/// There only listening sockets are handed over.
const KERNEL_DECIDES: bool = cfg!(target_os = "linux");

/// The version of everything that crosses from one process to the next. Between processes of different versions only what
/// channels keep crosses, if that has the same version, and the listening sockets; connections are closed and come back. A
/// test fails when what crosses has changed and this has not.
pub const STATE_VERSION: u32 = 2;
