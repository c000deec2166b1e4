//! A shard: one thread that owns its connections and its part of each channel's subscribers. Everything else reaches
//! them by letter.

mod clients;
mod commands;
mod connection;
mod driver;
mod ending;
mod held;
mod letter;
mod moving;
mod outbound;
mod outgoing;
mod roster;
mod session;
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

use bytes::Bytes;
use tokio::{runtime, task::LocalSet};

pub use self::letter::ConnectionInfo;
pub(crate) use self::{
    connection::ConnectionState,
    letter::{End, Letter, NewSubscription, Newcomer, Outcome, Snapshot, Terms},
    moving::{NewcomerState, Remains},
    outgoing::{Dialect, Outgoing, What},
    task::{Answer, TaskState, Work},
    transport::Incoming,
};
use self::{
    connection::{Connection, Phase, Subscription},
    driver::Driver,
    ending::Ending,
    moving::Mode,
    roster::Roster,
    session::Session,
    task::ConnectionTask,
};
use crate::{
    Channel, Limits, Namespaces, Settings, Socket, Stop, UnsubscribeCode,
    centrifuge::PING,
    codec::{self, Opcode},
    hooks::HookRunner,
    hub::{Channels, InboxReader, Target},
};

/// How often a shard looks at the clock, for heartbeats and deadlines: often enough for the shortest of them.
const TICKS_PER_TIMEOUT: u32 = 4;
const LONGEST_TICK: Duration = Duration::from_secs(1);
const SHORTEST_TICK: Duration = Duration::from_millis(5);

/// How often a shard looks through one part of the channels for what need not be kept any longer.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// While a shard closes its connections spread over a time, it closes some of them this often.
const DRAIN_STEP: Duration = Duration::from_millis(10);

/// The state of a shard. It never leaves its thread.
pub(crate) struct Shard {
    index: usize,
    runner: HookRunner,
    limits: Limits,
    channels: Arc<Channels>,
    roster: RefCell<Roster>,
    /// Why everybody is closed, once the hub drains.
    draining: Cell<Option<Stop>>,
    /// Connections with queued frames, to be flushed at the end of a batch of letters.
    dirty: RefCell<Vec<Rc<Connection>>>,
    /// More letters wait behind the one that is worked on, so frames are queued and written together.
    joining: Cell<bool>,
    stopped: Cell<bool>,
    mode: RefCell<Mode>,
    /// The tasks of connections that do not run now.
    parked: RefCell<Vec<ConnectionTask>>,
    /// Sockets that came in meanwhile.
    waiting: RefCell<Vec<Newcomer>>,
    /// Connections that could not be taken in. Their hook runs when it is certain that they are this process's.
    unadopted: RefCell<Vec<Socket>>,
    pings: Pings,
}

/// What asks a peer whether it is still there.
struct Pings {
    raw: Bytes,
    centrifuge: Bytes,
}

