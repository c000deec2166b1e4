//! What the supervisor tells this worker. A thread of its own listens, so that the supervisor's death ends this process
//! at once, whatever the application is busy with.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;

use anyhow::Context as _;
use duplex_core::Stop;
use duplex_core::handover::{SuccessorSender, Successors};
use duplex_core::supervision::{Line, Received, ToWorker};
use rustix::process::Signal;
use tokio::sync::{oneshot, watch};

use crate::supervisor::Supervisor;

const NOT_BY_HAND: &str = "this program is started by the development server: cargo run -p dev-server";

/// Everything the worker is told.
pub(crate) struct Orders {
    /// The sockets to serve on.
    pub(crate) listeners: Vec<TcpListener>,
    /// The line to the worker that serves now, if there is one.
    pub(crate) predecessor: Option<UnixStream>,
    /// The workers that are started in this one's place.
    pub(crate) successors: Successors,
    /// Where Vite listens.
    pub(crate) front_end: watch::Receiver<SocketAddr>,
    /// Resolves when the worker is to stop.
    pub(crate) stop: Pin<Box<dyn Future<Output = Stop> + Send>>,
    /// The way back.
    pub(crate) supervisor: Supervisor,
}

impl Orders {
    /// Waits for the first order, and listens for the others from then on.
    pub(crate) fn receive() -> anyhow::Result<Self> {
        let mut line = Line::from_stdin().context(NOT_BY_HAND)?;
        let first = line.receive().context(NOT_BY_HAND)?.context("the supervisor is gone")?;
        let Received { message: ToWorker::Serve(serve), mut descriptors } = first else {
            anyhow::bail!("the supervisor gave other orders before the one to serve");
        };
        let predecessor = descriptors.pop_if(|_| serve.takes_over).map(UnixStream::from);
        let listeners = descriptors.into_iter().map(TcpListener::from).collect();
        let supervisor = Supervisor::start(line.try_clone()?)?;
        let (stop, stopped) = oneshot::channel();
        let (front_end_sender, front_end) = watch::channel(serve.front_end);
        let (successor_sender, successors) = Successors::channel();
        let ear = Ear { line, stop: Some(stop), front_end: front_end_sender, successors: successor_sender };
        std::thread::Builder::new().name("orders".to_owned()).spawn(move || ear.listen())?;
        // The ear keeps its end for as long as the process lives.
        let stop = Box::pin(async move { stopped.await.unwrap_or(Stop::Shutdown) });
        Ok(Self { listeners, predecessor, successors, front_end, stop, supervisor })
    }
}

struct Ear {
    line: Line,
    stop: Option<oneshot::Sender<Stop>>,
    front_end: watch::Sender<SocketAddr>,
    successors: SuccessorSender,
}

impl Ear {
    fn listen(mut self) {
        while let Ok(Some(received)) = self.line.receive() {
            self.obey(received);
        }
        end_at_once();
    }

    fn obey(&mut self, Received { message, descriptors }: Received<ToWorker>) {
        let stop = match message {
            ToWorker::FrontEnd { address } => {
                self.front_end.send_replace(address);
                return;
            }
            ToWorker::HandOver => {
                self.hand_over(descriptors);
                return;
            }
            ToWorker::Retire => Stop::Restart,
            ToWorker::Stop => Stop::Shutdown,
            // Serving is under way.
            ToWorker::Serve(_) => return,
        };
        if let Some(sender) = self.stop.take() {
            let _ = sender.send(stop);
        }
    }

    fn hand_over(&self, mut descriptors: Vec<OwnedFd>) {
        if let Some(line) = descriptors.pop() {
            self.successors.offer(line.into());
        }
    }
}

/// Nobody is left to work for: ends this process and whatever the application has started. The supervisor has given
/// the worker a process group of its own; without one, only this process ends.
fn end_at_once() -> ! {
    if rustix::process::getpgrp() == rustix::process::getpid() {
        let _ = rustix::process::kill_current_process_group(Signal::KILL);
    }
    std::process::exit(1)
}
