//! One scenario over both drivers: a socket that left the HTTP server, and one that an actix worker carries.

use std::{io, time::Duration};

use duplex_core::{CloseCode, CloseFrame, Ended, Identity, Message, Refusal};

use crate::support::{
    CLOSE, CONTINUATION, Driver, PING, Plan, Request, Running, TEXT, close, eventually, masked, serve, text,
};

#[test]
fn the_scenario_runs_below_the_server_of_the_hub() {
    serve(plan(Driver::Server), scenario);
}

#[test]
fn the_scenario_runs_below_a_plain_http_server() {
    serve(plan(Driver::Portable), scenario);
}

fn plan(driver: Driver) -> Plan {
    let plan = Plan::new().driver(driver).limits(|limits| {
        limits.max_message_bytes = 100_000;
        // Long enough for the end of a stream to be told from the end of somebody's patience.
        limits.close_timeout = Duration::from_secs(60);
    });
    plan.authenticate(async |request| match request.query_string() {
        "nobody" => Err(Refusal::unauthorized("sign in first")),
        "slow" => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(Identity::user("slow"))
        }
        _ => Ok(Identity::anonymous()),
    })
    .on_connect(async |socket| {
        socket.subscribe("news").await?;
        Ok(socket.send("welcome").await?)
    })
    .on_message(async |socket, message| {
        match message.as_bytes() {
            b"slow" => tokio::time::sleep(Duration::from_millis(50)).await,
            b"fail" => return Err(io::Error::other("an error on purpose").into()),
            _ => {}
        }
        Ok(socket.send(message).await?)
    })
}

async fn scenario(server: &Running) {
    refuses(server).await;
    carries_messages(server).await;
    keeps_early_bytes(server).await;
    reaches_everybody(server).await;
    closes(server).await;
    eventually("every place", || server.hub.count() == 0).await;
}

async fn refuses(server: &Running) {
    for (request, status) in [
        (Request::upgrade("/socket?nobody"), 401),
        (Request::upgrade("/socket").add("Origin", "https://evil.example"), 403),
        (Request::upgrade("/socket").set("Sec-WebSocket-Version", "8"), 426),
        (Request::upgrade("/socket").without("Sec-WebSocket-Key"), 400),
        (Request::new("GET /socket HTTP/1.1"), 426),
        (Request::upgrade("/missing"), 404),
    ] {
        assert_eq!(server.connect().await.ask(&request).await.status, status);
    }
    assert_eq!(server.hub.count(), 0);
}

async fn carries_messages(server: &Running) {
    let mut peer = server.open().await;
    peer.expect_text("welcome").await;
    peer.echo("text").await;
    peer.send(masked(2, true, &[0xFF; 70_000])).await;
    let frame = peer.frame().await;
    assert_eq!((frame.opcode, frame.payload), (2, vec![0xFF; 70_000]));
    peer.send([masked(TEXT, false, b"two "), masked(PING, true, b"now")].concat()).await;
    peer.expect_pong(b"now").await;
    peer.send(masked(CONTINUATION, true, b"parts")).await;
    peer.expect_text("two parts").await;
    peer.send([text("slow"), text("behind"), text("")].concat()).await;
    peer.expect_text("slow").await;
    peer.expect_text("behind").await;
    peer.expect_text("").await;
    peer.close(4000).await;
    drop(peer);
    server.connected().await;
    let by_peer = CloseFrame::new(CloseCode::new(4000).unwrap(), "");
    assert_eq!(server.ended().await, Ended::ByPeer(Some(by_peer)));
}

async fn keeps_early_bytes(server: &Running) {
    let mut peer = server.connect().await;
    let early: Vec<u8> = (0..100).flat_map(|number| text(&number.to_string())).collect();
    peer.send([Request::upgrade("/socket?slow").bytes(), early].concat()).await;
    assert_eq!(peer.response().await.status, 101);
    peer.expect_text("welcome").await;
    for number in 0..100 {
        peer.expect_text(&number.to_string()).await;
    }
    assert_eq!(server.connected().await.identity().user_id(), Some("slow"));
    drop(peer);
    assert_eq!(server.ended().await, Ended::Lost);
}

async fn reaches_everybody(server: &Running) {
    let (mut first, mut second) = (server.open().await, server.open().await);
    for peer in [&mut first, &mut second] {
        peer.expect_text("welcome").await;
    }
    server.hub.publish("news", &1).await.unwrap();
    server.hub.send_all("all").await.unwrap();
    for peer in [&mut first, &mut second] {
        peer.expect_text("1").await;
        peer.expect_text("all").await;
    }
    for socket in [server.connected().await, server.connected().await] {
        socket.close(CloseCode::POLICY, "rude").await.unwrap();
    }
    for peer in [&mut first, &mut second] {
        assert_eq!(peer.expect_closing(1008).await, "rude");
    }
    drop((first, second));
    for _ in 0..2 {
        assert_eq!(server.ended().await, Ended::ByServer(CloseFrame::new(CloseCode::POLICY, "rude")));
    }
}

