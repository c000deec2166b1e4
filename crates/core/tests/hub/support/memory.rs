//! How much memory the process has come to use: only in tests that run alone.

use std::fs;

/// The peak of the resident memory since this was made.
pub(crate) struct PeakMemory {
    before: usize,
}

impl PeakMemory {
    /// Forgets the peak so far (`man 5 proc_pid_clear_refs`).
    pub(crate) fn start() -> Self {
        fs::write("/proc/self/clear_refs", "5").unwrap();
        Self { before: peak() }
    }

    /// Bytes by which the peak has grown.
    pub(crate) fn growth(&self) -> usize {
        peak().saturating_sub(self.before)
    }
}

fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}
