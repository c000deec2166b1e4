//! How connections leave a shard and come to one: as data, with their byte streams. A shard that is given back what it gave
//! away goes on as if nothing had been.

use std::rc::Rc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{
    Newcomer, Shard,
    connection::{Connection, ConnectionState},
    driver::Driver,
    session::Stage,
    task::{ConnectionTask, TaskState, Work},
    transport::Incoming,
};
use crate::{Socket, handover::Link, hub::Place};

/// A connection between two shards.
pub(crate) struct Moving {
    pub(crate) state: MovingState,
    pub(crate) stream: Incoming,
    pub(crate) kept: Kept,
}

/// What of it is plain data.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MovingState {
    pub(crate) connection: ConnectionState,
    pub(crate) task: TaskState,
}

impl MovingState {
    /// What it takes on the way, about, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.connection.weight() + self.task.weight() + 1024
    }
}

/// What of it belongs to its process.
pub(crate) struct Kept {
    pub(crate) socket: Socket,
    pub(crate) place: Place,
    /// A hook that goes on.
    pub(crate) work: Option<Work>,
}

/// A socket that has not come to its shard yet, as plain data.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewcomerState {
    pub(crate) id: crate::ConnectionId,
    pub(crate) dialect: super::Dialect,
    pub(crate) identity: crate::Identity,
    pub(crate) peer: Option<std::net::SocketAddr>,
    pub(crate) early: Bytes,
}

/// What a shard does with its connections.
pub(super) enum Mode {
    Running,
    /// Their tasks are on their way to be parked; whoever asked for it waits.
    Parking(Option<oneshot::Sender<()>>),
    /// They are another process's.
    Forwarding(Link),
}

impl Mode {
    pub(super) fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }
}

impl Shard {
    /// Stops the tasks of all connections at the next place where they could wait.
    pub(super) fn park_all(&self, parked: oneshot::Sender<()>) {
        *self.mode.borrow_mut() = Mode::Parking(Some(parked));
        self.roster.borrow().all().for_each(|connection| connection.wake());
        self.report_parked();
    }

    /// Keeps a task that has stopped.
    pub(super) fn park(&self, task: ConnectionTask) {
        self.parked.borrow_mut().push(task);
        self.report_parked();
    }

    /// Says so when the last task has stopped. One whose stream has ended takes its connection out of the roster instead.
    pub(super) fn report_parked(&self) {
        if let Mode::Parking(asked) = &mut *self.mode.borrow_mut()
            && self.parked.borrow().len() >= self.roster.borrow().len()
            && let Some(asked) = asked.take()
        {
            // Whoever asked may have given up.
            let _ = asked.send(());
        }
    }

    /// Gives away all connections, which must be parked.
    pub(super) fn dissolve(&self) -> Vec<Moving> {
        let roster = self.roster.take();
        let tasks = self.parked.take();
        self.dirty.take();
        let tasks: Vec<_> = tasks.into_iter().map(ConnectionTask::into_parts).collect();
        let leaving: Vec<_> = tasks.iter().map(|(connection, ..)| connection.subscriptions.take()).collect();
        // The tasks have the last handles to their connections now.
        drop(roster);
        let moving =
            tasks.into_iter().zip(leaving).filter_map(|((connection, task, work), subscriptions)| {
                for one in &subscriptions {
                    self.channels.move_out(&one.channel, self.index, one.info.as_ref());
                }
                let connection = Rc::into_inner(connection)?;
                let (connection, socket, transport, place) = connection.into_state(subscriptions);
                let stream =
                    transport.close_up().inspect_err(|error| log::warn!("a socket is lost: {error}"));
                let kept = Kept { socket, place, work };
                Some(Moving { state: MovingState { connection, task }, stream: stream.ok()?, kept })
            });
        moving.collect()
    }

    /// Whoever asked for the connections has given up: they stay.
    pub(super) fn give_back(self: &Rc<Self>, given: Result<(), Vec<Moving>>) {
        given.err().into_iter().flatten().for_each(|moving| self.adopt(moving));
    }

    /// Takes a connection in and keeps it parked.
    pub(super) fn adopt(self: &Rc<Self>, moving: Moving) {
        let Moving { state: MovingState { connection, task }, stream, kept: Kept { socket, place, work } } =
            moving;
        let transport = match stream.open() {
            Ok(transport) => transport,
            Err(error) => {
                log::warn!("a socket that has moved here cannot be used: {error}");
                return socket.hub().lost(&socket);
            }
        };
        let (connection, subscriptions) =
            Connection::from_state(connection, socket, transport, place, &self.limits);
        let connection = Rc::new(connection);
        let mut roster = self.roster.borrow_mut();
        roster.add(&connection);
        if connection.session().is_some_and(|session| matches!(session.stage, Stage::Connected)) {
            roster.welcome(&connection);
        }
        for mut subscription in subscriptions {
            let channel =
                self.channels.move_in(&subscription.channel, self.index, subscription.info.as_ref());
            subscription.channel = channel;
            // It was within the limits when it was made, and is the only one for its channel.
            let _ = roster.subscribe(&connection, subscription, usize::MAX);
        }
        drop(roster);
        connection.look_for_expiring_subscriptions();
        let task = ConnectionTask::from_parts(connection, Rc::clone(self), task, work);
        self.parked.borrow_mut().push(task);
    }

    /// Lets all parked connections go on, and those come in that have waited.
    pub(super) fn resume(self: &Rc<Self>) {
        *self.mode.borrow_mut() = Mode::Running;
        for task in self.parked.take() {
            tokio::task::spawn_local(Driver::new(task));
        }
        let waiting = self.waiting.take();
        waiting.into_iter().for_each(|newcomer| self.accept(newcomer));
    }

    /// From now on new sockets are the other process's.
    pub(super) fn forward_to(&self, link: Link) {
        let waiting = self.waiting.take();
        waiting.into_iter().for_each(|newcomer| forward(newcomer, link.clone()));
        *self.mode.borrow_mut() = Mode::Forwarding(link);
    }

    /// A new socket has come. While connections are parked it waits as well.
    pub(super) fn receive(self: &Rc<Self>, newcomer: Newcomer) {
        match &*self.mode.borrow() {
            Mode::Running => {}
            Mode::Parking(_) => return self.waiting.borrow_mut().push(newcomer),
            Mode::Forwarding(link) => return forward(newcomer, link.clone()),
        }
        self.accept(newcomer);
    }
}

fn forward(newcomer: Newcomer, link: Link) {
    let Newcomer { id, dialect, identity, peer, transport, early, place, .. } = newcomer;
    let Incoming::Tcp(stream) = transport else {
        return log::warn!("a socket that came in late cannot move to the new process; it is closed");
    };
    tokio::task::spawn_local(async move {
        link.pass_on(NewcomerState { id, dialect, identity, peer, early }, stream).await;
        // Until then the server counts it, and does not end.
        drop(place);
    });
}
