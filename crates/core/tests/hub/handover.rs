//! One server takes over from another: sockets, channels, and what is under way.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use actix_web::{HttpResponse, web};
use duplex_core::{
    CloseCode, CloseFrame, Connected, HistoryQuery, Hub, HubError, Identity, Message, Socket, Stop,
    handover::Predecessor,
};
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use crate::support::{
    CLOSE, CONTINUATION, Client, PING, Peer, Plan, Request, Running, TEXT, eventually, masked, serve, within,
};

/// Raw sockets get back what they send.
fn echo() -> Plan {
    Plan::new().on_message(async |socket, message| Ok(socket.send(message).await?))
}

#[test]
fn an_open_socket_moves_and_nobody_is_told() {
    serve(echo(), async |old| {
        let (mut peer, socket) = old.open_known().await;
        peer.echo("before").await;
        let new = old.successor(echo()).await;
        peer.echo("after").await;
        old.stopped().await;
        assert_eq!(old.message().await, Message::from("before"));
        assert!(!old.has_more_to_tell().await);
        assert!(!new.has_seen_a_connection().await);
        let listed = new.hub.connections().await.unwrap();
        assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [socket.id()]);
        peer.close(1000).await;
        assert_eq!(new.disconnected().await.0.id(), socket.id());
        new.finish().await;
    });
}

#[test]
fn sockets_move_again_and_again() {
    serve(echo(), async |first| {
        let mut peers = Vec::new();
        for _ in 0..30 {
            peers.push(first.open().await);
        }
        let mut servers: Vec<Running> = Vec::new();
        for round in 0..5 {
            let old = servers.last().unwrap_or(first);
            let new = old.successor(echo()).await;
            for peer in &mut peers {
                peer.echo(&format!("round {round}")).await;
            }
            servers.push(new);
        }
        assert_eq!(servers.last().unwrap().hub.count(), 30);
        drop(peers);
        for server in &servers {
            server.finish().await;
        }
    });
}

#[test]
fn a_message_goes_on_where_it_was_cut() {
    serve(echo(), async |old| {
        let (mut header, mut payload, mut fragment) = (old.open().await, old.open().await, old.open().await);
        let frame = masked(TEXT, true, "häuser".repeat(5000).as_bytes());
        header.echo("x").await;
        header.send(&frame[..3]).await;
        payload.send(&frame[..20_003]).await;
        fragment.send(masked(TEXT, false, "ein h\u{e4}".as_bytes().split_last().unwrap().1)).await;
        fragment.send(masked(PING, true, b"there?")).await;
        fragment.expect_pong(b"there?").await;
        payload.send(&frame[20_003..20_004]).await;
        let new = old.successor(echo()).await;
        header.send(&frame[3..]).await;
        payload.send(&frame[20_004..]).await;
        fragment.send(masked(CONTINUATION, true, &[0xa4])).await;
        header.expect_text(&"häuser".repeat(5000)).await;
        payload.expect_text(&"häuser".repeat(5000)).await;
        fragment.expect_text("ein hä").await;
        drop((header, payload, fragment));
        new.finish().await;
    });
}

/// A client that does not read, and its socket, to which so many texts have been sent.
async fn open_in_debt(server: &Running, texts: usize) -> (Peer, Socket) {
    let peer = server.open_narrow().await;
    let socket = server.connected().await;
    for number in 0..texts {
        socket.send(text(number)).await.unwrap();
    }
    (peer, socket)
}

fn text(number: usize) -> String {
    format!("{number}-").repeat(3000)
}

#[test]
fn what_waits_to_be_written_moves() {
    serve(Plan::new().narrow(), async |old| {
        let (mut peer, socket) = open_in_debt(old, 20).await;
        // It moves on before it can have been looked at in between.
        let between = old.successor(Plan::new()).await;
        between.hub.send(socket.id(), "behind").await.unwrap();
        let new = between.successor(Plan::new()).await;
        new.hub.send(socket.id(), "last").await.unwrap();
        for number in 0..20 {
            peer.expect_text(&text(number)).await;
        }
        peer.expect_text("behind").await;
        peer.expect_text("last").await;
        drop(peer);
        between.finish().await;
        new.finish().await;
    });
}

