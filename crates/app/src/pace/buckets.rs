//! Buckets of tokens: one for each of those who are counted, and whatever they do takes one. Pure: the time is passed
//! in.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// How much may come at once, and how soon the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Tokens in a full bucket; at least one.
    pub(super) burst: u32,
    /// The time in which a bucket gets one more.
    pub(super) interval: Duration,
}

/// The buckets of everybody.
///
/// A bucket is the moment at which it will be full again, so time fills it by passing. One that is full is as good as
/// none, and is forgotten; so there are about as many as tokens were taken in the last `burst * interval`.
pub(super) struct Buckets<K> {
    rate: Rate,
    full_at: HashMap<K, Instant>,
    /// How many buckets there may be before the full ones are looked for: twice as many as were left last time, so that
    /// a token pays for looking at two.
    sweep_at: usize,
}

/// Fewer than this are not worth a look.
const FEW: usize = 64;

/// Who has taken tokens, and for how long it will show.
pub(super) type Taken<K> = Vec<(K, Duration)>;

impl<K: Eq + Hash> Buckets<K> {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, full_at: HashMap::new(), sweep_at: FEW }
    }

    /// How long it takes until there is a token; nothing at all if there is one. Asking takes none.
    pub(super) fn wait(&self, who: &K, now: Instant) -> Duration {
        let with_one_left = self.rate.interval * self.rate.burst.saturating_sub(1);
        self.full_at(who, now).duration_since(now).saturating_sub(with_one_left)
    }

    /// Takes a token, which has to be there.
    pub(super) fn spend(&mut self, who: K, now: Instant) {
        let full_at = self.full_at(&who, now) + self.rate.interval;
        self.sweep(now);
        self.full_at.insert(who, full_at);
    }

    /// Takes a token.
    ///
    /// # Errors
    /// How long it takes until there is one. Nothing has been taken.
    pub(super) fn take(&mut self, who: K, now: Instant) -> Result<(), Duration> {
        let wait = self.wait(&who, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.spend(who, now);
        Ok(())
    }

    /// What another process goes on with.
    pub(super) fn taken(&self, now: Instant) -> Taken<K>
    where
        K: Clone,
    {
        let all = self.full_at.iter().map(|(who, full_at)| (who.clone(), full_at.duration_since(now)));
        all.filter(|(_, left)| !left.is_zero()).collect()
    }

    /// Goes on with what another process has counted.
    pub(super) fn take_over(&mut self, taken: Taken<K>, now: Instant) {
        let longest = self.rate.interval * self.rate.burst;
        self.full_at.extend(taken.into_iter().map(|(who, left)| (who, now + left.min(longest))));
    }

    fn full_at(&self, who: &K, now: Instant) -> Instant {
        self.full_at.get(who).map_or(now, |full_at| now.max(*full_at))
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
    fn another_process_goes_on_with_what_was_taken() {
        let (mut old, now) = (buckets(), Instant::now());
        while old.take(1, now).is_ok() {}
        old.take(2, now).unwrap();
        let mut new = buckets();
        new.take_over(old.taken(now + SECOND / 2), now + SECOND / 2);
        assert_eq!(new.take(1, now + SECOND / 2), Err(SECOND / 2));
        assert_eq!(new.take(2, now + SECOND / 2), Ok(()));
        assert_eq!(old.taken(now + SECOND * 10), []);
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
    fn nobody_shares_a_bucket() {
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
        for who in 0..100_000 {
            now += SECOND / 100;
            buckets.take(who, now).unwrap();
            assert!(buckets.full_at.len() <= 2 * 100 + FEW, "{}", buckets.full_at.len());
        }
        assert!(buckets.full_at.capacity() < 2000, "{}", buckets.full_at.capacity());
    }
}
