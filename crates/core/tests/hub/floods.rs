//! Clients of the protocol that say, ask for or want to keep too much.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use duplex_core::Json;
use serde_json::json;

use crate::support::{Client, PeakMemory, Plan, eventually, serve, serve_alone};

/// The default of `Limits::max_message_bytes`.
const MESSAGE_BYTES: usize = 1 << 20;

#[test]
fn a_message_past_the_limit_closes_with_1009() {
    serve(Plan::new().everything(), async |server| {
        let large = "x".repeat(MESSAGE_BYTES);
        for command in [json!({ "rpc": { "data": large } }), json!({ "subscribe": { "channel": large } })] {
            let mut client = Client::connected(server).await;
            client.say(&command.to_string()).await;
            client.expect_disconnect(1009).await;
        }
        let mut client = Client::open(server).await;
        client.say(&json!({ "id": 1, "connect": { "token": large } }).to_string()).await;
        client.expect_disconnect(1009).await;
        eventually("every place", || server.hub.count() == 0).await;
    });
}

#[test]
fn a_message_of_just_the_limit_is_answered() {
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        let command = |data: &str| format!(r#"{{"id":2,"rpc":{{"data":"{data}"}}}}"#);
        let data = "x".repeat(MESSAGE_BYTES - command("").len());
        client.say(&command(&data)).await;
        let reply = client.reply().await;
        assert!(reply["rpc"]["data"] == data, "the data has changed");
    });
}

#[test]
fn a_channel_of_1_mib_is_answered_with_107() {
    let plan = Plan::new().everything().limits(|limits| limits.max_message_bytes = 4 * MESSAGE_BYTES);
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        let channel = "c".repeat(MESSAGE_BYTES);
        for command in ["subscribe", "publish", "presence", "history"] {
            let request = json!({ "channel": channel, "data": 1 });
            assert_eq!(client.error(command, request).await, 107, "{command}");
        }
        client.result("unsubscribe", json!({ "channel": channel })).await;
    });
}

#[test]
fn subscriptions_past_the_limit_are_answered_with_106_and_all_of_them_end_with_the_connection() {
    const ASKED: usize = 10_000;
    const ALLOWED: usize = 1000;
    serve(Plan::new().everything(), async |server| {
        let mut client = Client::connected(server).await;
        let mut subscribed = 0;
        for first in (0..ASKED).step_by(ALLOWED) {
            let command =
                |number| json!({ "id": number + 1, "subscribe": { "channel": format!("c{number}") } });
            let commands: Vec<_> =
                (first..first + ALLOWED).map(|number| command(number).to_string()).collect();
            client.say(&commands.join("\n")).await;
            for number in first..first + ALLOWED {
                let reply = client.reply().await;
                assert_eq!(reply["id"], number + 1);
                match reply["error"]["code"].as_u64() {
                    None => subscribed += 1,
                    code => assert_eq!(code, Some(106), "{reply}"),
                }
            }
        }
        assert_eq!(subscribed, ALLOWED);
        assert_eq!(server.hub.subscribers("c0").unwrap(), 1);
        client.result("unsubscribe", json!({ "channel": "c0" })).await;
        client.subscribe("c9999").await;
        client.leave().await;
        eventually("its place", || server.hub.count() == 0).await;
        for number in 0..ASKED {
            let channel = format!("c{number}");
            assert_eq!(server.hub.subscribers(&channel).unwrap(), 0, "{channel}");
            assert_eq!(server.hub.presence(&channel).await.unwrap(), [], "{channel}");
        }
    });
}

#[test]
fn a_message_full_of_commands_does_not_keep_others_of_the_shard_waiting() {
    const COMMAND: &str = "{\"id\":1,\"ping\":{}}\n";
    const LAST: &str = r#"{"id":2,"rpc":{"method":"last"}}"#;
    let done = Arc::new(AtomicBool::new(false));
    let last = Arc::clone(&done);
    let plan = Plan::new().settings(|settings| settings.shards = 1).on_call(move |_, call| {
        last.fetch_or(call.method == "last", Ordering::Relaxed);
        async { Ok(Json::null()) }
    });
    serve(plan, async |server| {
        let mut other = Client::connected(server).await;
        let mut flood = Client::connected(server).await;
        let commands = COMMAND.repeat((MESSAGE_BYTES - LAST.len()) / COMMAND.len());
        flood.say(&format!("{commands}{LAST}")).await;
        // The first of them is answered, so the others have come in too.
        assert_eq!(flood.reply().await["id"], 1);
        let reader = tokio::spawn(async move {
            while flood.reply().await["id"] != 2 {}
            flood
        });
        for _ in 0..5 {
            other.result("ping", json!({})).await;
        }
        assert!(!done.load(Ordering::Relaxed), "the others had to wait for all of it");
        reader.await.unwrap().leave().await;
        assert!(done.load(Ordering::Relaxed));
    });
}

