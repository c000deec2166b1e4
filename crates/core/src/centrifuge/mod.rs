//! The Centrifuge client protocol, its JSON form: what clients say and what they are told, as values. It does no I/O and
//! decides nothing; `docs/protocol.md` describes it, and where it comes from: `centrifugal/protocol` (`client.proto`).

mod codes;
mod command;
mod reply;

pub use self::codes::{DisconnectCode, ErrorCode, UnsubscribeCode};
pub(crate) use self::{
    command::{
        BadCommand, Command, Commands, ConnectRequest, HistoryRequest, Object, PublishRequest,
        REJECT_UNRECOVERED, Request, SubRefreshRequest, SubscribeRequest,
    },
    reply::{
        ConnectResult, Empty, HistoryResult, PING, PresenceResult, PresenceStatsResult, Push, Refreshed,
        Reply, RpcResult, SubscribeResult, Subscribed,
    },
};

/// The protocol's name among WebSocket subprotocols. Clients that speak JSON need not name it.
pub(crate) const SUBPROTOCOL: &str = "centrifuge-json";
