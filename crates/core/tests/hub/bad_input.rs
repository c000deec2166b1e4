//! What clients of the protocol should not say: each time an error or a disconnect that is documented, nobody else notices,
//! and nothing is left behind.

use std::time::Duration;

use duplex_core::{Ended, ErrorCode, Rejection};
use serde_json::json;

use crate::support::{Client, Driver, Plan, Request, Running, eventually, masked, serve, text};

/// Everything that came in has gone again.
async fn expect_nobody(server: &Running, channel: &str) {
    eventually("every place", || server.hub.count() == 0).await;
    assert_eq!(server.hub.subscribers(channel).unwrap(), 0);
    assert_eq!(server.hub.presence(channel).await.unwrap(), []);
    assert_eq!(server.hub.connections().await.unwrap(), []);
}

/// A client that says this instead of a command is disconnected with 3501, and another one stays.
pub(crate) async fn expect_bad_request(server: &Running, other: &mut Client, message: &str) {
    let mut client = Client::connected(server).await;
    client.subscribe("news").await;
    client.say(message).await;
    let (code, _) = client.disconnected().await;
    assert_eq!(code, 3501, "{message:.80}");
    other.result("ping", json!({})).await;
}

/// Each message costs its sender the connection, and the other client nothing; all of them
/// together leave nobody behind.
async fn expect_bad_requests(server: &Running, messages: &[&str]) {
    let mut other = Client::connected(server).await;
    for message in messages {
        expect_bad_request(server, &mut other, message).await;
    }
    other.leave().await;
    expect_nobody(server, "news").await;
}

#[test]
fn what_is_no_command_disconnects_with_3501() {
    serve(Plan::new().everything(), async |server| {
        let messages = [
            "hello",
            "\0",
            "null",
            "1",
            "\"{}\"",
            "[]",
            "[{}]",
            "{",
            r#"{"id":1"#,
            r#"{"id":1,"ping":{}}}"#,
            r#"{"id":1,"ping":{}} {"id":2,"ping":{}}"#,
            "{\"id\":1,\n\"ping\":{}}",
            r#"{"id":1,"id":1,"ping":{}}"#,
            r#"{"id":1}"#,
            r#"{"id":1,"dance":{}}"#,
            r#"{"id":1,"PING":{}}"#,
            r#"{"id":1,"ping":null}"#,
        ];
        expect_bad_requests(server, &messages).await;
    });
}

#[test]
fn a_value_of_a_wrong_type_disconnects_with_3501() {
    serve(Plan::new().everything(), async |server| {
        let messages = [
            r#"{"id":"1","ping":{}}"#,
            r#"{"id":null,"ping":{}}"#,
            r#"{"id":1.5,"ping":{}}"#,
            r#"{"id":-1,"ping":{}}"#,
            r#"{"id":4294967296,"ping":{}}"#,
            r#"{"id":1e400,"ping":{}}"#,
            r#"{"id":1,"ping":true}"#,
            r#"{"id":1,"subscribe":"a"}"#,
            r#"{"id":1,"subscribe":{"channel":1}}"#,
            r#"{"id":1,"subscribe":{"channel":["a"]}}"#,
            r#"{"id":1,"subscribe":{"channel":"a","offset":-1}}"#,
            r#"{"id":1,"subscribe":{"channel":"a","offset":18446744073709551616}}"#,
            r#"{"id":1,"subscribe":{"channel":"a","recover":1}}"#,
            r#"{"id":1,"subscribe":{"channel":"a","epoch":7}}"#,
            r#"{"id":1,"subscribe":{"channel":"a","token":{}}}"#,
            r#"{"id":1,"rpc":{"method":1}}"#,
            r#"{"id":1,"history":{"channel":"a","limit":2147483648}}"#,
            r#"{"id":1,"history":{"channel":"a","since":1}}"#,
            r#"{"id":1,"refresh":{"token":[]}}"#,
        ];
        expect_bad_requests(server, &messages).await;
    });
}

#[test]
fn an_array_in_the_place_of_an_object_disconnects_with_3501() {
    serve(Plan::new().everything(), async |server| {
        let messages = [
            r#"{"id":1,"ping":[]}"#,
            r#"{"id":1,"subscribe":["a"]}"#,
            r#"{"id":1,"rpc":["method",{}]}"#,
            "[1,null,null,null,null,null,null,null,{},null,null,null,null]",
        ];
        expect_bad_requests(server, &messages).await;
    });
}

