//! The new process's end of the line after COMMIT: it carries out what is still asked of the hub in the old process.

use std::{collections::HashMap, net::TcpStream, os::fd::OwnedFd, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    HandoverError,
    error::explain,
    message::{Failure, HookEnd, Question, RunningHook, ToNew, ToOld},
    wire::{Wire, write},
};
use crate::{
    ConnectionId, Hub, HubError, Rejection, Socket,
    blocking::start_thread,
    hooks::{HookFailure, HookResult},
    shard::{Answer, Outcome, Work},
    supervision::LineError,
};

/// Answers that may wait to be sent.
const WAITING: usize = 1024;

/// Carries out what the old process asks for. It has threads of its own, and ends with the old process.
pub(super) struct Errands {
    hub: Hub,
    runtime: runtime::Handle,
    hooks: RunningHooks,
    answers: mpsc::Sender<ToOld>,
    /// Dropped when the old process has nothing more to ask.
    _ended: oneshot::Sender<()>,
}

/// The hooks that the old process runs for connections which have moved here. What it does not report has been given up, and
/// what it does not report in time as well: it may hang.
pub(super) struct RunningHooks {
    running: HashMap<ConnectionId, (Socket, Waiting)>,
    runtime: runtime::Handle,
    deadline: Duration,
}

/// The task of a connection that waits for such a hook.
enum Waiting {
    Hook(oneshot::Sender<Result<HookResult, HookFailure>>),
    Command(oneshot::Sender<Result<Result<Outcome, Rejection>, HookFailure>>),
}

impl RunningHooks {
    /// They may take `deadline` from now on.
    pub(super) fn new(runtime: runtime::Handle, deadline: Duration) -> Self {
        Self { running: HashMap::new(), runtime, deadline }
    }

    /// What the task of a connection waits for.
    pub(super) fn expect(&mut self, socket: &Socket, running: RunningHook) -> Work {
        let RunningHook { hook, command } = running;
        let (waiting, work) = match command {
            None => {
                let (sender, answer) = self.in_time();
                (Waiting::Hook(sender), Work::Hook(hook, answer))
            }
            Some(command) => {
                let (sender, answer) = self.in_time();
                (Waiting::Command(sender), Work::Command(command, hook, answer))
            }
        };
        self.running.insert(socket.id(), (socket.clone(), waiting));
        work
    }

    /// What is sent arrives, or that it has taken too long.
    fn in_time<T: Send + 'static>(&self) -> (oneshot::Sender<Result<T, HookFailure>>, Answer<T>) {
        let (sender, reported) = oneshot::channel();
        let (in_time, answer) = oneshot::channel();
        let deadline = self.deadline;
        self.runtime.spawn(async move {
            let ended = match timeout(deadline, reported).await {
                Ok(Ok(ended)) => ended,
                Ok(Err(_)) => Err(HookFailure::Abandoned),
                Err(_) => Err(HookFailure::Deadline(deadline)),
            };
            // A task that no longer waits has given up its connection.
            let _ = in_time.send(ended);
        });
        (sender, answer)
    }

    fn end(&mut self, connection: ConnectionId, ended: HookEnd) {
        // A task that no longer waits has given up its connection.
        match (self.running.remove(&connection), ended) {
            (Some((_, Waiting::Hook(waiting))), HookEnd::Hook(result)) => {
                drop(waiting.send(Ok(result.map_err(Into::into))));
            }
            (Some((socket, Waiting::Command(waiting))), HookEnd::Command { result, identity, opened }) => {
                socket.identify(identity);
                if opened {
                    socket.open();
                }
                let result = result.map(|answered| answered.into_result()).map_err(HookFailure::Elsewhere);
                drop(waiting.send(result));
            }
            _ => log::error!("the old process reports a hook of connection {connection} that does not run"),
        }
    }
}

