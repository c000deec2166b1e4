//! Waits that end: with what was waited for, or with a panic that names it and the line that waited.

use std::{future::Future, panic::Location, time::Duration};

/// Far beyond what a loaded machine needs, so that only what never happens meets it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a future.
#[track_caller]
pub(crate) fn within<F: Future>(what: &str, future: F) -> impl Future<Output = F::Output> {
    let (caller, what) = (Location::caller(), what.to_owned());
    async move {
        match tokio::time::timeout(PATIENCE, future).await {
            Ok(output) => output,
            Err(_) => panic!("{caller}: {what} did not happen within {PATIENCE:?}"),
        }
    }
}

/// Waits for a state that nobody announces, such as a place that is given back after the last hook.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    within(what, async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        while !condition() {
            ticks.tick().await;
        }
    })
}
