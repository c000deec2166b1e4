//! What this worker tells the supervisor. A thread of its own speaks, so that no request ever waits for the line.

use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use duplex_core::supervision::{Line, LineError, ToSupervisor};

/// Messages that may wait. One more is a socket that is not handed over: Vite's client dials again.
const WAITING_MESSAGES: usize = 256;

/// How long the last messages may take.
const FINISH_LIMIT: Duration = Duration::from_secs(1);

/// The handle of the speaking thread.
#[derive(Clone)]
pub(crate) struct Supervisor {
    outgoing: SyncSender<Outgoing>,
}

enum Outgoing {
    Ready,
    Tunnel {
        client: TcpStream,
        replay: Vec<u8>,
    },
    /// Everything before this has been said.
    Finish(SyncSender<()>),
}

impl Supervisor {
    pub(crate) fn start(line: Line) -> std::io::Result<Self> {
        let (outgoing, messages) = sync_channel(WAITING_MESSAGES);
        std::thread::Builder::new().name("supervisor".to_owned()).spawn(move || {
            // If the line is broken the supervisor is gone, and so is this process in a moment.
            let _ = speak(line, &messages);
        })?;
        Ok(Self { outgoing })
    }

    /// Says that the worker accepts connections.
    pub(crate) fn say_ready(&self) {
        let _ = self.outgoing.try_send(Outgoing::Ready);
    }

    /// Hands a socket over, to be joined to Vite.
    pub(crate) fn hand_over(&self, client: TcpStream, replay: Vec<u8>) {
        if self.outgoing.try_send(Outgoing::Tunnel { client, replay }).is_err() {
            log::warn!("too many sockets for Vite at once; one is dropped");
        }
    }

    /// Waits until everything has been said: at the end of this process, what has not been said is lost.
    pub(crate) fn finish(&self) {
        let (finished, wait) = sync_channel(1);
        if self.outgoing.try_send(Outgoing::Finish(finished)).is_ok() {
            let _ = wait.recv_timeout(FINISH_LIMIT);
        }
    }
}

fn speak(mut line: Line, messages: &Receiver<Outgoing>) -> Result<(), LineError> {
    for message in messages {
        match message {
            Outgoing::Ready => line.send(&ToSupervisor::Ready, &[])?,
            Outgoing::Tunnel { client, replay } => tunnel(&mut line, &client, replay)?,
            Outgoing::Finish(finished) => drop(finished.try_send(())),
        }
    }
    Ok(())
}

fn tunnel(line: &mut Line, client: &TcpStream, replay: Vec<u8>) -> Result<(), LineError> {
    match line.send(&ToSupervisor::Tunnel { replay }, &[client.as_fd()]) {
        Err(LineError::TooLong { length, .. }) => {
            log::warn!(
                "a socket for Vite is dropped: it came with {length} bytes, more than can be handed over"
            );
            Ok(())
        }
        result => result,
    }
}
