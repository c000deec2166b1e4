//! Who is on a shard, by id, by user and by channel. Every change costs the same, however many there are.

use std::{collections::HashMap, rc::Rc};

use super::connection::Connection;
use crate::{Channel, ConnectionId};

/// The connections of a shard.
#[derive(Default)]
pub(super) struct Roster {
    connections: HashMap<ConnectionId, Rc<Connection>>,
    users: HashMap<String, Vec<Rc<Connection>>>,
    channels: HashMap<Channel, Vec<Rc<Connection>>>,
}

impl Roster {
    pub(super) fn add(&mut self, connection: &Rc<Connection>) {
        let id = connection.socket.id();
        if let Some(user) = connection.socket.identity().user_id() {
            let others = self.users.entry(user.to_owned()).or_default();
            connection.user_index.set(others.len());
            others.push(Rc::clone(connection));
        }
        self.connections.insert(id, Rc::clone(connection));
    }

    /// Takes a connection out, and returns the channels it was subscribed to.
    pub(super) fn remove(&mut self, connection: &Rc<Connection>) -> Vec<Channel> {
        let id = connection.socket.id();
        self.connections.remove(&id);
        if let Some(user) = connection.socket.identity().user_id() {
            self.remove_from_user(user, connection.user_index.get());
        }
        let subscriptions = connection.channels.take();
        subscriptions.iter().for_each(|(channel, index)| self.remove_subscriber(channel, *index));
        subscriptions.into_iter().map(|(channel, _)| channel).collect()
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Rc<Connection>> {
        self.connections.get(&id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Rc<Connection>> {
        self.connections.values()
    }

    pub(super) fn of_user(&self, user: &str) -> impl Iterator<Item = &Rc<Connection>> {
        self.users.get(user).map(Vec::as_slice).unwrap_or_default().iter()
    }

    pub(super) fn subscribers(&self, channel: &Channel) -> &[Rc<Connection>] {
        self.channels.get(channel).map(Vec::as_slice).unwrap_or_default()
    }

    /// False if nothing has changed: no such connection, subscribed already, or too many channels.
    pub(super) fn subscribe(&mut self, id: ConnectionId, channel: &Channel, max_channels: usize) -> bool {
        let Some(connection) = self.connections.get(&id) else { return false };
        let mut subscriptions = connection.channels.borrow_mut();
        if subscriptions.iter().any(|(other, _)| other == channel) {
            return false;
        }
        if subscriptions.len() >= max_channels {
            log::warn!(
                "connection {id} is not subscribed to {channel}: it has {max_channels} channels already"
            );
            return false;
        }
        // The name that is the key already is shared, so that a name costs its memory once.
        let channel = self.channels.get_key_value(channel).map_or(channel, |(name, _)| name).clone();
        let subscribers = self.channels.entry(channel.clone()).or_default();
        subscriptions.push((channel, subscribers.len()));
        subscribers.push(Rc::clone(connection));
        true
    }

    /// False if it was not subscribed.
    pub(super) fn unsubscribe(&mut self, id: ConnectionId, channel: &Channel) -> bool {
        let Some(connection) = self.connections.get(&id) else { return false };
        let mut subscriptions = connection.channels.borrow_mut();
        let Some(at) = subscriptions.iter().position(|(other, _)| other == channel) else { return false };
        let (channel, index) = subscriptions.swap_remove(at);
        drop(subscriptions);
        self.remove_subscriber(&channel, index);
        true
    }

    /// The user's last connection takes the free place, and is told so.
    fn remove_from_user(&mut self, user: &str, index: usize) {
        let Some(connections) = self.users.get_mut(user) else { return };
        connections.swap_remove(index);
        if let Some(moved) = connections.get(index) {
            moved.user_index.set(index);
        }
        if connections.is_empty() {
            self.users.remove(user);
        }
    }

    /// The last subscriber takes the free place, and is told so.
    fn remove_subscriber(&mut self, channel: &Channel, index: usize) {
        let Some(subscribers) = self.channels.get_mut(channel) else { return };
        subscribers.swap_remove(index);
        if let Some(moved) = subscribers.get(index) {
            let mut subscriptions = moved.channels.borrow_mut();
            subscriptions.iter_mut().filter(|(other, _)| other == channel).for_each(|(_, at)| *at = index);
        }
        if subscribers.is_empty() {
            self.channels.remove(channel);
        }
    }
}
