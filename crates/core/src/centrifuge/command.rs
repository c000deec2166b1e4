//! What clients say: commands, one to a line, several in a message.

use std::{collections::HashMap, fmt, marker::PhantomData};

use bytestring::ByteString;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

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
    Ping(Nothing),
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

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ConnectRequest {
    #[serde(deserialize_with = "or_default")]
    pub(crate) token: String,
    pub(crate) data: Option<Json>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) version: String,
    /// The server's subscriptions of an earlier connection, and how far it came with them.
    #[serde(deserialize_with = "or_default")]
    pub(crate) subs: HashMap<String, Object<SubscribeRequest>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SubscribeRequest {
    #[serde(deserialize_with = "or_default")]
    pub(crate) channel: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) token: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) recover: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) epoch: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) offset: u64,
    pub(crate) data: Option<Json>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) positioned: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) recoverable: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) join_leave: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) flag: i64,
    /// Anything but 0 asks for a kind of subscription that there is none of here.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub(crate) kind: i32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChannelRequest {
    #[serde(deserialize_with = "or_default")]
    pub(crate) channel: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PublishRequest {
    #[serde(deserialize_with = "or_default")]
    pub(crate) channel: String,
    /// `null` is data, and something else than nothing.
    #[serde(deserialize_with = "present")]
    pub(crate) data: Option<Json>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HistoryRequest {
    #[serde(deserialize_with = "or_default")]
    pub(crate) channel: String,
    /// Negative for everything, 0 for the position alone.
    #[serde(deserialize_with = "or_default")]
    pub(crate) limit: i32,
    pub(crate) since: Option<Object<Since>>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) reverse: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SendRequest {
    #[serde(deserialize_with = "present")]
    pub(crate) data: Option<Json>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RpcRequest {
    #[serde(deserialize_with = "or_default")]
    pub(crate) method: String,
    #[serde(deserialize_with = "present")]
    pub(crate) data: Option<Json>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RefreshRequest {
    #[serde(deserialize_with = "or_default")]
    pub(crate) token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SubRefreshRequest {
    #[serde(deserialize_with = "or_default")]
    pub(crate) channel: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) token: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Nothing {}

/// A command on the wire: the name of what it asks for is a field's.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    #[serde(deserialize_with = "or_default")]
    id: u32,
    connect: Option<Object<ConnectRequest>>,
    subscribe: Option<Object<SubscribeRequest>>,
    unsubscribe: Option<Object<ChannelRequest>>,
    publish: Option<Object<PublishRequest>>,
    presence: Option<Object<ChannelRequest>>,
    presence_stats: Option<Object<ChannelRequest>>,
    history: Option<Object<HistoryRequest>>,
    ping: Option<Object<Nothing>>,
    send: Option<Object<SendRequest>>,
    rpc: Option<Object<RpcRequest>>,
    refresh: Option<Object<RefreshRequest>>,
    sub_refresh: Option<Object<SubRefreshRequest>>,
}

/// Something that is an object on the wire, and not an array of the same values, which serde would take for it.
#[derive(Debug, Default)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

impl Command {
    /// Reads a line.
    ///
    /// # Errors
    /// See [`BadCommand`]. What a later version of the protocol may add to a command that is known is no error.
    pub(crate) fn parse(line: &str) -> Result<Self, BadCommand> {
        let Object(line) = serde_json::from_str::<Object<Line>>(line)?;
        let id = line.id;
        let requests = [
            line.connect.map(|Object(request)| Request::Connect(request)),
            line.subscribe.map(|Object(request)| Request::Subscribe(request)),
            line.unsubscribe.map(|Object(request)| Request::Unsubscribe(request)),
            line.publish.map(|Object(request)| Request::Publish(request)),
            line.presence.map(|Object(request)| Request::Presence(request)),
            line.presence_stats.map(|Object(request)| Request::PresenceStats(request)),
            line.history.map(|Object(request)| Request::History(request)),
            line.ping.map(|Object(request)| Request::Ping(request)),
            line.send.map(|Object(request)| Request::Send(request)),
            line.rpc.map(|Object(request)| Request::Rpc(request)),
            line.refresh.map(|Object(request)| Request::Refresh(request)),
            line.sub_refresh.map(|Object(request)| Request::SubRefresh(request)),
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Commands {
    text: ByteString,
    done: usize,
}

impl Commands {
    pub(crate) fn new(text: ByteString) -> Self {
        Self { text, done: 0 }
    }

    /// The next line that has anything in it. With the last one the message is let go: an idle client keeps none.
    pub(crate) fn next(&mut self) -> Option<ByteString> {
        let mut next = None;
        while next.is_none() && self.done < self.text.len() {
            let rest = self.text.get(self.done..)?;
            let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
            self.done += line.len() + 1;
            next = Some(line.trim()).filter(|line| !line.is_empty()).map(|line| self.text.slice_ref(line));
        }
        if self.is_empty() {
            *self = Self::default();
        }
        next
    }

    /// Whether all of them are done.
    pub(crate) fn is_empty(&self) -> bool {
        self.done >= self.text.len()
    }
}

/// `null` where something else is expected is the same as nothing.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// `null` where any JSON is expected is `null`.
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
    fn the_last_line_takes_its_message_along() {
        let mut commands = Commands::new("{}".into());
        assert!(!commands.is_empty());
        assert_eq!(commands.next().unwrap(), "{}");
        assert!(commands.is_empty() && commands.text.as_bytes().is_empty());
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
    fn null_is_as_good_as_a_field_that_is_not_there() {
        let line =
            r#"{"id":1,"subscribe":{"channel":"a","token":null,"recover":null,"offset":null},"rpc":null}"#;
        let Request::Subscribe(request) = Command::parse(line).unwrap().request else { panic!() };
        assert!(
            request.channel == "a" && request.token.is_empty() && !request.recover && request.offset == 0
        );
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
