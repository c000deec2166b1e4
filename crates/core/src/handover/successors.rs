//! Where processes that want to take over come in, and what is said to them before anything is handed over.

use std::{
    net::TcpListener,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{RecvFlags, recv};
use tokio::sync::mpsc;

use super::{
    HandoverError, KERNEL_DECIDES, Refusal, STATE_VERSION,
    error::explain,
    fail_point,
    message::{Hello, ToNew, ToOld, Welcome},
    peer::Peer,
    wire::Wire,
};
use crate::{Hub, blocking::start_thread, hub::STREAMS_VERSION};

/// Callers that may wait. One process hands over to one other, once.
const WAITING: usize = 4;

/// Descriptors that a process needs beside those of its sockets: files, databases, requests.
const SPARE_DESCRIPTORS: u64 = 64;

/// The files that sockets come with are as many at most, as a rule.
const SOCKETS_PER_FILE: u64 = 50;

/// The processes that want to take over: see [`Server::hand_over_to`](crate::Server::hand_over_to).
#[derive(Debug)]
pub struct Successors {
    lines: mpsc::Receiver<UnixStream>,
}

/// Brings a process that wants to take over to the server.
#[derive(Clone, Debug)]
pub struct SuccessorSender {
    lines: mpsc::Sender<UnixStream>,
}

impl Successors {
    /// Both ends.
    pub fn channel() -> (SuccessorSender, Self) {
        let (sender, lines) = mpsc::channel(WAITING);
        (SuccessorSender { lines: sender }, Self { lines })
    }

    /// The next one. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<UnixStream> {
        self.lines.recv().await
    }
}

impl SuccessorSender {
    /// Passes on the line to a process that wants to take over. It never blocks: of too many at once, some are hung up on.
    pub fn offer(&self, line: UnixStream) {
        if self.lines.try_send(line).is_err() {
            log::warn!(
                "a process that wants to take over is hung up on: the server is ending, or too many come at once"
            );
        }
    }
}

/// A process that is ready.
pub(crate) struct Greeted {
    pub(super) wire: Wire,
    pub(super) peer: Peer,
    /// That of its conversation.
    pub(crate) number: u64,
    pub(crate) intent: Intent,
    /// Its process id, as it says.
    pub(crate) process: u32,
}

/// What it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// Everything.
    TakeOver,
    /// What channels keep. Connections of its version would be others.
    TakeStreams,
    /// The listening sockets alone, which it has.
    Replace,
}

/// A conversation that has not led to anything yet. Dropped, it hangs up.
pub(crate) struct Conversation {
    /// Which of a server's with its successors it is.
    pub(crate) number: u64,
    line: Option<UnixStream>,
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // It may be gone already.
        self.line.take().into_iter().for_each(|line| drop(line.shutdown(std::net::Shutdown::Both)));
    }
}

impl Conversation {
    pub(super) fn with(line: UnixStream) -> Self {
        Self { number: 0, line: Some(line) }
    }

    /// The process got what it wanted, or is about to: the line stays.
    pub(crate) fn go_on(mut self) {
        self.line = None;
    }
}

impl Greeted {
    /// Begins a conversation in a thread of its own. Whoever is ready in the end goes to `ready`; who is not has been told
    /// why, or is gone.
    pub(crate) fn greet(
        number: u64,
        line: UnixStream,
        listeners: Vec<TcpListener>,
        hub: Hub,
        ready: mpsc::Sender<Self>,
    ) -> Result<Conversation, HandoverError> {
        let conversation = Conversation { number, line: Some(line.try_clone()?) };
        let mut wire = Wire::new(line)?;
        let talk = move || match converse(&mut wire, &listeners, &hub) {
            // The server may be ending.
            Ok((peer, intent, process)) => {
                let _ = ready.blocking_send(Self { wire, peer, number, intent, process });
            }
            Err(error) => {
                log::warn!("a process that wanted to take over does not: {}", explain(&error));
                wire.hang_up();
            }
        };
        start_thread("successor", talk)?;
        Ok(conversation)
    }

    /// Whether it is still there, as far as it has not hung up.
    pub(crate) fn is_there(&self) -> bool {
        let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        // Nothing is its turn to say, so there is either nothing, or the end.
        !matches!(recv(self.wire.stream(), &mut [0], peek), Ok((_, 0)))
    }
}

/// Says to a process that wants to take over that nothing is handed over any more. Blocks for at most some seconds.
pub(crate) fn turn_away(line: UnixStream) {
    let turned = Wire::new(line).and_then(|mut wire| {
        wire.expect::<ToOld>()?;
        wire.send(&ToNew::Refused(Refusal::Busy), &[])
    });
    // It may be gone already.
    drop(turned);
}

/// What the process wants, when it is ready, and its process id.
fn converse(
    wire: &mut Wire,
    listeners: &[TcpListener],
    hub: &Hub,
) -> Result<(Peer, Intent, u32), HandoverError> {
    let hello = match wire.expect()? {
        (ToOld::Hello(hello), _) => hello,
        (other, _) => return Err(HandoverError::OutOfTurn(format!("{other:?}"))),
    };
    let Hello { version, streams, process, descriptors } = hello;
    // It has just spoken, so nobody else has its number.
    let peer = Peer::of(wire, process);
    let moves = KERNEL_DECIDES && version == STATE_VERSION && streams == STREAMS_VERSION;
    if moves {
        check_descriptors(wire, hub, descriptors)?;
    }
    fail_point::reach("welcome", wire)?;
    let build = hub.settings().build.clone();
    let welcome =
        Welcome { version: STATE_VERSION, streams: STREAMS_VERSION, process: std::process::id(), build };
    let listeners: Vec<BorrowedFd<'_>> = listeners.iter().map(|listener| listener.as_fd()).collect();
    wire.send(&ToNew::Welcome(welcome), &listeners)?;
    // Its application is set up now, which takes as long as it takes.
    wire.be_patient(true)?;
    let intent = match wire.expect()? {
        (ToOld::Ready { descriptors }, _) if moves => {
            check_descriptors(wire, hub, descriptors)?;
            Intent::TakeOver
        }
        (ToOld::Ready { .. }, _) if KERNEL_DECIDES && streams == STREAMS_VERSION => Intent::TakeStreams,
        (ToOld::Replace, _) => Intent::Replace,
        (other, _) => return Err(HandoverError::OutOfTurn(format!("{other:?}"))),
    };
    wire.be_patient(false)?;
    Ok((peer, intent, process))
}

/// Too few descriptors are a refusal while that costs nothing.
fn check_descriptors(wire: &mut Wire, hub: &Hub, available: u64) -> Result<(), HandoverError> {
    let sockets = hub.count() as u64;
    let needed = sockets + sockets / SOCKETS_PER_FILE + SPARE_DESCRIPTORS;
    if needed <= available {
        return Ok(());
    }
    let refusal = Refusal::Descriptors { needed, available };
    wire.send(&ToNew::Refused(refusal.clone()), &[])?;
    Err(refusal.into())
}
