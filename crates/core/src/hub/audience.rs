//! Which shards have subscribers of which channel: the one table that publishers and shards share.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::Channel;

/// Locks that the channels are spread over, so that publishers to different channels rarely meet.
const STRIPES: usize = 64;

/// How many subscribers each channel has on each shard.
///
/// A stripe's lock is held while a publication is pushed to the inboxes, which makes inbox order publication order;
/// it is never held across an await, and nothing under it waits.
pub(crate) struct Audience {
    stripes: Vec<Mutex<Stripe>>,
    shards: usize,
    hasher: RandomState,
}

/// The channels of one lock.
#[derive(Default)]
pub(crate) struct Stripe {
    channels: HashMap<Channel, Box<[u32]>>,
}

impl Audience {
    /// An empty table for a hub of `shards` shards.
    pub(crate) fn new(shards: usize) -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        Self { stripes, shards, hasher: RandomState::new() }
    }

    /// Locks the part of the table that knows `channel`.
    pub(crate) fn lock(&self, channel: &Channel) -> MutexGuard<'_, Stripe> {
        let stripe = self.hasher.hash_one(channel) as usize % STRIPES;
        self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a subscriber on `shard` is gone.
    pub(crate) fn leave(&self, channel: &Channel, shard: usize) {
        self.lock(channel).leave(channel, shard);
    }

    /// Notes a subscriber on `shard`, under a lock that is already held.
    pub(crate) fn join(&self, stripe: &mut Stripe, channel: &Channel, shard: usize) {
        let counts = stripe.channels.entry(channel.clone());
        counts.or_insert_with(|| vec![0; self.shards].into_boxed_slice())[shard] += 1;
    }

    /// Subscribers of a channel on all shards.
    pub(crate) fn subscribers(&self, channel: &Channel) -> usize {
        self.lock(channel).channels.get(channel).map_or(0, |counts| counts.iter().map(|n| *n as usize).sum())
    }
}

impl Stripe {
    /// The shards that have subscribers of `channel`.
    pub(crate) fn shards(&self, channel: &Channel) -> impl Iterator<Item = usize> + '_ {
        let counts = self.channels.get(channel).map(Box::as_ref).unwrap_or_default();
        counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(shard, _)| shard)
    }

    fn leave(&mut self, channel: &Channel, shard: usize) {
        let Some(counts) = self.channels.get_mut(channel) else { return };
        counts[shard] = counts[shard].saturating_sub(1);
        if counts.iter().all(|count| *count == 0) {
            self.channels.remove(channel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_reaches_just_the_shards_with_subscribers() {
        let audience = Audience::new(3);
        let channel = Channel::new("chat:lobby").unwrap();
        audience.join(&mut audience.lock(&channel), &channel, 2);
        audience.join(&mut audience.lock(&channel), &channel, 2);
        assert_eq!(audience.lock(&channel).shards(&channel).collect::<Vec<_>>(), [2]);
        assert_eq!(audience.subscribers(&channel), 2);
    }

    #[test]
    fn the_last_subscriber_takes_the_channel_along() {
        let audience = Audience::new(2);
        let channel = Channel::new("chat:lobby").unwrap();
        audience.join(&mut audience.lock(&channel), &channel, 1);
        audience.leave(&channel, 1);
        assert_eq!(audience.subscribers(&channel), 0);
        assert!(audience.lock(&channel).channels.is_empty());
    }
}