#[test]
fn who_is_closed_after_the_handover_gets_first_what_waits() {
    serve(Plan::new().narrow(), async |old| {
        let (mut peer, socket) = open_in_debt(old, 20).await;
        let new = old.successor(Plan::new()).await;
        new.hub.disconnect(socket.id(), CloseFrame::new(CloseCode::AWAY, "enough")).await.unwrap();
        for number in 0..20 {
            peer.expect_text(&text(number)).await;
        }
        assert_eq!(peer.expect_closing(1001).await, "enough");
        assert_eq!(new.disconnected().await.0.id(), socket.id());
        new.finish().await;
    });
}

#[test]
fn who_reads_too_slowly_in_both_processes_is_given_up_in_the_new_one() {
    let plan = || Plan::new().narrow().limits(|limits| limits.queue_bytes = 300_000);
    serve(plan(), async |old| {
        let (mut peer, socket) = open_in_debt(old, 10).await;
        let new = old.successor(plan()).await;
        // More than it may owe, and more than the system holds.
        for number in 10..1000 {
            new.hub.send(socket.id(), text(number)).await.unwrap();
        }
        let mut next = 0;
        let frame = loop {
            let frame = peer.frame().await;
            if frame.opcode != TEXT {
                break frame;
            }
            // In order and whole, as far as it goes.
            assert_eq!(frame.payload, text(next).as_bytes());
            next += 1;
        };
        assert_eq!((frame.opcode, &frame.payload[..2]), (CLOSE, &1013_u16.to_be_bytes()[..]));
        assert!(next < 1000);
        peer.close_back(&frame).await;
        assert_eq!(new.disconnected().await.0.id(), socket.id());
        new.finish().await;
    });
}

#[test]
fn channels_go_on_with_their_streams_and_whoever_is_in_them() {
    let plan = || Plan::new().users().everything();
    serve(plan(), async |old| {
        let mut ada = Client::connected_as(old, "ada").await;
        let mut bob = Client::connected_as(old, "bob").await;
        let first = ada.subscribe("lobby").await;
        bob.result("subscribe", json!({ "channel": "lobby", "join_leave": true })).await;
        old.hub.publish("lobby", "one").await.unwrap();
        assert_eq!(bob.push().await["join"]["info"]["user"], "bob");
        assert_eq!(ada.publication().await, "one");
        assert_eq!(bob.publication().await, "one");
        let new = old.successor(plan()).await;
        assert_eq!(new.hub.presence_stats("lobby").await.unwrap().clients, 2);
        assert_eq!(new.hub.subscribers("lobby").unwrap(), 2);
        let position = new.hub.publish("lobby", "two").await.unwrap().unwrap();
        assert_eq!(position.offset, 2);
        assert_eq!(position.epoch.to_string(), first["epoch"].as_str().unwrap());
        assert_eq!(ada.publication().await, "two");
        // No join and no leave was in between.
        assert_eq!(bob.publication().await, "two");
        ada.expect_nothing().await;
        ada.leave().await;
        assert_eq!(bob.push().await["leave"]["info"]["user"], "ada");
        let mut back = Client::connected_as(&new, "ada").await;
        let since = json!({ "channel": "lobby", "recover": true, "offset": 1, "epoch": first["epoch"] });
        let recovered = back.result("subscribe", since).await;
        assert_eq!(recovered["recovered"], true);
        assert_eq!(recovered["publications"][0]["data"], "two");
        assert_eq!(recovered["publications"].as_array().unwrap().len(), 1);
        assert_eq!(bob.push().await["join"]["info"]["user"], "ada");
        // By user, too, connections are still known.
        new.hub.send_user("bob", "hello").await.unwrap();
        assert_eq!(bob.push().await["message"]["data"], "hello");
        drop((back, bob));
        new.finish().await;
    });
}

