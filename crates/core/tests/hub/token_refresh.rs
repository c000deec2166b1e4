//! What ends when its token does, and what a new token does about it.

use std::time::{Duration, Instant, SystemTime};

use duplex_core::{Grant, TokenKeys};
use serde_json::{Value, json};

use crate::support::{
    Client, Plan, eventually, serve,
    token::{SECRET, hs256, hs256_with, in_seconds, seconds_ago},
};

const HOUR: u64 = 3600;
const SHORT: Duration = Duration::from_millis(50);

/// There is little time behind the end of a token, and the clock is looked at often: for all connections at once.
fn plan() -> Plan {
    let plan = Plan::new().everything().settings(|settings| {
        settings.shards = 1;
        settings.tokens = TokenKeys::default().hs256(SECRET);
    });
    plan.limits(|limits| {
        limits.refresh_grace = SHORT;
        limits.pong_timeout = SHORT;
    })
}

fn connection_token(exp: u64) -> String {
    hs256(&json!({ "sub": "ada", "exp": exp }))
}

fn subscription_token(exp: u64) -> String {
    hs256(&json!({ "sub": "ada", "channel": "news", "exp": exp }))
}

/// What is said of the end of something that is so many seconds away, or one less: the clock goes on.
#[track_caller]
fn assert_expires_in(seconds: u64, result: &Value) {
    let ttl = result["ttl"].as_u64().unwrap_or_default();
    assert_eq!(result["expires"], true, "{result}");
    assert!((seconds - 1..=seconds).contains(&ttl), "wanted {seconds}, got {result}");
}

#[test]
fn a_client_that_brings_no_new_token_is_disconnected_with_3005() {
    serve(plan(), async |server| {
        let exp = in_seconds(2);
        let mut client = Client::open(server).await;
        let result = client.result("connect", json!({ "token": connection_token(exp) })).await;
        assert_expires_in(2, &result);
        client.expect_disconnect(3005).await;
        assert!(seconds_ago(0) >= exp, "it was disconnected before its token had expired");
    });
}

#[test]
fn a_connection_lives_for_the_grace_beyond_its_token() {
    const GRACE: Duration = Duration::from_millis(1500);
    serve(plan().limits(|limits| limits.refresh_grace = GRACE), async |server| {
        let exp = in_seconds(2);
        let mut client = Client::connected_with(server, &connection_token(exp)).await;
        client.expect_disconnect(3005).await;
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(exp) + GRACE;
        // Two clocks tell the time here, which may differ by a little.
        assert!(SystemTime::now() + Duration::from_millis(20) >= end, "it was disconnected too early");
    });
}

#[test]
fn a_new_token_extends_a_connection() {
    serve(plan(), async |server| {
        let old = connection_token(in_seconds(2));
        let mut client = Client::connected_with(server, &old).await;
        let mut other = Client::connected_with(server, &old).await;
        let token = connection_token(in_seconds(HOUR));
        assert_expires_in(HOUR, &client.result("refresh", json!({ "token": token })).await);
        other.expect_disconnect(3005).await;
        client.result("ping", json!({})).await;
        // One that ends is followed by one without an end.
        let endless = hs256(&json!({ "sub": "ada" }));
        assert_eq!(client.result("refresh", json!({ "token": endless })).await, json!({}));
    });
}

#[test]
fn a_refresh_token_that_does_not_fit_is_refused_like_any_other() {
    serve(plan(), async |server| {
        let good = connection_token(in_seconds(HOUR));
        for (what, token) in [
            ("for another user", hs256(&json!({ "sub": "bob" }))),
            ("for nobody", hs256(&json!({}))),
            ("of a subscription", subscription_token(in_seconds(HOUR))),
            (
                "with another secret",
                hs256_with(b"another secret of at least 32 bytes", &json!({ "sub": "ada" })),
            ),
            ("no token", "x".to_owned()),
        ] {
            let mut client = Client::connected_with(server, &good).await;
            client.ask("refresh", json!({ "token": token })).await;
            let (code, _) = client.disconnected().await;
            assert_eq!(code, 3500, "{what}");
        }
        let mut client = Client::connected_with(server, &good).await;
        let old = connection_token(seconds_ago(1));
        assert_eq!(client.error("refresh", json!({ "token": old })).await, 109);
        assert_expires_in(HOUR, &client.result("refresh", json!({ "token": good })).await);
        assert_eq!(client.error("refresh", json!({ "token": "" })).await, 107);
        // Who came without a token has nothing to refresh.
        let mut client = Client::connected(server).await;
        assert_eq!(client.error("refresh", json!({ "token": good })).await, 108);
        client.result("ping", json!({})).await;
    });
}

