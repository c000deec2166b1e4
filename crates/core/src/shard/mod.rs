//! A shard: one thread that owns its connections and its part of each channel's subscribers. Everything else reaches
//! them by letter.

mod connection;
mod letter;
mod outbound;
mod roster;
mod task;
mod transport;

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use tokio::{runtime, task::LocalSet};

pub use self::letter::ConnectionInfo;
use self::{connection::Connection, roster::Roster, task::ConnectionTask};
pub(crate) use self::{
    letter::{End, Letter, Newcomer},
    transport::Incoming,
};
use crate::{
    Channel, Limits, Socket,
    codec::{self, CloseFrame, Opcode},
    hooks::HookRunner,
    hub::{Audience, InboxReader, Target},
};

/// How often a shard looks at the clock, for heartbeats and deadlines: often enough for the shortest of them.
const TICKS_PER_TIMEOUT: u32 = 4;
const LONGEST_TICK: Duration = Duration::from_secs(1);
const SHORTEST_TICK: Duration = Duration::from_millis(5);

/// Bytes that are joined into one piece at most. One write carries about as much; beyond it a copy gains nothing.
const JOIN_BYTES: usize = 64 * 1024;

/// While a shard closes its connections spread over a time, it closes some of them this often.
const DRAIN_STEP: Duration = Duration::from_millis(10);

/// The state of a shard. It never leaves its thread.
pub(crate) struct Shard {
    index: usize,
    runner: HookRunner,
    limits: Limits,
    audience: Arc<Audience>,
    roster: RefCell<Roster>,
    /// The close frame that everybody gets, once the hub drains.
    draining: RefCell<Option<CloseFrame>>,
    /// Connections with queued frames, to be flushed at the end of a batch of letters.
    dirty: RefCell<Vec<Rc<Connection>>>,
    /// More letters wait behind the one that is worked on, so frames are queued and written together.
    joining: Cell<bool>,
    stopped: Cell<bool>,
    ping: Bytes,
}

