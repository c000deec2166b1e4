//! Whose hub it is: this process's, another one's that has taken over, or, in between, nobody's yet.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use super::HubError;
use crate::handover::Link;

/// How things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// This process owns the hub, and acts.
    Ours,
    /// It is being handed over, in either direction: verbs wait.
    Undecided,
    /// Another process owns it: verbs are sent there.
    Theirs,
    /// Nothing is delivered any more.
    Over,
}

/// Whose hub it is. A verb looks after it has taken what it needs (a lock, or room in an inbox), and whoever freezes the hub
/// waits until everything that was taken is given back: so a verb has happened before the freeze, or not at all.
pub(crate) struct Ownership {
    phase: AtomicU8,
    news: watch::Sender<Phase>,
    link: Mutex<Option<Link>>,
}

/// Where a verb can be carried out.
pub(crate) enum Place {
    Here,
    /// In the process that has taken over.
    There(Link),
}

impl Ownership {
    /// The hub of a process that takes over is nobody's until it has.
    pub(crate) fn new(ours: bool) -> Self {
        let phase = if ours { Phase::Ours } else { Phase::Undecided };
        Self { phase: AtomicU8::new(phase as u8), news: watch::Sender::new(phase), link: Mutex::new(None) }
    }

    /// Whether this process may act on the hub.
    pub(crate) fn is_ours(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == Phase::Ours as u8
    }

    /// Nothing is delivered any more, anywhere.
    pub(crate) fn is_over(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == Phase::Over as u8
    }

    /// Verbs wait from now on.
    pub(crate) fn freeze(&self) {
        self.set(Phase::Undecided);
    }

    /// The hub is this process's.
    pub(crate) fn keep(&self) {
        *self.link() = None;
        self.set(Phase::Ours);
    }

    /// The hub is the process's at the other end of `link`.
    pub(crate) fn give(&self, link: Link) {
        *self.link() = Some(link);
        self.set(Phase::Theirs);
    }

    /// Verbs are refused from now on.
    pub(crate) fn end(&self) {
        self.set(Phase::Over);
    }

    /// Waits until it is decided where verbs are carried out. Cancel-safe.
    ///
    /// # Errors
    /// [`HubError::Unsettled`] when that takes longer than `patience`, [`HubError::Stopped`] when it is nowhere.
    pub(crate) async fn settled(&self, patience: Duration) -> Result<Place, HubError> {
        let mut news = self.news.subscribe();
        let decided = news.wait_for(|phase| *phase != Phase::Undecided);
        let phase = match timeout(patience, decided).await {
            Ok(Ok(phase)) => *phase,
            Ok(Err(_)) => Phase::Over,
            Err(_) => return Err(HubError::Unsettled(patience)),
        };
        match (phase, self.link().as_ref()) {
            (Phase::Ours, _) => Ok(Place::Here),
            (Phase::Theirs, Some(link)) => Ok(Place::There(link.clone())),
            _ => Err(HubError::Stopped),
        }
    }

    fn link(&self) -> MutexGuard<'_, Option<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
        self.news.send_replace(phase);
    }
}
