//! Owns the limit on open descriptors, of which every socket takes one. It is raised as far as the system
//! lets us.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to what the administrator allows, and returns what it is now; `None` means unlimited.
///
/// A system that refuses keeps the limit it had: fewer connections are no reason not to start.
pub fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            log::warn!("cannot raise the limit on open descriptors: {error}");
        }
    }
    getrlimit(Resource::Nofile).current
}

/// How many descriptors this process can still open.
pub(crate) fn room_for_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // Every Unix shows them here. Where it does not, what a process has open is little beside its limit.
    let open = std::fs::read_dir("/dev/fd").map_or(0, |open| open.count() as u64);
    limit.saturating_sub(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afterwards_the_limit_is_the_highest_allowed() {
        let limit = raise_descriptor_limit();
        assert_eq!(limit, getrlimit(Resource::Nofile).maximum);
    }
}
