//! Who is in a channel: as clients and the server ask, and as subscribers are told.

use duplex_core::{Grant, Identity, JoinLeave, Namespace, Namespaces};
use serde_json::{Value, json};

use crate::support::{Client, Plan, Running, eventually, serve};

fn news() -> Value {
    json!({ "channel": "news" })
}

/// Subscribes with the wish to be told who comes and goes.
async fn watch(client: &mut Client) {
    client.result("subscribe", json!({ "channel": "news", "join_leave": true })).await;
}

/// The ids of those who are in the channel, as a client is told.
async fn present(client: &mut Client) -> Vec<String> {
    let result = client.result("presence", news()).await;
    result["presence"].as_object().unwrap().keys().cloned().collect()
}

async fn known(server: &Running, user: &str) -> (Client, String) {
    let client = Client::connected_as(server, user).await;
    (client, server.connected().await.id().to_string())
}

#[test]
fn presence_is_by_connection_and_counts_users_once() {
    serve(Plan::new().everything().users(), async |server| {
        let mut ids = Vec::new();
        let mut clients = Vec::new();
        for user in ["ada", "ada", "ada", "bob"] {
            let (mut client, id) = known(server, user).await;
            client.subscribe("news").await;
            ids.push(id);
            clients.push(client);
        }
        ids.sort();
        assert_eq!(present(&mut clients[0]).await, ids);
        let stats = clients[0].result("presence_stats", news()).await;
        assert_eq!(stats, json!({ "num_clients": 4, "num_users": 2 }));
        let of_hub = server.hub.presence_stats("news").await.unwrap();
        assert_eq!((of_hub.clients, of_hub.users), (4, 2));

        let left = clients.remove(3);
        left.leave().await;
        eventually("its subscription", || server.hub.subscribers("news").unwrap() == 3).await;
        let stats = clients[0].result("presence_stats", news()).await;
        assert_eq!(stats, json!({ "num_clients": 3, "num_users": 1 }));
        for client in &mut clients {
            client.result("unsubscribe", news()).await;
        }
        let stats = clients[0].result("presence_stats", news()).await;
        assert_eq!(stats, json!({ "num_clients": 0, "num_users": 0 }));
        assert_eq!(server.hub.presence("news").await.unwrap(), []);
    });
}

#[test]
fn presence_shows_what_identity_and_grant_say_of_a_client() {
    let plan = Plan::new()
        .everything()
        .authenticate(async |_| Ok(Identity::user("ada").with_info(json!({ "name": "Ada" }))))
        .on_subscribe(async |_, _| Ok(Grant { info: Some(json!("typing").into()), ..Grant::default() }));
    serve(plan, async |server| {
        let (mut client, id) = known(server, "").await;
        client.subscribe("news").await;
        let shown =
            json!({ "user": "ada", "client": id, "conn_info": { "name": "Ada" }, "chan_info": "typing" });
        let result = client.result("presence", news()).await;
        assert_eq!(result["presence"], json!({ id: shown }));
        client.result("publish", json!({ "channel": "news", "data": 1 })).await;
        assert_eq!(client.push().await["pub"]["info"], shown);
    });
}

#[test]
fn raw_sockets_that_the_server_subscribes_are_present_and_anonymous_ones_are_one_user() {
    serve(Plan::new().everything().users(), async |server| {
        let (mut watcher, _) = Client::connected_known(server).await;
        watcher.subscribe("news").await;
        let mut peers = Vec::new();
        for user in ["", "", "ada"] {
            let (peer, socket) = server.open_user(user).await;
            socket.subscribe("news").await.unwrap();
            peers.push(peer);
        }
        // The shards have subscribed them before they answer.
        server.hub.connections().await.unwrap();
        let stats = watcher.result("presence_stats", news()).await;
        assert_eq!(stats, json!({ "num_clients": 4, "num_users": 2 }));
        peers.pop().unwrap().reset();
        eventually("a lost one", || server.hub.subscribers("news").unwrap() == 3).await;
        assert_eq!(present(&mut watcher).await.len(), 3);
        // They have no words for it, so nothing comes but what is published.
        server.hub.publish("news", "hello").await.unwrap();
        peers[0].expect_text("\"hello\"").await;
    });
}

