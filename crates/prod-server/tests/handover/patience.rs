//! Waits that end: for a state, or with a failed test.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

/// Longer than anything takes on a busy machine, so that what hangs fails the test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a future comes to, if it does in time.
#[track_caller]
pub(crate) fn within<T>(what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let done = timeout(PATIENCE, future).await;
        done.unwrap_or_else(|_| panic!("{caller}: {what} has not come to pass in {PATIENCE:?}"))
    }
}

/// Whether something comes to be so before the deadline. It is asked every few milliseconds.
pub(crate) async fn becomes(deadline: Duration, mut is: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if is() {
            return true;
        }
        if began.elapsed() > deadline {
            return false;
        }
        sleep(Duration::from_millis(5)).await;
    }
}
