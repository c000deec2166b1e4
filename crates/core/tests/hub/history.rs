//! What channels keep: as clients read it, and as they come back to it.

use std::sync::{Arc, Mutex};

use duplex_core::{ErrorCode, Grant, HistoryQuery, Namespace, Namespaces, Recovery};
use serde_json::{Value, json};

use crate::support::{Client, Plan, Running, eventually, serve};

async fn publish(server: &Running, count: u64) {
    for number in 1..=count {
        server.hub.publish("news", &number).await.unwrap();
    }
}

/// The offsets of publications in a result.
fn offsets(result: &Value) -> Vec<u64> {
    let publications = result["publications"].as_array().unwrap();
    publications.iter().map(|publication| publication["offset"].as_u64().unwrap()).collect()
}

/// Reads the history of "news", with these fields beside the channel.
async fn read(client: &mut Client, query: Value) -> Value {
    let mut request = json!({ "channel": "news" });
    request.as_object_mut().unwrap().extend(query.as_object().unwrap().clone());
    client.result("history", request).await
}

#[test]
fn history_is_read_in_parts_from_either_end() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        publish(server, 5).await;
        let end = read(&mut client, json!({})).await;
        let epoch = end["epoch"].as_str().unwrap().to_owned();
        assert_eq!(end, json!({ "publications": [], "epoch": epoch, "offset": 5 }));
        let since = |offset: u64| json!({ "epoch": epoch, "offset": offset });
        for (query, expected) in [
            (json!({ "limit": -1 }), vec![1, 2, 3, 4, 5]),
            (json!({ "limit": 2 }), vec![1, 2]),
            (json!({ "limit": -1, "reverse": true }), vec![5, 4, 3, 2, 1]),
            (json!({ "limit": 2, "reverse": true }), vec![5, 4]),
            (json!({ "limit": -1, "since": since(3) }), vec![4, 5]),
            (json!({ "limit": 1, "since": since(3) }), vec![4]),
            (json!({ "limit": -1, "since": since(3), "reverse": true }), vec![2, 1]),
            (json!({ "limit": 1, "since": since(3), "reverse": true }), vec![2]),
            (json!({ "limit": -1, "since": { "offset": 4 } }), vec![5]),
            (json!({ "limit": -1, "since": since(5) }), vec![]),
            (json!({ "limit": -1, "since": since(u64::MAX) }), vec![]),
            (json!({ "limit": -1, "since": since(0), "reverse": true }), vec![]),
            (json!({ "limit": i32::MIN }), vec![1, 2, 3, 4, 5]),
            (json!({ "limit": i32::MAX }), vec![1, 2, 3, 4, 5]),
        ] {
            let result = read(&mut client, query.clone()).await;
            assert_eq!(offsets(&result), expected, "{query}");
            assert_eq!((&result["epoch"], &result["offset"]), (&json!(epoch), &json!(5)), "{query}");
        }
    });
}

#[test]
fn history_of_another_epoch_is_answered_with_112() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        publish(server, 1).await;
        for epoch in ["x", "0000000000000001", &"e".repeat(100_000)] {
            let query = json!({ "channel": "news", "limit": -1, "since": { "epoch": epoch, "offset": 0 } });
            assert_eq!(client.error("history", query).await, 112);
        }
    });
}

#[test]
fn a_channel_that_nobody_used_has_an_empty_history_and_a_position_of_an_earlier_life_is_none_in_it() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        let empty = read(&mut client, json!({ "limit": -1 })).await;
        assert_eq!((&empty["publications"], &empty["offset"]), (&json!([]), &json!(0)));
        // After a restart, what an old position would be followed by is gone: an empty list would hide that.
        let query = json!({ "channel": "news", "limit": -1, "since": { "epoch": "x", "offset": 7 } });
        assert_eq!(client.error("history", query).await, 112);
        assert_eq!(client.subscribe("news").await["epoch"], empty["epoch"]);
        let history = server.hub.history("news", &HistoryQuery::default()).await.unwrap();
        assert_eq!((history.publications.len(), history.top.offset), (0, 0));
    });
}

#[test]
fn one_reply_carries_no_more_than_its_bytes_and_the_next_goes_on() {
    let plan = Plan::new().everything().limits(|limits| limits.max_history_bytes = 5);
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        publish(server, 7).await;
        let first = read(&mut client, json!({ "limit": -1 })).await;
        assert_eq!(offsets(&first), [1, 2, 3, 4, 5]);
        let since = json!({ "epoch": first["epoch"], "offset": 5 });
        assert_eq!(offsets(&read(&mut client, json!({ "limit": -1, "since": since })).await), [6, 7]);
    });
}

#[test]
fn a_client_reads_no_more_than_the_limit_and_the_server_as_much_as_it_wants() {
    let plan = Plan::new().everything().limits(|limits| limits.max_history = 3);
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        publish(server, 5).await;
        for limit in [-1, 4, 5, i32::MAX] {
            assert_eq!(offsets(&read(&mut client, json!({ "limit": limit })).await), [1, 2, 3], "{limit}");
        }
        assert_eq!(offsets(&read(&mut client, json!({ "limit": -1, "reverse": true })).await), [5, 4, 3]);
        let all = server.hub.history("news", &HistoryQuery::default()).await.unwrap();
        assert_eq!(all.publications.len(), 5);
        let query = HistoryQuery { since: Some(all.top.into()), ..HistoryQuery::default() };
        assert_eq!(server.hub.history("news", &query).await.unwrap().publications.len(), 0);
    });
}

