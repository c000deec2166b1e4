//! One connection as its shard sees it: what can be done to it from outside its task. Reading is in `task`.

mod clock;
mod state;
mod subscriptions;

use std::{
    cell::{Cell, RefCell, RefMut},
    io,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub(crate) use self::state::ConnectionState;
pub(super) use self::subscriptions::Subscription;
use super::{
    ending::Ending,
    held::Held,
    letter::{ConnectionInfo, End, NewSubscription},
    outbound::{Outbound, Written},
    outgoing::Dialect,
    session::{Session, Stage},
    transport::Transport,
};
use crate::{
    Channel, Ended, Limits, Socket,
    codec::{self, CloseFrame},
    hub::Place,
};

/// How far a connection is on its way out. It only ever moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Messages flow both ways.
    Open,
    /// Our close frame is queued or sent; the peer's has not come.
    Closing,
    /// Nothing more will be said by either side; what is queued is written out.
    Closed,
    /// Our direction has ended. What the peer still sends is read and dropped, so that no reset overtakes our last
    /// bytes (RFC 6455 section 7.1.1).
    Lingering,
    /// The stream has ended, or was given up.
    Gone,
}

/// A connection of a shard. It lives on one thread.
pub(super) struct Connection {
    pub(super) socket: Socket,
    pub(super) transport: Transport,
    pub(super) subscriptions: RefCell<Vec<Subscription>>,
    /// Its index among its user's connections.
    pub(super) user_index: Cell<Option<usize>>,
    /// When it has to go, unless somebody extends that.
    pub(super) expires: Cell<Option<Instant>>,
    /// When the first of its subscriptions has to go.
    pub(super) subscription_expires: Cell<Option<Instant>>,
    /// What a client of the protocol has beyond a raw socket.
    session: Option<Box<RefCell<Session>>>,
    /// In the list of connections to be flushed at the end of a batch.
    pub(super) dirty: Cell<bool>,
    /// A hook runs, so nothing is read, and silence means nothing.
    pub(super) hook_runs: Cell<bool>,
    outbound: RefCell<Outbound>,
    /// What was sent to many while `on_connect` was at work; nothing when it has ended.
    held: RefCell<Option<Box<Held>>>,
    phase: Cell<Phase>,
    /// When a connection that closes is given up.
    deadline: Cell<Option<Instant>>,
    /// What ended it, from whichever side came first.
    ended: RefCell<Option<Box<Ended>>>,
    waker: RefCell<Option<Waker>>,
    opened: Instant,
    heard: Cell<Instant>,
    spoken: Cell<Instant>,
    pinged: Cell<Option<Instant>>,
    queue_bytes: usize,
    close_timeout: Duration,
    /// As long as it has one, it counts.
    _place: Place,
}

impl Connection {
    pub(super) fn new(
        socket: Socket,
        transport: Transport,
        place: Place,
        session: Option<Session>,
        limits: &Limits,
    ) -> Self {
        let now = Instant::now();
        Self {
            socket,
            transport,
            subscriptions: RefCell::default(),
            user_index: Cell::new(None),
            expires: Cell::new(None),
            subscription_expires: Cell::new(None),
            session: session.map(RefCell::new).map(Box::new),
            dirty: Cell::new(false),
            hook_runs: Cell::new(false),
            outbound: RefCell::default(),
            held: RefCell::new(Some(Box::default())),
            phase: Cell::new(Phase::Open),
            deadline: Cell::new(None),
            ended: RefCell::new(None),
            waker: RefCell::new(None),
            opened: now,
            heard: Cell::new(now),
            spoken: Cell::new(now),
            pinged: Cell::new(None),
            queue_bytes: limits.queue_bytes,
            close_timeout: limits.close_timeout,
            _place: place,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// How it speaks.
    pub(super) fn dialect(&self) -> Dialect {
        if self.session.is_some() { Dialect::Centrifuge } else { Dialect::Raw }
    }

    /// The state of a client of the protocol.
    pub(super) fn session(&self) -> Option<RefMut<'_, Session>> {
        self.session.as_ref().map(|session| session.borrow_mut())
    }

    /// Whether it is known who is there: a client of the protocol has to say so first.
    pub(super) fn is_known(&self) -> bool {
        self.session().is_none_or(|session| matches!(session.stage, Stage::Connecting(_) | Stage::Connected))
    }

    /// Whether it belongs, or is about to belong, to this user.
    pub(super) fn may_be(&self, user: &str) -> bool {
        let upgraded = |session: RefMut<'_, Session>| session.upgraded_user() == Some(user);
        self.socket.identity().user_id() == Some(user) || self.session().is_some_and(upgraded)
    }

    /// Whether a subscription that the client asked for was taken back before it was made.
    pub(super) fn take_revoked(&self, new: &NewSubscription) -> bool {
        let asked = new.terms.command.is_some();
        asked && self.session().is_some_and(|mut session| session.end_subscribing())
    }

    /// A command is being carried out, so the next one has to wait.
    pub(super) fn awaits_answer(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.borrow().awaits_answer)
    }

    /// Commands have come in and have not been begun.
    pub(super) fn has_commands(&self) -> bool {
        self.session.as_ref().is_some_and(|session| !session.borrow().commands.is_empty())
    }

    /// So much waits to be written that whatever the peer asks for had better wait too.
    pub(super) fn is_congested(&self) -> bool {
        self.outbound.borrow().weight() > self.queue_bytes / 2
    }

    pub(super) fn info(&self) -> ConnectionInfo {
        ConnectionInfo {
            id: self.socket.id(),
            identity: self.socket.identity().clone(),
            peer: self.socket.peer(),
            channels: self.subscriptions.borrow().iter().map(|one| one.channel.clone()).collect(),
            age: self.opened.elapsed(),
        }
    }

