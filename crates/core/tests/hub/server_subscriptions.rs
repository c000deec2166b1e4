//! Subscriptions that the server makes for clients, and takes back: in the reply to connect, and by push.

use std::sync::Arc;

use duplex_core::{Channel, Connected, HookResult, Namespace, Namespaces, Recovery, Since, Socket, Verb};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Client, Plan, Request, Running, eventually, serve, within};

/// Clients may do everything, and nobody is told who comes and goes.
fn quiet() -> Plan {
    let namespace =
        Namespace { history_size: 100, recovery: Recovery::Forced, presence: true, ..Namespace::default() };
    Plan::new().everything().namespaces(Namespaces::default().without_namespace(namespace))
}

/// Subscribes whoever connects to two channels.
fn subscribing() -> Plan {
    quiet()
        .on_connecting(async |socket, _| {
            socket.subscribe("news").await?;
            Ok(Connected::default())
        })
        .on_connect(async |socket| Ok(socket.subscribe("more").await?))
}

/// A client that has connected with the positions it had, and the server's subscriptions as it is told of them.
async fn come_back(server: &Running, subs: Value) -> (Client, Value) {
    let mut client = Client::open(server).await;
    let result = client.result("connect", json!({ "subs": subs })).await;
    (client, result["subs"].clone())
}

fn data(publications: &Value) -> Vec<&str> {
    publications.as_array().unwrap().iter().map(|one| one["data"].as_str().unwrap()).collect()
}

#[test]
fn what_hooks_subscribe_a_connecting_client_to_is_in_the_reply() {
    serve(subscribing(), async |server| {
        server.hub.publish("news", "old").await.unwrap();
        let (mut client, subs) = come_back(server, json!({})).await;
        assert_eq!(subs.as_object().unwrap().keys().collect::<Vec<_>>(), ["more", "news"]);
        let epoch = subs["news"]["epoch"].as_str().unwrap();
        let expected = json!({ "recoverable": true, "positioned": true, "epoch": epoch, "offset": 1 });
        assert_eq!(subs["news"], expected);
        assert_eq!(subs["more"].get("offset"), None);
        for channel in ["news", "more"] {
            server.hub.publish(channel, channel).await.unwrap();
            assert_eq!(client.push().await["channel"], channel);
        }
        client.expect_nothing().await;
        assert_eq!(client.error("subscribe", json!({ "channel": "news" })).await, 105);
    });
}

#[test]
fn a_client_that_comes_back_gets_what_it_missed_in_the_reply() {
    serve(subscribing(), async |server| {
        let (client, subs) = come_back(server, json!({})).await;
        let epoch = |channel: &str| subs[channel]["epoch"].clone();
        client.leave().await;
        for number in ["1", "2", "3"] {
            server.hub.publish("news", number).await.unwrap();
            server.hub.publish("more", number).await.unwrap();
        }
        let positions = json!({
            "news": { "recover": true, "epoch": epoch("news"), "offset": 1 },
            "more": { "recover": false, "epoch": epoch("more"), "offset": 1 },
            "gone": { "recover": true, "epoch": "", "offset": 0 },
        });
        let (mut client, subs) = come_back(server, positions).await;
        let news = &subs["news"];
        assert_eq!((&news["recovered"], &news["was_recovering"]), (&json!(true), &json!(true)));
        assert_eq!(
            (data(&news["publications"]), &news["publications"][0]["offset"]),
            (vec!["2", "3"], &json!(2))
        );
        assert_eq!((subs["more"].get("was_recovering"), subs["more"].get("publications")), (None, None));
        assert_eq!(subs["more"]["offset"], 3);
        assert_eq!(subs.get("gone"), None);
        assert_eq!(server.hub.subscribers("gone").unwrap(), 0);
        client.expect_nothing().await;

        // Of another life there is nothing to be had.
        let (_, subs) =
            come_back(server, json!({ "news": { "recover": true, "epoch": "x", "offset": 1 } })).await;
        let news = &subs["news"];
        assert_eq!((news.get("recovered"), &news["was_recovering"]), (None, &json!(true)));
        assert_eq!((news.get("publications"), &news["offset"]), (None, &json!(3)));
    });
}

