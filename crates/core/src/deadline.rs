//! Times in the future, whatever somebody has set, and times as they travel: a clock that only goes forward means nothing
//! to another process, but the distance from now does.

use std::time::{Duration, Instant};

/// As good as never.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The moment that comes `time` after `now`. A time that cannot be counted is as good as never.
pub(crate) fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or(now + CENTURY)
}

/// How long it is from `now` until `then`; zero when that has passed.
pub(crate) fn left(now: Instant, then: Instant) -> Duration {
    then.saturating_duration_since(now)
}

/// The moment that was `time` before `now`, as far back as the clock goes.
pub(crate) fn before(now: Instant, time: Duration) -> Instant {
    now.checked_sub(time).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_counted_is_as_good_as_never() {
        let now = Instant::now();
        assert_eq!(after(now, Duration::from_secs(1)), now + Duration::from_secs(1));
        assert_eq!(after(now, Duration::MAX), now + CENTURY);
    }
}