#[test]
fn only_what_the_namespace_keeps_can_be_read() {
    let kept = Namespace { history_size: 2, ..Namespace::default() };
    let plan = Plan::new().everything().namespaces(Namespaces::default().without_namespace(kept));
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        publish(server, 5).await;
        assert_eq!(offsets(&read(&mut client, json!({ "limit": -1 })).await), [4, 5]);
        // History alone gives no positions to subscribers.
        let request = json!({ "channel": "news", "recover": true, "positioned": true, "recoverable": true });
        assert_eq!(client.result("subscribe", request).await, json!({}));
        publish(server, 1).await;
        assert_eq!(client.push().await["pub"], json!({ "data": 1, "offset": 6 }));
    });
}

#[test]
fn a_namespace_may_leave_it_to_clients_whether_they_recover() {
    let on = Namespace { history_size: 10, recovery: Recovery::On, ..Namespace::default() };
    let plan = Plan::new().everything().namespaces(Namespaces::default().without_namespace(on));
    serve(plan, async |server| {
        publish(server, 2).await;
        let mut client = Client::connected(server).await;
        assert_eq!(client.subscribe("news").await, json!({}));
        client.result("unsubscribe", json!({ "channel": "news" })).await;
        for wish in ["recoverable", "positioned", "recover"] {
            let result = client.result("subscribe", json!({ "channel": "news", wish: true })).await;
            assert_eq!(
                (&result["recoverable"], &result["positioned"]),
                (&json!(true), &json!(true)),
                "{wish}"
            );
            assert_eq!(result.get("publications").is_some(), wish == "recover", "{result}");
            client.result("unsubscribe", json!({ "channel": "news" })).await;
        }
    });
}

#[test]
fn coming_back_asks_on_subscribe_again() {
    let allowed = Arc::new(Mutex::new(true));
    let asks = Arc::new(Mutex::new(Vec::new()));
    let (allows, asked) = (Arc::clone(&allowed), Arc::clone(&asks));
    let plan = Plan::new().everything().on_subscribe(move |_, subscribing| {
        asked.lock().unwrap().push(subscribing.recovering);
        let allowed = *allows.lock().unwrap();
        async move { if allowed { Ok(Grant::default()) } else { Err(ErrorCode::PERMISSION_DENIED.into()) } }
    });
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        let epoch = client.subscribe("news").await["epoch"].clone();
        client.leave().await;
        publish(server, 2).await;
        let recover = json!({ "channel": "news", "recover": true, "epoch": epoch, "offset": 1 });
        let mut client = Client::connected(server).await;
        let result = client.result("subscribe", recover.clone()).await;
        assert_eq!((&result["recovered"], offsets(&result)), (&json!(true), vec![2]));
        client.leave().await;
        eventually("the end of its subscription", || server.hub.subscribers("news").unwrap() == 0).await;
        *allowed.lock().unwrap() = false;
        let mut client = Client::connected(server).await;
        assert_eq!(client.error("subscribe", recover).await, 103);
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);
        assert_eq!(*asks.lock().unwrap(), [false, true, true]);
    });
}

#[test]
fn who_wants_all_or_nothing_is_answered_with_112_and_not_subscribed() {
    serve(Plan::new().everything().limits(|limits| limits.max_recovery = 3), async |server| {
        let mut client = Client::connected(server).await;
        publish(server, 5).await;
        let epoch = read(&mut client, json!({})).await["epoch"].clone();
        let ask = |epoch: &Value, offset: u64, flag: u32| json!({ "channel": "news", "recover": true, "epoch": epoch, "offset": offset, "flag": flag });
        for (epoch, offset) in [(&epoch, 0), (&epoch, 6), (&epoch, u64::MAX), (&json!("x"), 5)] {
            // Other flags are none of its business, and do not hide it.
            for flag in [2, 3, 7] {
                assert_eq!(client.error("subscribe", ask(epoch, offset, flag)).await, 112, "{offset} {flag}");
            }
            assert_eq!(server.hub.subscribers("news").unwrap(), 0);
            assert_eq!(server.hub.presence("news").await.unwrap(), []);
            let result = client.result("subscribe", ask(epoch, offset, 1)).await;
            assert_eq!(
                (result.get("recovered"), &result["was_recovering"]),
                (None, &json!(true)),
                "{offset}"
            );
            assert_eq!(result["offset"], 5);
            client.result("unsubscribe", json!({ "channel": "news" })).await;
        }
        let result = client.result("subscribe", ask(&epoch, 2, 2)).await;
        assert_eq!((&result["recovered"], offsets(&result)), (&json!(true), vec![3, 4, 5]));
        client.result("unsubscribe", json!({ "channel": "news" })).await;
        // Who does not come back wants nothing that could be missing.
        let fresh = json!({ "channel": "news", "flag": 2 });
        assert_eq!(client.result("subscribe", fresh).await["offset"], 5);
    });
}