impl Shard {
    /// Starts the shard's thread, which ends when the hub is stopped, or every handle to it is gone.
    pub(crate) fn start(
        index: usize,
        inbox: InboxReader,
        audience: Arc<Audience>,
        runner: HookRunner,
        limits: Limits,
    ) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name(format!("shard-{index}")).spawn(move || {
            let shard = Rc::new(Self {
                index,
                runner,
                limits,
                audience,
                roster: RefCell::default(),
                draining: RefCell::default(),
                dirty: RefCell::default(),
                joining: Cell::new(false),
                stopped: Cell::new(false),
                ping: codec::encode(Opcode::Ping, b""),
            });
            LocalSet::new().block_on(&runtime, shard.run(inbox));
        })?;
        Ok(())
    }

    async fn run(self: Rc<Self>, mut inbox: InboxReader) {
        tokio::task::spawn_local(Rc::clone(&self).watch_the_clock());
        let mut letters = Vec::new();
        while !self.stopped.get() && inbox.receive(&mut letters).await {
            self.work_off(&mut letters);
            if inbox.has_more() {
                // The sockets have their turn too: without it a flood of letters would fill the queues of connections
                // that read well, and close them as slow.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Works off a batch of letters. Publications that follow each other on one channel become one write.
    fn work_off(self: &Rc<Self>, letters: &mut Vec<Letter>) {
        let mut letters = letters.drain(..).peekable();
        while let Some(letter) = letters.next() {
            let letter = match letter {
                Letter::Publish { channel, frame } => {
                    let mut joined = Joined::new(frame);
                    while let Some(Letter::Publish { frame, .. }) =
                        letters.next_if(|next| joined.can_take(&channel, next))
                    {
                        joined.push(&frame);
                    }
                    Letter::Publish { frame: joined.finish(), channel }
                }
                other => other,
            };
            self.joining.set(letters.peek().is_some());
            self.handle(letter);
        }
        self.joining.set(false);
        for connection in self.dirty.take() {
            connection.dirty.set(false);
            connection.flush_or_wake();
        }
    }

    fn handle(self: &Rc<Self>, letter: Letter) {
        match letter {
            Letter::Accept(newcomer) => self.accept(*newcomer),
            Letter::Publish { channel, frame } => {
                self.roster
                    .borrow()
                    .subscribers(&channel)
                    .iter()
                    .for_each(|connection| self.give(connection, &frame));
            }
            Letter::Send { to, frame } => self.each(&to, |connection| self.give(connection, &frame)),
            Letter::Subscribe { connection, channel } => {
                let subscribed =
                    self.roster.borrow_mut().subscribe(connection, &channel, self.limits.max_channels);
                if !subscribed {
                    self.audience.leave(&channel, self.index);
                }
            }
            Letter::Unsubscribe { connection, channel } => {
                if self.roster.borrow_mut().unsubscribe(connection, &channel) {
                    self.audience.leave(&channel, self.index);
                }
            }
            Letter::Disconnect { target, close } => {
                self.each(&target, |connection| connection.close(close.clone()))
            }
            Letter::End { connection, end } => {
                if let Some(connection) = self.roster.borrow().get(connection) {
                    connection.end(end);
                }
            }
            // Whoever asked may have lost interest.
            Letter::List(reply) => {
                drop(reply.send(self.roster.borrow().all().map(|one| one.info()).collect()))
            }
            Letter::Drain { close, spread } => self.drain(close, spread),
            Letter::Stop => self.stopped.set(true),
        }
    }

    /// Gives one connection a frame: at once if nothing else is waiting to be done, together with the next otherwise.
    fn give(&self, connection: &Rc<Connection>, frame: &Bytes) {
        if !self.joining.get() {
            return connection.write(frame);
        }
        connection.queue(frame);
        if !connection.dirty.replace(true) {
            self.dirty.borrow_mut().push(Rc::clone(connection));
        }
    }

    fn each(&self, target: &Target, mut act: impl FnMut(&Rc<Connection>)) {
        let roster = self.roster.borrow();
        match target {
            Target::Connection(id) => roster.get(*id).into_iter().for_each(act),
            Target::User(user) => roster.of_user(user).for_each(&mut act),
            Target::All => roster.all().for_each(act),
        }
    }

    fn accept(self: &Rc<Self>, newcomer: Newcomer) {
        let transport = match newcomer.transport.open() {
            Ok(transport) => transport,
            Err(error) => return log::warn!("a new socket cannot be used: {error}"),
        };
        let socket = Socket::new(newcomer.id, newcomer.identity, newcomer.peer, newcomer.hub);
        let connection = Rc::new(Connection::new(socket, transport, newcomer.place, &self.limits));
        self.roster.borrow_mut().add(&connection);
        tokio::task::spawn_local(ConnectionTask::new(
            Rc::clone(&connection),
            Rc::clone(self),
            &newcomer.early,
        ));
        if let Some(close) = &*self.draining.borrow() {
            connection.close(close.clone());
        }
    }

    /// Takes a connection whose stream has ended out of everything.
    fn forget(&self, connection: &Rc<Connection>) {
        for channel in self.roster.borrow_mut().remove(connection) {
            self.audience.leave(&channel, self.index);
        }
    }

    fn drain(self: &Rc<Self>, close: CloseFrame, spread: Duration) {
        *self.draining.borrow_mut() = Some(close.clone());
        let everybody: Vec<_> = self.roster.borrow().all().cloned().collect();
        let steps = spread.as_micros() / DRAIN_STEP.as_micros() + 1;
        let per_step = everybody.len().div_ceil(usize::try_from(steps).unwrap_or(usize::MAX)).max(1);
        tokio::task::spawn_local(async move {
            for some in everybody.chunks(per_step) {
                some.iter().for_each(|connection| connection.close(close.clone()));
                if steps > 1 {
                    tokio::time::sleep(DRAIN_STEP).await;
                }
            }
        });
    }

    async fn watch_the_clock(self: Rc<Self>) {
        let limits = &self.limits;
        let shortest = limits.ping_interval.min(limits.pong_timeout).min(limits.close_timeout);
        let shortest = shortest.min(limits.idle_timeout.unwrap_or(shortest));
        let mut ticks =
            tokio::time::interval((shortest / TICKS_PER_TIMEOUT).clamp(SHORTEST_TICK, LONGEST_TICK));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = Instant::now();
            self.roster.borrow().all().for_each(|connection| connection.tick(now, limits, &self.ping));
        }
    }
}

/// Frames that go out in one piece. A single frame is passed on as it is.
struct Joined {
    first: Bytes,
    all: BytesMut,
}

impl Joined {
    fn new(first: Bytes) -> Self {
        Self { first, all: BytesMut::new() }
    }

    /// Whether a letter is a publication to the same channel that is small enough to be worth a copy.
    fn can_take(&self, channel: &Channel, letter: &Letter) -> bool {
        let joined = self.all.len().max(self.first.len());
        matches!(letter, Letter::Publish { channel: other, frame }
            if other == channel && joined + frame.len() <= JOIN_BYTES)
    }

    fn push(&mut self, frame: &Bytes) {
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(frame);
    }

    fn finish(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}
