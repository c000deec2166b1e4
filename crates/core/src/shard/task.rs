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

use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{
    Dialect, End, Outcome, Shard,
    commands::{self, Running},
    connection::{Connection, Phase},
};
use crate::{
    DisconnectCode, ErrorCode, Message,
    centrifuge::Commands,
    codec::{self, Decoder, DecoderLimits, Event, Opcode},
    handover::{Part, Rest},
    hooks::{HookError, HookFailure, HookName, HookResult, Progress, Rejection},
    supervision::LineError,
};

/// Bytes that one read takes at most. The buffer belongs to the thread: a connection that is silent owns none.
const READ_BYTES: usize = 64 * 1024;

/// Reads before the other connections of the shard have their turn: one client that floods it with small messages delays
/// the others by what these bytes take. As a rule there is nothing left for a second one.
const READS_PER_TURN: usize = 2;

/// Commands of a client before the other connections of the shard have their turn.
const COMMANDS_PER_TURN: usize = 64;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// What a connection's task knows, and does. As long as it goes on it is in a [`Driver`](super::driver::Driver).
pub(super) struct ConnectionTask {
    connection: Rc<Connection>,
    shard: Rc<Shard>,
    decoder: Decoder,
    /// Bytes that came in and wait for a hook to end.
    unread: BytesMut,
    work: Option<Work>,
    /// The decoder, as long as it has not been read.
    late: Option<Box<Part>>,
    begun: bool,
    /// The peer has said its last: nothing is decoded any more.
    deaf: bool,
    /// A hook has failed: no further message is handled, even before the letter that ends the connection is back.
    failed: bool,
    /// The connection is no longer in the roster.
    left: bool,
    disconnected: bool,
    /// A panic has ended it once.
    lost: bool,
}

/// A parked task as plain data, which another process understands. What its decoder holds may be much, and is beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TaskState {
    unread: Bytes,
    begun: bool,
    deaf: bool,
    failed: bool,
}

/// What goes on elsewhere on behalf of the connection.
pub(crate) enum Work {
    Hook(HookName, Answer<HookResult>),
    Command(u32, HookName, Answer<Result<Outcome, Rejection>>),
}

pub(crate) type Answer<T> = oneshot::Receiver<Result<T, HookFailure>>;

/// What a step of the task came to.
enum Step {
    /// Something has changed: look again.
    Again,
    /// Bytes were read, and there may be more.
    Read,
    /// A command was begun, and there may be more.
    Command,
    /// Nothing can be done until somebody wakes the task.
    Wait,
    /// All is over.
    End,
}

