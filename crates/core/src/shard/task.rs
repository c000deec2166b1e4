//! The task of one connection: reads, decodes, runs the hooks in order, writes out what is queued, and sees the
//! connection to its end.

use std::{
    cell::RefCell,
    future::Future,
    io, mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use tokio::sync::oneshot;

use super::{
    End, Shard,
    connection::{Connection, Phase},
};
use crate::{
    Message,
    codec::{self, Decoder, DecoderLimits, Event, Opcode},
    hooks::{HookFailure, Progress},
};

/// Bytes that one read takes at most. The buffer belongs to the thread: a connection that is silent owns none.
const READ_BYTES: usize = 64 * 1024;

/// Reads before the other connections of the shard have their turn: one client that floods it with small messages delays
/// the others by what these bytes take. As a rule there is nothing left for a second one.
const READS_PER_TURN: usize = 2;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Ends when the connection is gone and its last hook has ended.
pub(super) struct ConnectionTask {
    connection: Rc<Connection>,
    shard: Rc<Shard>,
    decoder: Decoder,
    /// Bytes that came in and wait for a hook to end.
    unread: BytesMut,
    hook: Option<RunningHook>,
    /// The peer has said its last: nothing is decoded any more.
    deaf: bool,
    /// A hook has failed: no further message is handled, even before the letter that ends the connection is back.
    failed: bool,
    disconnected: bool,
}

struct RunningHook {
    hook: Hook,
    answer: oneshot::Receiver<Result<(), HookFailure>>,
}

/// The hooks of an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    Connect,
    Message,
    Disconnect,
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Self::Connect => "on_connect",
            Self::Message => "on_message",
            Self::Disconnect => "on_disconnect",
        }
    }
}

/// What a step of the task came to.
enum Step {
    /// Something has changed: look again.
    Again,
    /// Bytes were read, and there may be more.
    Read,
    /// Nothing can be done until somebody wakes the task.
    Wait,
    /// All is over.
    End,
}

impl ConnectionTask {
    /// `early` is what the client sent before it had the answer to its request.
    pub(super) fn new(connection: Rc<Connection>, shard: Rc<Shard>, early: &[u8]) -> Self {
        let mut task = Self {
            decoder: Decoder::new(DecoderLimits::for_message_bytes(shard.limits.max_message_bytes)),
            connection,
            shard,
            unread: early.into(),
            hook: None,
            deaf: false,
            failed: false,
            disconnected: false,
        };
        let progress = task.shard.runner.on_connect(&task.connection.socket);
        task.follow(Hook::Connect, progress);
        task
    }

    fn step(&mut self, context: &mut Context<'_>) -> Step {
        if self.flush(context).is_err() {
            self.connection.give_up();
        }
        if let Some(running) = &mut self.hook {
            let Poll::Ready(answer) = Pin::new(&mut running.answer).poll(context) else { return Step::Wait };
            let hook = running.hook;
            self.hook = None;
            self.connection.forgive_silence();
            let lost = Err(HookFailure::Panicked("the application runtime has stopped".to_owned()));
            self.settle(hook, answer.unwrap_or(lost));
            return Step::Again;
        }
        if self.connection.phase() == Phase::Gone { self.end() } else { self.read(context) }
    }

    /// Writes what is queued; when that is the last of a closed connection, ends our direction.
    fn flush(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.connection.phase() == Phase::Gone {
            return Ok(());
        }
        if self.connection.poll_flush(context)? && self.connection.phase() == Phase::Closed {
            self.connection.end_writing();
        }
        Ok(())
    }

    /// The stream is over: the connection leaves the shard, and `on_disconnect` runs once.
    fn end(&mut self) -> Step {
        if mem::replace(&mut self.disconnected, true) {
            return Step::End;
        }
        self.shard.forget(&self.connection);
        let progress = self.shard.runner.on_disconnect(&self.connection.socket, self.connection.ended());
        self.follow(Hook::Disconnect, progress);
        Step::Again
    }

    fn read(&mut self, context: &mut Context<'_>) -> Step {
        if self.deaf && self.connection.phase() <= Phase::Closing {
            // The letter that ends the connection is on its way, and wakes the task.
            return Step::Wait;
        }
        if !self.unread.is_empty() {
            let mut unread = mem::take(&mut self.unread);
            let used = self.take_in(&mut unread);
            unread.advance(used);
            self.unread = unread;
            return Step::Again;
        }
        match self.connection.transport.poll_read_ready(context) {
            Poll::Pending => return Step::Wait,
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => self.connection.give_up(),
        }
        let read = BUFFER.with_borrow_mut(|buffer| {
            let read = self.connection.transport.try_read(buffer)?;
            self.connection.hear();
            let used = self.take_in(&mut buffer[..read]);
            self.unread.extend_from_slice(&buffer[used..read]);
            Ok::<_, io::Error>(read)
        });
        match read {
            Ok(0) => self.connection.give_up(),
            Ok(_) => return Step::Read,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.connection.give_up(),
        }
        Step::Again
    }

    /// Decodes bytes until they are used up or a hook has to be waited for. Returns how many are done with.
    fn take_in(&mut self, bytes: &mut [u8]) -> usize {
        let length = bytes.len();
        let mut input = bytes;
        while !self.deaf && self.hook.is_none() {
            match self.decoder.decode(&mut input) {
                Ok(None) => return length,
                Ok(Some(event)) => self.handle(event),
                Err(violation) => {
                    log::debug!("connection {} broke the protocol: {violation}", self.connection.socket.id());
                    self.last_word(End::Violation(violation.into()));
                }
            }
        }
        // Behind the peer's last word nothing counts.
        if self.deaf { length } else { length - input.len() }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Message(message) => self.message(message),
            Event::Ping(payload) => self.connection.queue(&codec::encode(Opcode::Pong, &payload)),
            Event::Pong(_) => {}
            Event::Close(close) => self.last_word(End::ByPeer(close)),
        }
    }

    fn message(&mut self, message: Message) {
        // What comes behind our close frame, or behind a failure, has come too late.
        if self.failed || self.connection.phase() != Phase::Open {
            return;
        }
        self.connection.note_message();
        let progress = self.shard.runner.on_message(&self.connection.socket, message);
        self.follow(Hook::Message, progress);
    }

    fn follow(&mut self, hook: Hook, progress: Progress) {
        match progress {
            Progress::Done(result) => self.settle(hook, result),
            Progress::Running(answer) => {
                self.connection.hook_runs.set(true);
                self.hook = Some(RunningHook { hook, answer });
            }
        }
    }

    fn settle(&mut self, hook: Hook, result: Result<(), HookFailure>) {
        let socket = &self.connection.socket;
        match result {
            Ok(()) if hook == Hook::Connect => socket.hub().arrive(socket.id()),
            Ok(()) => {}
            Err(failure) => {
                log::error!("hook {} of connection {} failed: {failure}", hook.name(), socket.id());
                self.failed = true;
                self.post(End::HookFailed);
            }
        }
    }

    fn last_word(&mut self, end: End) {
        self.deaf = true;
        self.post(end);
    }

    /// What the hooks have sent is in the inbox; the end comes behind it.
    fn post(&self, end: End) {
        let socket = &self.connection.socket;
        socket.hub().end(socket.id(), end);
    }
}

impl Future for ConnectionTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.connection.register(context.waker());
        let mut reads = 0;
        loop {
            match self.step(context) {
                Step::Again => {}
                Step::Read => {
                    reads += 1;
                    if reads == READS_PER_TURN {
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Step::Wait => return Poll::Pending,
                Step::End => return Poll::Ready(()),
            }
        }
    }
}
