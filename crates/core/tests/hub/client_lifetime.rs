//! How the connections of clients are kept, and how they end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use duplex_core::{CloseCode, CloseFrame, DisconnectCode, Ended, ErrorCode, Identity, Stop};
use serde_json::json;
use tokio::sync::Notify;

use crate::support::{Client, Plan, Request, eventually, serve, within};

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(60);

/// The clock is looked at often. A pong is due a little later still, so this is for tests without pings.
fn with_quick_clock(plan: Plan) -> Plan {
    plan.limits(|limits| limits.pong_timeout = SHORT)
}

fn with_heartbeat(pong_timeout: Duration) -> Plan {
    Plan::new().everything().limits(|limits| {
        limits.ping_interval = SHORT;
        limits.pong_timeout = pong_timeout;
    })
}

fn soon() -> SystemTime {
    SystemTime::now() + 4 * SHORT
}

#[test]
fn the_server_disconnects_a_client_or_all_of_a_user_with_a_code() {
    serve(Plan::new().users(), async |server| {
        let mut ada = [Client::connected_as(server, "ada").await, Client::connected_as(server, "ada").await];
        let mut other = Client::connected(server).await;
        let (id, _, other_id) =
            (server.connected().await.id(), server.connected().await.id(), server.connected().await.id());
        server.hub.send(id, "goodbye").await.unwrap();
        server.hub.disconnect_user("ada", DisconnectCode::FORCE_RECONNECT).await.unwrap();
        assert_eq!(ada[0].push().await["message"]["data"], "goodbye");
        for client in &mut ada {
            assert_eq!(client.disconnected().await, (3011, "force reconnect".to_owned()));
            let closed = CloseFrame::new(CloseCode::new(3011).unwrap(), "force reconnect");
            assert_eq!(server.ended().await, Ended::ByServer(closed));
        }
        other.result("ping", json!({})).await;
        server.hub.disconnect(other_id, CloseFrame::new(CloseCode::new(4999).unwrap(), "own")).await.unwrap();
        assert_eq!(other.disconnected().await, (4999, "own".to_owned()));
    });
}