#[test]
fn an_end_that_is_set_comes_after_the_handover_too() {
    let plan = || {
        Plan::new().authenticate(async |_| {
            Ok(Identity::user("ada").with_expiry(SystemTime::now() + Duration::from_secs(2)))
        })
    };
    serve(plan(), async |old| {
        let (mut peer, socket) = old.open_known().await;
        let new = old.successor(plan()).await;
        let moved = new.hub.connections().await.unwrap();
        assert_eq!(moved[0].identity, *socket.identity());
        peer.expect_closing(3005).await;
        new.finish().await;
    });
}

#[test]
fn a_call_under_way_is_answered_and_the_next_command_waits_for_it() {
    let gate = Arc::new(Semaphore::new(0));
    let plan = |gate: &Arc<Semaphore>| {
        let gate = Arc::clone(gate);
        Plan::new().everything().on_call(move |socket, call| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await?.forget();
                socket.hub().publish("lobby", &call.data).await?;
                socket.send("said").await?;
                Ok(call.data)
            }
        })
    };
    serve(plan(&gate), async |old| {
        let mut client = Client::connected(old).await;
        client.subscribe("lobby").await;
        let slow = client.ask("rpc", json!({ "data": 1 })).await;
        let history = client.ask("history", json!({ "channel": "lobby", "limit": -1 })).await;
        let new = old.successor(plan(&gate)).await;
        // It still runs in the old process, which goes on until then.
        gate.add_permits(1);
        let reply = client.reply().await;
        assert_eq!((&reply["id"], &reply["rpc"]["data"]), (&json!(slow), &json!(1)));
        assert_eq!(client.publication().await, 1);
        assert_eq!(client.push().await["message"]["data"], "said");
        let reply = client.reply().await;
        assert_eq!(reply["id"], history);
        assert_eq!(reply["history"]["publications"][0]["data"], 1);
        old.stopped().await;
        gate.add_permits(1);
        client.result("rpc", json!({ "data": 2 })).await;
        drop(client);
        new.finish().await;
    });
}

#[test]
fn a_client_that_is_connecting_is_who_its_hook_says() {
    let gate = Arc::new(Semaphore::new(0));
    let plan = |gate: &Arc<Semaphore>| {
        let gate = Arc::clone(gate);
        Plan::new().users().everything().on_connecting(move |socket, _| {
            let gate = Arc::clone(&gate);
            async move {
                socket.subscribe("lobby").await?;
                gate.acquire().await?.forget();
                Ok(Connected::default())
            }
        })
    };
    serve(plan(&gate), async |old| {
        let request = Request::upgrade("/connection/websocket?ada");
        let mut client = Client::over(old.open_as(&request).await);
        client.ask("connect", json!({})).await;
        eventually("a subscription", || old.hub.subscribers("lobby").unwrap() == 1).await;
        let new = old.successor(plan(&gate)).await;
        new.hub.publish("lobby", "early").await.unwrap();
        gate.add_permits(1);
        let reply = client.reply().await;
        assert!(reply["connect"]["subs"]["lobby"].is_object(), "{reply}");
        assert_eq!(client.push().await["join"]["info"]["user"], "ada");
        assert_eq!(client.publication().await, "early");
        new.hub.send_user("ada", "hello").await.unwrap();
        assert_eq!(client.push().await["message"]["data"], "hello");
        client.leave().await;
        assert_eq!(new.disconnected().await.0.identity().user_id(), Some("ada"));
        new.finish().await;
    });
}

#[test]
fn a_hook_of_a_raw_socket_that_fails_after_the_handover_ends_its_connection() {
    let gate = Arc::new(Notify::new());
    let hook = Arc::clone(&gate);
    let plan = Plan::new().on_message(move |_, _| {
        let hook = Arc::clone(&hook);
        async move {
            hook.notified().await;
            Err("no".into())
        }
    });
    serve(plan, async |old| {
        let mut peer = old.open().await;
        peer.send_text("go").await;
        old.message().await;
        let new = old.successor(Plan::new()).await;
        gate.notify_one();
        peer.expect_closing(1011).await;
        new.finish().await;
    });
}