    /// Writes a frame straight to the socket, or queues what does not fit. A slow consumer is closed.
    pub(super) fn write(&self, frame: &Bytes) {
        if self.phase.get() != Phase::Open {
            return;
        }
        let written = self.outbound.borrow_mut().write(frame, &self.transport, self.queue_bytes);
        match written {
            Ok(Written::All) => {}
            Ok(Written::Queued) => self.wake(),
            Ok(Written::Slow) => self.give_up_on_slow_consumer(),
            // The task meets the same error when it reads, and ends the connection.
            Err(_) => self.wake(),
        }
    }

    /// Queues a frame; somebody flushes later. A slow consumer is closed.
    pub(super) fn queue(&self, frame: &Bytes) {
        if self.phase.get() != Phase::Open {
            return;
        }
        let admitted = self.outbound.borrow_mut().admit(frame.clone(), &self.transport, self.queue_bytes);
        match admitted {
            Ok(true) => {}
            Ok(false) => self.give_up_on_slow_consumer(),
            // The task meets the same error when it reads, and ends the connection.
            Err(_) => self.wake(),
        }
    }

    /// Keeps a frame until `on_connect` has ended and the client of a protocol has its welcome; false if that is the
    /// case. When it becomes too much to keep, a raw socket counts as arrived, and a client as too slow. A client that
    /// has not said who it is gets nothing.
    pub(super) fn hold(&self, frame: &Bytes, channel: Option<&Channel>) -> bool {
        let mut held = self.held.borrow_mut();
        let Some(waiting) = held.as_mut() else { return false };
        let session = self.session();
        if session.as_ref().is_some_and(|session| !matches!(session.stage, Stage::Connecting(_))) {
            return true;
        }
        if waiting.push(frame, channel, self.queue_bytes).is_ok() {
            return true;
        }
        drop(held);
        if session.is_some() {
            self.give_up_on_slow_consumer();
            return true;
        }
        self.arrive();
        false
    }

    /// A subscription was taken back: nothing of its channel is held any longer.
    pub(super) fn forget_held(&self, channel: &Channel) {
        if let Some(held) = &mut *self.held.borrow_mut() {
            held.forget(channel);
        }
    }

    /// `on_connect` has ended: what was held goes out behind what the hook has sent.
    pub(super) fn arrive(&self) {
        let held = self.held.borrow_mut().take();
        if self.phase.get() == Phase::Open {
            let frames = held.into_iter().flat_map(|held| held.into_frames());
            frames.for_each(|frame| self.outbound.borrow_mut().append(frame));
            self.flush_or_wake();
        }
    }

    /// Writes what is queued, as far as the socket takes it; the task does the rest.
    pub(super) fn flush_or_wake(&self) {
        let flushed = self.outbound.borrow_mut().flush(&self.transport);
        if !matches!(flushed, Ok(true)) {
            self.wake();
        }
    }

    /// Flushes from the connection's own task, which is woken when more can be written.
    pub(super) fn poll_flush(&self, context: &mut Context<'_>) -> io::Result<bool> {
        loop {
            if self.outbound.borrow_mut().flush(&self.transport)? {
                return Ok(true);
            }
            if self.transport.poll_write_ready(context)?.is_pending() {
                return Ok(false);
            }
        }
    }

    /// Begins to close with a frame of ours, after what is queued. A second close changes nothing.
    pub(super) fn close(&self, close: CloseFrame) {
        if self.phase.get() != Phase::Open {
            return;
        }
        self.outbound.borrow_mut().append(codec::encode_close(Some(&close)));
        self.begin_ending(Phase::Closing, Ended::ByServer(close));
    }

    /// Begins to close for one of the hub's own reasons.
    pub(super) fn close_for(&self, ending: Ending) {
        self.close(ending.close_frame(self.dialect()));
    }

    /// Ends the way its task wants it to, after what is queued.
    pub(super) fn end(&self, end: End) {
        match end {
            End::HookFailed => self.close_for(Ending::HookFailed),
            End::Violation(close) => {
                self.close(close.clone());
                self.begin_ending(Phase::Closed, Ended::ByServer(close));
            }
            End::ByPeer(close) => {
                // Its code goes back to it, unless ours is on its way already.
                if self.phase.get() == Phase::Open {
                    self.outbound.borrow_mut().append(codec::encode_close(close.as_ref()));
                }
                self.begin_ending(Phase::Closed, Ended::ByPeer(close));
            }
        }
    }

    /// All that was queued for a closed connection is written: ends our direction.
    pub(super) fn end_writing(&self) {
        self.transport.end_writing();
        self.phase.set(Phase::Lingering);
    }

    /// The stream has ended or is given up.
    pub(super) fn give_up(&self) {
        self.phase.set(Phase::Gone);
        self.outbound.take();
        self.wake();
    }

    /// What ended the connection.
    pub(super) fn ended(&self) -> Ended {
        self.ended.borrow().as_deref().cloned().unwrap_or(Ended::Lost)
    }

    /// Remembers the task's waker, so that the shard can wake it.
    pub(super) fn register(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    fn give_up_on_slow_consumer(&self) {
        log::debug!("connection {} reads too slowly; it is closed", self.socket.id());
        self.outbound.borrow_mut().clear();
        self.close_for(Ending::Slow);
    }

    fn begin_ending(&self, phase: Phase, ended: Ended) {
        self.ended.borrow_mut().get_or_insert_with(|| Box::new(ended));
        self.phase.set(self.phase.get().max(phase));
        if self.deadline.get().is_none() {
            self.deadline.set(Instant::now().checked_add(self.close_timeout));
        }
        self.wake();
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}
