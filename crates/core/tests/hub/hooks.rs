//! When hooks run, where, how often, and what becomes of a connection when they fail.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, OnceLock},
    thread,
    time::Duration,
};

use duplex_core::{CloseCode, CloseFrame, Ended, HookResult, Identity, Message, Socket};
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::support::{Plan, Pool, Request, eventually, serve, text, within};

fn failure() -> HookResult {
    Err(io::Error::other("an error on purpose").into())
}

fn internal_error() -> Ended {
    Ended::ByServer(CloseFrame::new(CloseCode::ERROR, "internal error"))
}

#[test]
fn what_on_connect_sends_is_the_first_frame() {
    let plan = Plan::new().on_connect(async |socket| {
        socket.subscribe("news").await?;
        Ok(socket.send(format!("welcome {}", socket.id())).await?)
    });
    serve(plan, async |server| {
        for _ in 0..20 {
            let mut peer = server.connect().await;
            peer.send([Request::upgrade("/socket").bytes(), text("early")].concat()).await;
            assert_eq!(peer.response().await.status, 101);
            let socket = server.connected().await;
            peer.expect_text(&format!("welcome {}", socket.id())).await;
            peer.expect_text("early").await;
        }
    });
}

#[test]
fn messages_are_handled_in_order_one_at_a_time() {
    let running = Arc::new(Semaphore::new(1));
    let plan = Plan::new().on_message(move |socket, message| {
        let running = Arc::clone(&running);
        async move {
            let alone = running.try_acquire();
            tokio::task::yield_now().await;
            let answer = if alone.is_ok() { message } else { Message::from("not alone") };
            Ok(socket.send(answer).await?)
        }
    });
    serve(plan, async |server| {
        let mut peer = server.open().await;
        let all: Vec<u8> = (0..200).flat_map(|number| text(&number.to_string())).collect();
        peer.send(all).await;
        for number in 0..200 {
            peer.expect_text(&number.to_string()).await;
        }
    });
}

#[test]
fn a_slow_on_message_delays_its_own_connection_only() {
    let go_on = Arc::new(Notify::new());
    let waiting = Arc::clone(&go_on);
    let plan = Plan::new().settings(|settings| settings.shards = 1).on_message(move |socket, message| {
        let waiting = Arc::clone(&waiting);
        async move {
            if message == Message::from("wait") {
                waiting.notified().await;
            }
            Ok(socket.send(message).await?)
        }
    });
    serve(plan, async |server| {
        let (mut slow, mut quick) = (server.open().await, server.open().await);
        slow.send([text("wait"), text("behind")].concat()).await;
        assert_eq!(server.message().await, Message::from("wait"));
        for _ in 0..10 {
            quick.echo("quick").await;
        }
        go_on.notify_one();
        slow.expect_text("wait").await;
        slow.expect_text("behind").await;
    });
}

/// What a hook does when it is told to fail.
async fn fail(how: &Message) -> HookResult {
    match how.as_bytes() {
        b"error" => failure(),
        b"panic" => panic!("a panic on purpose"),
        b"late error" => {
            tokio::time::sleep(Duration::from_millis(5)).await;
            failure()
        }
        b"late panic" => {
            tokio::time::sleep(Duration::from_millis(5)).await;
            panic!("a panic on purpose")
        }
        b"never" => std::future::pending().await,
        _ => Ok(()),
    }
}

const FAILURES: [&str; 5] = ["error", "panic", "late error", "late panic", "never"];

#[test]
fn an_on_message_that_fails_closes_its_connection_with_1011_and_no_other() {
    let plan = Plan::new().limits(|limits| limits.hook_deadline = Duration::from_millis(100));
    let plan = plan.on_message(async |socket, message| {
        fail(&message).await?;
        Ok(socket.send(message).await?)
    });
    serve(plan, async |server| {
        let mut other = server.open().await;
        for how in FAILURES {
            let mut peer = server.open().await;
            peer.send_text(how).await;
            assert_eq!(peer.expect_closing(1011).await, "internal error", "{how}");
            assert_eq!(server.ended().await, internal_error());
            other.echo("still here").await;
        }
    });
}

