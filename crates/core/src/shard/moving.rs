//! How connections leave a shard and come to one: as data, with their byte streams. A shard keeps what it packs until it is
//! told to let go of it, or that it is to go on as if nothing had been.

use std::{fmt::Display, io, rc::Rc, time::Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{
    Newcomer, Shard,
    connection::Connection,
    driver::Driver,
    session::Stage,
    task::{ConnectionTask, Work},
    transport::Incoming,
};
use crate::{
    Socket,
    handover::{Arrival, Batch, Delivery, HandoverError, Link, Packed, Unpacked},
    panics::caught,
};

/// What is left here of a connection whose task was parked.
pub(crate) struct Remains {
    pub(crate) socket: Socket,
    /// A hook that goes on.
    pub(crate) work: Option<Work>,
    /// It has left the process, if it was packed: none that an actix worker carries can.
    pub(crate) moved: bool,
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

    /// Packs all connections, which must be parked, and stay here as they are: if nobody takes them, they go on.
    pub(super) fn pack(
        self: &Rc<Self>,
        to: mpsc::Sender<Result<Packed, HandoverError>>,
        most_sockets: usize,
    ) {
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let mut next = 0;
            // Each batch has descriptors of its own, so there are only as many as there are places.
            while let Ok(place) = to.reserve().await
                && next < shard.parked.borrow().len()
            {
                let batch = caught(|| shard.pack_some(&mut next, most_sockets));
                let batch =
                    batch.unwrap_or_else(|panic| Err(HandoverError::Packing(io::Error::other(panic))));
                let failed = batch.is_err();
                place.send(batch);
                if failed {
                    return;
                }
            }
        });
    }

    /// As many as go together, from the parked task `next` on, which becomes the first one that is left.
    fn pack_some(&self, next: &mut usize, most_sockets: usize) -> Result<Packed, HandoverError> {
        let mut batch = Batch::new(most_sockets);
        let (parked, now) = (self.parked.borrow(), Instant::now());
        for task in parked.iter().skip(*next) {
            *next += 1;
            let connection = task.connection();
            // None that an actix worker carries can leave the process.
            if let Some(descriptor) = connection.transport.descriptor() {
                let state = (connection.state(now), task.state());
                let descriptor = descriptor.try_clone_to_owned().map_err(HandoverError::Packing)?;
                let unsent = connection.unsent();
                batch.add(&connection.socket, &state, task.decoder(), unsent, task.work(), descriptor)?;
            }
            if batch.is_full() {
                break;
            }
        }
        batch.pack()
    }

    /// Lets go of all connections that are parked.
    pub(super) fn dissolve(&self) -> Vec<Remains> {
        let roster = self.roster.take();
        let tasks = self.parked.take();
        self.dirty.take();
        let remains = tasks.into_iter().map(|task| {
            let moved = task.connection().transport.descriptor().is_some();
            let (connection, work) = task.into_parts();
            for one in connection.subscriptions.take() {
                self.channels.move_out(&one.channel, self.index, one.info.as_ref());
            }
            Remains { socket: connection.socket.clone(), work, moved }
        });
        let remains = remains.collect();
        drop(roster);
        remains
    }

    /// Takes connections in and keeps them parked. One that is not understood is closed, by the end of its descriptor, and
    /// comes back.
    pub(super) fn adopt_all(self: &Rc<Self>, delivery: Delivery) {
        let count = delivery.len();
        let all = match delivery.unpack() {
            Ok(all) => all,
            Err(error) => return log::error!("{count} connections cannot move and are closed: {error}"),
        };
        for (arrival, unpacked) in all {
            match unpacked {
                Ok(unpacked) => self.adopt(arrival, unpacked),
                Err(error) => self.cannot_adopt(arrival.socket, error),
            }
        }
    }

    fn adopt(self: &Rc<Self>, arrival: Arrival, unpacked: Unpacked) {
        let Arrival { socket, place, stream, work, .. } = arrival;
        let Unpacked { state, task, decoder, unsent } = unpacked;
        state.introduce(&socket);
        let moved = Incoming::Tcp(stream).open().map(|transport| {
            Connection::from_state(state, unsent, socket.clone(), transport, place, &self.limits)
        });
        let (connection, subscriptions) = match moved {
            Ok(Some(moved)) => moved,
            Ok(None) => return self.cannot_adopt(socket, "what it has unsent is cut"),
            Err(error) => return self.cannot_adopt(socket, error),
        };
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
        let task = ConnectionTask::from_parts(connection, Rc::clone(self), task, decoder, work);
        self.parked.borrow_mut().push(task);
    }

    fn cannot_adopt(&self, socket: Socket, why: impl Display) {
        log::error!("connection {} cannot move and is closed: {why}", socket.id());
        self.unadopted.borrow_mut().push(socket);
    }

    /// Lets all parked connections go on, and those come in that have waited.
    pub(super) fn resume(self: &Rc<Self>) {
        *self.mode.borrow_mut() = Mode::Running;
        for task in self.parked.take() {
            tokio::task::spawn_local(Driver::new(task));
        }
        let waiting = self.waiting.take();
        waiting.into_iter().for_each(|newcomer| self.accept(newcomer));
        self.unadopted.take().iter().for_each(|socket| socket.hub().lost(socket));
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