#[test]
fn a_command_without_an_id_disconnects_with_3501_unless_it_expects_no_reply() {
    serve(Plan::new().everything(), async |server| {
        let mut other = Client::connected(server).await;
        for message in [
            r#"{"ping":{}}"#,
            r#"{"id":0,"ping":{}}"#,
            r#"{"subscribe":{"channel":"a"}}"#,
            r#"{"id":0,"rpc":{}}"#,
            r#"{"publish":{"channel":"a","data":1}}"#,
            r#"{"send":{}}"#,
        ] {
            expect_bad_request(server, &mut other, message).await;
        }
        // It comes back: that is what the hook does.
        other.say(r#"{"send":{"data":1}}"#).await;
        assert_eq!(other.push().await["message"]["data"], "1");
    });
}

#[test]
fn two_commands_in_one_object_are_answered_with_107() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        client.say(r#"{"id":7,"ping":{},"subscribe":{"channel":"a"}}"#).await;
        let reply = client.reply().await;
        assert_eq!(reply, json!({ "id": 7, "error": { "code": 107, "message": "bad request" } }));
        assert_eq!(server.hub.subscribers("a").unwrap(), 0);
        client.result("ping", json!({})).await;
        let mut other = Client::connected(server).await;
        expect_bad_request(server, &mut other, r#"{"ping":{},"rpc":{}}"#).await;
    });
}

#[test]
fn a_command_before_connect_disconnects_with_3501_and_no_hook_hears_of_it() {
    serve(Plan::new().everything(), async |server| {
        for command in [
            json!({}),
            json!({ "id": 1, "ping": {} }),
            json!({ "id": 1, "subscribe": { "channel": "news" } }),
            json!({ "id": 1, "publish": { "channel": "news", "data": 1 } }),
            json!({ "id": 1, "rpc": {} }),
            json!({ "id": 1, "refresh": { "token": "x" } }),
            json!({ "send": { "data": 1 } }),
            json!({ "connect": {} }),
        ] {
            let mut client = Client::open(server).await;
            client.say(&command.to_string()).await;
            client.expect_disconnect(3501).await;
        }
        expect_nobody(server, "news").await;
        assert!(!server.has_seen_a_connection().await);
        assert!(!server.has_more_to_tell().await);
    });
}

#[test]
fn a_second_connect_disconnects_with_3501() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        client.ask("connect", json!({})).await;
        client.expect_disconnect(3501).await;

        let mut client = Client::open(server).await;
        client.say("{\"id\":1,\"connect\":{}}\n{\"id\":2,\"connect\":{}}").await;
        assert_eq!(client.reply().await["id"], 1);
        client.expect_disconnect(3501).await;
        expect_nobody(server, "news").await;
    });
}

#[test]
fn behind_a_refused_connect_every_command_disconnects_with_3501() {
    let plan = Plan::new().everything().on_connecting(async |_, _| Err(ErrorCode::UNAUTHORIZED.into()));
    serve(plan, async |server| {
        for command in [json!({}), json!({ "id": 2, "connect": {} }), json!({ "id": 2, "rpc": {} })] {
            let mut client = Client::open(server).await;
            assert_eq!(client.error("connect", json!({})).await, 101);
            client.say(&command.to_string()).await;
            client.expect_disconnect(3501).await;
        }
        expect_nobody(server, "news").await;
        assert!(!server.has_seen_a_connection().await);
        assert!(!server.has_more_to_tell().await);
    });
}

#[test]
fn a_refused_client_is_in_no_channel() {
    let plan = Plan::new().everything().on_connecting(async |socket, _| {
        socket.subscribe("news").await?;
        Err(Rejection::new(400, "not today"))
    });
    serve(plan, async |server| {
        let mut client = Client::open(server).await;
        assert_eq!(client.error("connect", json!({})).await, 400);
        // The list is answered behind everything that was asked for before.
        assert_eq!(server.hub.connections().await.unwrap(), []);
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);
        assert_eq!(server.hub.presence("news").await.unwrap(), []);
    });
}

#[test]
fn a_pong_that_nobody_asked_for_disconnects_with_3501() {
    serve(Plan::new(), async |server| {
        for pong in ["{}", r#"{"id":0}"#, r#"{"news":1}"#] {
            let mut client = Client::connected(server).await;
            client.say(pong).await;
            client.expect_disconnect(3501).await;
        }
    });
}

#[test]
fn a_binary_message_disconnects_with_3501() {
    const BINARY: u8 = 0x2;
    serve(Plan::new(), async |server| {
        let mut client = Client::connected(server).await;
        client.peer().send(masked(BINARY, true, br#"{"id":1,"ping":{}}"#)).await;
        client.expect_disconnect(3501).await;
    });
}

#[test]
fn a_message_without_a_command_is_nothing() {
    serve(Plan::new(), async |server| {
        let mut client = Client::connected(server).await;
        for message in ["", "\n", " \r\n\n\t"] {
            client.say(message).await;
        }
        client.result("ping", json!({})).await;
    });
}

#[test]
fn commands_before_a_bad_one_are_answered_and_those_behind_it_are_not() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        let lines = [
            r#"{"id":2,"ping":{}}"#,
            r#"{"id":3,"subscribe":{"channel":"a"}}"#,
            r#"{"id":4,"rpc":{"method":"x"}}"#,
            "bad",
            r#"{"id":5,"subscribe":{"channel":"b"}}"#,
            r#"{"send":{"data":1}}"#,
        ];
        client.say(&lines.join("\n")).await;
        for id in 2..=4 {
            assert_eq!(client.reply().await["id"], id);
        }
        client.expect_disconnect(3501).await;
        expect_nobody(server, "b").await;
        let Ended::ByServer(close) = server.ended().await else { panic!("the server has closed it") };
        assert_eq!(close.code.get(), 3501);
        assert!(!server.has_more_to_tell().await, "a command behind the bad one was carried out");
    });
}