/// Everything is allowed, and `/slow` answers when the gate opens.
fn slow<F>(gate: &Arc<Semaphore>, answer: impl Fn(Hub) -> F + Clone + Send + Sync + 'static) -> Plan
where
    F: Future<Output = Result<HttpResponse, HubError>> + 'static,
{
    let gate = Arc::clone(gate);
    Plan::new().everything().routes(move |config| {
        let (gate, answer) = (Arc::clone(&gate), answer.clone());
        let handler = move |hub: Hub| {
            let (gate, answer) = (Arc::clone(&gate), answer.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                answer(hub).await
            }
        };
        config.route("/slow", web::get().to(handler));
    })
}

#[test]
fn a_request_under_way_is_answered_and_reaches_the_sockets_that_have_moved() {
    let gate = Arc::new(Semaphore::new(0));
    let plan = slow(&gate, async |hub: Hub| {
        let position = hub.publish("lobby", "from the old process").await?.unwrap();
        let history = hub.history("lobby", &HistoryQuery::default()).await?;
        let present = hub.presence("lobby").await?.len();
        let everybody = hub.connections().await?.len();
        let kept = history.publications.len();
        let missing = hub.history("unkept:x", &HistoryQuery::default()).await;
        assert!(matches!(missing, Err(HubError::NoHistory(_))));
        let answer = format!("{} {kept} {present} {everybody}", position.offset);
        Ok(HttpResponse::Ok().body(answer))
    });
    serve(plan, async |old| {
        let mut client = Client::connected(old).await;
        client.subscribe("lobby").await;
        let mut visitor = old.connect().await;
        visitor.send(Request::new("GET /slow HTTP/1.1").bytes()).await;
        let mut idle = old.connect().await;
        assert_eq!(idle.ask(&Request::new("GET /hello HTTP/1.1")).await.status, 200);
        let new = old.successor(Plan::new().everything()).await;
        new.hub.publish("lobby", "from the new one").await.unwrap();
        gate.add_permits(1);
        let response = visitor.response().await;
        assert_eq!((response.status, response.body.as_str()), (200, "2 2 1 1"));
        assert_eq!(response.header("connection"), Some("close"));
        assert_eq!(client.publication().await, "from the new one");
        assert_eq!(client.publication().await, "from the old process");
        old.stopped().await;
        drop((client, visitor, idle));
        new.finish().await;
    });
}

#[test]
fn a_socket_that_is_being_let_in_comes_to_the_new_process() {
    let gate = Arc::new(Semaphore::new(0));
    let asked = Arc::new(Semaphore::new(0));
    let plan = |gate: &Arc<Semaphore>, asked: &Arc<Semaphore>| {
        let (gate, asked) = (Arc::clone(gate), Arc::clone(asked));
        echo().authenticate(move |_| {
            let (gate, asked) = (Arc::clone(&gate), Arc::clone(&asked));
            async move {
                asked.add_permits(1);
                gate.acquire().await.unwrap().forget();
                Ok(Identity::user("late"))
            }
        })
    };
    serve(plan(&gate, &asked), async |old| {
        let mut peer = old.connect().await;
        peer.send(Request::upgrade("/socket").bytes()).await;
        within("authenticate", asked.acquire()).await.unwrap().forget();
        let new = old.successor(plan(&gate, &asked)).await;
        gate.add_permits(1);
        assert_eq!(peer.response().await.status, 101);
        assert_eq!(new.connected().await.identity().user_id(), Some("late"));
        peer.echo("here").await;
        old.stopped().await;
        drop(peer);
        new.finish().await;
    });
}

#[test]
fn who_publishes_all_the_time_loses_nothing_and_gets_no_offset_twice() {
    serve(Plan::new().everything(), async |first| {
        let mut client = Client::connected(first).await;
        client.subscribe("lobby").await;
        let hub = Arc::new(Mutex::new(first.hub.clone()));
        let published = Arc::new(Mutex::new(Vec::new()));
        let publisher = {
            let (hub, published) = (Arc::clone(&hub), Arc::clone(&published));
            tokio::spawn(async move {
                for number in 0_u64.. {
                    let hub = hub.lock().unwrap().clone();
                    // A process that has ended takes nothing any more; the next one is about to be known.
                    if let Ok(position) = hub.publish("lobby", &number).await {
                        published.lock().unwrap().push((position.unwrap().offset, number));
                    }
                    tokio::task::yield_now().await;
                }
            })
        };
        let mut heard = Vec::new();
        let hear = async |client: &mut Client, heard: &mut Vec<(u64, u64)>| {
            let push = client.push().await;
            heard.push((push["pub"]["offset"].as_u64().unwrap(), push["pub"]["data"].as_u64().unwrap()));
        };
        let mut servers: Vec<Running> = Vec::new();
        for _ in 0..5 {
            let old = servers.last().unwrap_or(first);
            let new = old.successor(Plan::new().everything()).await;
            // For a while it is still the old process that is asked.
            for _ in 0..20 {
                hear(&mut client, &mut heard).await;
            }
            *hub.lock().unwrap() = new.hub.clone();
            servers.push(new);
        }
        publisher.abort();
        let _ = publisher.await;
        let top = servers.last().unwrap().hub.position("lobby").await.unwrap().offset;
        while heard.len() < usize::try_from(top).unwrap() {
            hear(&mut client, &mut heard).await;
        }
        assert!(heard.iter().map(|(offset, _)| *offset).eq(1..=top));
        let published = published.lock().unwrap().clone();
        assert!(published.windows(2).all(|pair| pair[0].0 < pair[1].0), "{published:?}");
        assert!(published.iter().all(|one| heard.contains(one)));
        drop(client);
        for server in &servers {
            server.finish().await;
        }
    });
}

#[test]
fn a_process_that_hangs_up_before_it_is_ready_leaves_everything_as_it_was() {
    serve(echo(), async |old| {
        let mut peer = old.open().await;
        for _ in 0..3 {
            let line = old.line();
            let greeted = tokio::task::spawn_blocking(move || Predecessor::greet(line)).await.unwrap();
            drop(greeted.unwrap());
            peer.echo("still here").await;
        }
        assert_eq!(old.connect().await.ask(&Request::new("GET /hello HTTP/1.1")).await.status, 200);
    });
}

#[test]
fn a_process_whose_application_cannot_be_set_up_takes_nothing() {
    serve(echo(), async |old| {
        let mut peer = old.open().await;
        let new = old.begin_successor(echo().routes(|_| panic!("no database here"))).await;
        let error = new.failed().await;
        assert!(error.contains("no database here"), "{error}");
        peer.echo("still here").await;
    });
}

#[test]
fn a_process_that_says_nonsense_is_hung_up_on() {
    serve(echo(), async |old| {
        let mut peer = old.open().await;
        for nonsense in [&[0, 0, 0, 3, 0, 0xc1, 0xc1, 0xc1][..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 64]] {
            let mut line = old.line();
            tokio::task::spawn_blocking(move || {
                use std::io::{Read, Write};
                line.write_all(nonsense).unwrap();
                let mut rest = Vec::new();
                line.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                // A reset is an end as well.
                let _ = line.read_to_end(&mut rest);
                assert!(rest.is_empty());
            })
            .await
            .unwrap();
            peer.echo("still here").await;
        }
    });
}

#[test]
fn the_latest_of_those_who_want_to_take_over_counts() {
    serve(echo(), async |old| {
        let mut peer = old.open().await;
        let line = old.line();
        let hanging = tokio::task::spawn_blocking(move || Predecessor::greet(line)).await.unwrap().unwrap();
        let new = old.successor(echo()).await;
        peer.echo("moved").await;
        drop(hanging);
        drop(peer);
        new.finish().await;
    });
}

#[test]
fn a_verb_that_is_awaited_before_the_handover_says_what_is_wrong() {
    let plan = || echo().limits(|limits| limits.inbox_deadline = Duration::from_millis(50));
    serve(plan(), async |old| {
        let line = old.line();
        let greeted = tokio::task::spawn_blocking(move || Predecessor::greet(line)).await.unwrap().unwrap();
        let mut greeted = greeted;
        let listeners = greeted.take_listeners();
        let settings = duplex_core::Settings {
            limits: duplex_core::Limits {
                inbox_deadline: Duration::from_millis(50),
                ..duplex_core::Limits::default()
            },
            ..duplex_core::Settings::default()
        };
        let server = duplex_core::Server::new(settings, listeners).unwrap().take_over(greeted).unwrap();
        let error = server.hub().publish("news", "early").await.unwrap_err();
        assert!(matches!(error, HubError::Unsettled(_)), "{error}");
    });
}

#[test]
fn background_tasks_run_in_one_process_at_a_time() {
    let running = Arc::new(Mutex::new(Vec::new()));
    let plan = |name: &'static str, running: &Arc<Mutex<Vec<&'static str>>>| {
        let running = Arc::clone(running);
        struct Leave(Arc<Mutex<Vec<&'static str>>>, &'static str);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.lock().unwrap().retain(|name| *name != self.1);
            }
        }
        echo().prepare(move |server| {
            server.background(move || {
                let running = Arc::clone(&running);
                async move {
                    running.lock().unwrap().push(name);
                    let _leave = Leave(running, name);
                    std::future::pending::<()>().await;
                }
            })
        })
    };
    serve(plan("old", &running), async |old| {
        let runs = async |name| {
            eventually("the task", || *running.lock().unwrap() == [name]).await;
        };
        runs("old").await;
        let new = old.successor(plan("new", &running)).await;
        runs("new").await;
        new.finish().await;
        assert!(running.lock().unwrap().is_empty());
    });
}

