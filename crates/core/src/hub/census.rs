//! How many connections there are and where: the limit on them, the choice of a shard, and the wait for the last one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Counts the connections of every shard.
pub(crate) struct Census {
    total: AtomicUsize,
    shards: Vec<AtomicUsize>,
    max: usize,
    emptied: Notify,
}

/// A counted connection. Dropping it takes it out of the census.
pub(crate) struct Place {
    census: Arc<Census>,
    shard: usize,
}

impl Census {
    /// A census of `shards` shards that together may have `max` connections.
    pub(crate) fn new(shards: usize, max: usize) -> Self {
        let shards = (0..shards).map(|_| AtomicUsize::new(0)).collect();
        Self { total: AtomicUsize::new(0), shards, max, emptied: Notify::new() }
    }

    /// Open connections.
    pub(crate) fn total(&self) -> usize {
        self.total.load(Ordering::Acquire)
    }

    /// A place on the shard that has the fewest connections, or nothing when the limit is reached.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        let below = |total: usize| (total < self.max).then_some(total + 1);
        self.total.fetch_update(Ordering::AcqRel, Ordering::Acquire, below).ok()?;
        let loads = self.shards.iter().enumerate();
        let shard = loads.min_by_key(|(_, load)| load.load(Ordering::Relaxed)).map_or(0, |(shard, _)| shard);
        self.shards[shard].fetch_add(1, Ordering::Relaxed);
        Some(Place { census: Arc::clone(self), shard })
    }

    /// A place on a certain shard, whatever the limit: for a connection that was let in by another process.
    pub(crate) fn move_in(self: &Arc<Self>, shard: usize) -> Place {
        self.total.fetch_add(1, Ordering::AcqRel);
        self.shards[shard].fetch_add(1, Ordering::Relaxed);
        Place { census: Arc::clone(self), shard }
    }

    /// Waits until nobody is left. Cancel-safe.
    pub(crate) async fn empty(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            emptied.as_mut().enable();
            if self.total() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Place {
    /// The shard this place is on.
    pub(crate) fn shard(&self) -> usize {
        self.shard
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.census.shards[self.shard].fetch_sub(1, Ordering::Relaxed);
        if self.census.total.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.census.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_loaded_shard_gets_the_next_connection() {
        let census = Arc::new(Census::new(2, 10));
        let first = census.enter().unwrap();
        let second = census.enter().unwrap();
        assert_ne!(first.shard(), second.shard());
        let free = first.shard();
        drop(first);
        assert_eq!(census.enter().unwrap().shard(), free);
    }

    #[test]
    fn the_limit_holds_and_a_leaver_makes_room() {
        let census = Arc::new(Census::new(1, 1));
        let place = census.enter().unwrap();
        assert!(census.enter().is_none());
        drop(place);
        assert!(census.enter().is_some());
    }

    #[tokio::test]
    async fn empty_waits_for_the_last_connection() {
        let census = Arc::new(Census::new(1, 2));
        let place = census.enter().unwrap();
        let waiting = Arc::clone(&census);
        let waiter = tokio::spawn(async move { waiting.empty().await });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        drop(place);
        waiter.await.unwrap();
    }
}
