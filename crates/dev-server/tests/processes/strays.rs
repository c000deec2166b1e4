//! Finds the processes of a test, which all carry the name of its run in their environment.

use std::sync::atomic::{AtomicU32, Ordering};

/// The variable that has the name of the run.
pub(crate) const MARKER: &str = "DUPLEX_TEST_RUN";

/// A name that no other run has.
pub(crate) fn new_run() -> String {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed))
}

/// The processes that carry the run's marker, where the system tells. One that has ended and waits for its parent to
/// notice has no environment any more.
pub(crate) fn processes_of(run: &str) -> Vec<String> {
    let marker = format!("{MARKER}={run}");
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let carries = |path: &std::path::Path| {
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
    };
    processes
        .map(|entry| entry.path())
        .filter(|path| carries(path))
        .map(|path| path.display().to_string())
        .collect()
}
