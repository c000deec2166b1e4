//! One connection as its shard sees it: what can be done to it from outside its task. Reading is in `task`.

use std::{
    cell::{Cell, RefCell},
    io,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    letter::{ConnectionInfo, End},
    outbound::{Outbound, Written},
    transport::Transport,
};
use crate::{
    Channel, CloseCode, Ended, Limits, Socket,
    codec::{self, CloseFrame},
    hub::Place,
};

/// How far a connection is on its way out. It only ever moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// The channels it is subscribed to, and its index among each one's subscribers.
    pub(super) channels: RefCell<Vec<(Channel, usize)>>,
    /// In the list of connections to be flushed at the end of a batch.
    pub(super) dirty: Cell<bool>,
    /// A hook runs, so nothing is read, and silence means nothing.
    pub(super) hook_runs: Cell<bool>,
    outbound: RefCell<Outbound>,
    phase: Cell<Phase>,
    /// When a connection that closes is given up.
    deadline: Cell<Option<Instant>>,
    /// What ended it, from whichever side came first.
    ended: RefCell<Option<Ended>>,
    waker: RefCell<Option<Waker>>,
    opened: Instant,
    heard: Cell<Instant>,
    spoken: Cell<Instant>,
    pinged: Cell<Option<Instant>>,
    queue_bytes: usize,
    close_timeout: Duration,
    _place: Place,
}

impl Connection {
    pub(super) fn new(socket: Socket, transport: Transport, place: Place, limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            socket,
            transport,
            channels: RefCell::default(),
            dirty: Cell::new(false),
            hook_runs: Cell::new(false),
            outbound: RefCell::default(),
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

    pub(super) fn info(&self) -> ConnectionInfo {
        ConnectionInfo {
            id: self.socket.id(),
            identity: self.socket.identity().clone(),
            peer: self.socket.peer(),
            channels: self.channels.borrow().iter().map(|(channel, _)| channel.clone()).collect(),
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
        if self.outbound.borrow_mut().push(frame.clone(), self.queue_bytes).is_err() {
            self.give_up_on_slow_consumer();
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

    /// Ends the way its task wants it to, after what is queued.
    pub(super) fn end(&self, end: End) {
        match end {
            End::HookFailed => self.close(CloseFrame::new(CloseCode::ERROR, "internal error")),
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
        self.outbound.borrow_mut().clear();
        self.wake();
    }

    /// What ended the connection.
    pub(super) fn ended(&self) -> Ended {
        self.ended.borrow().clone().unwrap_or(Ended::Lost)
    }

    /// Remembers the task's waker, so that the shard can wake it.
    pub(super) fn register(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// Bytes have come in.
    pub(super) fn hear(&self) {
        self.heard.set(Instant::now());
        self.pinged.set(None);
    }

    /// A message has come in.
    pub(super) fn note_message(&self) {
        self.spoken.set(self.heard.get());
    }

    /// A hook has ended; while it ran nothing could be heard, and the peer may have waited for it before it goes on.
    pub(super) fn forgive_silence(&self) {
        self.hook_runs.set(false);
        self.hear();
        self.spoken.set(self.heard.get());
    }

    /// Looks at the clock: gives up closing connections, pings silent ones, closes dead and idle ones.
    pub(super) fn tick(&self, now: Instant, limits: &Limits, ping: &Bytes) {
        if self.phase.get() != Phase::Open {
            if self.deadline.get().is_some_and(|deadline| now >= deadline) {
                self.give_up();
            }
            return;
        }
        if self.hook_runs.get() {
            return;
        }
        let idle =
            limits.idle_timeout.is_some_and(|timeout| now.duration_since(self.spoken.get()) >= timeout);
        if idle {
            self.close(CloseFrame::new(CloseCode::NORMAL, "idle for too long"));
        } else if let Some(pinged) = self.pinged.get() {
            if now.duration_since(pinged) >= limits.pong_timeout {
                self.close(CloseFrame::new(CloseCode::AWAY, "no answer to a ping"));
            }
        } else if now.duration_since(self.heard.get()) >= limits.ping_interval {
            self.pinged.set(Some(now));
            self.outbound.borrow_mut().append(ping.clone());
            self.flush_or_wake();
        }
    }

    fn give_up_on_slow_consumer(&self) {
        log::debug!("connection {} reads too slowly; it is closed", self.socket.id());
        self.outbound.borrow_mut().clear();
        self.close(CloseFrame::new(CloseCode::TRY_AGAIN, "slow consumer"));
    }

    fn begin_ending(&self, phase: Phase, ended: Ended) {
        self.ended.borrow_mut().get_or_insert(ended);
        self.phase.set(self.phase.get().max(phase));
        if self.deadline.get().is_none() {
            self.deadline.set(Instant::now().checked_add(self.close_timeout));
        }
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}