#[test]
fn what_one_reply_recovers_is_limited_in_bytes_for_all_subscriptions_together() {
    let plan = subscribing().limits(|limits| limits.max_recovery_bytes = 1000);
    serve(plan, async |server| {
        for channel in ["news", "more"] {
            server.hub.publish(channel, &"x".repeat(700)).await.unwrap();
        }
        let position = json!({ "recover": true, "epoch": "", "offset": 0 });
        for _ in 0..3 {
            let (mut client, subs) = come_back(server, json!({ "news": position, "more": position })).await;
            // The first one that the hooks have subscribed to has its share.
            assert_eq!((&subs["news"]["recovered"], subs["more"].get("recovered")), (&json!(true), None));
            assert_eq!(subs["more"]["was_recovering"], true);
            assert_eq!((subs["more"].get("publications"), &subs["more"]["offset"]), (None, &json!(1)));
            client.expect_nothing().await;
            client.leave().await;
        }
    });
}

/// A plan in which clients are subscribed to "news" at once and connected when the test says so.
fn pausing() -> (Plan, Arc<Notify>) {
    let go_on = Arc::new(Notify::new());
    let waits = Arc::clone(&go_on);
    let plan = quiet().on_connect(move |socket| {
        let waits = Arc::clone(&waits);
        async move {
            socket.subscribe("news").await?;
            socket.send("from the hook").await?;
            waits.notified().await;
            Ok(())
        }
    });
    (plan, go_on)
}

#[test]
fn whatever_comes_while_a_client_connects_waits_for_the_reply() {
    let (plan, go_on) = pausing();
    serve(plan, async |server| {
        let mut client = Client::open(server).await;
        let id = client.ask("connect", json!({})).await;
        let socket = server.connected().await;
        eventually("the subscription", || server.hub.subscribers("news").unwrap() == 1).await;
        server.hub.publish("news", "a publication").await.unwrap();
        server.hub.send_all("to all").await.unwrap();
        socket.send("to one").await.unwrap();
        go_on.notify_one();
        // The first thing it reads is the reply.
        let first: Value = serde_json::from_str(&client.peer().text().await).unwrap();
        assert_eq!(first["id"], id);
        assert_eq!(first["connect"]["subs"]["news"].get("offset"), None);
        assert_eq!(client.push().await["message"]["data"], "from the hook");
        assert_eq!(client.publication().await, "a publication");
        assert_eq!(client.push().await["message"]["data"], "to all");
        assert_eq!(client.push().await["message"]["data"], "to one");
        client.expect_nothing().await;
    });
}

#[test]
fn a_client_for_which_too_much_waits_while_it_connects_is_slow() {
    let (plan, go_on) = pausing();
    serve(plan.limits(|limits| limits.queue_bytes = 10_000), async |server| {
        let mut client = Client::open(server).await;
        client.ask("connect", json!({})).await;
        eventually("the subscription", || server.hub.subscribers("news").unwrap() == 1).await;
        // Each of them is too large to be joined with another.
        for _ in 0..2 {
            server.hub.publish("news", &"x".repeat(100_000)).await.unwrap();
        }
        // The shard has done all of that before it answers.
        server.hub.connections().await.unwrap();
        go_on.notify_one();
        assert_eq!(client.peer().expect_closing(3008).await, "slow");
        eventually("its place", || server.hub.count() == 0).await;
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);
    });
}

