//! Clients of the Centrifuge protocol: what they ask for, and what they are told.

use serde_json::json;

use crate::support::{Client, Plan, serve};

#[test]
fn a_client_connects_and_is_told_how_the_connection_is_kept() {
    serve(Plan::new(), async |server| {
        let mut client = Client::open(server).await;
        let result = client.result("connect", json!({ "name": "test" })).await;
        let socket = server.connected().await;
        assert_eq!(result["client"], socket.id().to_string());
        assert_eq!((&result["ping"], &result["pong"]), (&json!(25), &json!(true)));
        client.leave().await;
    });
}

#[test]
fn what_a_client_publishes_reaches_raw_sockets_and_clients_alike() {
    serve(Plan::new().everything(), async |server| {
        let (mut raw, socket) = server.open_known().await;
        socket.subscribe("news").await.unwrap();
        let mut client = Client::connected(server).await;
        let subscribed = client.result("subscribe", json!({ "channel": "news" })).await;
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
