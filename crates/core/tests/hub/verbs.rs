//! What the hub's verbs do, from hooks, handlers and tasks.

use std::{collections::HashSet, sync::Arc};

use actix_web::{HttpResponse, web};
use duplex_core::{
    CloseCode, CloseFrame, Ended, Hub, HubError, Identity, MAX_CHANNEL_BYTES, Message, Socket, Target, Verb,
};
use tokio::sync::{Notify, mpsc};

use crate::support::{Peer, Plan, Request, Running, eventually, serve, within};

fn close_frame(code: u16) -> CloseFrame {
    CloseFrame::new(CloseCode::new(code).unwrap(), "")
}

/// Sockets that are subscribed to `channel`.
async fn subscribers(server: &Running, channel: &str, count: usize) -> Vec<(Peer, Socket)> {
    let mut all = Vec::new();
    for _ in 0..count {
        let (peer, socket) = server.open_known().await;
        socket.subscribe(channel).await.unwrap();
        all.push((peer, socket));
    }
    all
}

/// The user is what the query says; without one it is nobody.
fn with_users() -> Plan {
    Plan::new().authenticate(async |request| {
        Ok(match request.query_string() {
            "" => Identity::anonymous(),
            user => Identity::user(user),
        })
    })
}

async fn open_user(server: &Running, user: &str) -> (Peer, Socket) {
    let peer = server.open_as(&Request::upgrade(&format!("/socket?{user}"))).await;
    (peer, server.connected().await)
}

