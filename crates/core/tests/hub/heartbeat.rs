//! Silence: pings, dead peers, idle peers, and the silence of a hook, which is none.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use duplex_core::{CloseCode, Ended};

use crate::support::{PING, PONG, Plan, masked, serve};

const SHORT: Duration = Duration::from_millis(50);

fn with_heartbeat(pong_timeout: Duration) -> Plan {
    Plan::new().limits(|limits| {
        limits.ping_interval = SHORT;
        limits.pong_timeout = pong_timeout;
    })
}

#[test]
fn a_silent_peer_is_pinged_and_closed_when_it_does_not_answer() {
    serve(with_heartbeat(SHORT), async |server| {
        let mut peer = server.open().await;
        assert_eq!(peer.frame().await.opcode, PING);
        assert_eq!(peer.expect_closing(1001).await, "no answer to a ping");
        let Ended::ByServer(close) = server.ended().await else { panic!("the server has closed it") };
        assert_eq!(close.code, CloseCode::AWAY);
    });
}

#[test]
fn a_peer_that_is_gone_without_a_word_is_given_up() {
    let plan = with_heartbeat(SHORT).limits(|limits| limits.close_timeout = SHORT);
    serve(plan, async |server| {
        let _silent = server.open().await;
        let Ended::ByServer(close) = server.ended().await else { panic!("the server has closed it") };
        assert_eq!(close.code, CloseCode::AWAY);
    });
}

#[test]
fn a_peer_that_answers_pings_stays() {
    serve(with_heartbeat(Duration::from_secs(60)), async |server| {
        let mut peer = server.open().await;
        for _ in 0..5 {
            let ping = peer.frame().await;
            assert_eq!(ping.opcode, PING);
            peer.send(masked(PONG, true, &ping.payload)).await;
        }
        peer.send_text("still here").await;
        loop {
            let frame = peer.frame().await;
            if frame.opcode != PING {
                assert_eq!(frame.payload, b"still here");
                return;
            }
        }
    });
}

#[test]
fn a_hook_that_takes_long_is_no_silence() {
    let plan = with_heartbeat(SHORT).on_message(async |socket, _| {
        tokio::time::sleep(10 * SHORT).await;
        Ok(socket.send("done").await?)
    });
    serve(plan, async |server| {
        let mut peer = server.open().await;
        peer.send_text("take your time").await;
        peer.expect_text("done").await;
    });
}

#[test]
fn an_idle_peer_is_closed_with_1000_although_it_answers_pings() {
    let plan = with_heartbeat(Duration::from_secs(60)).limits(|limits| limits.idle_timeout = Some(4 * SHORT));
    serve(plan, async |server| {
        let mut peer = server.open().await;
        loop {
            let frame = peer.frame().await;
            if frame.opcode != PING {
                assert_eq!(frame.payload[..2], 1000_u16.to_be_bytes());
                return;
            }
            peer.send(masked(PONG, true, &frame.payload)).await;
        }
    });
}

#[test]
fn a_peer_is_not_idle_while_it_waits_for_a_hook() {
    const IDLE: Duration = Duration::from_millis(400);
    let hook_ended = Arc::new(Mutex::new(None));
    let ended = Arc::clone(&hook_ended);
    let plan = Plan::new().limits(|limits| limits.idle_timeout = Some(IDLE)).on_message(move |socket, _| {
        let ended = Arc::clone(&ended);
        async move {
            tokio::time::sleep(2 * IDLE).await;
            *ended.lock().unwrap() = Some(Instant::now());
            Ok(socket.send("done").await?)
        }
    });
    serve(plan, async |server| {
        let mut peer = server.open().await;
        peer.send_text("take your time").await;
        peer.expect_text("done").await;
        peer.expect_closing(1000).await;
        let idle = hook_ended.lock().unwrap().unwrap().elapsed();
        assert!(idle >= IDLE, "it was closed {idle:?} after the answer");
    });
}
