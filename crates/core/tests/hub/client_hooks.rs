//! The hooks of clients' commands: they decide, one at a time and in order, and hurt nobody else when they fail.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use duplex_core::{
    DisconnectCode, ErrorCode, Grant, JoinLeave, Json, Message, Namespace, Namespaces, Readable, Rejection,
};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::support::{Client, Plan, eventually, serve};

/// A namespace without a name that offers all there is, below hooks that do what the library does by default.
fn closed() -> Plan {
    let everything =
        Namespace { history_size: 10, presence: true, join_leave: JoinLeave::On, ..Namespace::default() };
    Plan::new().namespaces(Namespaces::default().without_namespace(everything))
}

/// What a hook does when it is told to fail; anything else succeeds.
async fn fail(how: &str) -> io::Result<()> {
    let late = Duration::from_millis(5);
    match how {
        "error" => Err(io::Error::other("the password is swordfish")),
        "panic" => panic!("the password is swordfish"),
        "late error" => {
            tokio::time::sleep(late).await;
            Err(io::Error::other("the password is swordfish"))
        }
        "late panic" => {
            tokio::time::sleep(late).await;
            panic!("the password is swordfish")
        }
        "never" => std::future::pending().await,
        _ => Ok(()),
    }
}

const FAILURES: [&str; 5] = ["error", "panic", "late error", "late panic", "never"];

/// Every hook fails the way it is told by whatever it is asked about.
fn failing() -> Plan {
    closed()
        .limits(|limits| limits.hook_deadline = Duration::from_millis(100))
        .on_subscribe(async |_, subscribing| {
            fail(subscribing.channel.as_str()).await?;
            Ok(Grant::default())
        })
        .on_publish(async |_, publishing| {
            fail(publishing.channel.as_str()).await?;
            Ok(publishing.data)
        })
        .on_read(async |_, reading| Ok(fail(reading.channel.as_str()).await?))
        .on_call(async |_, call| {
            fail(&call.method).await?;
            Ok(call.data)
        })
        .on_message(async |_, message| {
            Ok(fail(std::str::from_utf8(message.as_bytes())?.trim_matches('"')).await?)
        })
}

#[test]
fn by_default_a_client_may_connect_and_read_where_it_is_and_nothing_else() {
    serve(closed(), async |server| {
        let mut client = Client::connected(server).await;
        let socket = server.connected().await;
        let channel = json!({ "channel": "news", "data": 1 });
        for (command, code) in [
            ("subscribe", 103),
            ("publish", 103),
            ("presence", 103),
            ("presence_stats", 103),
            ("history", 103),
            ("rpc", 108),
        ] {
            assert_eq!(client.error(command, channel.clone()).await, code, "{command}");
        }
        assert_eq!(server.hub.subscribers("news").unwrap(), 0);
        socket.subscribe("news").await.unwrap();
        client.push().await;
        for command in ["presence", "presence_stats", "history"] {
            client.result(command, channel.clone()).await;
        }
        assert_eq!(client.error("publish", channel).await, 103);
    });
}

#[test]
fn what_a_namespace_does_not_offer_is_answered_with_108_and_no_hook_is_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let times = Arc::clone(&asked);
    let plan = Plan::new().everything().namespaces(Namespaces::default().with("plain", Namespace::default()));
    let plan = plan.on_read(move |_, _| {
        times.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    });
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        let result = client.subscribe("plain:a").await;
        assert_eq!(result, json!({}));
        for command in ["presence", "presence_stats", "history"] {
            assert_eq!(client.error(command, json!({ "channel": "plain:a" })).await, 108, "{command}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn hooks_see_what_the_client_asks_for_and_decide_what_becomes_of_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (subscribes, publishes, reads) = (Arc::clone(&seen), Arc::clone(&seen), Arc::clone(&seen));
    let plan = closed()
        .on_subscribe(move |_, asked| {
            let data = asked.data.map(|data| data.to_string());
            subscribes.lock().unwrap().push(format!("{} {data:?} {}", asked.channel, asked.recovering));
            let (info, data) = (Some(json!("info").into()), Some(json!({ "topic": 1 }).into()));
            async { Ok(Grant { info, data, expires: None }) }
        })
        .on_publish(move |_, asked| {
            publishes.lock().unwrap().push(format!("{} {} {}", asked.channel, asked.data, asked.subscribed));
            async { Ok(Json::new("changed")?) }
        })
        .on_read(move |_, asked| {
            let what = if asked.what == Readable::History { "history" } else { "presence" };
            reads.lock().unwrap().push(format!("{} {what} {}", asked.channel, asked.subscribed));
            async { Ok(()) }
        });
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        let result = client.result("subscribe", json!({ "channel": "a", "data": [1] })).await;
        assert_eq!(result["data"], json!({ "topic": 1 }));
        client.result("publish", json!({ "channel": "a", "data": "original" })).await;
        let publication = client.push().await;
        assert_eq!(publication["pub"]["data"], "changed");
        assert_eq!(publication["pub"]["info"]["chan_info"], "info");
        client.result("publish", json!({ "channel": "b", "data": 2 })).await;
        client.result("history", json!({ "channel": "b" })).await;
        client.result("presence", json!({ "channel": "a" })).await;
        client.result("presence_stats", json!({ "channel": "b" })).await;
        let expected = [
            "a Some(\"[1]\") false",
            "a \"original\" true",
            "b 2 false",
            "b history false",
            "a presence true",
            "b presence false",
        ];
        assert_eq!(*seen.lock().unwrap(), expected);
    });
}

