//! How fast somebody may send: a bucket of tokens for each sender, of which a message takes one. Pure: the time is
//! passed in.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// How many messages may come at once, and how soon the next ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Tokens in a full bucket; at least one.
    pub(crate) burst: u32,
    /// The time in which a bucket gets one more.
    pub(crate) interval: Duration,
}

/// The buckets of all senders.
///
/// A bucket is the moment at which it will be full again, so time fills it by passing. One that is full is as good as
/// none, and is forgotten; so there are about as many as there were messages in the last `burst * interval`.
pub(crate) struct Buckets<K> {
    rate: Rate,
    full_at: HashMap<K, Instant>,
    /// How many buckets there may be before the full ones are looked for: twice as many as were left last time, so that
    /// a message pays for looking at two.
    sweep_at: usize,
}

/// Fewer than this are not worth a look.
const FEW: usize = 64;

impl<K: Eq + Hash> Buckets<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, full_at: HashMap::new(), sweep_at: FEW }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// How long it takes until there is one. Nothing has been taken.
    pub(crate) fn take(&mut self, sender: K, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.get(&sender).map_or(now, |full_at| now.max(*full_at));
        let with_one_left = self.rate.interval * self.rate.burst.saturating_sub(1);
        let wait = full_at.duration_since(now).saturating_sub(with_one_left);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.sweep(now);
        self.full_at.insert(sender, full_at + self.rate.interval);
        Ok(())
    }

    fn sweep(&mut self, now: Instant) {
        if self.full_at.len() < self.sweep_at {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        self.sweep_at = FEW.max(2 * self.full_at.len());
        self.full_at.shrink_to(self.sweep_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn buckets() -> Buckets<u32> {
        Buckets::new(Rate { burst: 3, interval: SECOND })
    }

    #[test]
    fn a_burst_is_let_through_and_what_follows_is_told_how_long_to_wait() {
        let (mut buckets, now) = (buckets(), Instant::now());
        for _ in 0..3 {
            assert_eq!(buckets.take(1, now), Ok(()));
        }
        assert_eq!(buckets.take(1, now), Err(SECOND));
        assert_eq!(buckets.take(1, now + SECOND * 3 / 4), Err(SECOND / 4));
        assert_eq!(buckets.take(1, now + SECOND), Ok(()));
        assert_eq!(buckets.take(1, now + SECOND), Err(SECOND));
    }

    #[test]
    fn a_refusal_costs_nothing() {
        let (mut buckets, now) = (buckets(), Instant::now());
        while buckets.take(1, now).is_ok() {}
        for _ in 0..100 {
            assert_eq!(buckets.take(1, now), Err(SECOND));
        }
    }

    #[test]
    fn a_bucket_never_has_more_than_a_burst() {
        let (mut buckets, now) = (buckets(), Instant::now());
        buckets.take(1, now).unwrap();
        let later = now + SECOND * 1000;
        assert_eq!((0..10).take_while(|_| buckets.take(1, later).is_ok()).count(), 3);
    }

    #[test]
    fn senders_do_not_share() {
        let (mut buckets, now) = (buckets(), Instant::now());
        while buckets.take(1, now).is_ok() {}
        assert_eq!(buckets.take(2, now), Ok(()));
    }

    #[test]
    fn a_clock_that_has_not_moved_or_a_late_caller_is_no_error() {
        let (mut buckets, now) = (buckets(), Instant::now());
        let later = now + SECOND;
        buckets.take(1, later).unwrap();
        assert_eq!(buckets.take(1, now), Ok(()));
        assert_eq!(buckets.take(1, now), Err(SECOND));
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten() {
        let (mut buckets, mut now) = (buckets(), Instant::now());
        for sender in 0..100_000 {
            now += SECOND / 100;
            buckets.take(sender, now).unwrap();
            assert!(buckets.full_at.len() <= 2 * 100 + FEW, "{}", buckets.full_at.len());
        }
        assert!(buckets.full_at.capacity() < 2000, "{}", buckets.full_at.capacity());
    }
}