#[test]
fn nothing_is_carried_out_or_said_behind_a_disconnect() {
    serve(Plan::new().everything(), async |server| {
        let (mut client, socket) = Client::connected_known(server).await;
        client.subscribe("news").await;
        server.hub.disconnect(socket.id(), DisconnectCode::FORCE_NO_RECONNECT).await.unwrap();
        server.hub.publish("news", "too late").await.unwrap();
        socket.send("too late").await.unwrap();
        socket.subscribe("more").await.unwrap();
        client.say(r#"{"id":9,"rpc":{}}"#).await;
        client.say(r#"{"send":{"data":1}}"#).await;
        assert_eq!(client.peer().expect_closing(3503).await, "force disconnect");
        server.ended().await;
        assert!(!server.has_more_to_tell().await, "a message behind the disconnect was handled");
        eventually("nobody in the channel", || server.hub.subscribers("more").unwrap() == 0).await;
    });
}

#[test]
fn a_connection_lives_until_its_identity_expires() {
    const LIFE: Duration = Duration::from_secs(2);
    let plan = with_quick_clock(Plan::new())
        .authenticate(async |_| Ok(Identity::user("ada").with_expiry(SystemTime::now() + LIFE)));
    serve(plan, async |server| {
        let began = Instant::now();
        let mut raw = server.open().await;
        let mut client = Client::open(server).await;
        // Only who has a token can do something about it, so the others are not told.
        let result = client.result("connect", json!({})).await;
        assert_eq!((result.get("expires"), result.get("ttl")), (None, None));
        assert_eq!(raw.expect_closing(3005).await, "connection expired");
        assert_eq!(client.disconnected().await, (3005, "connection expired".to_owned()));
        assert!(began.elapsed() >= LIFE - Duration::from_secs(1), "they lived for {:?}", began.elapsed());
        eventually("every place", || server.hub.count() == 0).await;
    });
}

#[test]
fn who_has_expired_already_is_answered_with_110() {
    let plan =
        Plan::new().authenticate(async |_| Ok(Identity::user("ada").with_expiry(SystemTime::now() - SHORT)));
    serve(plan, async |server| {
        let mut client = Client::open(server).await;
        assert_eq!(client.error("connect", json!({})).await, 110);
        server.open().await.expect_closing(3005).await;
    });
}

#[test]
fn refresh_extends_a_connection_and_tells_the_client() {
    let plan = with_quick_clock(Plan::new().everything())
        .authenticate(async |_| Ok(Identity::user("ada").with_expiry(SystemTime::now() + LONG)));
    serve(plan, async |server| {
        let (mut client, socket) = Client::connected_known(server).await;
        let (mut raw, _) = server.open_known().await;
        server.hub.refresh_user("ada", Some(SystemTime::now() + LONG)).await.unwrap();
        let push = client.push().await;
        let ttl = push["refresh"]["ttl"].as_u64().unwrap();
        assert_eq!(push, json!({ "refresh": { "expires": true, "ttl": ttl } }));
        assert!((58..=60).contains(&ttl), "{ttl}");
        server.hub.refresh(socket.id(), Some(soon())).await.unwrap();
        assert_eq!(client.push().await, json!({ "refresh": { "expires": true, "ttl": 1 } }));
        server.hub.refresh(socket.id(), None).await.unwrap();
        assert_eq!(client.push().await, json!({ "refresh": {} }));
        server.hub.refresh_user("ada", Some(soon())).await.unwrap();
        client.push().await;
        client.expect_disconnect(3005).await;
        raw.expect_closing(3005).await;
    });
}

#[test]
fn a_refresh_to_a_time_that_has_passed_disconnects_with_3005_at_once() {
    serve(Plan::new().users(), async |server| {
        let mut clients =
            [Client::connected_as(server, "ada").await, Client::connected_as(server, "ada").await];
        let mut other = Client::connected_as(server, "bob").await;
        server.hub.refresh_user("ada", Some(SystemTime::now() - LONG)).await.unwrap();
        // Nothing behind it is heard, however soon it comes.
        server.hub.send_user("ada", "too late").await.unwrap();
        for client in &mut clients {
            assert_eq!(client.peer().expect_closing(3005).await, "connection expired");
        }
        other.result("ping", json!({})).await;
    });
}

#[test]
fn a_refresh_while_a_client_connects_counts() {
    let (began, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, waits) = (Arc::clone(&began), Arc::clone(&go_on));
    let plan = Plan::new().users().on_connecting(move |_, _| {
        let (begins, waits) = (Arc::clone(&begins), Arc::clone(&waits));
        async move {
            begins.notify_one();
            waits.notified().await;
            Ok(duplex_core::Connected::default())
        }
    });
    serve(plan, async |server| {
        let request = Request::upgrade("/connection/websocket?ada");
        let mut client = Client::over(server.open_as(&request).await);
        client.ask("connect", json!({})).await;
        within("on_connecting", began.notified()).await;
        server.hub.refresh_user("ada", Some(SystemTime::now() - LONG)).await.unwrap();
        go_on.notify_one();
        client.expect_disconnect(3005).await;
    });
}

#[test]
fn a_connection_expires_while_its_hook_runs() {
    let plan = with_quick_clock(Plan::new()).on_call(async |_, _| std::future::pending().await);
    serve(plan.limits(|limits| limits.hook_deadline = 10 * SHORT), async |server| {
        let (mut client, socket) = Client::connected_known(server).await;
        client.ask("rpc", json!({})).await;
        socket.hub().refresh(socket.id(), Some(SystemTime::now())).await.unwrap();
        assert_eq!(client.peer().expect_closing(3005).await, "connection expired");
        eventually("its place", || server.hub.count() == 0).await;
    });
}

#[test]
fn a_client_that_answers_pings_stays_and_one_that_does_not_is_disconnected_with_3012() {
    serve(with_heartbeat(6 * SHORT), async |server| {
        let mut silent = Client::connected(server).await;
        let mut client = Client::connected(server).await;
        let began = Instant::now();
        for _ in 0..3 {
            silent.peer().expect_text("{}").await;
            // One ping at a time: the next one comes when this one is answered.
            silent.say("{}").await;
        }
        assert!(began.elapsed() >= 2 * SHORT, "three pings in {:?}", began.elapsed());
        silent.peer().expect_text("{}").await;
        // Whatever else it says is no answer.
        silent.say(r#"{"id":7,"ping":{}}"#).await;
        silent.peer().expect_text(r#"{"id":7,"ping":{}}"#).await;
        // Meanwhile the other one answers, as it reads.
        let other = tokio::spawn(async move {
            let id = loop {
                let push = client.push().await;
                if push["message"]["data"] == "last" {
                    break client.ask("ping", json!({})).await;
                }
            };
            assert_eq!(client.reply().await["id"], id);
        });
        assert_eq!(silent.peer().expect_closing(3012).await, "no pong");
        server.hub.send_all("last").await.unwrap();
        other.await.unwrap();
    });
}

#[test]
fn a_client_is_pinged_while_it_waits_for_its_call() {
    let go_on = Arc::new(Notify::new());
    let waits = Arc::clone(&go_on);
    let plan = with_heartbeat(LONG).on_call(move |_, call| {
        let waits = Arc::clone(&waits);
        async move {
            waits.notified().await;
            Ok(call.data)
        }
    });
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        client.say(r#"{"id":7,"rpc":{}}"#).await;
        // An SDK that hears nothing for too long takes the connection for lost.
        for _ in 0..3 {
            client.peer().expect_text("{}").await;
            client.say("{}").await;
        }
        go_on.notify_one();
        assert_eq!(client.reply().await["id"], 7);
        client.result("ping", json!({})).await;
    });
}

#[test]
fn a_hook_that_takes_long_is_no_silence() {
    let plan = with_heartbeat(SHORT).limits(|limits| limits.idle_timeout = Some(4 * SHORT));
    let plan = plan.on_call(async |_, call| {
        tokio::time::sleep(10 * SHORT).await;
        Ok(call.data)
    });
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        client.result("rpc", json!({})).await;
    });
}

#[test]
fn an_idle_client_is_disconnected_with_3502_although_it_answers_pings() {
    let plan = with_heartbeat(LONG).limits(|limits| limits.idle_timeout = Some(8 * SHORT));
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        let began = Instant::now();
        for _ in 0..2 {
            client.peer().expect_text("{}").await;
            client.say("{}").await;
        }
        client.expect_disconnect(3502).await;
        assert!(began.elapsed() >= 7 * SHORT, "it was closed after {:?}", began.elapsed());
    });
}