#[test]
fn an_application_has_errors_and_disconnects_of_its_own() {
    let plan = Plan::new().on_call(async |_, call| match call.method.as_str() {
        "new" => Err(Rejection::new(400, "which room?")),
        "temporary" => Err(Rejection::temporary(1999, "later")),
        "coded" => Err(ErrorCode::TOO_MANY_REQUESTS.into()),
        _ => Err(Rejection::disconnect(DisconnectCode::FORCE_NO_RECONNECT)),
    });
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        for (method, error) in [
            ("new", json!({ "code": 400, "message": "which room?" })),
            ("temporary", json!({ "code": 1999, "message": "later", "temporary": true })),
            ("coded", json!({ "code": 111, "message": "too many requests", "temporary": true })),
        ] {
            client.ask("rpc", json!({ "method": method })).await;
            assert_eq!(client.reply().await["error"], error);
        }
        client.ask("rpc", json!({ "method": "" })).await;
        assert_eq!(client.disconnected().await, (3503, "force disconnect".to_owned()));
    });
}

#[test]
fn a_command_whose_hook_fails_is_answered_with_100_without_the_cause_and_the_connection_goes_on() {
    serve(failing(), async |server| {
        let mut client = Client::connected(server).await;
        for how in FAILURES {
            for command in ["subscribe", "publish", "presence", "presence_stats", "history", "rpc"] {
                let id = client.ask(command, json!({ "channel": how, "method": how, "data": 1 })).await;
                let error = json!({ "code": 100, "message": "internal server error", "temporary": true });
                assert_eq!(client.reply().await, json!({ "id": id, "error": error }), "{command} {how}");
            }
            assert_eq!(client.result("rpc", json!({ "method": "x", "data": how })).await["data"], how);
            assert_eq!(server.hub.subscribers(how).unwrap(), 0);
        }
        client.subscribe("news").await;
    });
}

#[test]
fn a_client_whose_on_message_fails_is_disconnected_with_3004_and_no_other() {
    serve(failing(), async |server| {
        let mut other = Client::connected(server).await;
        for how in FAILURES {
            let mut client = Client::connected(server).await;
            let sends = format!("{{\"send\":{{\"data\":\"{how}\"}}}}\n{{\"send\":{{\"data\":\"behind\"}}}}");
            client.say(&sends).await;
            assert_eq!(client.disconnected().await, (3004, "internal server error".to_owned()), "{how}");
            assert_eq!(server.message().await, Message::from(format!("\"{how}\"")));
            server.ended().await;
            assert!(!server.has_more_to_tell().await, "a message behind {how:?} was handled");
            other.result("ping", json!({})).await;
        }
        eventually("their places", || server.hub.count() == 1).await;
    });
}

/// A plan whose `on_connecting` or `on_connect` fails the way that is told by the shared text.
fn failing_to_connect(in_on_connect: bool) -> (Plan, Arc<Mutex<&'static str>>) {
    let how = Arc::new(Mutex::new("well"));
    let (connecting, connect) = (Arc::clone(&how), Arc::clone(&how));
    let plan = Plan::new()
        .limits(|limits| limits.hook_deadline = Duration::from_millis(100))
        .on_connecting(move |_, _| {
            let how = if in_on_connect { "well" } else { *connecting.lock().unwrap() };
            async move {
                fail(how).await?;
                Ok(duplex_core::Connected::default())
            }
        })
        .on_connect(move |_| {
            let how = if in_on_connect { *connect.lock().unwrap() } else { "well" };
            async move { Ok(fail(how).await?) }
        });
    (plan, how)
}