impl Errands {
    /// Starts two threads, and returns the way to say something to the old process, and what fails when that one has nothing
    /// more to ask.
    pub(super) fn start(
        wire: Wire,
        hub: Hub,
        runtime: runtime::Handle,
        hooks: RunningHooks,
    ) -> Result<(mpsc::Sender<ToOld>, oneshot::Receiver<()>), HandoverError> {
        let (answers, waiting) = mpsc::channel(WAITING);
        let ear = wire.try_clone()?;
        ear.be_patient(true)?;
        let (ending, ended) = oneshot::channel();
        let errands = Self { hub, runtime, hooks, answers: answers.clone(), _ended: ending };
        start_thread("handover-out", move || speak(wire, waiting))?;
        start_thread("handover-in", move || errands.listen(ear))?;
        Ok((answers, ended))
    }

    /// Ends with the old process. What it has not reported by then is dropped, and its hooks count as given up.
    fn listen(mut self, mut ear: Wire) {
        loop {
            match ear.receive() {
                Ok(Some((ToNew::Farewell, _)) | None) => break,
                Ok(Some((message, descriptors))) => self.carry_out(message, descriptors),
                Err(error) => {
                    log::error!("the line to the old process failed: {}", explain(&error));
                    break;
                }
            }
        }
        ear.hang_up();
    }

    fn carry_out(&mut self, message: ToNew, mut descriptors: Vec<OwnedFd>) {
        match message {
            ToNew::Errand { number, question } => {
                let (hub, answers) = (self.hub.clone(), self.answers.clone());
                self.runtime.spawn(async move {
                    let answer = answer(&hub, question).await.map_err(Failure::from);
                    // The old process may be gone.
                    let _ = answers.send(ToOld::Answer { number, answer }).await;
                });
            }
            ToNew::HookEnded { connection, ended } => self.hooks.end(connection, ended),
            ToNew::Newcomer(newcomer) => match descriptors.pop() {
                Some(socket) => self.hub.accept_from_elsewhere(newcomer, TcpStream::from(socket)),
                None => log::error!("the old process announced a socket and sent none"),
            },
            other => log::error!("the old process said something out of turn: {other:?}"),
        }
    }
}

fn speak(mut wire: Wire, mut answers: mpsc::Receiver<ToOld>) {
    while let Some(answer) = answers.blocking_recv() {
        let sent = match (wire.send(&answer, &[]), answer) {
            // It can be told that much.
            (
                Err(HandoverError::Line(LineError::TooLong { length, limit })),
                ToOld::Answer { number, .. },
            ) => {
                log::error!(
                    "an answer of {length} bytes to the old process is too long, {limit} are possible"
                );
                wire.send(&ToOld::Answer { number, answer: Err(Failure::Stopped) }, &[])
            }
            (sent, _) => sent,
        };
        if sent.is_err() {
            // The old process has ended, and with it whoever asked.
            return wire.hang_up();
        }
    }
}

async fn answer(hub: &Hub, question: Question) -> Result<Bytes, HubError> {
    match question {
        Question::Apply(verb) => pack(&hub.apply(verb).await?),
        Question::Publish { channel, data, info } => pack(&hub.publish_json(&channel, data, info).await?),
        Question::Join(joining) => pack(&hub.join(*joining).await?),
        Question::History { channel, query, limits } => {
            match hub.read_history(&channel, &query, limits).await {
                Ok(history) => pack(&Some(history)),
                Err(HubError::Unrecoverable) => pack(&None::<crate::History>),
                Err(error) => Err(error),
            }
        }
        Question::Presence(channel) => pack(&hub.read_presence(&channel).await?),
        Question::PresenceStats(channel) => pack(&hub.read_presence_stats(&channel).await?),
        Question::Connections => pack(&hub.connections().await?),
    }
}

fn pack<T: Serialize>(value: &T) -> Result<Bytes, HubError> {
    let mut bytes = Vec::new();
    write(&mut bytes, value).map_err(|error| {
        log::error!("an answer to the old process cannot be written down: {error}");
        HubError::Stopped
    })?;
    Ok(bytes.into())
}