#[test]
fn an_on_connect_that_fails_closes_its_connection_with_1011_and_no_other() {
    let how = Arc::new(Mutex::new("well"));
    let told = Arc::clone(&how);
    let plan = Plan::new().limits(|limits| limits.hook_deadline = Duration::from_millis(100));
    let plan = plan.on_connect(move |_| {
        let how = Message::from(*told.lock().unwrap());
        async move { fail(&how).await }
    });
    serve(plan, async |server| {
        let mut other = server.open().await;
        other.echo("connected").await;
        for failure in FAILURES {
            *how.lock().unwrap() = failure;
            let mut peer = server.open().await;
            assert_eq!(peer.expect_closing(1011).await, "internal error", "{failure}");
            assert_eq!(server.ended().await, internal_error());
            other.echo("still here").await;
        }
    });
}

#[test]
fn no_message_is_handled_after_on_connect_has_failed() {
    let plan = Plan::new().on_connect(async |_| failure());
    serve(plan, async |server| {
        let mut peer = server.connect().await;
        peer.send([Request::upgrade("/socket").bytes(), text("one"), text("two")].concat()).await;
        assert_eq!(peer.response().await.status, 101);
        peer.expect_closing(1011).await;
        assert_eq!(server.ended().await, internal_error());
        assert!(!server.has_more_to_tell().await, "a message was handled although on_connect had failed");
    });
}

#[test]
fn no_message_is_handled_after_one_has_failed() {
    let plan = Plan::new().on_message(async |_, message| fail(&message).await);
    serve(plan, async |server| {
        for how in ["error", "panic", "late error"] {
            let mut peer = server.open().await;
            peer.send([text(how), text("behind"), text("behind")].concat()).await;
            peer.expect_closing(1011).await;
            assert_eq!(server.ended().await, internal_error());
            assert_eq!(server.message().await, Message::from(how));
            assert!(!server.has_more_to_tell().await, "a message behind {how:?} was handled");
        }
    });
}

#[test]
fn an_on_disconnect_that_fails_hurts_nobody() {
    let plan = Plan::new().on_disconnect(async |_, ended| match ended {
        Ended::ByPeer(_) => failure(),
        _ => panic!("a panic on purpose"),
    });
    serve(plan, async |server| {
        let (mut other, mut closing, lost) = (server.open().await, server.open().await, server.open().await);
        closing.close(1000).await;
        drop(lost);
        server.ended().await;
        server.ended().await;
        eventually("their places", || server.hub.count() == 1).await;
        other.echo("still here").await;
    });
}

#[test]
fn on_disconnect_says_how_the_connection_ended() {
    serve(Plan::new(), async |server| {
        server.open().await.close(4000).await;
        let by_peer = CloseFrame::new(CloseCode::new(4000).unwrap(), "");
        assert_eq!(server.ended().await, Ended::ByPeer(Some(by_peer)));

        server.connected().await;
        let (mut peer, socket) = server.open_known().await;
        let by_server = CloseFrame::new(CloseCode::POLICY, "rude");
        server.hub.disconnect(socket.id(), by_server.clone()).await.unwrap();
        assert_eq!(peer.expect_closing(1008).await, "rude");
        assert_eq!(server.ended().await, Ended::ByServer(by_server));

        server.open().await.reset();
        assert_eq!(server.ended().await, Ended::Lost);
    });
}