impl Shard {
    /// Starts the shard's thread, which ends when the hub is stopped, or every handle to it is gone. One that does not run
    /// yet only takes connections in.
    pub(crate) fn start(
        index: usize,
        inbox: InboxReader,
        channels: Arc<Channels>,
        runner: HookRunner,
        settings: &Settings,
        runs: bool,
    ) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let limits = settings.limits.clone();
        thread::Builder::new().name(format!("shard-{index}")).spawn(move || {
            let shard = Rc::new(Self {
                index,
                runner,
                limits,
                channels,
                roster: RefCell::default(),
                draining: Cell::default(),
                dirty: RefCell::default(),
                joining: Cell::new(false),
                stopped: Cell::new(false),
                mode: RefCell::new(if runs { Mode::Running } else { Mode::Parking(None) }),
                parked: RefCell::default(),
                waiting: RefCell::default(),
                unadopted: RefCell::default(),
                pings: Pings {
                    raw: codec::encode(Opcode::Ping, b""),
                    centrifuge: codec::encode(Opcode::Text, PING.as_bytes()),
                },
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
        let mut batch = Vec::new();
        while let Some(letter) = letters.next() {
            let Letter::Publish { channel, outgoing } = letter else {
                self.joining.set(letters.peek().is_some());
                self.handle(letter);
                continue;
            };
            batch.push(outgoing);
            while let Some(Letter::Publish { outgoing, .. }) = letters
                .next_if(|next| matches!(next, Letter::Publish { channel: other, .. } if *other == channel))
            {
                batch.push(outgoing);
            }
            self.joining.set(letters.peek().is_some());
            self.fan_out(&channel, &batch);
            batch.clear();
        }
        self.joining.set(false);
        for connection in self.dirty.take() {
            connection.dirty.set(false);
            connection.flush_or_wake();
        }
    }

    /// Gives all subscribers of a channel what was published to it.
    fn fan_out(&self, channel: &Channel, publications: &[Arc<Outgoing>]) {
        let roster = self.roster.borrow();
        let Some(subscribers) = roster.subscribers(channel) else { return };
        for dialect in [Dialect::Raw, Dialect::Centrifuge] {
            if subscribers.by_dialect(dialect).next().is_none() {
                continue;
            }
            for frame in outgoing::join(publications.iter().filter_map(|one| one.frame(dialect))) {
                subscribers
                    .by_dialect(dialect)
                    .for_each(|connection| self.give(connection, &frame, Some(channel)));
            }
        }
    }

    fn handle(self: &Rc<Self>, letter: Letter) {
        match letter {
            Letter::Accept(newcomer) => self.receive(*newcomer),
            Letter::Publish { channel, outgoing } => self.fan_out(&channel, &[outgoing]),
            Letter::News { channel, outgoing } => self.tell_watchers(&channel, &outgoing),
            Letter::Send { to, outgoing } => self.send(&to, &outgoing),
            Letter::Subscribe(subscription) => self.subscribe(&subscription),
            Letter::Unsubscribe { target, channel } => {
                for connection in self.targets(&target) {
                    self.unsubscribe(&connection, &channel, Some(UnsubscribeCode::SERVER));
                }
            }
            Letter::Renew(namespace) => self.renew(&namespace),
            Letter::Refresh { target, expires } => {
                self.each(&target, |connection| self.refresh(connection, expires));
            }
            Letter::Disconnect { target, close } => {
                self.each(&target, |connection| connection.close(close.clone()))
            }
            Letter::Answer { connection, command, outcome } => {
                let connection = self.roster.borrow().get(connection).cloned();
                if let Some(connection) = connection {
                    self.answer(&connection, command, outcome);
                }
            }
            Letter::Arrive(connection) => {
                if let Some(connection) = self.roster.borrow().get(connection) {
                    connection.arrive();
                }
            }
            Letter::End { connection, end } => {
                if let Some(connection) = self.roster.borrow().get(connection) {
                    connection.end(end);
                }
            }
            // Whoever asked may have lost interest.
            Letter::List(reply) => {
                let roster = self.roster.borrow();
                let connected = roster.all().filter(|connection| connection.is_known());
                drop(reply.send(connected.map(|connection| connection.info()).collect()))
            }
            Letter::Park(parked) => self.park_all(parked),
            // Whoever asked may have given up.
            Letter::Sync(done) => drop(done.send(())),
            Letter::Pack { to, most_sockets } => self.pack(to, most_sockets),
            Letter::Dissolve(reply) => drop(reply.send(self.dissolve())),
            Letter::Adopt(delivery) => self.adopt_all(delivery),
            Letter::Resume => self.resume(),
            Letter::Forward(link) => self.forward_to(link),
            Letter::Drain { stop, spread } => self.drain(stop, spread),
            Letter::Stop => self.stopped.set(true),
        }
    }

    /// A message past the channels. One to many must not come before what `on_connect` says.
    fn send(&self, to: &Target, outgoing: &Outgoing) {
        self.each(to, |connection| match outgoing.frame(connection.dialect()) {
            Some(frame) if matches!(to, Target::Connection(_)) => self.give(connection, frame, None),
            Some(frame) => self.offer(connection, frame),
            None => {}
        });
    }

    fn tell_watchers(&self, channel: &Channel, outgoing: &Outgoing) {
        let roster = self.roster.borrow();
        let watchers =
            roster.subscribers(channel).map(|subscribers| subscribers.list(roster::Audience::Watchers));
        let watchers = watchers.unwrap_or_default();
        if let Some(frame) = outgoing.frame(Dialect::Centrifuge).filter(|_| !watchers.is_empty()) {
            watchers.iter().for_each(|connection| self.give(connection, frame, Some(channel)));
        }
    }

    /// Gives a connection a frame that it did not ask for: it waits until the connection's `on_connect` hook has ended.
    fn offer(&self, connection: &Rc<Connection>, frame: &Bytes) {
        if !connection.hold(frame, None) {
            self.give(connection, frame, None);
        }
    }

    /// Gives one connection a frame: at once if nothing else is waiting to be done, together with the next otherwise.
    /// A client of the protocol has to have its welcome first. `channel` is what the frame is about, if anything.
    fn give(&self, connection: &Rc<Connection>, frame: &Bytes, channel: Option<&Channel>) {
        if connection.dialect() == Dialect::Centrifuge && connection.hold(frame, channel) {
            return;
        }
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

    /// The connections that a letter means, to do something with that changes the roster.
    fn targets(&self, target: &Target) -> Vec<Rc<Connection>> {
        let mut targets = Vec::new();
        self.each(target, |connection| targets.push(Rc::clone(connection)));
        targets
    }

    fn namespaces(&self) -> &Namespaces {
        self.channels.namespaces()
    }

    fn accept(self: &Rc<Self>, newcomer: Newcomer) {
        let transport = match newcomer.transport.open() {
            Ok(transport) => transport,
            Err(error) => return log::warn!("a new socket cannot be used: {error}"),
        };
        let (identity, session) = match newcomer.dialect {
            Dialect::Raw => (Some(newcomer.identity), None),
            Dialect::Centrifuge => (None, Some(Session::new(newcomer.identity, Instant::now()))),
        };
        let socket = Socket::new(newcomer.id, identity, newcomer.peer, newcomer.hub);
        let connection = Connection::new(socket, transport, newcomer.place, session, &self.limits);
        let expires = connection.socket.identity().expires();
        connection.expires.set(expires.and_then(|expires| session::deadline(expires, Duration::ZERO)));
        let connection = Rc::new(connection);
        self.roster.borrow_mut().add(&connection);
        let task = ConnectionTask::new(Rc::clone(&connection), Rc::clone(self), &newcomer.early);
        tokio::task::spawn_local(Driver::new(task));
        if let Some(stop) = self.draining.get() {
            connection.close_for(Ending::Stop(stop));
        }
    }

    /// Takes a connection whose stream has ended out of everything.
    fn forget(&self, connection: &Rc<Connection>) {
        let hub = connection.socket.hub();
        let subscriptions = self.roster.borrow_mut().remove(connection);
        subscriptions.iter().for_each(|one| hub.leave(&one.channel, self.index, one.info.as_ref()));
    }

    fn drain(self: &Rc<Self>, stop: Stop, spread: Duration) {
        self.draining.set(Some(stop));
        let everybody = self.targets(&Target::All);
        let steps = spread.as_micros() / DRAIN_STEP.as_micros() + 1;
        let per_step = everybody.len().div_ceil(usize::try_from(steps).unwrap_or(usize::MAX)).max(1);
        let close = move |some: &[Rc<Connection>]| {
            some.iter().for_each(|connection| connection.close_for(Ending::Stop(stop)));
        };
        if steps == 1 {
            return close(&everybody);
        }
        tokio::task::spawn_local(async move {
            for some in everybody.chunks(per_step) {
                close(some);
                tokio::time::sleep(DRAIN_STEP).await;
            }
        });
    }

    async fn watch_the_clock(self: Rc<Self>) {
        let limits = &self.limits;
        let timeouts =
            [limits.ping_interval, limits.pong_timeout, limits.close_timeout, limits.connect_timeout];
        let shortest = timeouts.into_iter().chain(limits.idle_timeout).min().unwrap_or(LONGEST_TICK);
        let mut ticks =
            tokio::time::interval((shortest / TICKS_PER_TIMEOUT).clamp(SHORTEST_TICK, LONGEST_TICK));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut swept, mut turn) = (Instant::now(), self.index);
        loop {
            ticks.tick().await;
            if !self.mode.borrow().is_running() {
                continue;
            }
            let now = Instant::now();
            self.tick(now);
            if now.duration_since(swept) >= SWEEP_INTERVAL {
                self.channels.sweep(turn);
                (swept, turn) = (now, turn.wrapping_add(self.channels.shards()));
            }
        }
    }

    fn tick(&self, now: Instant) {
        let mut expiring = Vec::new();
        for connection in self.roster.borrow().all() {
            let ping = match connection.dialect() {
                Dialect::Raw => &self.pings.raw,
                Dialect::Centrifuge => &self.pings.centrifuge,
            };
            connection.tick(now, &self.limits, ping);
            if connection.subscription_expires.get().is_some_and(|expires| now >= expires) {
                expiring.push(Rc::clone(connection));
            }
        }
        expiring.iter().for_each(|connection| self.expire_subscriptions(connection, now));
    }
}
