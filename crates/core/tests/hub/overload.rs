//! A shard that cannot keep up: its inbox fills, callers wait and are told, and nothing that was promised is lost.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use duplex_core::{CloseCode, CloseFrame, HubError, Message};
use futures_util::FutureExt;

use crate::support::{Peer, Plan, Running, serve, within};

/// One shard whose `on_message` holds its thread at "block" until the test lets it go.
fn blocking(inbox_deadline: Duration) -> (Plan, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel();
    let released = Arc::new(Mutex::new(released));
    let plan = Plan::new().settings(|settings| settings.shards = 1).limits(|limits| {
        limits.inbox_bytes = 10_000;
        limits.inbox_deadline = inbox_deadline;
    });
    let plan = plan.on_message(move |socket, message| {
        let released = Arc::clone(&released);
        async move {
            if message == Message::from("block") {
                released.lock().unwrap().recv()?;
            }
            Ok(socket.send(message).await?)
        }
    });
    (plan, release)
}

/// A subscriber, and the peer that blocks the shard.
async fn block(server: &Running) -> (Peer, Peer) {
    let (mut subscriber, socket) = server.open_known().await;
    socket.subscribe("news").await.unwrap();
    subscriber.echo("subscribed").await;
    server.message().await;
    let mut blocker = server.open().await;
    blocker.send_text("block").await;
    assert_eq!(server.message().await, Message::from("block"));
    (subscriber, blocker)
}

/// Publishes until there is no room; gives how many were taken.
async fn fill(server: &Running) -> usize {
    let mut taken = 0;
    loop {
        match server.hub.publish("news", &taken).await {
            Ok(_) => taken += 1,
            Err(HubError::Overloaded(_)) => return taken,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_full_inbox_is_overloaded_after_the_deadline_and_recovers() {
    let (plan, release) = blocking(Duration::from_millis(50));
    serve(plan, async |server| {
        let (mut subscriber, mut blocker) = block(server).await;
        let taken = fill(server).await;
        assert!((10..=10_000).contains(&taken), "{taken} were taken");
        for error in [
            server.hub.send_all("x").await.unwrap_err(),
            server.hub.publish("news", "x").await.unwrap_err(),
            server.hub.send_user("ada", "x").await.unwrap_err(),
        ] {
            assert!(matches!(error, HubError::Overloaded(_)), "{error}");
        }
        release.send(()).unwrap();
        // What was taken is delivered, what was refused is not.
        for number in 0..taken {
            subscriber.expect_text(&number.to_string()).await;
        }
        blocker.expect_text("block").await;
        server.hub.publish("news", "recovered").await.unwrap();
        subscriber.expect_text("\"recovered\"").await;
    });
}

#[test]
fn a_caller_waits_for_room() {
    let (plan, release) = blocking(Duration::from_secs(60));
    serve(plan, async |server| {
        let (mut subscriber, _blocker) = block(server).await;
        let hub = server.hub.clone();
        let publishing = tokio::spawn(async move {
            for number in 0..1000 {
                hub.publish("news", &number).await.unwrap();
            }
        });
        // Far more than fits.
        release.send(()).unwrap();
        for number in 0..1000 {
            subscriber.expect_text(&number.to_string()).await;
        }
        publishing.await.unwrap();
    });
}

#[test]
fn closing_and_subscribing_have_room_in_a_full_inbox() {
    let (plan, release) = blocking(Duration::from_millis(50));
    serve(plan, async |server| {
        let (mut subscriber, _blocker) = block(server).await;
        let taken = fill(server).await;
        let known = server.connected().await;
        known.subscribe("more").await.unwrap();
        let close = CloseFrame::new(CloseCode::POLICY, "");
        server.hub.disconnect(known.id(), close).await.unwrap();
        release.send(()).unwrap();
        drop(known);
        for number in 0..taken {
            subscriber.expect_text(&number.to_string()).await;
        }
    });
}

#[test]
fn a_publication_that_is_dropped_while_it_waits_has_not_happened() {
    let (plan, release) = blocking(Duration::from_secs(60));
    serve(plan, async |server| {
        let (mut subscriber, _blocker) = block(server).await;
        let mut taken = 0;
        while server.hub.publish("news", &taken).now_or_never().is_some() {
            taken += 1;
        }
        for _ in 0..10 {
            assert!(server.hub.publish("news", "given up").now_or_never().is_none());
        }
        release.send(()).unwrap();
        for number in 0..taken {
            subscriber.expect_text(&number.to_string()).await;
        }
        server.hub.publish("news", "after").await.unwrap();
        subscriber.expect_text("\"after\"").await;
    });
}

#[test]
fn one_publication_larger_than_an_inbox_is_delivered() {
    let (plan, _release) = blocking(Duration::from_secs(60));
    serve(plan, async |server| {
        let (mut subscriber, socket) = server.open_known().await;
        socket.subscribe("news").await.unwrap();
        let large = "x".repeat(1 << 20);
        server.hub.publish("news", &large).await.unwrap();
        subscriber.expect_text(&format!("\"{large}\"")).await;
    });
}

#[test]
fn the_list_of_connections_does_not_wait_for_ever() {
    let (plan, release) = blocking(Duration::from_millis(50));
    serve(plan, async |server| {
        let (_subscriber, _blocker) = block(server).await;
        let listed = within("an answer from a hub with a blocked shard", server.hub.connections()).await;
        assert!(matches!(listed, Err(HubError::Overloaded(_))), "{listed:?}");
        release.send(()).unwrap();
    });
}

#[test]
fn a_deadline_beyond_all_time_is_no_panic() {
    let (plan, release) = blocking(Duration::MAX);
    serve(plan, async |server| {
        let (mut subscriber, _blocker) = block(server).await;
        let mut taken = 0;
        while server.hub.publish("news", &taken).now_or_never().is_some() {
            taken += 1;
        }
        release.send(()).unwrap();
        for number in 0..taken {
            subscriber.expect_text(&number.to_string()).await;
        }
    });
}

#[test]
fn a_close_timeout_beyond_all_time_is_no_panic() {
    serve(Plan::new().limits(|limits| limits.close_timeout = Duration::MAX), async |server| {
        server.open().await.close(1000).await;
        server.ended().await;
        server.open().await.echo("the shard lives on").await;
    });
}

#[test]
fn a_burst_that_waited_for_a_busy_shard_does_not_make_its_readers_slow() {
    let (plan, release) = blocking(Duration::from_secs(60));
    let plan = plan.limits(|limits| {
        limits.inbox_bytes = 1 << 20;
        limits.queue_bytes = 5000;
    });
    serve(plan, async |server| {
        let (mut reader, socket) = server.open_known().await;
        reader.echo("here").await;
        server.message().await;
        let mut blocker = server.open().await;
        blocker.send_text("block").await;
        server.message().await;
        // Ten times the budget, and far less than the kernel takes.
        for number in 0..50 {
            socket.send(format!("{number:01000}")).await.unwrap();
        }
        release.send(()).unwrap();
        for number in 0..50 {
            reader.expect_text(&format!("{number:01000}")).await;
        }
    });
}