#[test]
fn a_publication_reaches_the_subscribers_on_all_shards_as_json_and_nobody_else() {
    serve(Plan::new().settings(|settings| settings.shards = 3), async |server| {
        let mut all = subscribers(server, "news", 9).await;
        let (mut other, _) = server.open_known().await;
        server.hub.publish("news", &serde_json::json!({ "headline": "open" })).await.unwrap();
        for (peer, _) in &mut all {
            peer.expect_text(r#"{"headline":"open"}"#).await;
        }
        other.echo("nothing before this").await;
    });
}

#[test]
fn publications_of_many_publishers_reach_every_subscriber_in_the_same_order() {
    serve(Plan::new().settings(|settings| settings.shards = 4), async |server| {
        let mut all = subscribers(server, "news", 8).await;
        let publishers: Vec<_> = (0..8)
            .map(|publisher| {
                let hub = server.hub.clone();
                tokio::spawn(async move {
                    for number in 0..50 {
                        hub.publish("news", &(publisher, number)).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let mut orders = Vec::new();
        for (peer, _) in &mut all {
            let mut order = Vec::new();
            for _ in 0..400 {
                order.push(peer.text().await);
            }
            orders.push(order);
        }
        for publisher in publishers {
            publisher.await.unwrap();
        }
        assert!(orders.iter().all(|order| *order == orders[0]), "some subscriber saw another order");
        for publisher in 0..8 {
            let own = orders[0].iter().filter(|text| text.starts_with(&format!("[{publisher},")));
            let expected = (0..50).map(|number| format!("[{publisher},{number}]"));
            assert!(own.cloned().eq(expected), "publisher {publisher} was reordered");
        }
    });
}

#[test]
fn what_one_task_asks_for_happens_in_that_order() {
    serve(Plan::new(), async |server| {
        let (mut peer, socket) = server.open_known().await;
        let hub = &server.hub;
        for round in 0..50 {
            hub.publish("news", "missed, before").await.unwrap();
            socket.subscribe("news").await.unwrap();
            hub.publish("news", &round).await.unwrap();
            socket.send("sent").await.unwrap();
            hub.publish("news", "last").await.unwrap();
            socket.unsubscribe("news").await.unwrap();
            hub.publish("news", "missed, after").await.unwrap();
        }
        for round in 0..50 {
            peer.expect_text(&round.to_string()).await;
            peer.expect_text("sent").await;
            peer.expect_text("\"last\"").await;
        }
        peer.echo("nothing between").await;
    });
}

#[test]
fn a_message_is_for_one_connection_one_user_or_all() {
    serve(with_users(), async |server| {
        let (mut first, _) = open_user(server, "ada").await;
        let (mut second, second_socket) = open_user(server, "ada").await;
        let (mut other, _) = open_user(server, "grace").await;
        let (mut nobody, _) = server.open_known().await;
        server.hub.send(second_socket.id(), "to one").await.unwrap();
        server.hub.send_user("ada", "to a user").await.unwrap();
        server.hub.send_user("nobody known", "to no one").await.unwrap();
        server.hub.send_all(Message::from(b"to all".to_vec())).await.unwrap();
        second.expect_text("to one").await;
        for peer in [&mut first, &mut second] {
            peer.expect_text("to a user").await;
        }
        for peer in [&mut first, &mut second, &mut other, &mut nobody] {
            let frame = peer.frame().await;
            assert_eq!((frame.opcode, frame.payload.as_slice()), (2, &b"to all"[..]));
        }
    });
}

#[test]
fn a_disconnected_connection_gets_the_code_behind_what_was_sent_before() {
    serve(Plan::new(), async |server| {
        let (mut peer, socket) = server.open_known().await;
        let (mut other, _) = server.open_known().await;
        for number in 0..100 {
            socket.send(number.to_string()).await.unwrap();
        }
        server.hub.disconnect(socket.id(), close_frame(4000)).await.unwrap();
        socket.send("too late").await.unwrap();
        for number in 0..100 {
            peer.expect_text(&number.to_string()).await;
        }
        peer.expect_closing(4000).await;
        assert_eq!(server.ended().await, Ended::ByServer(close_frame(4000)));
        other.echo("still here").await;
    });
}

#[test]
fn a_disconnected_user_loses_every_connection() {
    serve(with_users(), async |server| {
        let (mut first, _) = open_user(server, "ada").await;
        let (mut second, _) = open_user(server, "ada").await;
        let (mut other, _) = open_user(server, "grace").await;
        server.hub.disconnect_user("ada", close_frame(4003)).await.unwrap();
        first.expect_closing(4003).await;
        second.expect_closing(4003).await;
        other.echo("still here").await;
    });
}

#[test]
fn connections_are_listed_with_who_they_are_and_what_they_hear() {
    serve(with_users(), async |server| {
        let (_ada, ada) = open_user(server, "ada").await;
        let (_nobody, nobody) = server.open_known().await;
        ada.subscribe("chat:lobby").await.unwrap();
        ada.subscribe("news").await.unwrap();
        let listed = server.hub.connections().await.unwrap();
        assert_eq!(listed.iter().map(|info| info.id).collect::<HashSet<_>>(), [ada.id(), nobody.id()].into());
        let info = listed.iter().find(|info| info.id == ada.id()).unwrap();
        assert_eq!(info.identity, Identity::user("ada"));
        assert_eq!(info.peer, ada.peer());
        let channels: HashSet<_> = info.channels.iter().map(|channel| channel.as_str()).collect();
        assert_eq!(channels, ["chat:lobby", "news"].into());
        assert_eq!(server.hub.count(), 2);
    });
}

#[test]
fn subscribers_are_counted_and_gone_with_their_connections() {
    serve(Plan::new().settings(|settings| settings.shards = 3), async |server| {
        let mut all = subscribers(server, "news", 10).await;
        assert_eq!(server.hub.subscribers("news").unwrap(), 10);
        assert_eq!(server.hub.subscribers("other").unwrap(), 0);
        let (_, unsubscribed) = &all[0];
        unsubscribed.unsubscribe("news").await.unwrap();
        eventually("the end of a subscription", || server.hub.subscribers("news").unwrap() == 9).await;
        for (mut peer, _) in all.drain(..5) {
            peer.close(1000).await;
            server.ended().await;
        }
        assert_eq!(server.hub.subscribers("news").unwrap(), 5);
        drop(all);
        for _ in 0..5 {
            server.ended().await;
        }
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);
        eventually("every place", || server.hub.count() == 0).await;
    });
}

#[test]
fn a_second_subscription_to_a_channel_changes_nothing() {
    serve(Plan::new(), async |server| {
        let (mut peer, socket) = server.open_known().await;
        socket.subscribe("news").await.unwrap();
        socket.subscribe("news").await.unwrap();
        server.hub.publish("news", &1).await.unwrap();
        peer.expect_text("1").await;
        peer.echo("once").await;
        assert_eq!(server.hub.subscribers("news").unwrap(), 1);
        socket.unsubscribe("news").await.unwrap();
        socket.unsubscribe("news").await.unwrap();
        server.hub.publish("news", &2).await.unwrap();
        peer.echo("no more").await;
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);
    });
}

#[test]
fn a_subscription_past_the_limit_of_channels_is_refused_until_one_is_given_up() {
    serve(Plan::new().limits(|limits| limits.max_channels = 2), async |server| {
        let (mut peer, socket) = server.open_known().await;
        for channel in ["a", "b", "c"] {
            socket.subscribe(channel).await.unwrap();
        }
        for channel in ["a", "b", "c"] {
            server.hub.publish(channel, channel).await.unwrap();
        }
        peer.expect_text("\"a\"").await;
        peer.expect_text("\"b\"").await;
        peer.echo("no c").await;
        assert_eq!(server.hub.subscribers("c").unwrap(), 0);
        socket.unsubscribe("a").await.unwrap();
        socket.subscribe("c").await.unwrap();
        server.hub.publish("c", "c").await.unwrap();
        peer.expect_text("\"c\"").await;
    });
}

#[test]
fn a_verb_for_a_connection_that_is_gone_does_nothing() {
    serve(Plan::new(), async |server| {
        let (mut peer, socket) = server.open_known().await;
        peer.close(1000).await;
        drop(peer);
        server.ended().await;
        socket.send("nobody hears this").await.unwrap();
        socket.subscribe("news").await.unwrap();
        socket.unsubscribe("other").await.unwrap();
        server.hub.disconnect(socket.id(), close_frame(1000)).await.unwrap();
        eventually("the subscription of nobody", || server.hub.subscribers("news").unwrap() == 0).await;
        server.hub.publish("news", &1).await.unwrap();
        assert!(server.hub.connections().await.unwrap().is_empty());
    });
}

#[test]
fn a_channel_without_a_good_name_is_an_error() {
    serve(Plan::new(), async |server| {
        for name in [String::new(), "x".repeat(MAX_CHANNEL_BYTES + 1)] {
            let published = server.hub.publish(&name, &1).await;
            assert!(matches!(published, Err(HubError::Channel(_))), "{published:?}");
            assert!(server.hub.subscribers(&name).is_err());
        }
    });
}

#[test]
fn a_handler_pushes_to_sockets_through_the_extractor() {
    let plan = Plan::new().routes(|config| {
        config.route(
            "/announce",
            web::post().to(async |hub: Hub| {
                hub.publish("news", "from a handler").await?;
                hub.send_all("to all").await?;
                Ok::<_, HubError>(HttpResponse::NoContent())
            }),
        );
    });
    serve(plan, async |server| {
        let mut all = subscribers(server, "news", 2).await;
        let post = Request::new("POST /announce HTTP/1.1").add("Content-Length", "0");
        assert_eq!(server.connect().await.ask(&post).await.status, 204);
        for (peer, _) in &mut all {
            peer.expect_text("\"from a handler\"").await;
            peer.expect_text("to all").await;
        }
    });
}

#[test]
fn a_background_task_pushes_to_sockets() {
    serve(Plan::new(), async |server| {
        let mut all = subscribers(server, "news", 2).await;
        let hub = server.hub.clone();
        let task = tokio::spawn(async move { hub.publish("news", "from a task").await });
        for (peer, _) in &mut all {
            peer.expect_text("\"from a task\"").await;
        }
        task.await.unwrap().unwrap();
    });
}

#[test]
fn what_on_connect_sends_comes_before_what_others_are_sent_too() {
    let (asked, mut asking) = mpsc::unbounded_channel();
    let go_on = Arc::new(Notify::new());
    let gate = Arc::clone(&go_on);
    let plan = with_users().on_connect(move |socket| {
        let (asked, gate) = (asked.clone(), Arc::clone(&gate));
        async move {
            asked.send(())?;
            gate.notified().await;
            Ok(socket.send("welcome").await?)
        }
    });
    serve(plan, async |server| {
        let mut peer = server.open_as(&Request::upgrade("/socket?ada")).await;
        within("on_connect", asking.recv()).await.unwrap();
        server.hub.send_all("to all").await.unwrap();
        server.hub.send_user("ada", "to ada").await.unwrap();
        // The letters are in the inbox before the hook goes on.
        server.hub.connections().await.unwrap();
        go_on.notify_one();
        for text in ["welcome", "to all", "to ada"] {
            peer.expect_text(text).await;
        }
    });
}

#[test]
fn too_much_to_wait_for_a_slow_on_connect_does_not_wait() {
    let go_on = Arc::new(Notify::new());
    let gate = Arc::clone(&go_on);
    let plan = Plan::new().limits(|limits| limits.queue_bytes = 1000).on_connect(move |_| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            Ok(())
        }
    });
    serve(plan, async |server| {
        let mut peer = server.open().await;
        server.connected().await;
        let texts = ["1", "2", "3"].map(|text| text.repeat(600));
        for text in &texts {
            server.hub.send_all(text.clone()).await.unwrap();
        }
        for text in &texts {
            peer.expect_text(text).await;
        }
        go_on.notify_one();
    });
}

#[test]
fn a_verb_that_was_written_down_does_the_same() {
    serve(Plan::new(), async |server| {
        let (mut peer, socket) = server.open_known().await;
        let verbs = [
            Verb::Send { to: Target::Connection(socket.id()), content: "written down".into() },
            Verb::Disconnect { target: Target::All, close: close_frame(4000) },
        ];
        let written = serde_json::to_string(&verbs).unwrap();
        for verb in serde_json::from_str::<Vec<Verb>>(&written).unwrap() {
            server.hub.apply(verb).await.unwrap();
        }
        peer.expect_text("written down").await;
        peer.expect_closing(4000).await;
    });
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let plan = with_users().on_connect(async |socket| {
        for channel in ["a", "b", "c"] {
            socket.subscribe(channel).await?;
        }
        Ok(())
    });
    serve(plan.settings(|settings| settings.shards = 3), async |server| {
        let publishing = {
            let hub = server.hub.clone();
            tokio::spawn(async move {
                loop {
                    for channel in ["a", "b", "c"] {
                        hub.publish(channel, channel).await.unwrap();
                    }
                    tokio::task::yield_now().await;
                }
            })
        };
        let visits = (0..8).map(|visitor| async move {
            for visit in 0..10 {
                let mut peer = server.open_as(&Request::upgrade(&format!("/socket?user{visitor}"))).await;
                peer.text().await;
                if visit % 2 == 0 {
                    peer.reset();
                }
            }
        });
        futures_util::future::join_all(visits).await;
        for _ in 0..80 {
            server.ended().await;
        }
        publishing.abort();
        eventually("every place", || server.hub.count() == 0).await;
        for channel in ["a", "b", "c"] {
            assert_eq!(server.hub.subscribers(channel).unwrap(), 0);
        }
        assert!(within("the list", server.hub.connections()).await.unwrap().is_empty());
    });
}