#[test]
fn a_channel_without_a_name_is_answered_with_107_and_one_of_no_namespace_with_102() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        for command in ["subscribe", "publish", "presence", "presence_stats", "history", "sub_refresh"] {
            let with = |channel: Option<&str>| json!({ "channel": channel, "data": 1, "token": "x" });
            for nameless in [with(None), with(Some("")), json!({})] {
                assert_eq!(client.error(command, nameless).await, 107, "{command}");
            }
            for unknown in ["news:today", ":", "news:"] {
                assert_eq!(client.error(command, with(Some(unknown))).await, 102, "{command} {unknown}");
            }
        }
        for channel in ["news:today", ""] {
            assert_eq!(client.result("unsubscribe", json!({ "channel": channel })).await, json!({}));
        }
    });
}

#[test]
fn a_channel_may_have_any_255_bytes() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        for name in ["c".repeat(255), "\0\n\"\\\u{7f}".to_owned(), "𝄞".repeat(63)] {
            client.subscribe(&name).await;
            server.hub.publish(&name, "hello").await.unwrap();
            assert_eq!(client.push().await["channel"], name);
        }
        for name in ["c".repeat(256), "𝄞".repeat(64)] {
            assert_eq!(client.error("subscribe", json!({ "channel": name })).await, 107);
            assert_eq!(client.error("publish", json!({ "channel": name, "data": 1 })).await, 107);
        }
        assert_eq!(client.error("publish", json!({ "channel": "c" })).await, 107);
    });
}

#[test]
fn a_kind_of_subscription_that_does_not_exist_is_answered_with_108() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        assert_eq!(client.error("subscribe", json!({ "channel": "a", "type": 1 })).await, 108);
        client.subscribe("a").await;
        assert_eq!(client.error("subscribe", json!({ "channel": "a" })).await, 105);
    });
}

#[test]
fn a_client_that_never_connects_is_closed_with_3502() {
    let plan = Plan::new().limits(|limits| limits.connect_timeout = Duration::from_millis(100));
    serve(plan, async |server| {
        let mut silent = Client::open(server).await;
        let mut unfinished = Client::open(server).await;
        unfinished.peer().send(&text(r#"{"id":1,"connect":{}}"#)[..10]).await;
        let mut spaces = Client::open(server).await;
        spaces.say("\n").await;
        silent.expect_disconnect(3502).await;
        spaces.expect_disconnect(3502).await;
        drop(unfinished);
        eventually("every place", || server.hub.count() == 0).await;
        assert!(!server.has_seen_a_connection().await);
        assert!(!server.has_more_to_tell().await);
    });
}

#[test]
fn a_client_that_was_refused_and_stays_is_closed_with_3502() {
    let plan = Plan::new().limits(|limits| limits.connect_timeout = Duration::from_millis(100));
    serve(plan.on_connecting(async |_, _| Err(ErrorCode::UNAUTHORIZED.into())), async |server| {
        let mut client = Client::open(server).await;
        assert_eq!(client.error("connect", json!({})).await, 101);
        client.expect_disconnect(3502).await;
        eventually("its place", || server.hub.count() == 0).await;
    });
}

#[test]
fn another_subprotocol_is_refused_with_400_and_the_right_one_is_named() {
    for driver in [Driver::Server, Driver::Portable] {
        serve(Plan::new().driver(driver), async |server| {
            let request = || Request::upgrade("/connection/websocket");
            let offering = |offer: &str| request().add("Sec-WebSocket-Protocol", offer);
            for offer in ["centrifuge-protobuf", "graphql-ws, CENTRIFUGE-JSON"] {
                let refusal = server.connect().await.ask(&offering(offer)).await;
                assert_eq!(refusal.status, 400, "{driver:?}: {offer}");
                assert!(refusal.body.contains("centrifuge-json"), "{}", refusal.body);
            }
            for offer in ["centrifuge-json", "centrifuge-protobuf, centrifuge-json"] {
                let mut peer = server.connect().await;
                let accepted = peer.ask(&offering(offer)).await;
                let chosen = accepted.header("sec-websocket-protocol");
                assert_eq!((accepted.status, chosen), (101, Some("centrifuge-json")), "{driver:?}: {offer}");
                Client::over(peer).result("connect", json!({})).await;
            }
            let accepted = server.connect().await.ask(&request()).await;
            assert_eq!((accepted.status, accepted.header("sec-websocket-protocol")), (101, None));
        });
    }
}
