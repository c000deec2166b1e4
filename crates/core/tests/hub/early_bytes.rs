//! What a client sends before it has the answer to its request.

use std::{sync::Arc, time::Duration};

use duplex_core::{Identity, Message};
use tokio::sync::Notify;

use crate::support::{Plan, Request, Running, serve, text, within};

const MESSAGES: usize = 300;

fn message(number: usize) -> String {
    format!("{number:01000}")
}

async fn expect_all(server: &Running) {
    for number in 0..MESSAGES {
        assert_eq!(server.message().await, Message::from(message(number)));
    }
}

#[test]
fn frames_behind_the_request_wait_for_a_slow_authenticate_in_order() {
    let (asked, decided) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (asked_hook, decided_hook) = (Arc::clone(&asked), Arc::clone(&decided));
    let plan = Plan::new().authenticate(move |_| {
        let (asked, decided) = (Arc::clone(&asked_hook), Arc::clone(&decided_hook));
        async move {
            asked.notify_one();
            decided.notified().await;
            Ok(Identity::anonymous())
        }
    });
    serve(plan, async |server| {
        let mut peer = server.connect().await;
        peer.send(Request::upgrade("/socket").bytes()).await;
        within("authenticate", asked.notified()).await;
        let early: Vec<u8> = (0..MESSAGES).flat_map(|number| text(&message(number))).collect();
        // Small kernel buffers may not take all of it before somebody reads; then the rest is sent behind the answer.
        let sending = async {
            peer.send(&early).await;
            peer
        };
        let deciding = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            decided.notify_one();
        };
        let (mut peer, ()) = tokio::join!(sending, deciding);
        assert_eq!(peer.response().await.status, 101);
        expect_all(server).await;
    });
}

#[test]
fn frames_in_one_piece_with_the_request_arrive_in_order() {
    serve(Plan::new(), async |server| {
        let mut peer = server.connect().await;
        let mut bytes = Request::upgrade("/socket").bytes();
        (0..MESSAGES).for_each(|number| bytes.extend(text(&message(number))));
        peer.send(bytes).await;
        assert_eq!(peer.response().await.status, 101);
        for number in 0..MESSAGES {
            peer.expect_text(&message(number)).await;
        }
        expect_all(server).await;
    });
}

#[test]
fn early_frames_wait_for_a_slow_on_connect() {
    let plan = Plan::new().on_connect(async |socket| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(socket.send("welcome").await?)
    });
    serve(plan, async |server| {
        let mut peer = server.connect().await;
        let bytes = [Request::upgrade("/socket").bytes(), text("one"), text("two")].concat();
        peer.send(bytes).await;
        assert_eq!(peer.response().await.status, 101);
        for expected in ["welcome", "one", "two"] {
            peer.expect_text(expected).await;
        }
    });
}

#[test]
fn a_request_before_the_upgrade_is_answered_first() {
    serve(Plan::new(), async |server| {
        let mut peer = server.connect().await;
        let hello = Request::new("GET /hello HTTP/1.1").bytes();
        peer.send([hello, Request::upgrade("/socket").bytes(), text("early")].concat()).await;
        let first = peer.response().await;
        assert_eq!((first.status, first.body.as_str()), (200, "hello"));
        assert_eq!(peer.response().await.status, 101);
        peer.expect_text("early").await;
    });
}

#[test]
fn a_client_that_expects_100_continue_is_let_in() {
    serve(Plan::new(), async |server| {
        let mut peer = server.connect().await;
        peer.send(Request::upgrade("/socket").add("Expect", "100-continue").bytes()).await;
        let mut response = peer.response().await;
        if response.status == 100 {
            response = peer.response().await;
        }
        assert_eq!(response.status, 101);
        peer.echo("hello").await;
    });
}

#[test]
fn a_head_that_never_ends_is_given_up_in_time() {
    let plan = Plan::new().settings(|settings| settings.head_timeout = Duration::from_secs(1));
    serve(plan, async |server| {
        let mut peer = server.connect().await;
        peer.send("GET /socket HTTP/1.1\r\nHost: loc").await;
        let answer = String::from_utf8(peer.drain().await).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    });
}
