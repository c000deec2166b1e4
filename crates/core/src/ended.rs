//! How a connection came to its end.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::CloseFrame;

/// What ended a connection, from whichever side came first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// The peer closed it; a close frame may be empty.
    ByPeer(Option<CloseFrame>),
    /// The server closed it: the application, a limit, a violation of the protocol, or a stop.
    ByServer(CloseFrame),
    /// It broke off without a close frame, which browsers report as 1006.
    Lost,
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByPeer(Some(close)) => write!(formatter, "closed by the peer with {}", close.code),
            Self::ByPeer(None) => formatter.write_str("closed by the peer"),
            Self::ByServer(close) => write!(formatter, "closed with {}", close.code),
            Self::Lost => formatter.write_str("lost"),
        }
    }
}
