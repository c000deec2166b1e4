//! What a connection is subscribed to.

use std::{sync::Arc, time::Instant};

use super::Connection;
use crate::{Channel, ClientInfo, shard::roster::Audience};

/// A connection's subscription to a channel.
pub(in crate::shard) struct Subscription {
    pub(in crate::shard) channel: Channel,
    /// Which of the channel's subscribers it is among, and where.
    pub(in crate::shard) audience: Audience,
    pub(in crate::shard) index: usize,
    /// What others in the channel see of it, where anybody can.
    pub(in crate::shard) info: Option<Arc<ClientInfo>>,
    pub(in crate::shard) expires: Option<Instant>,
    /// The client has a token for it, and may bring a new one.
    pub(in crate::shard) refreshable: bool,
    /// The client has asked for it, and can ask again.
    pub(in crate::shard) asked: bool,
}

impl Connection {
    pub(in crate::shard) fn is_subscribed(&self, channel: &Channel) -> bool {
        self.subscriptions.borrow().iter().any(|one| one.channel == *channel)
    }

    /// What others in a channel see of it.
    pub(in crate::shard) fn info_in(&self, channel: &Channel) -> Option<Arc<ClientInfo>> {
        self.subscriptions.borrow().iter().find(|one| one.channel == *channel)?.info.clone()
    }

    /// Whether its subscription to a channel has a token; nothing if it has no subscription.
    pub(in crate::shard) fn is_refreshable(&self, channel: &Channel) -> Option<bool> {
        self.subscriptions.borrow().iter().find(|one| one.channel == *channel).map(|one| one.refreshable)
    }

    /// A subscription may stay until then.
    pub(in crate::shard) fn extend_subscription(&self, channel: &Channel, expires: Option<Instant>) {
        let mut subscriptions = self.subscriptions.borrow_mut();
        subscriptions.iter_mut().filter(|one| one.channel == *channel).for_each(|one| one.expires = expires);
        drop(subscriptions);
        self.look_for_expiring_subscriptions();
    }

    /// Remembers when the first of its subscriptions has to go.
    pub(in crate::shard) fn look_for_expiring_subscriptions(&self) {
        self.subscription_expires.set(self.subscriptions.borrow().iter().filter_map(|one| one.expires).min());
    }
}
