//! Why the hub itself closes a connection. Each way to speak has its own code for it.

use super::outgoing::Dialect;
use crate::{CloseCode, DisconnectCode, Stop, codec::CloseFrame};

/// A reason of the hub's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The peer reads too slowly.
    Slow,
    /// A hook failed.
    HookFailed,
    /// The peer did not answer a ping.
    NoPong,
    /// The peer said nothing for too long.
    Idle,
    /// The time it was let in for is over.
    Expired,
    /// The server stops.
    Stop(Stop),
}

impl Ending {
    pub(super) fn close_frame(self, dialect: Dialect) -> CloseFrame {
        match dialect {
            Dialect::Raw => self.raw(),
            Dialect::Centrifuge => self.disconnect().into(),
        }
    }

    fn raw(self) -> CloseFrame {
        match self {
            Self::Slow => CloseFrame::new(CloseCode::TRY_AGAIN, "slow consumer"),
            Self::HookFailed => CloseFrame::new(CloseCode::ERROR, "internal error"),
            Self::NoPong => CloseFrame::new(CloseCode::AWAY, "no answer to a ping"),
            Self::Idle => CloseFrame::new(CloseCode::NORMAL, "idle for too long"),
            Self::Expired => DisconnectCode::EXPIRED.into(),
            Self::Stop(Stop::Shutdown) => CloseFrame::new(CloseCode::AWAY, "the server stops"),
            Self::Stop(Stop::Restart) => CloseFrame::new(CloseCode::RESTART, "the server restarts"),
        }
    }

    fn disconnect(self) -> DisconnectCode {
        match self {
            Self::Slow => DisconnectCode::SLOW,
            Self::HookFailed => DisconnectCode::SERVER_ERROR,
            Self::NoPong => DisconnectCode::NO_PONG,
            Self::Idle => DisconnectCode::STALE,
            Self::Expired => DisconnectCode::EXPIRED,
            Self::Stop(_) => DisconnectCode::SHUTDOWN,
        }
    }
}