#[test]
fn streams_outlive_a_graceful_stop_in_a_file_that_is_used_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state");
    let plan = || {
        let file = file.clone();
        Plan::new().everything().prepare(move |server| server.state_file(file))
    };
    let published = Mutex::new(None);
    serve(plan(), async |running| {
        running.hub.publish("lobby", "one").await.unwrap();
        *published.lock().unwrap() = running.hub.publish("lobby", "two").await.unwrap();
        running.stop(Stop::Shutdown).await;
        running.stopped().await;
        assert!(matches!(running.hub.publish("lobby", "late").await, Err(HubError::Stopped)));
    });
    let published = published.lock().unwrap().unwrap();
    assert!(file.exists());
    serve(plan(), async |running| {
        let mut client = Client::connected(running).await;
        assert!(!file.exists());
        let since = json!({ "channel": "lobby", "recover": true, "offset": 1, "epoch": published.epoch });
        let recovered = client.result("subscribe", since).await;
        assert_eq!(recovered["recovered"], true);
        assert_eq!(recovered["publications"][0]["data"], "two");
        let next = running.hub.publish("lobby", "three").await.unwrap().unwrap();
        assert_eq!((next.epoch, next.offset), (published.epoch, 3));
    });
}

#[test]
fn the_application_carries_over_what_it_wants_to() {
    let plan = |kept: &Arc<Mutex<Vec<String>>>, name: &'static str| {
        let (here, there) = (Arc::clone(kept), Arc::clone(kept));
        echo().prepare(move |server| {
            let list = move || here.lock().unwrap().clone();
            let server = server.carry("list", list, move |list| *there.lock().unwrap() = list);
            // What the other does not know, cannot read, or panics over is left behind.
            let server = server.carry(name, || 1, |_: u32| ());
            let server =
                server.carry("type", move || name.to_owned(), |_: String| panic!("a panic on purpose"));
            server.carry("panic", || -> u32 { panic!("a panic on purpose") }, |_: u32| ())
        })
    };
    let (olds, news) = (Arc::default(), Arc::default());
    serve(plan(&olds, "a"), async |old| {
        let mut peer = old.open().await;
        olds.lock().unwrap().push("kept".to_owned());
        let new = old.successor(plan(&news, "b")).await;
        assert_eq!(*news.lock().unwrap(), ["kept"]);
        peer.echo("moved").await;
        drop(peer);
        new.finish().await;
    });
}