async fn closes(server: &Running) {
    for (bytes, code) in [
        (masked(2, true, &[0; 100_001]), 1009),
        (masked(TEXT, true, b"\xFF"), 1007),
        (b"\x81\x05Hello".to_vec(), 1002),
        (text("fail"), 1011),
    ] {
        let mut peer = server.open().await;
        peer.expect_text("welcome").await;
        peer.send(bytes).await;
        peer.expect_close(code).await;
        // A violation ends it at once, a failed hook with the client's answer.
        let _ = peer.try_send(&close(code, "")).await;
        peer.drain().await;
        drop(peer);
        let Ended::ByServer(close) = server.ended().await else { panic!("the server has closed it") };
        assert_eq!(close.code.get(), code);
    }
    let mut peer = server.open().await;
    peer.expect_text("welcome").await;
    peer.send(masked(CLOSE, true, b"")).await;
    assert_eq!(peer.frame().await.payload, b"");
    peer.expect_end().await;
    drop(peer);
    assert_eq!(server.ended().await, Ended::ByPeer(None));
    server.open().await.reset();
    assert_eq!(server.ended().await, Ended::Lost);
}

#[test]
fn a_slow_consumer_is_closed_below_both() {
    for driver in [Driver::Server, Driver::Portable] {
        let plan = Plan::new().driver(driver).narrow().limits(|limits| {
            limits.queue_bytes = 50_000;
            limits.close_timeout = Duration::from_secs(60);
        });
        serve(plan, async |server| {
            let mut stalled = server.open_narrow().await;
            let socket = server.connected().await;
            let mut other = server.open().await;
            let filler = "x".repeat(10_000);
            for _ in 0..500 {
                socket.send(filler.clone()).await.unwrap();
            }
            other.echo("still here").await;
            loop {
                let frame = stalled.frame().await;
                if frame.opcode == CLOSE {
                    assert_eq!(frame.payload[..2], 1013_u16.to_be_bytes(), "{driver:?}");
                    break;
                }
                assert_eq!(frame.payload.len(), filler.len());
            }
            stalled.send(close(1013, "")).await;
            stalled.expect_end().await;
            drop(stalled);
            let Ended::ByServer(close) = server.ended().await else { panic!("the server has closed it") };
            assert_eq!(close.code, CloseCode::TRY_AGAIN);
        });
    }
}

#[test]
fn a_peer_that_never_answers_a_close_is_cut_off_below_both() {
    for driver in [Driver::Server, Driver::Portable] {
        let plan = Plan::new().driver(driver);
        let plan = plan.limits(|limits| limits.close_timeout = Duration::from_millis(100));
        serve(plan, async |server| {
            let (mut peer, socket) = server.open_known().await;
            socket.close(CloseCode::AWAY, "go").await.unwrap();
            peer.expect_close(1001).await;
            assert_eq!(peer.drain().await, b"", "{driver:?}");
            let Ended::ByServer(_) = server.ended().await else { panic!("the server has closed it") };
            eventually("its place", || server.hub.count() == 0).await;
        });
    }
}

#[test]
fn a_dead_peer_is_noticed_below_both() {
    for driver in [Driver::Server, Driver::Portable] {
        let plan = Plan::new().driver(driver).limits(|limits| {
            limits.ping_interval = Duration::from_millis(50);
            limits.pong_timeout = Duration::from_millis(50);
            limits.close_timeout = Duration::from_millis(50);
        });
        serve(plan, async |server| {
            let mut peer = server.open().await;
            assert_eq!(peer.frame().await.opcode, PING);
            peer.expect_close(1001).await;
            server.ended().await;
        });
    }
}

#[test]
fn a_message_larger_than_the_budget_is_delivered_below_both() {
    for driver in [Driver::Server, Driver::Portable] {
        let plan = Plan::new().driver(driver).limits(|limits| limits.queue_bytes = 1000);
        serve(plan, async |server| {
            let (mut peer, socket) = server.open_known().await;
            let large = vec![7; 2 << 20];
            socket.send(Message::from(large.clone())).await.unwrap();
            assert!(peer.frame().await.payload == large, "{driver:?}");
            peer.echo("still here").await;
        });
    }
}