impl ConnectionTask {
    /// `early` is what the client sent before it had the answer to its request.
    pub(super) fn new(connection: Rc<Connection>, shard: Rc<Shard>, early: &[u8]) -> Self {
        Self {
            decoder: Decoder::new(DecoderLimits::for_message_bytes(shard.limits.max_message_bytes)),
            connection,
            shard,
            unread: early.into(),
            work: None,
            late: None,
            begun: false,
            deaf: false,
            failed: false,
            left: false,
            disconnected: false,
            lost: false,
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The hook that runs for its connection.
    pub(super) fn work(&self) -> Option<&Work> {
        self.work.as_ref()
    }

    /// What a parked task knows, but for its decoder.
    pub(super) fn state(&self) -> TaskState {
        let Self { unread, begun, deaf, failed, .. } = self;
        TaskState { unread: Bytes::copy_from_slice(unread), begun: *begun, deaf: *deaf, failed: *failed }
    }

    pub(super) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Ends a parked task.
    pub(super) fn into_parts(self) -> (Rc<Connection>, Option<Work>) {
        (self.connection, self.work)
    }

    /// Puts it together again.
    pub(super) fn from_parts(
        connection: Rc<Connection>,
        shard: Rc<Shard>,
        state: TaskState,
        decoder: Rest<Decoder>,
        work: Option<Work>,
    ) -> Self {
        let TaskState { unread, begun, deaf, failed } = state;
        let new = Self::new(connection, shard, &[]);
        let mut task = Self { unread: BytesMut::from(unread), work, begun, deaf, failed, ..new };
        match decoder {
            Rest::Read(decoder) => task.decode_with(decoder),
            Rest::Late(part) => task.late = Some(Box::new(part)),
        }
        task
    }

    /// Reads the decoder if that is still to be done. If it cannot be, or is not understood, the connection is over.
    fn read_late(&mut self) {
        let Some(late) = self.late.take() else { return };
        match late.value() {
            Ok(decoder) => self.decode_with(decoder),
            Err(error) => self.cannot_go_on(&error),
        }
    }

    /// Goes on with a decoder of another process, and with the limits that count now.
    fn decode_with(&mut self, decoder: Decoder) {
        self.decoder = decoder;
        self.decoder.set_limits(DecoderLimits::for_message_bytes(self.shard.limits.max_message_bytes));
    }

    fn cannot_go_on(&mut self, error: &LineError) {
        log::error!("connection {} cannot go on and is closed: {error}", self.connection.socket.id());
        self.deaf = true;
        self.connection.give_up();
    }

    /// A raw socket is greeted by its hook; a client of the protocol says who it is first.
    fn begin(&mut self) {
        self.begun = true;
        if self.connection.dialect() == Dialect::Raw {
            self.connection.socket.open();
            let progress = self.shard.runner.on_connect(&self.connection.socket);
            self.follow(HookName::Connect, progress);
        }
    }

    /// Whether it has to stop here. One whose stream has ended leaves for good instead.
    pub(super) fn is_to_be_parked(&self) -> bool {
        !self.shard.mode.borrow().is_running() && self.connection.phase() != Phase::Gone && !self.disconnected
    }

    /// Stops, to go on later, here or elsewhere; false if its stream has to be given up instead.
    pub(super) fn prepare_to_park(&mut self) -> bool {
        self.read_late();
        if let Err(error) = self.connection.read_late() {
            self.cannot_go_on(&error.into());
        }
        self.connection.phase() != Phase::Gone
    }

    /// Stops, to go on later, here or elsewhere.
    pub(super) fn park(self) {
        let shard = Rc::clone(&self.shard);
        shard.park(self);
    }

    /// A panic has come out of it: the connection is over. It has yet to leave the shard, and its last hook to run, unless
    /// that is what has panicked.
    pub(super) fn lose(&mut self, panic: &str, context: &Context<'_>) -> Poll<()> {
        log::error!("connection {} is lost: {panic}", self.connection.socket.id());
        self.work = None;
        self.connection.give_up();
        if mem::replace(&mut self.lost, true) {
            self.leave();
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Goes on as far as it can. Ready when the connection is gone and its last hook has ended.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.connection.register(context.waker());
        let (mut reads, mut commands) = (0, 0);
        loop {
            match self.step(context) {
                Step::Again => {}
                Step::Read => reads += 1,
                Step::Command => commands += 1,
                Step::Wait => return Poll::Pending,
                Step::End => return Poll::Ready(()),
            }
            if reads == READS_PER_TURN || commands == COMMANDS_PER_TURN {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn step(&mut self, context: &mut Context<'_>) -> Step {
        if self.flush(context).is_err() {
            self.connection.give_up();
        }
        if self.connection.phase() == Phase::Gone {
            self.leave();
        }
        if let Some(work) = &mut self.work {
            let Some(ended) = work.poll(context) else { return Step::Wait };
            self.work = None;
            self.connection.forgive_silence();
            self.settle(ended);
            return Step::Again;
        }
        // Whatever has become of it meanwhile, it was let in.
        if !self.begun {
            self.begin();
            return Step::Again;
        }
        match self.connection.phase() {
            Phase::Gone => self.end(),
            // The letter that brings the answer wakes the task.
            Phase::Open if self.connection.awaits_answer() => Step::Wait,
            Phase::Open if self.connection.has_commands() => self.command(),
            _ => self.read(context),
        }
    }

    /// Begins the next command, unless what the last ones came to has not been read yet.
    fn command(&mut self) -> Step {
        if self.connection.is_congested() {
            return Step::Wait;
        }
        let line = self.connection.session().and_then(|mut session| session.commands.next());
        let Some(line) = line else { return Step::Again };
        if let commands::Step::Started(Running { id, name, progress }) =
            self.shard.command(&self.connection, &line)
        {
            match progress {
                Progress::Done(result) => self.settle(Ended::Command(id, name, result)),
                Progress::Running(answer) => self.wait_for(Work::Command(id, name, answer)),
            }
        }
        Step::Command
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

    /// The stream is over: the connection leaves the shard, whatever hook still runs for it.
    fn leave(&mut self) {
        if !mem::replace(&mut self.left, true) {
            self.shard.forget(&self.connection);
            self.shard.report_parked();
        }
    }

    /// The connection has left, and no hook runs any more: `on_disconnect` runs once.
    fn end(&mut self) -> Step {
        if mem::replace(&mut self.disconnected, true) {
            return Step::End;
        }
        if self.connection.socket.has_opened() {
            let progress = self.shard.runner.on_disconnect(&self.connection.socket, self.connection.ended());
            self.follow(HookName::Disconnect, progress);
        }
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
        self.read_late();
        let length = bytes.len();
        let mut input = bytes;
        while !self.deaf && !self.is_busy() {
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

    /// What comes in has to wait.
    fn is_busy(&self) -> bool {
        let commands = || self.connection.awaits_answer() || self.connection.has_commands();
        self.work.is_some() || self.connection.phase() == Phase::Open && commands()
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
        match (self.connection.dialect(), message) {
            (Dialect::Raw, message) => {
                self.connection.note_message();
                let progress = self.shard.runner.on_message(&self.connection.socket, message);
                self.follow(HookName::Message, progress);
            }
            (Dialect::Centrifuge, Message::Text(text)) => {
                if let Some(mut session) = self.connection.session() {
                    session.commands = Commands::new(text);
                }
            }
            (Dialect::Centrifuge, Message::Binary(_)) => {
                self.connection.close(DisconnectCode::BAD_REQUEST.into());
            }
        }
    }

    fn follow(&mut self, hook: HookName, progress: Progress<HookResult>) {
        match progress {
            Progress::Done(result) => self.settle(Ended::Hook(hook, result)),
            Progress::Running(answer) => self.wait_for(Work::Hook(hook, answer)),
        }
    }

    fn wait_for(&mut self, work: Work) {
        self.connection.hook_runs.set(true);
        self.work = Some(work);
    }

    fn settle(&mut self, ended: Ended) {
        match ended {
            Ended::Hook(hook, result) => self.settle_hook(hook, result),
            Ended::Command(id, hook, result) => self.settle_command(id, hook, result),
        }
    }

    fn settle_hook(&mut self, hook: HookName, result: Result<HookResult, HookFailure>) {
        let socket = &self.connection.socket;
        let failure: HookError = match result {
            Ok(Ok(())) if hook == HookName::Connect => return socket.hub().arrive(socket.id()),
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure,
            Err(failure) => failure.into(),
        };
        log::error!("hook {} of connection {} failed: {failure}", hook.as_str(), socket.id());
        self.failed = true;
        self.post(End::HookFailed);
    }

    /// What the hook has sent is in the inbox; the answer comes behind it.
    fn settle_command(
        &self,
        id: u32,
        hook: HookName,
        result: Result<Result<Outcome, Rejection>, HookFailure>,
    ) {
        let socket = &self.connection.socket;
        match result {
            // The letter is on its way.
            Ok(Ok(Outcome::Posted)) => {}
            Ok(outcome) => {
                let outcome = outcome.map_err(|mut rejection| {
                    rejection.log_cause(socket.id());
                    rejection
                });
                socket.hub().answer(socket.id(), id, outcome);
            }
            Err(failure) => {
                log::error!("hook {} of connection {} failed: {failure}", hook.as_str(), socket.id());
                // A hook that has no answer of its own: a call may be tried again, but this connection must not go on.
                let silent = hook == HookName::Message || hook == HookName::Connecting && socket.has_opened();
                let rejection = if silent {
                    Rejection::disconnect(DisconnectCode::SERVER_ERROR)
                } else {
                    ErrorCode::INTERNAL.into()
                };
                socket.hub().answer(socket.id(), id, Err(rejection));
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

/// What has come to its end.
enum Ended {
    Hook(HookName, Result<HookResult, HookFailure>),
    Command(u32, HookName, Result<Result<Outcome, Rejection>, HookFailure>),
}

impl Work {
    /// Nothing as long as it goes on. If the application runtime has stopped, it will not.
    fn poll(&mut self, context: &mut Context<'_>) -> Option<Ended> {
        fn poll<T>(answer: &mut Answer<T>, context: &mut Context<'_>) -> Option<Result<T, HookFailure>> {
            let Poll::Ready(answer) = Pin::new(answer).poll(context) else { return None };
            Some(answer.unwrap_or(Err(HookFailure::Abandoned)))
        }
        match self {
            Self::Hook(hook, answer) => poll(answer, context).map(|result| Ended::Hook(*hook, result)),
            Self::Command(id, hook, answer) => {
                poll(answer, context).map(|result| Ended::Command(*id, *hook, result))
            }
        }
    }
}
