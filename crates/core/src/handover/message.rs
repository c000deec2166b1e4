//! What two processes say to each other in a handover. Descriptors travel beside a message, not in it.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Refusal, parcel::Parcel};
use crate::{
    Channel, ClientInfo, CloseFrame, ConnectionId, Epoch, HistoryQuery, HubError, Identity, Json, Verb,
    hooks::{Answer, ErrorReply, HookName, Rejection},
    hub::{Joining, ReadLimits, StreamState},
    shard::{NewcomerState, Outcome},
};

/// What the process that takes over says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToOld {
    Hello(Hello),
    /// It could serve: the handover may begin.
    Ready {
        /// How many descriptors it can still open.
        descriptors: u64,
    },
    /// It serves with the listening sockets alone, as no version is the same: the old process closes its sockets and ends.
    Replace,
    /// It has taken these sockets in.
    Taken(usize),
    /// Everything is its own from now on.
    Commit,
    /// It accepts connections.
    Started,
    /// What an errand came to.
    Answer {
        number: u64,
        answer: Result<Bytes, Failure>,
    },
}

/// The first thing said. Both processes' versions have to understand it, so fields are only ever added.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// The version of what would cross.
    pub(super) version: u32,
    /// The version of what channels keep, which may cross alone.
    pub(super) streams: u32,
    pub(super) process: u32,
    /// How many descriptors it can still open.
    pub(super) descriptors: u64,
}

/// What the process that hands over says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToNew {
    /// With the listening sockets.
    Welcome(Welcome),
    Refused(Refusal),
    /// The epoch of new streams, ahead of everything and when everything stands still.
    Hub {
        fresh: Epoch,
    },
    /// What channels keep, or what was published since it was sent.
    Streams(Vec<StreamState>),
    /// Streams that were sent, and are no longer there.
    Forgotten(Vec<Channel>),
    /// Something that the application carries over, by its name.
    Luggage(String, Bytes),
    /// Connections, each with a descriptor, behind that of the file with their bytes.
    Connections(Vec<Parcel>),
    /// That was everything.
    Complete {
        sockets: usize,
    },
    /// Somebody in the old process asks something of the hub.
    Errand {
        number: u64,
        question: Question,
    },
    /// A hook has ended that the old process ran for a connection.
    HookEnded {
        connection: ConnectionId,
        ended: HookEnd,
    },
    /// A socket that the old process has let in, with its descriptor.
    Newcomer(NewcomerState),
    /// The old process ends.
    Farewell,
}

/// The first answer, to be understood by all versions.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Welcome {
    pub(super) version: u32,
    pub(super) streams: u32,
    pub(super) process: u32,
    /// The build of the front end that it serves.
    pub(super) build: Option<String>,
}

/// A hook that runs for a connection which moves.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct RunningHook {
    pub(super) hook: HookName,
    /// The client's command that it answers.
    pub(super) command: Option<u32>,
}

/// What is asked of the hub.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Question {
    Apply(Verb),
    Publish { channel: Channel, data: Json, info: Option<Arc<ClientInfo>> },
    Join(Box<Joining>),
    History { channel: Channel, query: HistoryQuery, limits: ReadLimits },
    Presence(Channel),
    PresenceStats(Channel),
    Connections,
}

/// A hub's error, on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Failure {
    Overloaded(std::time::Duration),
    Unsettled(std::time::Duration),
    Stopped,
    NoHistory(Channel),
    NoPresence(Channel),
    Unrecoverable,
}

/// How a hook ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum HookEnd {
    Hook(Result<(), String>),
    Command {
        result: Result<Answered, String>,
        /// Who the client is, which the command may have settled.
        identity: Identity,
        /// Whether `on_connect` has begun.
        opened: bool,
    },
}

/// What a client's command came to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answered {
    Reply(Bytes),
    Connect { data: Option<Json>, expires: Option<std::time::SystemTime>, refreshable: bool },
    Refresh { expires: Option<std::time::SystemTime> },
    SubRefresh { channel: Channel, expires: Option<std::time::SystemTime> },
    Posted,
    Silent,
    Error(ErrorReply),
    Disconnect(CloseFrame),
}

impl Answered {
    /// The cause of a rejection stays here: it is for the log.
    pub(super) fn new(connection: ConnectionId, command: u32, result: Result<Outcome, Rejection>) -> Self {
        match result {
            Ok(Outcome::Reply(reply)) => Self::Reply(reply.frame(command)),
            Ok(Outcome::Written(frame)) => Self::Reply(frame),
            Ok(Outcome::Connect { data, expires, refreshable }) => {
                Self::Connect { data, expires, refreshable }
            }
            Ok(Outcome::Refresh { expires }) => Self::Refresh { expires },
            Ok(Outcome::SubRefresh { channel, expires }) => Self::SubRefresh { channel, expires },
            Ok(Outcome::Posted) => Self::Posted,
            Ok(Outcome::Silent) => Self::Silent,
            Err(mut rejection) => {
                rejection.log_cause(connection);
                match rejection.into_answer() {
                    Answer::Error(error) => Self::Error(error),
                    Answer::Disconnect(close) => Self::Disconnect(close),
                }
            }
        }
    }

    pub(super) fn into_result(self) -> Result<Outcome, Rejection> {
        Ok(match self {
            Self::Reply(frame) => Outcome::Written(frame),
            Self::Connect { data, expires, refreshable } => Outcome::Connect { data, expires, refreshable },
            Self::Refresh { expires } => Outcome::Refresh { expires },
            Self::SubRefresh { channel, expires } => Outcome::SubRefresh { channel, expires },
            Self::Posted => Outcome::Posted,
            Self::Silent => Outcome::Silent,
            Self::Error(error) => return Err(Rejection::error(error)),
            Self::Disconnect(close) => return Err(Rejection::disconnect(close)),
        })
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        match error {
            HubError::Overloaded(patience) => Self::Overloaded(patience),
            HubError::Unsettled(patience) => Self::Unsettled(patience),
            HubError::NoHistory(channel) => Self::NoHistory(channel),
            HubError::NoPresence(channel) => Self::NoPresence(channel),
            HubError::Unrecoverable => Self::Unrecoverable,
            // Names and JSON were checked where the errand comes from.
            HubError::Stopped | HubError::Channel(_) | HubError::Json(_) => Self::Stopped,
        }
    }
}

impl From<Failure> for HubError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Overloaded(patience) => Self::Overloaded(patience),
            Failure::Unsettled(patience) => Self::Unsettled(patience),
            Failure::Stopped => Self::Stopped,
            Failure::NoHistory(channel) => Self::NoHistory(channel),
            Failure::NoPresence(channel) => Self::NoPresence(channel),
            Failure::Unrecoverable => Self::Unrecoverable,
        }
    }
}