#[test]
fn a_client_whose_on_connecting_fails_is_answered_with_100_and_not_connected() {
    let (plan, told) = failing_to_connect(false);
    serve(plan, async |server| {
        let mut other = Client::connected(server).await;
        server.connected().await;
        for how in FAILURES {
            *told.lock().unwrap() = how;
            let mut client = Client::open(server).await;
            client.ask("connect", json!({})).await;
            let reply = client.reply().await;
            assert_eq!(reply["error"]["code"], 100, "{how}");
            assert!(!reply.to_string().contains("swordfish"), "{reply}");
            client.ask("ping", json!({})).await;
            client.expect_disconnect(3501).await;
            other.result("ping", json!({})).await;
        }
        assert!(!server.has_seen_a_connection().await);
        assert!(!server.has_more_to_tell().await, "on_disconnect has run");
    });
}

#[test]
fn a_client_whose_on_connect_fails_is_disconnected_with_3004_and_on_disconnect_runs() {
    let (plan, told) = failing_to_connect(true);
    serve(plan, async |server| {
        let mut other = Client::connected(server).await;
        for how in FAILURES {
            *told.lock().unwrap() = how;
            let mut client = Client::open(server).await;
            client.ask("connect", json!({})).await;
            assert_eq!(client.peer().frame().await.opcode, crate::support::CLOSE, "{how}: there is no reply");
            drop(client);
            let duplex_core::Ended::ByServer(close) = server.ended().await else { panic!("{how}") };
            assert_eq!(close.code.get(), 3004, "{how}");
            other.result("ping", json!({})).await;
        }
    });
}

#[test]
fn the_reply_comes_behind_what_the_hook_has_sent() {
    let plan = Plan::new()
        .everything()
        .on_subscribe(async |socket, _| {
            socket.send("subscribe").await?;
            tokio::task::yield_now().await;
            socket.send("late subscribe").await?;
            Ok(Grant::default())
        })
        .on_call(async |socket, call| {
            socket.send("rpc").await?;
            socket.hub().publish("news", "rpc").await?;
            Ok(call.data)
        });
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        for _ in 0..20 {
            client.ask("subscribe", json!({ "channel": "news" })).await;
            client.ask("rpc", json!({})).await;
            client.ask("unsubscribe", json!({ "channel": "news" })).await;
            let mut names = Vec::new();
            while names.last().is_none_or(|last| last != "unsubscribe") {
                let line: Value = serde_json::from_str(&client.peer().text().await).unwrap();
                let name = line["push"]["message"]["data"].as_str().map(|data| format!("sent {data}"));
                let name = name.or_else(|| line["push"].get("pub").map(|_| "pub".to_owned()));
                names.push(
                    name.unwrap_or_else(|| line.as_object().unwrap().keys().next_back().unwrap().clone()),
                );
            }
            let expected = [
                "sent subscribe",
                "sent late subscribe",
                "subscribe",
                "sent rpc",
                "pub",
                "rpc",
                "unsubscribe",
            ];
            assert_eq!(names, expected);
        }
    });
}

#[test]
fn commands_of_a_connection_are_carried_out_in_order_and_one_at_a_time() {
    const COMMANDS: u32 = 200;
    let running = Arc::new(Semaphore::new(1));
    let plan = Plan::new().on_call(move |_, call| {
        let running = Arc::clone(&running);
        async move {
            let alone = running.try_acquire();
            tokio::task::yield_now().await;
            if alone.is_ok() { Ok(call.data) } else { Err(Rejection::new(400, "not alone")) }
        }
    });
    serve(plan, async |server| {
        let mut client = Client::connected(server).await;
        // Half of them in one message, half in messages of their own.
        let command = |id: u32| json!({ "id": id, "rpc": { "data": id } }).to_string() + "\n";
        client.say(&(2..COMMANDS / 2).map(command).collect::<String>()).await;
        for id in COMMANDS / 2..COMMANDS {
            client.say(&command(id)).await;
        }
        for id in 2..COMMANDS {
            assert_eq!(client.reply().await, json!({ "id": id, "rpc": { "data": id } }));
        }
    });
}

#[test]
fn a_slow_command_delays_its_own_connection_only() {
    let (began, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, waits) = (Arc::clone(&began), Arc::clone(&go_on));
    let plan = Plan::new().settings(|settings| settings.shards = 1).on_call(move |_, call| {
        let (begins, waits) = (Arc::clone(&begins), Arc::clone(&waits));
        async move {
            if call.method == "wait" {
                begins.notify_one();
                waits.notified().await;
            }
            Ok(call.data)
        }
    });
    serve(plan, async |server| {
        let (mut slow, mut quick) = (Client::connected(server).await, Client::connected(server).await);
        slow.say("{\"id\":7,\"rpc\":{\"method\":\"wait\"}}\n{\"id\":8,\"ping\":{}}").await;
        slow.say(r#"{"id":9,"ping":{}}"#).await;
        crate::support::within("the call", began.notified()).await;
        for _ in 0..10 {
            quick.result("rpc", json!({})).await;
        }
        go_on.notify_one();
        for id in 7..=9 {
            assert_eq!(slow.reply().await["id"], id);
        }
    });
}
