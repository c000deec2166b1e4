//! What clients are told: replies to commands, and pushes.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use serde::Serialize;

use super::codes::UnsubscribeCode;
use crate::{
    Channel, ClientInfo, ConnectionId, Epoch, Json, Publication,
    codec::{self, Opcode},
    hooks::ErrorReply,
};

/// A ping of the protocol, which a client answers with the same: an empty reply.
pub(crate) const PING: &str = "{}";

/// What a command came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Error(ErrorReply),
    Connect(Box<ConnectResult>),
    Subscribe(Box<SubscribeResult>),
    Unsubscribe(Empty),
    Publish(Empty),
    Presence(PresenceResult),
    PresenceStats(PresenceStatsResult),
    History(HistoryResult),
    Ping(Empty),
    Rpc(RpcResult),
    Refresh(Refreshed),
    SubRefresh(Refreshed),
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Empty {}

#[derive(Debug, Serialize)]
pub(crate) struct ConnectResult {
    pub(crate) client: ConnectionId,
    /// The server's.
    pub(crate) version: &'static str,
    #[serde(flatten)]
    pub(crate) expiry: Refreshed,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Json>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) subs: BTreeMap<Channel, SubscribeResult>,
    /// Seconds between two pings of the server.
    pub(crate) ping: u64,
    /// Whether it wants them answered.
    pub(crate) pong: bool,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct SubscribeResult {
    #[serde(flatten)]
    pub(crate) expiry: Refreshed,
    #[serde(flatten)]
    pub(crate) subscribed: Subscribed,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) publications: Vec<Publication>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) recovered: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) was_recovering: bool,
}

/// What a new subscription is like.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Subscribed {
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) recoverable: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) positioned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Json>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PresenceResult {
    pub(crate) presence: BTreeMap<ConnectionId, Arc<ClientInfo>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PresenceStatsResult {
    pub(crate) num_clients: usize,
    pub(crate) num_users: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct HistoryResult {
    pub(crate) publications: Vec<Publication>,
    pub(crate) epoch: Epoch,
    pub(crate) offset: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct RpcResult {
    pub(crate) data: Json,
}

/// For how much longer a connection or a subscription is granted.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Refreshed {
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) expires: bool,
    /// Seconds until the client should have a new token.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) ttl: u64,
}

/// What a client is told without having asked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Push<'a> {
    Pub(&'a Publication),
    Join { info: &'a ClientInfo },
    Leave { info: &'a ClientInfo },
    Unsubscribe { code: u16, reason: &'a str },
    Message { data: &'a Json },
    Subscribe(&'a Subscribed),
    Refresh(Refreshed),
}

#[derive(Serialize)]
struct ReplyLine<'a> {
    id: u32,
    #[serde(flatten)]
    reply: &'a Reply,
}

#[derive(Serialize)]
struct PushLine<'a> {
    push: ChannelPush<'a>,
}

#[derive(Serialize)]
struct ChannelPush<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a Channel>,
    #[serde(flatten)]
    push: Push<'a>,
}

impl Reply {
    pub(crate) fn frame(&self, id: u32) -> Bytes {
        frame(&ReplyLine { id, reply: self })
    }
}

impl<'a> Push<'a> {
    pub(crate) fn unsubscribe(code: UnsubscribeCode) -> Self {
        Self::Unsubscribe { code: code.code, reason: code.reason }
    }

    /// The push as a frame; `channel` is what it is about, if anything.
    pub(crate) fn frame(self, channel: Option<&'a Channel>) -> Bytes {
        frame(&PushLine { push: ChannelPush { channel, push: self } })
    }
}

/// Nothing in these types can fail to be written: all keys are texts, and all texts valid.
fn frame(line: &impl Serialize) -> Bytes {
    let mut text = Vec::with_capacity(128);
    if let Err(error) = serde_json::to_writer(&mut text, line) {
        log::error!("a message of the protocol cannot be written: {error}");
    }
    codec::encode(Opcode::Text, &text)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: &Bytes) -> String {
        let (_, payload) = codec::frames(frame).next().unwrap();
        String::from_utf8(frame[payload].to_vec()).unwrap()
    }

    #[test]
    fn a_reply_has_the_id_of_its_command() {
        assert_eq!(text(&Reply::Publish(Empty {}).frame(3)), r#"{"id":3,"publish":{}}"#);
        let data = Json::parse(r#"{"a":1.0}"#).unwrap();
        assert_eq!(text(&Reply::Rpc(RpcResult { data }).frame(4)), r#"{"id":4,"rpc":{"data":{"a":1.0}}}"#);
    }

    #[test]
    fn what_is_not_there_is_not_written() {
        let reply = Reply::Subscribe(Box::default());
        assert_eq!(text(&reply.frame(1)), r#"{"id":1,"subscribe":{}}"#);
    }

    #[test]
    fn a_push_names_its_channel() {
        let channel = Channel::new("a \"b\"").unwrap();
        let publication = Publication { offset: 2, data: Json::parse("[1]").unwrap(), info: None };
        assert_eq!(
            text(&Push::Pub(&publication).frame(Some(&channel))),
            r#"{"push":{"channel":"a \"b\"","pub":{"offset":2,"data":[1]}}}"#
        );
        let data = Json::parse("null").unwrap();
        assert_eq!(text(&Push::Message { data: &data }.frame(None)), r#"{"push":{"message":{"data":null}}}"#);
        assert_eq!(
            text(&Push::unsubscribe(UnsubscribeCode::SERVER).frame(Some(&channel))),
            r#"{"push":{"channel":"a \"b\"","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#
        );
    }
}