#[test]
fn clients_are_disconnected_with_3001_at_a_shutdown_and_at_a_restart() {
    for stop in [Stop::Shutdown, Stop::Restart] {
        serve(Plan::new(), async |server| {
            let mut clients = Vec::new();
            for _ in 0..5 {
                clients.push(Client::connected(server).await);
            }
            let mut new = Client::open(server).await;
            eventually("all of them", || server.hub.count() == 6).await;
            server.stop(stop).await;
            new.expect_disconnect(3001).await;
            for client in &mut clients {
                assert_eq!(client.disconnected().await, (3001, "shutdown".to_owned()));
            }
            drop((clients, new));
            server.stopped().await;
            assert_eq!(server.hub.count(), 0);
        });
    }
}

#[test]
fn a_client_that_does_not_read_is_disconnected_with_3008_and_others_get_everything() {
    const PUBLICATIONS: usize = 100;
    let plan = Plan::new().everything().narrow().limits(|limits| {
        limits.queue_bytes = 64 << 10;
        limits.close_timeout = LONG;
    });
    serve(plan, async |server| {
        let mut stalled = Client::connected_narrow(server).await;
        let mut reader = Client::connected(server).await;
        stalled.subscribe("news").await;
        reader.subscribe("news").await;
        let data = "x".repeat(8 << 10);
        for number in 0..PUBLICATIONS {
            server.hub.publish("news", &(number, &data)).await.unwrap();
            assert_eq!(reader.publication().await[0], number);
        }
        assert_eq!(stalled.disconnected().await, (3008, "slow".to_owned()));
        drop(stalled);
        let Ended::ByServer(close) = server.ended().await else { panic!("the server has closed it") };
        assert_eq!(close.code.get(), 3008);
        reader.result("ping", json!({})).await;
    });
}