#[test]
fn who_asked_is_told_who_comes_and_goes_and_nobody_else() {
    serve(Plan::new().everything().users(), async |server| {
        let mut watcher = Client::connected_as(server, "watcher").await;
        watch(&mut watcher).await;
        let own = watcher.push().await;
        assert_eq!(own["join"]["info"]["user"], "watcher");
        let mut other = Client::connected_as(server, "other").await;
        other.subscribe("news").await;
        assert_eq!(watcher.push().await["join"]["info"]["user"], "other");
        server.connected().await;
        server.connected().await;

        // Each way to go is told: unsubscribing, by the client or the server, leaving, and being lost.
        for way in 0..5 {
            let (mut client, id) = known(server, "ada").await;
            client.subscribe("news").await;
            let info = json!({ "user": "ada", "client": id });
            assert_eq!(watcher.push().await, json!({ "channel": "news", "join": { "info": info } }));
            match way {
                0 => drop(client.result("unsubscribe", news()).await),
                1 => server.hub.unsubscribe_user("ada", "news").await.unwrap(),
                2 => client.leave().await,
                3 => client.into_peer().reset(),
                _ => {
                    client.say("bad").await;
                    client.expect_disconnect(3501).await;
                }
            }
            assert_eq!(
                watcher.push().await,
                json!({ "channel": "news", "leave": { "info": info } }),
                "{way}"
            );
        }
        other.expect_nothing().await;
        watcher.expect_nothing().await;
    });
}

#[test]
fn raw_sockets_come_and_go_for_others_to_see() {
    serve(Plan::new().everything().users(), async |server| {
        let mut watcher = Client::connected(server).await;
        watch(&mut watcher).await;
        watcher.push().await;
        server.connected().await;
        let (peer, socket) = server.open_user("ada").await;
        socket.subscribe("news").await.unwrap();
        let info = json!({ "user": "ada", "client": socket.id().to_string() });
        assert_eq!(watcher.push().await["join"]["info"], info);
        peer.reset();
        assert_eq!(watcher.push().await["leave"]["info"], info);
        watcher.expect_nothing().await;
    });
}

#[test]
fn subscriptions_by_the_server_are_told_who_comes_and_goes() {
    serve(Plan::new().everything().users(), async |server| {
        let (mut client, socket) = Client::connected_known(server).await;
        socket.subscribe("news").await.unwrap();
        assert!(client.push().await.get("subscribe").is_some());
        assert!(client.push().await.get("join").is_some());
        let (mut other, _) = known(server, "ada").await;
        other.subscribe("news").await;
        assert_eq!(client.push().await["join"]["info"]["user"], "ada");
        other.leave().await;
        assert_eq!(client.push().await["leave"]["info"]["user"], "ada");
    });
}

#[test]
fn a_namespace_decides_who_may_be_told() {
    let with = |join_leave| Namespace { join_leave, ..Namespace::default() };
    let namespaces = Namespaces::default()
        .with("off", with(JoinLeave::Off))
        .with("on", with(JoinLeave::On))
        .with("forced", with(JoinLeave::Forced));
    serve(Plan::new().everything().namespaces(namespaces), async |server| {
        let mut asking = Client::connected(server).await;
        let mut silent = Client::connected(server).await;
        for (channel, asking_is_told, silent_is_told) in
            [("off:a", false, false), ("on:a", true, false), ("forced:a", true, true)]
        {
            asking.result("subscribe", json!({ "channel": channel, "join_leave": true })).await;
            if asking_is_told {
                assert!(asking.push().await.get("join").is_some(), "{channel}");
            }
            silent.subscribe(channel).await;
            if silent_is_told {
                assert!(silent.push().await.get("join").is_some(), "{channel}");
            }
            if asking_is_told {
                assert!(asking.push().await.get("join").is_some(), "{channel}");
            }
            asking.expect_nothing().await;
            silent.expect_nothing().await;
            // There is no presence to be seen.
            assert_eq!(asking.error("presence", json!({ "channel": channel })).await, 108);
        }
    });
}

#[test]
fn presence_survives_neither_its_connections_nor_a_swap_of_places() {
    const CLIENTS: usize = 30;
    serve(Plan::new().everything().users(), async |server| {
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let (mut client, id) = known(server, &format!("user{number}")).await;
            client.subscribe("news").await;
            client.subscribe("more").await;
            clients.push((client, id));
        }
        // They go in an order that is neither that of their coming nor the other way round.
        let mut left = CLIENTS;
        for step in [7, 5, 3, 2, 1] {
            let gone: Vec<_> =
                (0..clients.len()).step_by(step).rev().map(|at| clients.swap_remove(at)).collect();
            left -= gone.len();
            for (number, (client, _)) in gone.into_iter().enumerate() {
                if number % 2 == 0 { client.into_peer().reset() } else { client.leave().await }
            }
            eventually("their subscriptions", || {
                ["news", "more"].iter().all(|channel| server.hub.subscribers(channel).unwrap() == left)
            })
            .await;
            let present = server.hub.presence("more").await.unwrap();
            let mut shown: Vec<_> = present.iter().map(|info| info.client.to_string()).collect();
            let mut expected: Vec<_> = clients.iter().map(|(_, id)| id.clone()).collect();
            shown.sort();
            expected.sort();
            assert_eq!(shown, expected);
            server.hub.publish("news", &step).await.unwrap();
            for (client, _) in &mut clients {
                assert_eq!(client.publication().await, step);
            }
        }
        assert_eq!(left, 0);
    });
}
