//! A running worker: its process, its end of the line, and the thread that listens to it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use anyhow::Context as _;
use duplex_core::supervision::{Line, Received, Serve, ToSupervisor, ToWorker};
use rustix::process::Pid;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use crate::executable::Executable;
use crate::guarded::end_group;
use crate::state::{Ending, Event, Run};
use crate::task::{StopSignal, Task};
use crate::tunnel;

/// What it takes to start a worker.
pub(crate) struct Launch<'a> {
    pub(crate) run: Run,
    pub(crate) program: Arc<Executable>,
    pub(crate) root: &'a Path,
    pub(crate) serve: Serve,
    pub(crate) listeners: &'a [TcpListener],
    /// The line to the worker that serves, if the new one is to take over from it.
    pub(crate) predecessor: Option<UnixStream>,
    /// Where the front-end server is, for the sockets that the worker hands back.
    pub(crate) front_end: watch::Receiver<SocketAddr>,
    pub(crate) events: mpsc::Sender<Event>,
}

/// The handle of a worker. Dropping it kills the process.
pub(crate) struct Worker {
    line: Line,
    task: Task,
    serves: bool,
}

impl Launch<'_> {
    /// Starts it. Call this on the main thread only: the worker's life hangs on the thread that starts it.
    pub(crate) fn start(self) -> anyhow::Result<Worker> {
        let (mut line, input) = Line::pair()?;
        let mut command = Command::new(self.program.path());
        // Its own group: Ctrl-C in the terminal reaches the supervisor only, which then stops everything in order.
        command.current_dir(self.root).stdin(Stdio::from(input)).process_group(0);
        let child =
            command.spawn().with_context(|| format!("cannot start {}", self.program.path().display()))?;
        // The command holds this process's copy of the worker's end; the line ends with the worker only without it.
        drop(command);
        let listeners = self.listeners.iter().map(|listener| listener.as_fd());
        let descriptors: Vec<_> = listeners.chain(self.predecessor.iter().map(|line| line.as_fd())).collect();
        line.send(&ToWorker::Serve(self.serve), &descriptors)?;
        let (everything_heard, heard) = oneshot::channel();
        let ear = Ear {
            run: self.run,
            process: child.id().unwrap_or_default(),
            line: line.try_clone()?,
            front_end: self.front_end,
            events: self.events.clone(),
            runtime: Handle::current(),
            _everything_heard: everything_heard,
        };
        std::thread::Builder::new().name("worker-line".to_owned()).spawn(move || ear.listen())?;
        let (run, program, events) = (self.run, self.program, self.events);
        let task = Task::spawn(async move |stop: StopSignal| {
            let ending = watch_over(child, stop).await;
            drop(program);
            // Its last words come before the news of its end.
            let _ = heard.await;
            let _ = events.send(Event::WorkerEnded(run, ending)).await;
        });
        Ok(Worker { line, task, serves: false })
    }
}

impl Worker {
    /// Says something to it. If that fails the worker is dying or stuck, and its end or a timer tells about that.
    pub(crate) fn tell(&mut self, message: &ToWorker) {
        let _ = self.line.send(message, &[]);
    }

    /// Has it hand over to the worker at the other end of the line. If it cannot be told, that end notices.
    pub(crate) fn hand_over_to(&mut self, successor: &UnixStream) {
        let _ = self.line.send(&ToWorker::HandOver, &[successor.as_fd()]);
    }

    /// Notes that it accepts connections.
    pub(crate) fn note_ready(&mut self) {
        self.serves = true;
    }

    /// Whether it has anything to finish: one that never served can be killed.
    pub(crate) fn serves(&self) -> bool {
        self.serves
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn join(self) {
        self.task.join().await;
    }
}

async fn watch_over(mut child: Child, mut stop: StopSignal) -> Ending {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let status = tokio::select! {
        status = child.wait() => status,
        () = stop.requested() => {
            let _ = child.start_kill();
            child.wait().await
        }
    };
    if let Some(group) = group {
        end_group(group);
    }
    let orderly = status.as_ref().is_ok_and(ExitStatus::success);
    let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    Ending { orderly, how }
}

/// The receiving end, in a thread of its own.
struct Ear {
    run: Run,
    process: u32,
    line: Line,
    front_end: watch::Receiver<SocketAddr>,
    events: mpsc::Sender<Event>,
    runtime: Handle,
    _everything_heard: oneshot::Sender<()>,
}

impl Ear {
    /// Listens until the worker is gone. An error on the line ends this too: such a worker never becomes ready, or
    /// hands back no more sockets, and is replaced by the next one.
    fn listen(mut self) {
        while let Ok(Some(received)) = self.line.receive() {
            self.hear(received);
        }
    }

    fn hear(&self, Received { message, mut descriptors }: Received<ToSupervisor>) {
        match message {
            ToSupervisor::Ready { succeeds } => {
                let ready = Event::WorkerReady { run: self.run, process: self.process, succeeds };
                let _ = self.events.blocking_send(ready);
            }
            ToSupervisor::NotTakenOver { why } => {
                let _ = self.events.blocking_send(Event::NotTakenOver(self.run, why));
            }
            ToSupervisor::Tunnel { replay } => {
                if let Some(socket) = descriptors.pop() {
                    let front_end = *self.front_end.borrow();
                    self.runtime.spawn(join_front_end(socket, replay, front_end));
                }
            }
        }
    }
}

/// Either side may end the tunnel as it likes; there is nobody to tell.
async fn join_front_end(socket: OwnedFd, replay: Vec<u8>, front_end: SocketAddr) {
    let stream = TcpStream::from(socket);
    if stream.set_nonblocking(true).is_err() {
        return;
    }
    if let Ok(client) = tokio::net::TcpStream::from_std(stream) {
        let _ = tunnel::join(client, &replay, front_end).await;
    }
}
