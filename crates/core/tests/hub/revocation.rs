//! What is taken back while a client of the protocol is still on its way to it.

use std::{sync::Arc, time::Duration};

use duplex_core::{Connected, DisconnectCode, Grant, Identity, Rejection, Socket};
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::{Client, PING, Plan, eventually, masked, serve, within};

/// A hook that says when it has begun, and waits until it may end.
#[derive(Clone, Default)]
struct Pause {
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Pause {
    /// A hook that lets clients do what they ask for, but not yet.
    fn before<Ask, T: Clone + Send + 'static>(
        &self,
        granted: T,
    ) -> impl Fn(Socket, Ask) -> BoxFuture<'static, Result<T, Rejection>> + use<Ask, T> {
        let Self { begun, go_on } = self.clone();
        move |_, _| {
            let (begun, go_on, granted) = (Arc::clone(&begun), Arc::clone(&go_on), granted.clone());
            Box::pin(async move {
                begun.notify_one();
                go_on.notified().await;
                Ok(granted)
            })
        }
    }
}

fn as_ada(plan: Plan) -> Plan {
    plan.everything().authenticate(|_| async { Ok(Identity::user("ada")) })
}

#[test]
fn a_subscription_that_is_taken_back_while_its_hook_decides_is_not_made() {
    let pause = Pause::default();
    let plan = as_ada(Plan::new()).on_subscribe(pause.before(Grant::default()));
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        client.ask("subscribe", json!({ "channel": "news" })).await;
        pause.begun.notified().await;
        server.hub.unsubscribe_user("ada", "other").await.unwrap();
        server.hub.unsubscribe_user("ada", "news").await.unwrap();
        pause.go_on.notify_one();
        assert_eq!(client.reply().await["error"]["code"], 103);
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);
        assert!(server.hub.presence("news").await.unwrap().is_empty());
        // The next one is a new decision.
        client.ask("subscribe", json!({ "channel": "news" })).await;
        pause.begun.notified().await;
        pause.go_on.notify_one();
        assert_eq!(client.reply().await["subscribe"]["recoverable"], true);
        client.leave().await;
    });
}

#[test]
fn a_user_who_is_thrown_out_while_connecting_does_not_come_in() {
    let pause = Pause::default();
    let plan = as_ada(Plan::new()).on_connecting(pause.before(Connected::default()));
    serve(plan, async |server| {
        let mut client = Client::open(server).await;
        client.ask("connect", json!({})).await;
        pause.begun.notified().await;
        server.hub.disconnect_user("bob", DisconnectCode::SHUTDOWN).await.unwrap();
        server.hub.disconnect_user("ada", DisconnectCode::FORCE_NO_RECONNECT).await.unwrap();
        pause.go_on.notify_one();
        client.expect_disconnect(3503).await;
    });
}

#[test]
fn a_user_who_is_thrown_out_before_its_client_connects_does_not_come_in() {
    serve(as_ada(Plan::new()), async |server| {
        let mut client = Client::open(server).await;
        // The pong shows that the shard has the socket.
        client.peer().send(masked(PING, true, b"")).await;
        client.peer().expect_pong(b"").await;
        server.hub.disconnect_user("ada", DisconnectCode::FORCE_NO_RECONNECT).await.unwrap();
        client.expect_disconnect(3503).await;
        assert!(!server.has_seen_a_connection().await);
    });
}

#[test]
fn what_is_sent_to_a_user_while_connecting_comes_behind_the_welcome() {
    let pause = Pause::default();
    let plan = as_ada(Plan::new()).on_connecting(pause.before(Connected::default()));
    serve(plan, async |server| {
        let mut client = Client::open(server).await;
        let id = client.ask("connect", json!({})).await;
        pause.begun.notified().await;
        server.hub.send_user("ada", "first").await.unwrap();
        pause.go_on.notify_one();
        assert_eq!(client.reply().await["id"], id);
        assert_eq!(client.push().await["message"]["data"], "first");
        client.leave().await;
    });
}

#[test]
fn a_client_that_was_never_let_in_never_left() {
    let plan = Plan::new()
        .on_connecting(async |_, _| Err(Rejection::disconnect(DisconnectCode::FORCE_NO_RECONNECT)));
    serve(plan, async |server| {
        for (token, code) in [("", 3503), ("forged", 3500)] {
            let mut client = Client::open(server).await;
            client.ask("connect", json!({ "token": token })).await;
            client.expect_disconnect(code).await;
        }
        Client::open(server).await.leave().await;
        eventually("the end of all connections", || server.hub.count() == 0).await;
        assert!(!server.has_seen_a_connection().await);
        assert!(!server.has_more_to_tell().await);
    });
}

#[test]
fn a_user_who_is_thrown_out_while_a_slow_hook_has_not_begun_does_not_come_in() {
    // After the first client every connect command is carried out elsewhere, and here nobody is there to do it.
    let plan = as_ada(Plan::new()).limits(|limits| limits.slow_poll = Duration::from_nanos(1));
    serve(plan, async |server| {
        Client::connected(server).await.leave().await;
        let mut client = Client::open(server).await;
        let busy = || tokio::spawn(async { std::thread::sleep(Duration::from_millis(500)) });
        let busy = [busy(), busy()];
        client.ask("connect", json!({})).await;
        let connecting = async || server.hub.connections().await.unwrap().len() == 1;
        while !within("the connect command to be read", connecting()).await {}
        server.hub.disconnect_user("ada", DisconnectCode::FORCE_NO_RECONNECT).await.unwrap();
        client.expect_disconnect(3503).await;
        for one in busy {
            one.await.unwrap();
        }
    });
}
