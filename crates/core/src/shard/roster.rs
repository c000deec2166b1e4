//! Who is on a shard, by id, by user and by channel. Every change costs the same, however many there are.

use std::{collections::HashMap, rc::Rc};

use serde::{Deserialize, Serialize};

use super::{
    connection::{Connection, Subscription},
    outgoing::Dialect,
};
use crate::{Channel, ConnectionId};

/// The connections of a shard.
#[derive(Default)]
pub(super) struct Roster {
    connections: HashMap<ConnectionId, Rc<Connection>>,
    users: HashMap<String, Vec<Rc<Connection>>>,
    /// Clients of the protocol that have not been welcomed yet. What is asked about their user is about them too: who is
    /// thrown out while connecting must not come in.
    arriving: HashMap<ConnectionId, Rc<Connection>>,
    channels: HashMap<Channel, Subscribers>,
}

/// The subscribers of a channel, apart by what they get: so that nobody has to be asked when there is something.
#[derive(Default)]
pub(super) struct Subscribers {
    lists: [Vec<Rc<Connection>>; Audience::COUNT],
}

/// Subscribers of a channel that all get the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Audience {
    /// Raw sockets.
    Raw,
    /// Clients of the protocol.
    Clients,
    /// Those that want to know who comes and goes.
    Watchers,
}

/// Why a subscription is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotSubscribed {
    /// The connection is on its way out, or not yet in.
    Gone,
    /// It was taken back before it was made.
    Revoked,
    /// The connection has this one.
    Already,
    /// The connection has as many as it may have.
    TooMany,
}

impl Audience {
    const COUNT: usize = Self::Watchers as usize + 1;
    const ALL: [Self; Self::COUNT] = [Self::Raw, Self::Clients, Self::Watchers];

    pub(super) fn of(dialect: Dialect, join_leave: bool) -> Self {
        match dialect {
            Dialect::Raw => Self::Raw,
            Dialect::Centrifuge if join_leave => Self::Watchers,
            Dialect::Centrifuge => Self::Clients,
        }
    }

    pub(super) fn dialect(self) -> Dialect {
        if self == Self::Raw { Dialect::Raw } else { Dialect::Centrifuge }
    }
}

impl Subscribers {
    pub(super) fn list(&self, audience: Audience) -> &[Rc<Connection>] {
        &self.lists[audience as usize]
    }

    /// The lists that anybody is in, by how they speak.
    pub(super) fn by_dialect(&self, dialect: Dialect) -> impl Iterator<Item = &Rc<Connection>> {
        let lists = Audience::ALL.into_iter().filter(move |audience| audience.dialect() == dialect);
        lists.flat_map(|audience| self.list(audience))
    }

    fn is_empty(&self) -> bool {
        self.lists.iter().all(Vec::is_empty)
    }
}

impl Roster {
    pub(super) fn add(&mut self, connection: &Rc<Connection>) {
        let id = connection.socket.id();
        self.connections.insert(id, Rc::clone(connection));
        match connection.dialect() {
            Dialect::Raw => self.add_to_user(connection),
            Dialect::Centrifuge => drop(self.arriving.insert(id, Rc::clone(connection))),
        }
    }

    /// It is settled who a client of the protocol is.
    pub(super) fn welcome(&mut self, connection: &Rc<Connection>) {
        if self.arriving.remove(&connection.socket.id()).is_some() {
            self.add_to_user(connection);
        }
    }

    fn add_to_user(&mut self, connection: &Rc<Connection>) {
        let Some(user) = connection.socket.identity().user_id() else { return };
        let others = self.users.entry(user.to_owned()).or_default();
        connection.user_index.set(Some(others.len()));
        others.push(Rc::clone(connection));
    }

    /// Takes a connection out, and returns the subscriptions it had.
    pub(super) fn remove(&mut self, connection: &Rc<Connection>) -> Vec<Subscription> {
        self.connections.remove(&connection.socket.id());
        self.arriving.remove(&connection.socket.id());
        self.remove_from_user(connection);
        let subscriptions = connection.subscriptions.take();
        subscriptions.iter().for_each(|subscription| self.remove_subscriber(subscription));
        subscriptions
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Rc<Connection>> {
        self.connections.get(&id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Rc<Connection>> {
        self.connections.values()
    }

    pub(super) fn of_user<'a>(&'a self, user: &'a str) -> impl Iterator<Item = &'a Rc<Connection>> {
        let arriving = self.arriving.values().filter(move |connection| connection.may_be(user));
        self.users.get(user).map(Vec::as_slice).unwrap_or_default().iter().chain(arriving)
    }

    pub(super) fn subscribers(&self, channel: &Channel) -> Option<&Subscribers> {
        self.channels.get(channel)
    }

    /// Adds a subscription to a connection, and the connection to the channel.
    pub(super) fn subscribe(
        &mut self,
        connection: &Rc<Connection>,
        mut subscription: Subscription,
        max_channels: usize,
    ) -> Result<(), NotSubscribed> {
        let mut subscriptions = connection.subscriptions.borrow_mut();
        if subscriptions.iter().any(|other| other.channel == subscription.channel) {
            return Err(NotSubscribed::Already);
        }
        if subscriptions.len() >= max_channels {
            return Err(NotSubscribed::TooMany);
        }
        let subscribers = self.channels.entry(subscription.channel.clone()).or_default();
        let list = &mut subscribers.lists[subscription.audience as usize];
        subscription.index = list.len();
        list.push(Rc::clone(connection));
        subscriptions.push(subscription);
        Ok(())
    }

    /// Takes a subscription out, if there is one.
    pub(super) fn unsubscribe(&mut self, connection: &Connection, channel: &Channel) -> Option<Subscription> {
        let mut subscriptions = connection.subscriptions.borrow_mut();
        let at = subscriptions.iter().position(|subscription| subscription.channel == *channel)?;
        let subscription = subscriptions.swap_remove(at);
        drop(subscriptions);
        self.remove_subscriber(&subscription);
        Some(subscription)
    }

    /// The user's last connection takes the free place, and is told so.
    fn remove_from_user(&mut self, connection: &Connection) {
        let Some(index) = connection.user_index.take() else { return };
        let Some(user) = connection.socket.identity().user_id() else { return };
        let Some(connections) = self.users.get_mut(user) else { return };
        connections.swap_remove(index);
        if let Some(moved) = connections.get(index) {
            moved.user_index.set(Some(index));
        }
        if connections.is_empty() {
            self.users.remove(user);
        }
    }

    /// The last subscriber of its kind takes the free place, and is told so.
    fn remove_subscriber(&mut self, subscription: &Subscription) {
        let Some(subscribers) = self.channels.get_mut(&subscription.channel) else { return };
        let list = &mut subscribers.lists[subscription.audience as usize];
        list.swap_remove(subscription.index);
        if let Some(moved) = list.get(subscription.index) {
            let mut subscriptions = moved.subscriptions.borrow_mut();
            let same = subscriptions.iter_mut().find(|other| other.channel == subscription.channel);
            same.into_iter().for_each(|other| other.index = subscription.index);
        }
        if subscribers.is_empty() {
            self.channels.remove(&subscription.channel);
        }
    }
}