#[test]
fn a_hook_that_blocks_its_shard_ends_the_attempt_and_not_the_service() {
    let gate = Arc::new((Mutex::new(true), std::sync::Condvar::new()));
    let hook = Arc::clone(&gate);
    let plan = echo().on_message(move |socket, message| {
        let hook = Arc::clone(&hook);
        async move {
            if message == Message::from("block") {
                let (blocked, changed) = &*hook;
                let open = changed.wait_while(blocked.lock().unwrap(), |blocked| *blocked).unwrap();
                drop(open);
            }
            Ok(socket.send(message).await?)
        }
    });
    serve(plan.limits(|limits| limits.slow_poll = Duration::from_secs(60)), async |old| {
        let (mut one, mut two) = (old.open().await, old.open().await);
        one.send_text("block").await;
        old.message().await;
        let new = old.begin_successor(echo()).await;
        new.failed().await;
        two.echo("nobody has noticed").await;
        let (blocked, changed) = &*gate;
        *blocked.lock().unwrap() = false;
        changed.notify_all();
        one.expect_text("block").await;
        let newer = old.successor(echo()).await;
        one.echo("moved").await;
        two.echo("moved").await;
        drop((one, two));
        newer.finish().await;
    });
}

/// Something that holds a thread until it is told to let go.
#[derive(Clone, Default)]
struct Hold(Arc<(Mutex<bool>, std::sync::Condvar)>);

