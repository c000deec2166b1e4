//! How long to wait before something that ended is started again.

use std::time::{Duration, Instant};

/// The first wait. Later ones double.
const SHORTEST: Duration = Duration::from_millis(250);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(8);

/// What ran at least this long is taken to have been well.
const HEALTHY: Duration = Duration::from_secs(10);

/// Waits that grow while failures follow each other closely.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after something that was started at `started` ended now.
    pub(crate) fn next(&mut self, started: Instant, now: Instant) -> Duration {
        if now.duration_since(started) >= HEALTHY {
            self.failures = 0;
        }
        let wait = SHORTEST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        wait
    }

    /// Forgets the failures: what is started next is something new.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over_after_a_healthy_run() {
        let started = Instant::now();
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..7).map(|_| backoff.next(started, started).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 8000]);
        assert_eq!(backoff.next(started, started + HEALTHY), SHORTEST);
    }
}