#[test]
fn a_subscription_whose_token_ends_is_taken_back_with_2501_and_nothing_comes_of_it() {
    serve(plan(), async |server| {
        let mut client = Client::connected_with(server, &hs256(&json!({ "sub": "ada" }))).await;
        let exp = in_seconds(2);
        let subscribe = json!({ "channel": "news", "token": subscription_token(exp) });
        assert_expires_in(2, &client.result("subscribe", subscribe).await);
        client.subscribe("more").await;
        let end = json!({ "code": 2501, "reason": "subscription expired" });
        assert_eq!(client.push().await, json!({ "channel": "news", "unsubscribe": end }));
        assert!(seconds_ago(0) >= exp, "it was taken back before its token had expired");
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);
        assert_eq!(server.hub.presence("news").await.unwrap(), []);
        server.hub.publish("news", "too late").await.unwrap();
        client.expect_nothing().await;
        // The client asks again; the other one it has still.
        let subscribe = json!({ "channel": "news", "token": subscription_token(in_seconds(HOUR)) });
        client.result("subscribe", subscribe).await;
        assert_eq!(server.hub.subscribers("more").unwrap(), 1);
    });
}

#[test]
fn a_new_token_extends_a_subscription() {
    serve(plan(), async |server| {
        let mut client = Client::connected_with(server, &hs256(&json!({ "sub": "ada" }))).await;
        let mut other = Client::connected_with(server, &hs256(&json!({ "sub": "ada" }))).await;
        let subscribe = json!({ "channel": "news", "token": subscription_token(in_seconds(2)) });
        for client in [&mut client, &mut other] {
            client.result("subscribe", subscribe.clone()).await;
        }
        let refresh = json!({ "channel": "news", "token": subscription_token(in_seconds(HOUR)) });
        assert_expires_in(HOUR, &client.result("sub_refresh", refresh).await);
        assert_eq!(other.push().await["unsubscribe"]["code"], 2501);
        client.expect_nothing().await;
        assert_eq!(server.hub.subscribers("news").unwrap(), 1);
    });
}

#[test]
fn a_sub_refresh_that_does_not_fit_is_answered_and_the_subscription_stays() {
    serve(plan(), async |server| {
        let mut client = Client::connected_with(server, &hs256(&json!({ "sub": "ada" }))).await;
        let good = subscription_token(in_seconds(HOUR));
        let refresh = |token: &str| json!({ "channel": "news", "token": token });
        assert_eq!(client.error("sub_refresh", refresh(&good)).await, 103, "it is not subscribed");
        client.result("subscribe", json!({ "channel": "news", "token": good })).await;
        for (token, code) in [
            (hs256(&json!({ "sub": "ada", "channel": "more" })), 103),
            (hs256(&json!({ "sub": "bob", "channel": "news" })), 103),
            (hs256(&json!({ "sub": "ada" })), 103),
            (subscription_token(seconds_ago(1)), 109),
            (String::new(), 107),
        ] {
            assert_eq!(client.error("sub_refresh", refresh(&token)).await, code);
        }
        assert_eq!(server.hub.subscribers("news").unwrap(), 1);
        assert_expires_in(HOUR, &client.result("sub_refresh", refresh(&good)).await);
        // A subscription that a hook has granted has no token to be renewed.
        client.subscribe("more").await;
        let request = json!({ "channel": "more", "token": good });
        assert_eq!(client.error("sub_refresh", request).await, 108);
    });
}

#[test]
fn a_subscription_that_a_hook_grants_for_a_time_ends_with_2501() {
    const LIFE: Duration = Duration::from_millis(200);
    let plan = plan().on_subscribe(async |_, subscribing| match subscribing.channel.as_str() {
        "over" => Ok(Grant { expires: Some(SystemTime::now() - SHORT), ..Grant::default() }),
        _ => Ok(Grant { expires: Some(SystemTime::now() + LIFE), ..Grant::default() }),
    });
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        for _ in 0..2 {
            let began = Instant::now();
            let result = client.subscribe("news").await;
            // The client has no token that it could renew, so it is not told to.
            assert_eq!((result.get("expires"), result.get("ttl")), (None, None));
            assert_eq!(client.push().await["unsubscribe"]["code"], 2501);
            assert!(began.elapsed() + Duration::from_millis(20) >= LIFE, "after {:?}", began.elapsed());
            assert_eq!(server.hub.subscribers("news").unwrap(), 0);
        }
        assert_eq!(client.error("subscribe", json!({ "channel": "over" })).await, 110);
        // What the client gives back itself does not end a second time.
        client.subscribe("news").await;
        client.result("unsubscribe", json!({ "channel": "news" })).await;
        client.subscribe("more").await;
        assert_eq!(client.push().await["channel"], "more");
        client.expect_nothing().await;
    });
}

#[test]
fn a_client_with_an_old_token_comes_back_with_a_new_one() {
    serve(plan(), async |server| {
        let mut client = Client::open(server).await;
        let old = connection_token(seconds_ago(1));
        assert_eq!(client.error("connect", json!({ "token": old })).await, 109);
        // An SDK gets a new token and comes back on a new connection.
        client.leave().await;
        Client::connected_with(server, &connection_token(in_seconds(HOUR))).await.leave().await;
        eventually("every place", || server.hub.count() == 0).await;
    });
}