impl Hold {
    fn wait(&self) {
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |free| !*free).unwrap());
    }

    fn let_go(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

#[test]
fn what_takes_too_long_to_be_written_down_ends_the_attempt_and_not_the_service() {
    let hold = Hold::default();
    let plan = {
        let hold = hold.clone();
        echo().prepare(move |server| server.carry("slow", move || hold.wait(), |()| ()))
    };
    serve(plan, async |old| {
        let mut peer = old.open().await;
        let new = old.begin_successor(echo()).await;
        new.failed().await;
        peer.echo("still here").await;
        hold.let_go();
        let newer = old.successor(echo()).await;
        peer.echo("moved").await;
        drop(peer);
        newer.finish().await;
    });
}

#[test]
fn a_process_that_is_told_to_stop_before_it_has_taken_over_leaves_the_other_alone() {
    let hold = Hold::default();
    let plan = {
        let hold = hold.clone();
        // It takes that long until the new process gets something.
        echo().prepare(move |server| server.carry("slow", move || hold.wait(), |()| ()))
    };
    serve(plan, async |old| {
        let mut peer = old.open().await;
        let new = old.begin_successor(echo()).await;
        new.stop(Stop::Shutdown).await;
        new.stopped().await;
        hold.let_go();
        peer.echo("still here").await;
        assert_eq!(old.connect().await.ask(&Request::new("GET /hello HTTP/1.1")).await.status, 200);
    });
}

#[test]
fn a_connection_that_is_gone_while_its_hook_runs_holds_nobody_up() {
    let gate = Arc::new(Notify::new());
    let hook = Arc::clone(&gate);
    let plan = echo().limits(|limits| limits.close_timeout = Duration::from_millis(50)).on_message(
        move |socket, message| {
            let hook = Arc::clone(&hook);
            async move {
                if message == Message::from("wait") {
                    hook.notified().await;
                }
                Ok(socket.send(message).await?)
            }
        },
    );
    serve(plan, async |old| {
        let (mut gone, socket) = old.open_known().await;
        let mut peer = old.open().await;
        gone.send_text("wait").await;
        old.message().await;
        old.hub
            .disconnect(socket.id(), duplex_core::CloseFrame::new(duplex_core::CloseCode::AWAY, ""))
            .await
            .unwrap();
        let listed = async || old.hub.connections().await.unwrap().len();
        within("its end", async { while listed().await > 1 {} }).await;
        let new = old.successor(echo()).await;
        peer.echo("moved").await;
        gate.notify_one();
        // Its last hook runs where the others have run.
        assert_eq!(old.disconnected().await.0.id(), socket.id());
        drop((gone, peer));
        new.finish().await;
    });
}

#[test]
fn a_request_of_the_process_before_the_one_before_is_answered() {
    let gate = Arc::new(Semaphore::new(0));
    let plan = slow(&gate, async |hub: Hub| {
        hub.publish("lobby", "late").await?;
        Ok(HttpResponse::Ok().finish())
    });
    serve(plan, async |first| {
        let mut client = Client::connected(first).await;
        client.subscribe("lobby").await;
        let mut visitor = first.connect().await;
        visitor.send(Request::new("GET /slow HTTP/1.1").bytes()).await;
        let second = first.successor(Plan::new().everything()).await;
        let third = second.successor(Plan::new().everything()).await;
        gate.add_permits(1);
        assert_eq!(visitor.response().await.status, 200);
        assert_eq!(client.publication().await, "late");
        first.stopped().await;
        second.stopped().await;
        drop(client);
        third.finish().await;
    });
}

#[test]
fn a_hook_that_is_not_reported_in_time_does_not_hold_its_connection_for_ever() {
    let gate = Arc::new(Notify::new());
    let hook = Arc::clone(&gate);
    let plan = Plan::new().on_message(move |_, _| {
        let hook = Arc::clone(&hook);
        async move {
            hook.notified().await;
            Ok(())
        }
    });
    let hooks_may_take = |deadline| move |limits: &mut duplex_core::Limits| limits.hook_deadline = deadline;
    serve(plan.limits(hooks_may_take(Duration::from_secs(60))), async |old| {
        let mut peer = old.open().await;
        peer.send_text("go").await;
        old.message().await;
        let new = old.successor(Plan::new().limits(hooks_may_take(Duration::from_millis(100)))).await;
        // The old process has nothing to report yet.
        peer.expect_closing(1011).await;
        gate.notify_one();
        new.finish().await;
    });
}

#[test]
fn open_pages_learn_of_another_build_and_raw_sockets_do_not() {
    let plan = |build: &str| {
        let build = Some(build.to_owned());
        echo().everything().settings(|settings| settings.build = build)
    };
    serve(plan("one"), async |old| {
        let (mut raw, mut client) = (old.open().await, Client::connected(old).await);
        let same = old.successor(plan("one")).await;
        client.expect_nothing().await;
        let other = same.successor(plan("two")).await;
        assert_eq!(client.push().await["message"]["data"], json!({ "duplex": { "build": "two" } }));
        raw.echo("nothing else").await;
        drop((raw, client));
        same.finish().await;
        other.finish().await;
    });
}

#[cfg(feature = "contract")]
mod contracts {
    use std::marker::PhantomData;

    use duplex_core::{
        Namespace, Rejection, Socket,
        contract::{ChannelKind, Contract, Terms},
    };
    use serde::{Serialize, de::DeserializeOwned};
    use serde_json::json;
    use ts_rs::TS;

    use crate::support::{Client, Plan, serve};

    /// News whose publications are `P`.
    struct News<P>(String, PhantomData<P>);

    impl<P: Serialize + DeserializeOwned + TS + Send + Sync + 'static> ChannelKind<()> for News<P> {
        const NAMESPACE: &'static str = "news";
        type Publication = P;
        type Info = ();

        fn options() -> Namespace {
            Namespace::default()
        }

        fn parse(name: &str) -> Option<Self> {
            Some(Self(name.to_owned(), PhantomData))
        }

        fn name(&self) -> &str {
            &self.0
        }

        async fn on_subscribe(&self, _: &Socket, (): &()) -> Result<Terms<()>, Rejection> {
            Ok(Terms::default())
        }
    }

    fn plan(contract: Contract<()>) -> Plan {
        Plan::new()
            .everything()
            .namespaces(contract.namespaces())
            .prepare(move |server| contract.carry(server))
    }

    #[test]
    fn pages_ask_again_for_channels_whose_types_are_others_in_the_new_process() {
        let same = || plan(Contract::new().channel::<News<u32>>());
        serve(same(), async |old| {
            let mut client = Client::connected(old).await;
            client.subscribe("news:a").await;
            let new = old.successor(same()).await;
            new.hub.publish("news:a", &1).await.unwrap();
            assert_eq!(client.publication().await, json!(1));
            let newer = new.successor(plan(Contract::new().channel::<News<String>>())).await;
            let push = client.push().await;
            assert_eq!((&push["channel"], &push["unsubscribe"]["code"]), (&json!("news:a"), &json!(2500)));
            drop(client);
            new.finish().await;
            newer.finish().await;
        });
    }
}