#[test]
fn on_disconnect_runs_once_for_every_accepted_connection() {
    let times = Arc::new(Mutex::new(HashMap::<_, u32>::new()));
    let counted = Arc::clone(&times);
    let plan = Plan::new().on_disconnect(move |socket, _| {
        *counted.lock().unwrap().entry(socket.id()).or_default() += 1;
        async { Ok(()) }
    });
    serve(plan, async |server| {
        let mut ids = Vec::new();
        for way in 0..20 {
            let (mut peer, socket) = server.open_known().await;
            ids.push(socket.id());
            match way % 4 {
                0 => peer.close(1000).await,
                1 => peer.reset(),
                2 => drop(peer),
                _ => {
                    let close = CloseFrame::new(CloseCode::AWAY, "");
                    // The second one comes too late, and so does what the peer says.
                    server.hub.disconnect(socket.id(), close.clone()).await.unwrap();
                    server.hub.disconnect(socket.id(), close).await.unwrap();
                    peer.send_text("too late").await;
                    peer.expect_closing(1001).await;
                }
            }
            server.ended().await;
        }
        eventually("every place", || server.hub.count() == 0).await;
        let times = times.lock().unwrap().clone();
        assert_eq!(times, ids.into_iter().map(|id| (id, 1)).collect());
    });
}

#[test]
fn on_disconnect_waits_for_a_hook_that_still_runs() {
    let (go_on, order) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
    let (waiting, message_order, disconnect_order) =
        (Arc::clone(&go_on), Arc::clone(&order), Arc::clone(&order));
    let plan = Plan::new().on_message(move |_, _| {
        let (waiting, order) = (Arc::clone(&waiting), Arc::clone(&message_order));
        async move {
            waiting.notified().await;
            order.lock().unwrap().push("on_message");
            Ok(())
        }
    });
    let plan = plan.on_disconnect(move |_, _| {
        disconnect_order.lock().unwrap().push("on_disconnect");
        async { Ok(()) }
    });
    serve(plan, async |server| {
        let mut peer = server.open().await;
        peer.send_text("wait").await;
        server.message().await;
        drop(peer);
        go_on.notify_one();
        assert_eq!(server.ended().await, Ended::Lost);
        eventually("on_disconnect", || *order.lock().unwrap() == ["on_message", "on_disconnect"]).await;
    });
}

#[test]
fn a_hook_that_blocks_is_spawned_from_then_on() {
    let (names, mut named) = mpsc::unbounded_channel();
    let plan = Plan::new().limits(|limits| limits.slow_poll = Duration::from_millis(200));
    let plan = plan.on_message(move |socket, message| {
        let names = names.clone();
        async move {
            names.send(thread::current().name().unwrap_or_default().to_owned()).unwrap();
            if message == Message::from("block") {
                thread::sleep(Duration::from_millis(300));
            }
            Ok(socket.send(message).await?)
        }
    });
    serve(plan, async |server| {
        let (mut peer, mut other) = (server.open().await, server.open().await);
        peer.echo("block").await;
        assert!(named.recv().await.unwrap().starts_with("shard-"));
        for _ in 0..3 {
            peer.echo("next").await;
            other.echo("another connection").await;
            assert_eq!(named.recv().await.unwrap(), "application");
            assert_eq!(named.recv().await.unwrap(), "application");
        }
    });
}

#[test]
fn a_hook_that_does_not_wait_runs_in_place() {
    let plan = Plan::new().limits(|limits| limits.slow_poll = Duration::from_secs(10));
    let plan = plan.on_message(async |socket, _| {
        let name = thread::current().name().unwrap_or_default().to_owned();
        Ok(socket.send(name).await?)
    });
    serve(plan, async |server| {
        let mut peer = server.open().await;
        for _ in 0..3 {
            peer.send_text("where?").await;
            assert!(peer.text().await.starts_with("shard-"));
        }
    });
}

