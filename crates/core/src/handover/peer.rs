//! The process that has taken over: whether it can be made sure that it has ended.

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::OwnedFd;

    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        net::sockopt::socket_peercred,
        process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal},
    };

    use crate::handover::wire::Wire;

    /// How long a killed process may take to be gone.
    const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

    /// A handle that means this process and no later one of the same number.
    #[derive(Debug)]
    pub(crate) struct Peer(Option<OwnedFd>);

    impl Peer {
        /// The process at the other end, which has just spoken, if it is the one that it says. A line that somebody else has made, as the
        /// development server does, does not tell.
        pub(crate) fn of(wire: &Wire, process: u32) -> Self {
            let peer = socket_peercred(wire.stream()).ok().map(|peer| peer.pid);
            let said = i32::try_from(process).ok().and_then(Pid::from_raw);
            let known = peer.filter(|peer| Some(*peer) == said && *peer != getpid());
            Self(known.and_then(|process| pidfd_open(process, PidfdFlags::empty()).ok()))
        }

        /// Ends it, and says whether it is certainly gone. Blocks for some milliseconds.
        pub(crate) fn end(&self) -> bool {
            let Some(process) = &self.0 else { return false };
            // It may have ended by itself.
            let _ = pidfd_send_signal(process, Signal::KILL);
            let mut ended = [PollFd::new(process, PollFlags::IN)];
            let waited = rustix::io::retry_on_intr(|| poll(&mut ended, Some(&PATIENCE)));
            waited.is_ok_and(|ended| ended > 0)
        }
    }

    #[cfg(test)]
    mod tests {
        use std::{os::unix::net::UnixStream, process};

        use super::*;

        #[test]
        fn a_process_that_is_another_than_it_says_is_left_alone() {
            let (ours, _theirs) = UnixStream::pair().unwrap();
            let wire = Wire::new(ours).unwrap();
            assert!(!Peer::of(&wire, process::id() + 1).end());
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use crate::handover::wire::Wire;

    /// Here it cannot.
    #[derive(Debug)]
    pub(crate) struct Peer;

    impl Peer {
        pub(crate) fn of(_: &Wire, _: u32) -> Self {
            Self
        }

        pub(crate) fn end(&self) -> bool {
            false
        }
    }
}

pub(super) use system::Peer;
