//! Clients of the Centrifuge protocol: what they ask for, and what they are told.

use bytes::Bytes;
use duplex_core::{CloseCode, Connected, Ended, Json, Message};
use serde_json::{Value, json};

use crate::support::{Client, Driver, Plan, Request, eventually, serve};

#[test]
fn a_client_connects_and_is_told_how_the_connection_is_kept() {
    serve(Plan::new(), async |server| {
        let mut client = Client::open(server).await;
        let result = client.result("connect", json!({ "name": "test" })).await;
        let socket = server.connected().await;
        assert_eq!(result["client"], socket.id().to_string());
        assert_eq!((&result["ping"], &result["pong"]), (&json!(25), &json!(true)));
        assert_eq!((result.get("expires"), result.get("subs"), result.get("data")), (None, None, None));
        client.leave().await;
    });
}

#[test]
fn on_connecting_sees_what_the_client_says_and_its_answer_comes_back() {
    let plan = Plan::new().users().on_connecting(async |socket, connecting| {
        let user = socket.identity().user_id();
        let seen = (user, connecting.data, &connecting.name, &connecting.version);
        Ok(Connected { data: Some(Json::new(&seen)?) })
    });
    serve(plan, async |server| {
        let request = Request::upgrade("/connection/websocket?ada");
        let mut client = Client::over(server.open_as(&request).await);
        let connect = json!({ "data": { "a": 1 }, "name": "js", "version": "5", "headers": { "a": "b" } });
        let result = client.result("connect", connect).await;
        assert_eq!(result["data"], json!(["ada", { "a": 1 }, "js", "5"]));
    });
}

#[test]
fn what_a_client_publishes_reaches_raw_sockets_and_clients_alike() {
    serve(Plan::new().everything(), async |server| {
        let (mut raw, socket) = server.open_known().await;
        socket.subscribe("news").await.unwrap();
        let mut client = Client::connected(server).await;
        let subscribed = client.subscribe("news").await;
        assert_eq!((&subscribed["recoverable"], &subscribed["positioned"]), (&json!(true), &json!(true)));
        client.result("publish", json!({ "channel": "news", "data": { "text": "hello" } })).await;
        raw.expect_text(r#"{"text":"hello"}"#).await;
        let push = client.push().await;
        assert_eq!(push["channel"], "news");
        assert_eq!(push["pub"]["offset"], 1);
        assert_eq!(push["pub"]["data"], json!({ "text": "hello" }));
        assert_eq!(push["pub"]["info"]["user"], "");
        client.leave().await;
    });
}

#[test]
fn what_is_published_reaches_clients_on_all_shards_as_the_same_bytes() {
    const CLIENTS: usize = 8;
    serve(Plan::new().everything().settings(|settings| settings.shards = 2), async |server| {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let mut client = Client::connected(server).await;
            client.subscribe("news").await;
            clients.push(client);
        }
        let shards: Vec<_> = server.hub.connections().await.unwrap().iter().map(|one| one.id).collect();
        assert_eq!(shards.len(), CLIENTS);
        let data = Json::parse(r#"{"b":1.0,"a":"ü"}"#).unwrap();
        server.hub.publish("news", &data).await.unwrap();
        for client in &mut clients {
            let expected = r#"{"push":{"channel":"news","pub":{"offset":1,"data":{"b":1.0,"a":"ü"}}}}"#;
            client.peer().expect_text(expected).await;
        }
    });
}

#[test]
fn several_commands_in_one_message_are_answered_in_order() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::open(server).await;
        let commands = [
            r#"{"id":1,"connect":{}}"#,
            r#"{"id":2,"subscribe":{"channel":"news"}}"#,
            r#"{"id":3,"publish":{"channel":"news","data":"hello"}}"#,
            "",
            r#"{"id":4,"ping":{}}"#,
            r#"{"id":5,"history":{"channel":"news","limit":1}}"#,
            r#"{"id":6,"presence":{"channel":"news"}}"#,
            r#"{"id":7,"subscribe":{"channel":"news"}}"#,
            r#"{"id":8,"unsubscribe":{"channel":"news"}}"#,
            r#"{"id":9,"rpc":{"method":"x","data":[1]}}"#,
            r#"{"id":4294967295,"presence_stats":{"channel":"news"}}"#,
        ];
        client.say(&commands.join("\n")).await;
        let mut replies: Vec<Value> = Vec::new();
        for _ in 1..commands.len() {
            replies.push(client.reply().await);
        }
        let ids: Vec<_> = replies.iter().map(|reply| reply["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8, 9, 4_294_967_295]);
        assert_eq!(replies[4]["history"]["publications"][0]["data"], "hello");
        assert_eq!(replies[5]["presence"]["presence"].as_object().unwrap().len(), 1);
        assert_eq!(replies[6]["error"]["code"], 105);
        assert_eq!(replies[8]["rpc"]["data"], json!([1]));
        assert_eq!(replies[9]["presence_stats"], json!({ "num_clients": 0, "num_users": 0 }));
        assert_eq!(client.publication().await, "hello");
    });
}

#[test]
fn a_call_without_data_has_null() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        assert_eq!(client.result("rpc", json!({ "method": "x" })).await, json!({ "data": null }));
        assert_eq!(client.result("rpc", json!({ "data": null })).await, json!({ "data": null }));
        server.hub.publish("news", &Value::Null).await.unwrap();
        client.subscribe("news").await;
        client.result("publish", json!({ "channel": "news", "data": null })).await;
        assert_eq!(client.publication().await, Value::Null);
    });
}