#[test]
fn a_pool_of_the_application_works_in_every_hook() {
    let pool = Arc::new(OnceLock::<Pool>::new());
    let (in_connect, in_message, in_disconnect) = (Arc::clone(&pool), Arc::clone(&pool), Arc::clone(&pool));
    let in_authenticate = Arc::clone(&pool);
    let (farewells, mut farewell) = mpsc::unbounded_channel();
    let plan = Plan::new()
        .authenticate(move |_| {
            let pool = in_authenticate.get().unwrap().clone();
            async move { Ok(Identity::user(pool.double(1).await.to_string())) }
        })
        .on_connect(move |socket| {
            let pool = in_connect.get().unwrap().clone();
            async move { Ok(socket.send(pool.double(2).await.to_string()).await?) }
        })
        .on_message(move |socket, _| {
            let pool = in_message.get().unwrap().clone();
            async move { Ok(socket.send(pool.double(3).await.to_string()).await?) }
        })
        .on_disconnect(move |_, _| {
            let (pool, farewells) = (in_disconnect.get().unwrap().clone(), farewells.clone());
            async move { Ok(farewells.send(pool.double(4).await)?) }
        });
    serve(plan, async |server| {
        assert!(pool.set(Pool::start()).is_ok());
        let (mut peer, socket) = server.open_known().await;
        assert_eq!(socket.identity().user_id(), Some("2"));
        peer.expect_text("4").await;
        peer.send_text("").await;
        peer.expect_text("6").await;
        peer.close(1000).await;
        assert_eq!(within("on_disconnect", farewell.recv()).await, Some(8));
    });
}

/// The name of the thread that a spawned task runs on.
async fn where_tasks_run() -> String {
    let name = async { thread::current().name().unwrap_or_default().to_owned() };
    tokio::spawn(name).await.unwrap()
}

#[test]
fn tasks_and_timers_of_hooks_live_on_the_application_runtime() {
    let (names, mut named) = mpsc::unbounded_channel();
    let report = move |hook: &'static str| {
        let names = names.clone();
        async move {
            let before = where_tasks_run().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            names.send((hook, before, where_tasks_run().await)).unwrap();
        }
    };
    let (a, b, c) = (report.clone(), report.clone(), report.clone());
    let plan = Plan::new()
        .authenticate(move |_| {
            let reported = report("authenticate");
            async move {
                reported.await;
                Ok(Identity::anonymous())
            }
        })
        .on_connect(move |_: Socket| {
            let reported = a("on_connect");
            async move {
                reported.await;
                Ok(())
            }
        })
        .on_message(move |_, _| {
            let reported = b("on_message");
            async move {
                reported.await;
                Ok(())
            }
        })
        .on_disconnect(move |_, _| {
            let reported = c("on_disconnect");
            async move {
                reported.await;
                Ok(())
            }
        });
    serve(plan, async |server| {
        let mut peer = server.open().await;
        peer.send_text("").await;
        server.message().await;
        peer.close(1000).await;
        for hook in ["authenticate", "on_connect", "on_message", "on_disconnect"] {
            let (name, before, after) = within(hook, named.recv()).await.unwrap();
            assert_eq!((name, before.as_str(), after.as_str()), (hook, "application", "application"));
        }
    });
}

#[test]
fn a_socket_can_be_kept_and_used_after_its_hook() {
    serve(Plan::new(), async |server| {
        let (mut peer, socket) = server.open_known().await;
        let background = tokio::spawn(async move {
            socket.send("from a task").await.unwrap();
            socket.close(CloseCode::NORMAL, "done").await.unwrap();
            socket
        });
        peer.expect_text("from a task").await;
        assert_eq!(peer.expect_closing(1000).await, "done");
        server.ended().await;
        let socket = background.await.unwrap();
        socket.send("nobody hears this").await.unwrap();
    });
}

#[test]
fn a_hook_can_close_its_own_connection_behind_what_it_sent() {
    let plan = Plan::new().on_message(async |socket, _| {
        socket.send("goodbye").await?;
        Ok(socket.close(CloseCode::new(4001).unwrap(), "as you wish").await?)
    });
    serve(plan, async |server| {
        let mut peer = server.open().await;
        peer.send_text("close me").await;
        peer.expect_text("goodbye").await;
        assert_eq!(peer.expect_closing(4001).await, "as you wish");
    });
}