#[test]
fn what_is_taken_back_while_a_client_connects_is_not_in_the_reply_and_nothing_comes_of_it() {
    let plan = quiet().on_connect(async |socket| {
        socket.subscribe("news").await?;
        socket.subscribe("more").await?;
        socket.hub().publish("news", "not for this client").await?;
        Ok(socket.unsubscribe("news").await?)
    });
    serve(plan, async |server| {
        let (mut client, subs) = come_back(server, json!({})).await;
        assert_eq!(subs.as_object().unwrap().keys().collect::<Vec<_>>(), ["more"]);
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);
        client.expect_nothing().await;
    });
}

#[test]
fn a_later_subscription_is_pushed_and_so_is_its_end() {
    serve(quiet().users(), async |server| {
        let mut clients =
            [Client::connected_as(server, "ada").await, Client::connected_as(server, "ada").await];
        let mut other = Client::connected_as(server, "bob").await;
        server.hub.publish("news", "old").await.unwrap();
        let id = server.connected().await.id();
        server.hub.subscribe(id, "news").await.unwrap();
        let push = clients[0].push().await;
        let epoch = push["subscribe"]["epoch"].as_str().unwrap();
        let subscribed = json!({ "recoverable": true, "positioned": true, "epoch": epoch, "offset": 1 });
        assert_eq!(push, json!({ "channel": "news", "subscribe": subscribed }));
        // She has one of them already, which changes nothing.
        server.hub.subscribe_user("ada", "news").await.unwrap();
        let push = clients[1].push().await;
        assert_eq!(push, json!({ "channel": "news", "subscribe": subscribed }));
        // Both shards have done it before they answer.
        server.hub.connections().await.unwrap();
        assert_eq!(server.hub.subscribers("news").unwrap(), 2);
        server.hub.unsubscribe(id, "news").await.unwrap();
        server.hub.publish("news", "last").await.unwrap();
        server.hub.unsubscribe_user("ada", "news").await.unwrap();
        server.hub.publish("news", "too late").await.unwrap();
        let end = json!({ "code": 2000, "reason": "server unsubscribe" });
        let [first, second] = &mut clients;
        assert_eq!(first.push().await, json!({ "channel": "news", "unsubscribe": end }));
        assert_eq!(second.publication().await, "last");
        assert_eq!(second.push().await, json!({ "channel": "news", "unsubscribe": end }));
        first.expect_nothing().await;
        second.expect_nothing().await;
        other.expect_nothing().await;
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);
        // It may come again.
        first.subscribe("news").await;
    });
}

#[test]
fn a_subscription_that_the_client_asked_for_is_taken_back_like_any_other() {
    serve(quiet(), async |server| {
        let (mut client, socket) = Client::connected_known(server).await;
        client.subscribe("news").await;
        socket.unsubscribe("news").await.unwrap();
        server.hub.publish("news", "too late").await.unwrap();
        assert_eq!(client.push().await["unsubscribe"]["code"], 2000);
        client.expect_nothing().await;
        // There is no second end to it, and none of what never was.
        socket.unsubscribe("news").await.unwrap();
        socket.unsubscribe("other").await.unwrap();
        client.expect_nothing().await;
        assert_eq!(server.hub.presence("news").await.unwrap(), []);
    });
}

#[test]
fn a_client_that_unsubscribes_gets_no_push_and_nothing_more() {
    serve(quiet(), async |server| {
        let (mut client, _) = Client::connected_known(server).await;
        client.subscribe("news").await;
        assert_eq!(client.result("unsubscribe", json!({ "channel": "news" })).await, json!({}));
        server.hub.publish("news", "too late").await.unwrap();
        client.expect_nothing().await;
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);
        // Again, and of what it never had: nothing to complain about.
        assert_eq!(client.result("unsubscribe", json!({ "channel": "news" })).await, json!({}));
    });
}

