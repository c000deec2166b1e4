//! How a server ends: sockets, running requests, and those that would never end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::web;
use duplex_core::{CloseCode, CloseFrame, Ended, Stop};
use tokio::sync::Notify;

use crate::support::{Plan, Request, serve, within};

fn hello() -> Request {
    Request::new("GET /hello HTTP/1.1")
}

#[test]
fn sockets_are_closed_with_1001_at_a_shutdown_and_1012_at_a_restart() {
    for (stop, code) in [(Stop::Shutdown, 1001), (Stop::Restart, 1012)] {
        serve(Plan::new().settings(|settings| settings.shards = 3), async |server| {
            let mut peers = Vec::new();
            for _ in 0..10 {
                peers.push(server.open().await);
            }
            server.stop(stop).await;
            for peer in &mut peers {
                peer.expect_closing(code).await;
            }
            drop(peers);
            server.stopped().await;
            for _ in 0..10 {
                let Ended::ByServer(close) = server.ended().await else { panic!("the server has closed it") };
                assert_eq!(close.code.get(), code);
            }
            assert_eq!(server.hub.count(), 0);
        });
    }
}

#[test]
fn closing_can_be_spread_over_a_time() {
    const SPREAD: Duration = Duration::from_millis(300);
    serve(Plan::new().settings(|settings| settings.drain_spread = SPREAD), async |server| {
        let mut peers = Vec::new();
        for _ in 0..40 {
            peers.push(server.open().await);
        }
        let began = Instant::now();
        server.stop(Stop::Restart).await;
        for peer in &mut peers {
            peer.expect_closing(1012).await;
        }
        assert!(began.elapsed() >= SPREAD / 2, "all were closed after {:?}", began.elapsed());
    });
}

#[test]
fn a_running_request_is_finished_and_an_idle_connection_learns_that_it_is_the_end() {
    let (began, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (began_handler, go_on_handler) = (Arc::clone(&began), Arc::clone(&go_on));
    let plan = Plan::new().settings(|settings| settings.drain_grace = Duration::from_secs(1));
    let plan = plan.routes(move |config| {
        let (began, go_on) = (Arc::clone(&began_handler), Arc::clone(&go_on_handler));
        let slow = move || {
            let (began, go_on) = (Arc::clone(&began), Arc::clone(&go_on));
            async move {
                began.notify_one();
                go_on.notified().await;
                "finished"
            }
        };
        config.route("/slow", web::get().to(slow));
    });
    serve(plan, async |server| {
        let (mut socket, mut idle, mut busy) =
            (server.open().await, server.connect().await, server.connect().await);
        assert_eq!(idle.ask(&hello()).await.header("connection"), None);
        busy.send(Request::new("GET /slow HTTP/1.1").bytes()).await;
        within("the slow request", began.notified()).await;
        server.stop(Stop::Shutdown).await;
        socket.expect_closing(1001).await;
        let last = idle.ask(&hello()).await;
        assert_eq!((last.status, last.header("connection")), (200, Some("close")));
        go_on.notify_one();
        let finished = busy.response().await;
        assert_eq!((finished.status, finished.body.as_str()), (200, "finished"));
        assert_eq!(finished.header("connection"), Some("close"));
        server.stopped().await;
    });
}

#[test]
fn a_peer_that_never_answers_the_close_does_not_hold_up_the_end() {
    let plan = Plan::new().limits(|limits| limits.close_timeout = Duration::from_millis(200));
    serve(plan, async |server| {
        let mut peer = server.open().await;
        server.stop(Stop::Shutdown).await;
        peer.expect_close(1001).await;
        server.stopped().await;
        let close = CloseFrame::new(CloseCode::AWAY, "the server stops");
        assert_eq!(server.ended().await, Ended::ByServer(close));
        peer.drain().await;
    });
}

#[test]
fn what_never_ends_is_cut_off_at_the_deadline() {
    const DEADLINE: Duration = Duration::from_secs(2);
    let began = Arc::new(Notify::new());
    let began_handler = Arc::clone(&began);
    let plan = Plan::new().settings(|settings| settings.drain_deadline = DEADLINE);
    let plan = plan.on_message(async |_, _| std::future::pending().await).routes(move |config| {
        let began = Arc::clone(&began_handler);
        let stuck = move || {
            began.notify_one();
            std::future::pending::<&str>()
        };
        config.route("/stuck", web::get().to(stuck));
    });
    serve(plan, async |server| {
        let (mut socket, mut request) = (server.open().await, server.connect().await);
        socket.send_text("never ends").await;
        server.message().await;
        request.send(Request::new("GET /stuck HTTP/1.1").bytes()).await;
        within("the stuck request", began.notified()).await;
        let stopping = Instant::now();
        server.stop(Stop::Shutdown).await;
        server.stopped().await;
        let took = stopping.elapsed();
        assert!(took >= DEADLINE && took < DEADLINE + DEADLINE * 3 / 4, "it took {took:?}");
        request.drain().await;
    });
}

#[test]
fn a_server_without_anybody_stops_at_once() {
    let plan = Plan::new().settings(|settings| settings.drain_deadline = Duration::from_secs(600));
    serve(plan, async |server| {
        server.stop(Stop::Shutdown).await;
        server.stopped().await;
    });
}

#[test]
fn a_socket_that_is_just_being_decided_on_is_let_in_and_closed() {
    let (began, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (began_hook, go_on_hook) = (Arc::clone(&began), Arc::clone(&go_on));
    let plan = Plan::new().authenticate(move |_| {
        let (began, go_on) = (Arc::clone(&began_hook), Arc::clone(&go_on_hook));
        async move {
            began.notify_one();
            go_on.notified().await;
            Ok(duplex_core::Identity::anonymous())
        }
    });
    serve(plan, async |server| {
        let mut peer = server.connect().await;
        peer.send(Request::upgrade("/socket").bytes()).await;
        within("authenticate", began.notified()).await;
        server.stop(Stop::Restart).await;
        go_on.notify_one();
        assert_eq!(peer.response().await.status, 101);
        peer.expect_closing(1012).await;
        server.stopped().await;
    });
}