#[test]
fn what_a_client_sends_reaches_on_message_as_text() {
    serve(Plan::new(), async |server| {
        let mut client = Client::connected(server).await;
        client.say("{\"send\":{\"data\":{\"a\":1.0}}}\n{\"id\":7,\"send\":{\"data\":\"b\"}}").await;
        assert_eq!(server.message().await, Message::from(r#"{"a":1.0}"#));
        assert_eq!(server.message().await, Message::from("\"b\""));
        // There is no reply, whether there is an id or not: the next thing said is what the hook sent back.
        assert_eq!(client.push().await, json!({ "message": { "data": "{\"a\":1.0}" } }));
        assert_eq!(client.push().await, json!({ "message": { "data": "\"b\"" } }));
        client.expect_nothing().await;
    });
}

#[test]
fn text_comes_as_a_string_json_as_it_is_and_binary_not_at_all() {
    serve(Plan::new().users(), async |server| {
        let mut client = Client::connected_as(server, "ada").await;
        let id = server.connected().await.id();
        let (mut raw, _) = server.open_user("ada").await;
        let hub = &server.hub;
        let json = Json::parse(r#"{"a":[1.0]}"#).unwrap();
        hub.send(id, "te\"xt\n").await.unwrap();
        hub.send(id, json.clone()).await.unwrap();
        hub.send(id, Bytes::from_static(b"binary")).await.unwrap();
        hub.send_user("ada", "text").await.unwrap();
        hub.send_user("ada", json.clone()).await.unwrap();
        hub.send_user("ada", vec![1, 2, 3]).await.unwrap();
        hub.send_user("bob", "not for her").await.unwrap();
        hub.send_all("text").await.unwrap();
        hub.send_all(json).await.unwrap();
        hub.send_all(vec![1, 2, 3]).await.unwrap();
        let message = |data: Value| json!({ "message": { "data": data } });
        let expected = ["te\"xt\n".into(), json!({ "a": [1.0] })].into_iter();
        let twice = ["text".into(), json!({ "a": [1.0] }), "text".into(), json!({ "a": [1.0] })];
        for data in expected.chain(twice) {
            assert_eq!(client.push().await, message(data));
        }
        client.expect_nothing().await;
        for _ in 0..2 {
            raw.expect_text("text").await;
            raw.expect_text(r#"{"a":[1.0]}"#).await;
            assert_eq!(raw.frame().await.payload, [1, 2, 3]);
        }
    });
}

#[test]
fn a_client_that_has_not_connected_gets_nothing_that_is_sent_to_all() {
    serve(Plan::new().users(), async |server| {
        let request = Request::upgrade("/connection/websocket?ada");
        let mut client = Client::over(server.open_as(&request).await);
        eventually("its place", || server.hub.count() == 1).await;
        server.hub.send_all("too early").await.unwrap();
        server.hub.send_user("ada", "too early").await.unwrap();
        // The shard has done all of that before it answers.
        assert_eq!(server.hub.connections().await.unwrap(), []);
        client.result("connect", json!({})).await;
        server.hub.send_all("hello").await.unwrap();
        assert_eq!(client.push().await["message"]["data"], "hello");
        client.expect_nothing().await;
    });
}

#[test]
fn connections_lists_clients_with_their_users_and_channels_when_they_are_connected() {
    serve(Plan::new().everything().users(), async |server| {
        let mut ada = Client::connected_as(server, "ada").await;
        let id = server.connected().await.id();
        let silent = server.open_as(&Request::upgrade("/connection/websocket?bob")).await;
        ada.subscribe("news").await;
        let listed = server.hub.connections().await.unwrap();
        let [info] = &listed[..] else { panic!("{listed:?}") };
        assert_eq!((info.id, info.identity.user_id()), (id, Some("ada")));
        assert_eq!(info.channels.iter().map(|channel| channel.as_str()).collect::<Vec<_>>(), ["news"]);
        assert_eq!(server.hub.count(), 2);
        drop(silent);
    });
}

#[test]
fn the_portable_driver_carries_the_protocol_too() {
    serve(Plan::new().everything().driver(Driver::Portable), async |server| {
        let mut client = Client::connected(server).await;
        let socket = server.connected().await;
        client.subscribe("news").await;
        client.say("{\"id\":7,\"ping\":{}}\n{\"id\":8,\"rpc\":{\"data\":1}}").await;
        assert_eq!(client.reply().await, json!({ "id": 7, "ping": {} }));
        assert_eq!(client.reply().await, json!({ "id": 8, "rpc": { "data": 1 } }));
        let large = "x".repeat(300_000);
        client.result("publish", json!({ "channel": "news", "data": large })).await;
        assert!(client.publication().await == large.as_str(), "the publication has changed");
        socket.subscribe("more").await.unwrap();
        assert_eq!(client.push().await["channel"], "more");
        client.leave().await;
        let Ended::ByPeer(Some(close)) = server.ended().await else { panic!("the client has closed it") };
        assert_eq!(close.code, CloseCode::NORMAL);
        eventually("its place", || server.hub.count() == 0).await;
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);

        let mut mistaken = Client::connected(server).await;
        mistaken.say("bad").await;
        let frame = mistaken.peer().frame().await;
        assert_eq!(frame.payload[..2], 3501_u16.to_be_bytes());
    });
}
