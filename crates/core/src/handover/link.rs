//! The old process's end of the line after COMMIT: what is still asked of the hub here is carried out there.

use std::{
    collections::HashMap,
    net::TcpStream,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use super::{
    HandoverError,
    error::explain,
    message::{Answered, Failure, HookEnd, Question, ToNew, ToOld},
    peer::Peer,
    wire::{Wire, read},
};
use crate::{
    HubError, Socket,
    blocking::start_thread,
    panics::awaited,
    shard::{NewcomerState, Work},
};

/// What may wait to be sent. Whoever has more to say waits too.
const WAITING: usize = 1024;

/// The way to the process that owns the hub now. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    peer: Peer,
    outgoing: mpsc::Sender<Outgoing>,
    asked: Mutex<Asked>,
    numbers: AtomicU64,
}

/// Those who wait for an answer, by the number of their question; nothing when no answer will come any more.
type Asked = Option<HashMap<u64, oneshot::Sender<Result<Bytes, Failure>>>>;

struct Outgoing {
    message: ToNew,
    descriptor: Option<OwnedFd>,
    /// Told when the message has been sent.
    sent: Option<oneshot::Sender<()>>,
}

impl Link {
    /// Starts the two threads that speak and listen. `started` is told that the other process accepts connections; it is
    /// dropped when that one is gone.
    pub(super) fn start(wire: Wire, peer: Peer, started: oneshot::Sender<()>) -> Result<Self, HandoverError> {
        let (outgoing, waiting) = mpsc::channel(WAITING);
        let ear = wire.try_clone()?;
        ear.be_patient(true)?;
        let asked = Mutex::new(Some(HashMap::new()));
        let link = Self(Arc::new(Inner { peer, outgoing, asked, numbers: AtomicU64::new(0) }));
        start_thread("handover-out", move || speak(wire, waiting))?;
        let listener = link.clone();
        start_thread("handover-in", move || listener.listen(ear, started))?;
        Ok(link)
    }

    /// Asks something of the hub. If it is dropped, it may have happened all the same.
    ///
    /// # Errors
    /// What the hub says; [`HubError::Stopped`] when the other process is gone.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, question: Question) -> Result<T, HubError> {
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        self.asked().as_mut().ok_or(HubError::Stopped)?.insert(number, reply);
        self.send(ToNew::Errand { number, question }, None).await?;
        let answer = answer.await.map_err(|_| HubError::Stopped)?.map_err(HubError::from)?;
        read(&answer).map_err(|error| {
            log::error!("the new process gave an answer that is not understood: {error}");
            HubError::Stopped
        })
    }

    /// Hands over a socket that has come in late.
    pub(crate) async fn pass_on(&self, newcomer: NewcomerState, stream: TcpStream) {
        if self.send(ToNew::Newcomer(newcomer), Some(stream.into())).await.is_err() {
            log::warn!("the new process is gone; a socket that came in late is closed");
        }
    }

    /// Waits for a hook that runs for a connection which has moved, and reports how it ended.
    pub(crate) async fn report(&self, socket: Socket, work: Work) {
        // Their errors are the application's, which may panic when it is asked what they say.
        let ended = awaited(ended(&socket, work)).await;
        let Ok(Some(ended)) = ended else {
            return log::error!("how a hook of connection {} has ended cannot be said", socket.id());
        };
        // Without the new process nobody waits for it.
        let _ = self.send(ToNew::HookEnded { connection: socket.id(), ended }, None).await;
    }

    /// Ends the other process, and says whether it is certainly gone.
    pub(crate) async fn end_process(&self) -> bool {
        let link = self.clone();
        tokio::task::spawn_blocking(move || link.0.peer.end()).await.unwrap_or(false)
    }

    /// Says that nothing more will come, and waits until everything has been sent.
    pub(crate) async fn finish(&self) {
        let (sent, done) = oneshot::channel();
        let farewell = Outgoing { message: ToNew::Farewell, descriptor: None, sent: Some(sent) };
        if self.0.outgoing.send(farewell).await.is_ok() {
            let _ = done.await;
        }
    }

    async fn send(&self, message: ToNew, descriptor: Option<OwnedFd>) -> Result<(), HubError> {
        let outgoing = Outgoing { message, descriptor, sent: None };
        self.0.outgoing.send(outgoing).await.map_err(|_| HubError::Stopped)
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, mut ear: Wire, started: oneshot::Sender<()>) {
        let mut started = Some(started);
        loop {
            match ear.receive() {
                Ok(Some((ToOld::Answer { number, answer }, _))) => {
                    let asked = self.asked().as_mut().and_then(|asked| asked.remove(&number));
                    // Whoever asked may have lost interest.
                    if let Some(asked) = asked {
                        let _ = asked.send(answer);
                    }
                    continue;
                }
                Ok(Some((ToOld::Started, _))) => {
                    if let Some(started) = started.take() {
                        let _ = started.send(());
                    }
                    continue;
                }
                Ok(Some((other, _))) => log::error!("the new process said something out of turn: {other:?}"),
                Ok(None) => {}
                Err(error) => log::error!("the line to the new process failed: {}", explain(&error)),
            }
            break;
        }
        // Nobody waits for what will not come.
        self.asked().take();
        ear.hang_up();
    }
}

/// What cannot be said ends the line: whoever waits for an answer learns that there will be none.
fn speak(mut wire: Wire, mut waiting: mpsc::Receiver<Outgoing>) {
    while let Some(Outgoing { message, descriptor, sent }) = waiting.blocking_recv() {
        let descriptors: Vec<_> = descriptor.iter().map(|descriptor| descriptor.as_fd()).collect();
        if let Err(error) = wire.send(&message, &descriptors) {
            log::warn!("nothing more can be said to the new process: {}", explain(&error));
            wire.hang_up();
            return;
        }
        if let Some(sent) = sent {
            let _ = sent.send(());
        }
    }
}

/// How a hook has ended; nothing if it has been given up.
async fn ended(socket: &Socket, work: Work) -> Option<HookEnd> {
    Some(match work {
        Work::Hook(_, answer) => HookEnd::Hook(match answer.await.ok()? {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => Err(failure.to_string()),
            Err(failure) => Err(failure.to_string()),
        }),
        Work::Command(command, _, answer) => {
            let result = answer.await.ok()?;
            let result = result.map(|result| Answered::new(socket.id(), command, result));
            let result = result.map_err(|failure| failure.to_string());
            HookEnd::Command { result, identity: socket.identity().clone(), opened: socket.has_opened() }
        }
    })
}