#[test]
fn the_server_may_use_channels_that_clients_may_not() {
    let namespaces = Namespaces::default().with("chat", Namespace::default());
    serve(Plan::new().everything().namespaces(namespaces), async |server| {
        let (mut client, socket) = Client::connected_known(server).await;
        assert_eq!(client.error("subscribe", json!({ "channel": "hidden:a" })).await, 102);
        socket.subscribe("hidden:a").await.unwrap();
        assert_eq!(client.push().await, json!({ "channel": "hidden:a", "subscribe": {} }));
        server.hub.publish("hidden:a", "hello").await.unwrap();
        let publication = json!({ "channel": "hidden:a", "pub": { "data": "hello" } });
        assert_eq!(client.push().await, publication);
        assert_eq!(client.error("presence", json!({ "channel": "hidden:a" })).await, 102);
    });
}

/// Reads the push of a subscription to "news", and from the position that it tells every publication up to the third.
async fn expect_no_gap(client: &mut Client) {
    let mut offset = client.push().await["subscribe"]["offset"].as_u64().unwrap_or_default();
    while offset < 3 {
        let push = client.push().await;
        assert_eq!(push["pub"]["offset"], offset + 1, "{push}");
        offset += 1;
    }
}

#[test]
fn a_socket_that_was_kept_loses_nothing_when_it_subscribes_later() {
    let (kept, mut keeping) = tokio::sync::mpsc::unbounded_channel::<Socket>();
    let plan = quiet().on_connect(move |socket| {
        let kept = kept.clone();
        async move { HookResult::Ok(kept.send(socket)?) }
    });
    serve(plan, async |server| {
        for number in ["1", "2"] {
            server.hub.publish("news", number).await.unwrap();
        }
        let position = json!({ "recover": true, "epoch": "", "offset": 0 });
        let (mut client, _) = come_back(server, json!({ "news": position })).await;
        let socket = within("on_connect", keeping.recv()).await.unwrap();
        socket.subscribe("news").await.unwrap();
        server.hub.publish("news", "3").await.unwrap();
        expect_no_gap(&mut client).await;
    });
}

#[test]
fn a_client_that_is_subscribed_from_a_position_later_gets_what_follows_it() {
    serve(quiet(), async |server| {
        for number in ["1", "2"] {
            server.hub.publish("news", number).await.unwrap();
        }
        let (mut client, socket) = Client::connected_known(server).await;
        let (target, channel) = (socket.id().into(), Channel::new("news").unwrap());
        let since = Some(Since { epoch: String::new(), offset: 1 });
        server.hub.apply(Verb::Subscribe { target, channel, since }).await.unwrap();
        server.hub.publish("news", "3").await.unwrap();
        expect_no_gap(&mut client).await;
    });
}

#[test]
fn raw_sockets_are_subscribed_without_a_word() {
    serve(subscribing(), async |server| {
        let mut raw = server.open_as(&Request::upgrade("/socket")).await;
        eventually("the subscription", || server.hub.subscribers("more").unwrap() == 1).await;
        server.hub.publish("more", "hello").await.unwrap();
        raw.expect_text("\"hello\"").await;
        let id = server.connected().await.id();
        server.hub.unsubscribe(id, "more").await.unwrap();
        server.hub.publish("more", "too late").await.unwrap();
        raw.echo("nothing before this").await;
    });
}

#[test]
fn who_has_to_ask_again_is_told_so_and_nobody_else() {
    serve(quiet(), async |server| {
        let (mut asked, _) = Client::connected_known(server).await;
        let (_given, client) = Client::connected_known(server).await;
        let (mut raw, socket) = server.open_known().await;
        asked.subscribe("lobby").await;
        client.subscribe("lobby").await.unwrap();
        socket.subscribe("lobby").await.unwrap();
        server.hub.renew("other").await.unwrap();
        server.hub.renew("").await.unwrap();
        assert_eq!(asked.push().await["unsubscribe"]["code"], 2500);
        assert_eq!(server.hub.subscribers("lobby").unwrap(), 2);
        server.hub.publish("lobby", "still").await.unwrap();
        raw.expect_text("\"still\"").await;
        asked.expect_nothing().await;
        assert_eq!(asked.subscribe("lobby").await["offset"], 1);
    });
}
