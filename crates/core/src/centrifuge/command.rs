//! What clients say: commands, one to a line, several in a message.

use std::collections::HashMap;

use bytestring::ByteString;
use serde::{Deserialize, Deserializer};

use crate::{Json, Since};

/// A flag of a subscribe command: a position that cannot be recovered is an error, and not a subscription without
/// recovery.
pub(crate) const REJECT_UNRECOVERED: i64 = 2;

/// One command.
#[derive(Debug)]
pub(crate) struct Command {
    /// What the reply refers to; 0 where none is expected.
    pub(crate) id: u32,
    pub(crate) request: Request,
}

/// What a command asks for.
#[derive(Debug)]
pub(crate) enum Request {
    /// The answer to a ping of ours: an empty command.
    Pong,
    Connect(ConnectRequest),
    Subscribe(SubscribeRequest),
    Unsubscribe(ChannelRequest),
    Publish(PublishRequest),
    Presence(ChannelRequest),
    PresenceStats(ChannelRequest),
    History(HistoryRequest),
    Ping(Empty),
    Send(SendRequest),
    Rpc(RpcRequest),
    Refresh(RefreshRequest),
    SubRefresh(SubRefreshRequest),
}

/// A line that is no command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadCommand {
    #[error("it is not a command in JSON: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("it asks for nothing that is known")]
    Unknown,
    #[error("it asks for several things at once")]
    Several {
        /// The id to answer to.
        id: u32,
    },
}

