//! What everybody goes by: the phases of a run, and who has come how far.

use std::{sync::atomic::AtomicU64, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use crate::kernel::Sample;

/// Where a run is. Swaps are numbered from 1; 0 is the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everybody does what they always do.
    Quiet,
    /// A swap is about to begin: those who do not read run up debts, which takes a while.
    Before(u32),
    /// Those who are cut short stop in the middle of a frame. From now on they answer no ping, so this must not take long.
    Cut(u32),
    /// The next process is being started.
    Swapping(u32),
    /// The last process has gone, and what was said before is answered.
    Over(u32),
    /// Those who were in the middle of something go on, and everybody who talks sends something, and has it answered.
    After(u32),
    /// So does everybody else, which is a load of its own.
    Call(u32),
    /// It is over: this many messages to everybody must have come.
    End { shouts: u64 },
}

impl Phase {
    /// The swap during which it is.
    pub(crate) fn swap(self) -> Option<u32> {
        match self {
            Phase::Swapping(swap) | Phase::Over(swap) | Phase::After(swap) => Some(swap),
            Phase::Quiet | Phase::Before(_) | Phase::Cut(_) | Phase::Call(_) | Phase::End { .. } => None,
        }
    }

    /// The swap that is over.
    pub(crate) fn behind(self) -> Option<u32> {
        match self {
            Phase::Over(swap) | Phase::After(swap) => Some(swap),
            _ => None,
        }
    }

    /// Whether clients that stop for a swap are to be still.
    pub(crate) fn is_still(self) -> bool {
        matches!(self, Phase::Before(_) | Phase::Cut(_) | Phase::Swapping(_) | Phase::Over(_))
    }
}

/// One for each run.
pub(crate) struct Stage {
    phase: watch::Sender<Phase>,
    /// One permit for each client that has got into the middle of something.
    pub(crate) set: Semaphore,
    /// One permit for each client that was answered after the swap.
    pub(crate) caught_up: Semaphore,
    /// What waits in the sockets, while clients get into the middle of something.
    pub(crate) samples: watch::Sender<Sample>,
    /// Bytes that the server itself holds for clients that do not read.
    pub(crate) unsent: AtomicU64,
    /// Messages that were answered.
    pub(crate) answered: AtomicU64,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage {
            phase: watch::Sender::new(Phase::Quiet),
            set: Semaphore::new(0),
            caught_up: Semaphore::new(0),
            samples: watch::Sender::default(),
            unsent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        }
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }
}

/// Takes that many permits; false if they have not come by the deadline.
pub(crate) async fn all(permits: &Semaphore, count: usize, deadline: Duration) -> bool {
    let count = u32::try_from(count).unwrap();
    match timeout(deadline, permits.acquire_many(count)).await {
        Ok(permits) => permits.unwrap().forget(),
        Err(_) => return false,
    }
    true
}