#[test]
fn a_client_that_asks_for_more_than_it_reads_costs_no_more_than_its_queue() {
    const PUBLICATION: usize = 16 << 10;
    const KEPT: usize = 20;
    const QUERIES: usize = 200;
    serve_alone(Plan::new().everything().narrow(), async |server| {
        let mut other = Client::connected(server).await;
        for _ in 0..KEPT {
            server.hub.publish("news", &"x".repeat(PUBLICATION)).await.unwrap();
        }
        let mut greedy = Client::connected_narrow(server).await;
        let memory = PeakMemory::start();
        let query = json!({ "id": 2, "history": { "channel": "news", "limit": -1 } }).to_string() + "\n";
        greedy.say(&query.repeat(QUERIES)).await;
        // The first answer is on its way, and some more fit into the queue.
        greedy.peer().frame().await;
        for _ in 0..100 {
            other.result("ping", json!({})).await;
        }
        // All of them together would be 64 MiB.
        assert!(memory.growth() < 16 << 20, "{} bytes", memory.growth());
        for _ in 1..QUERIES {
            assert_eq!(greedy.reply().await["id"], 2);
        }
        greedy.result("ping", json!({})).await;
    });
}

#[test]
fn what_a_client_says_it_was_subscribed_to_costs_nothing_when_it_is_connected() {
    const CLIENTS: usize = 64;
    let plan = Plan::new().everything().on_connect(async |socket| Ok(socket.subscribe("news").await?));
    serve_alone(plan, async |server| {
        let channel = |number| format!("{number:0>200}");
        let subs: serde_json::Map<_, _> =
            (0..2000).map(|number| (channel(number), json!({ "recover": true }))).collect();
        let connect = json!({ "id": 1, "connect": { "subs": subs } }).to_string();
        let memory = PeakMemory::start();
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let mut client = Client::open(server).await;
            client.say(&connect).await;
            assert_eq!(client.reply().await["id"], 1);
            // Applications may keep what they know of a connection.
            clients.push((client, server.connected().await));
        }
        // All of them together are 30 MiB of names.
        assert!(memory.growth() < 12 << 20, "{} bytes", memory.growth());
        drop(clients);
        eventually("every place", || server.hub.count() == 0).await;
    });
}

#[test]
fn a_recovery_past_the_byte_budget_leaves_the_client_subscribed_without_it() {
    let plan = Plan::new().everything().limits(|limits| limits.max_recovery_bytes = 1000);
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        let epoch = client.subscribe("news").await["epoch"].clone();
        client.leave().await;
        for _ in 0..11 {
            server.hub.publish("news", &"x".repeat(98)).await.unwrap();
        }
        // Coming back again and again changes nothing, and each time the client is served.
        for round in 0..3 {
            let mut client = Client::connected(server).await;
            let recover = json!({ "channel": "news", "recover": true, "epoch": epoch, "offset": 0 });
            let result = client.result("subscribe", recover).await;
            assert_eq!(result["was_recovering"], true, "round {round}: {result}");
            assert_eq!((result.get("recovered"), result.get("publications")), (None, None), "round {round}");
            assert_eq!(result["offset"], 11 + round);
            server.hub.publish("news", "live").await.unwrap();
            assert_eq!(client.publication().await, "live");
            client.expect_nothing().await;
            client.leave().await;
        }
        // What fits is recovered still.
        let mut client = Client::connected(server).await;
        let recover = json!({ "channel": "news", "recover": true, "epoch": epoch, "offset": 11 });
        let result = client.result("subscribe", recover).await;
        assert_eq!(result["recovered"], true);
        assert_eq!(result["publications"].as_array().unwrap().len(), 3);
    });
}