#[derive(Debug, Deserialize)]
pub(crate) struct ConnectRequest {
    #[serde(default)]
    pub(crate) token: String,
    pub(crate) data: Option<Json>,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) version: String,
    /// The server's subscriptions of an earlier connection, and how far it came with them.
    #[serde(default)]
    pub(crate) subs: HashMap<String, SubscribeRequest>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SubscribeRequest {
    pub(crate) channel: String,
    pub(crate) token: String,
    pub(crate) recover: bool,
    pub(crate) epoch: String,
    pub(crate) offset: u64,
    pub(crate) data: Option<Json>,
    pub(crate) positioned: bool,
    pub(crate) recoverable: bool,
    pub(crate) join_leave: bool,
    pub(crate) flag: i64,
    /// Anything but 0 asks for a kind of subscription that there is none of here.
    #[serde(rename = "type")]
    pub(crate) kind: i32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChannelRequest {
    #[serde(default)]
    pub(crate) channel: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PublishRequest {
    #[serde(default)]
    pub(crate) channel: String,
    /// `null` is data, and something else than nothing.
    #[serde(default, deserialize_with = "present")]
    pub(crate) data: Option<Json>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct HistoryRequest {
    #[serde(default)]
    pub(crate) channel: String,
    /// Negative for everything, 0 for the position alone.
    #[serde(default)]
    pub(crate) limit: i32,
    pub(crate) since: Option<Since>,
    #[serde(default)]
    pub(crate) reverse: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SendRequest {
    #[serde(default, deserialize_with = "present")]
    pub(crate) data: Option<Json>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RpcRequest {
    #[serde(default)]
    pub(crate) method: String,
    #[serde(default, deserialize_with = "present")]
    pub(crate) data: Option<Json>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RefreshRequest {
    #[serde(default)]
    pub(crate) token: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SubRefreshRequest {
    #[serde(default)]
    pub(crate) channel: String,
    #[serde(default)]
    pub(crate) token: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Empty {}

/// A command on the wire: the name of what it asks for is a field's.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: u32,
    connect: Option<ConnectRequest>,
    subscribe: Option<SubscribeRequest>,
    unsubscribe: Option<ChannelRequest>,
    publish: Option<PublishRequest>,
    presence: Option<ChannelRequest>,
    presence_stats: Option<ChannelRequest>,
    history: Option<HistoryRequest>,
    ping: Option<Empty>,
    send: Option<SendRequest>,
    rpc: Option<RpcRequest>,
    refresh: Option<RefreshRequest>,
    sub_refresh: Option<SubRefreshRequest>,
}

impl Command {
    /// Reads a line.
    ///
    /// # Errors
    /// See [`BadCommand`]. What a later version of the protocol may add to a command that is known is no error.
    pub(crate) fn parse(line: &str) -> Result<Self, BadCommand> {
        let line: Line = serde_json::from_str(line)?;
        let id = line.id;
        let requests = [
            line.connect.map(Request::Connect),
            line.subscribe.map(Request::Subscribe),
            line.unsubscribe.map(Request::Unsubscribe),
            line.publish.map(Request::Publish),
            line.presence.map(Request::Presence),
            line.presence_stats.map(Request::PresenceStats),
            line.history.map(Request::History),
            line.ping.map(Request::Ping),
            line.send.map(Request::Send),
            line.rpc.map(Request::Rpc),
            line.refresh.map(Request::Refresh),
            line.sub_refresh.map(Request::SubRefresh),
        ];
        let mut requests = requests.into_iter().flatten();
        match (requests.next(), requests.next()) {
            (Some(request), None) => Ok(Self { id, request }),
            (None, _) if id == 0 => Ok(Self { id, request: Request::Pong }),
            (None, _) => Err(BadCommand::Unknown),
            (Some(_), Some(_)) => Err(BadCommand::Several { id }),
        }
    }
}

/// The commands of one message that have not been carried out yet. Plain data: the text, and how far it is done.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    text: ByteString,
    done: usize,
}

impl Commands {
    pub(crate) fn new(text: ByteString) -> Self {
        Self { text, done: 0 }
    }

    /// The next line that has anything in it. Nothing is kept of a message when all of it is done.
    pub(crate) fn next(&mut self) -> Option<ByteString> {
        while self.done < self.text.len() {
            let rest = self.text.get(self.done..)?;
            let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
            self.done += line.len() + 1;
            if !line.trim().is_empty() {
                return Some(self.text.slice_ref(line.trim()));
            }
        }
        *self = Self::default();
        None
    }

    /// Whether all of them are done.
    pub(crate) fn is_empty(&self) -> bool {
        self.done >= self.text.len()
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let mut commands = Commands::new(text.into());
        std::iter::from_fn(|| commands.next()).map(|line| line.to_string()).collect()
    }

    #[test]
    fn a_message_has_one_command_to_a_line() {
        assert_eq!(lines("{}\n{\"id\":1}"), ["{}", "{\"id\":1}"]);
        assert_eq!(lines("\n {} \r\n\n"), ["{}"]);
        assert_eq!(lines(""), [""; 0]);
    }

    #[test]
    fn an_empty_command_is_a_pong() {
        assert!(matches!(Command::parse("{}"), Ok(Command { id: 0, request: Request::Pong })));
        assert!(matches!(Command::parse(r#"{"id":0}"#), Ok(Command { request: Request::Pong, .. })));
    }

    #[test]
    fn a_command_says_what_it_asks_for_by_a_field() {
        let command =
            Command::parse(r#"{"id":7,"publish":{"channel":"a","data":{"x":1}},"news":{}}"#).unwrap();
        assert_eq!(command.id, 7);
        let Request::Publish(publish) = command.request else { panic!("{command:?}") };
        assert_eq!((publish.channel.as_str(), publish.data.unwrap().as_str()), ("a", r#"{"x":1}"#));
    }

    #[test]
    fn null_is_data_where_data_is_wanted_and_nothing_where_it_is_not() {
        let data = |line: &str| match Command::parse(line).unwrap().request {
            Request::Publish(publish) => publish.data.map(|data| data.to_string()),
            Request::Subscribe(subscribe) => subscribe.data.map(|data| data.to_string()),
            other => panic!("{other:?}"),
        };
        assert_eq!(data(r#"{"id":1,"publish":{"data":null}}"#).as_deref(), Some("null"));
        assert_eq!(data(r#"{"id":1,"publish":{}}"#), None);
        assert_eq!(data(r#"{"id":1,"subscribe":{"data":null}}"#), None);
    }

    #[test]
    fn what_is_no_command_is_told_apart() {
        for malformed in
            ["", "x", "[]", "{\"id\":-1}", "{\"id\":4294967296}", r#"{"id":1,"rpc":{"method":1}}"#]
        {
            assert!(matches!(Command::parse(malformed), Err(BadCommand::Malformed(_))), "{malformed}");
        }
        assert!(matches!(Command::parse(r#"{"id":1,"dance":{}}"#), Err(BadCommand::Unknown)));
        let several = Command::parse(r#"{"id":5,"ping":{},"rpc":{}}"#);
        assert!(matches!(several, Err(BadCommand::Several { id: 5 })), "{several:?}");
    }
}