#[test]
fn on_disconnect_runs_once_for_every_client_that_connected_and_for_no_other() {
    let times = Arc::new(Mutex::new(HashMap::<_, u32>::new()));
    let counted = Arc::clone(&times);
    let plan = Plan::new().users().on_connecting(async |socket, _| match socket.identity().user_id() {
        Some("refused") => Err(ErrorCode::PERMISSION_DENIED.into()),
        _ => Ok(duplex_core::Connected::default()),
    });
    let plan = plan.on_disconnect(move |socket, _| {
        *counted.lock().unwrap().entry(socket.id()).or_default() += 1;
        async { Ok(()) }
    });
    serve(plan, async |server| {
        let mut ids = Vec::new();
        for way in 0..20 {
            let (mut client, socket) = Client::connected_known(server).await;
            ids.push(socket.id());
            match way % 5 {
                0 => client.leave().await,
                1 => client.into_peer().reset(),
                2 => drop(client),
                3 => {
                    client.say("bad").await;
                    client.expect_disconnect(3501).await;
                }
                _ => {
                    for code in [DisconnectCode::FORCE_RECONNECT, DisconnectCode::EXPIRED] {
                        server.hub.disconnect(socket.id(), code).await.unwrap();
                    }
                    client.expect_disconnect(3011).await;
                }
            }
            server.ended().await;
            let mut refused = server.open_as(&Request::upgrade("/connection/websocket?refused")).await;
            refused.send_text(r#"{"id":1,"connect":{}}"#).await;
            refused.text().await;
            let never = Client::open(server).await;
            match way % 2 {
                0 => drop((refused, never)),
                _ => never.leave().await,
            }
        }
        eventually("every place", || server.hub.count() == 0).await;
        let times = times.lock().unwrap().clone();
        assert_eq!(times, ids.into_iter().map(|id| (id, 1)).collect());
        assert!(!server.has_seen_a_connection().await);
    });
}

#[test]
fn on_disconnect_does_not_run_for_a_client_that_on_connecting_has_disconnected() {
    let plan = Plan::new().on_connecting(async |_, _| {
        Err(duplex_core::Rejection::disconnect(DisconnectCode::FORCE_NO_RECONNECT))
    });
    serve(plan, async |server| {
        let mut client = Client::open(server).await;
        client.ask("connect", json!({})).await;
        assert_eq!(client.peer().expect_closing(3503).await, "force disconnect");
        drop(client);
        eventually("its place", || server.hub.count() == 0).await;
        assert!(!server.has_seen_a_connection().await);
        assert!(!server.has_more_to_tell().await, "on_disconnect has run without on_connect");
    });
}

#[test]
fn a_client_that_goes_away_while_it_connects_is_seen_off() {
    let (go_on, began) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (waits, begins) = (Arc::clone(&go_on), Arc::clone(&began));
    let plan = Plan::new().everything().on_connect(move |socket| {
        let (waits, begins) = (Arc::clone(&waits), Arc::clone(&begins));
        async move {
            socket.subscribe("news").await?;
            begins.notify_one();
            waits.notified().await;
            Ok(socket.subscribe("more").await?)
        }
    });
    serve(plan, async |server| {
        let mut client = Client::open(server).await;
        client.ask("connect", json!({})).await;
        within("on_connect", began.notified()).await;
        client.into_peer().reset();
        go_on.notify_one();
        assert_eq!(server.ended().await, Ended::Lost);
        eventually("its place", || server.hub.count() == 0).await;
        eventually("its subscriptions", || {
            ["news", "more"].iter().all(|channel| server.hub.subscribers(channel).unwrap() == 0)
        })
        .await;
        assert_eq!(server.hub.presence("news").await.unwrap(), []);
    });
}

#[test]
fn a_time_that_cannot_be_counted_is_as_good_as_never() {
    let never = |limits: &mut duplex_core::Limits| {
        (limits.ping_interval, limits.pong_timeout) = (Duration::MAX, Duration::MAX);
        (limits.connect_timeout, limits.refresh_grace) = (Duration::MAX, Duration::MAX);
    };
    serve(Plan::new().everything().limits(never), async |server| {
        let mut client = Client::connected(server).await;
        client.subscribe("news").await;
        server.hub.refresh_user("", Some(soon())).await.unwrap();
        client.result("ping", json!({})).await;
        Client::connected(server).await.result("ping", json!({})).await;
    });
}
