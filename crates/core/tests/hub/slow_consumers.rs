//! Peers that read too slowly, and the others, who must not notice.

use std::time::Duration;

use duplex_core::{CloseCode, Ended, Message};
use tokio::sync::mpsc;

use crate::support::{CLOSE, PeakMemory, Peer, Plan, TEXT, eventually, serve, serve_alone};

/// Enough for the stalled reader to read on, whatever the machine does meanwhile.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);

fn subscribing() -> Plan {
    Plan::new().on_connect(async |socket| Ok(socket.subscribe("news").await?))
}

/// Reads until the close frame, and gives its code and how many texts came before it.
async fn read_on(peer: &mut Peer) -> (u16, usize) {
    let mut texts = 0;
    loop {
        let frame = peer.frame().await;
        match frame.opcode {
            TEXT => texts += 1,
            CLOSE => return (u16::from_be_bytes([frame.payload[0], frame.payload[1]]), texts),
            other => panic!("unexpected opcode {other}"),
        }
    }
}

#[test]
fn one_stalled_reader_among_200_is_closed_with_1013_and_the_others_get_everything() {
    const OTHERS: usize = 199;
    const BATCHES: usize = 12;
    const BATCH: usize = 8;
    let plan = subscribing().narrow().limits(|limits| {
        limits.queue_bytes = 256 << 10;
        limits.close_timeout = CLOSE_TIMEOUT;
    });
    serve(plan, async |server| {
        let mut stalled = server.open_narrow().await;
        let (progress, mut progressed) = mpsc::channel(OTHERS);
        let mut readers = Vec::new();
        for _ in 0..OTHERS {
            let (mut peer, progress) = (server.open().await, progress.clone());
            readers.push(tokio::spawn(async move {
                for number in 0..BATCHES * BATCH {
                    assert!(peer.text().await.starts_with(&format!("\"{number:05}")), "message {number}");
                    if number % BATCH == BATCH - 1 {
                        progress.send(()).await.unwrap();
                    }
                }
                peer
            }));
        }
        eventually("all subscriptions", || server.hub.subscribers("news").unwrap() == OTHERS + 1).await;
        for batch in 0..BATCHES {
            for number in 0..BATCH {
                let data = format!("{:05}{}", batch * BATCH + number, "x".repeat(8 << 10));
                server.hub.publish("news", &data).await.unwrap();
            }
            // The others keep up, so only one is slow.
            for _ in 0..OTHERS {
                progressed.recv().await.unwrap();
            }
        }
        for reader in readers {
            reader.await.unwrap().close(1000).await;
        }
        let (code, texts) = read_on(&mut stalled).await;
        assert_eq!(code, 1013);
        assert!(texts < BATCHES * BATCH);
        stalled.send(crate::support::close(1013, "")).await;
        stalled.expect_end().await;
        drop(stalled);
        let mut ended = Vec::new();
        for _ in 0..=OTHERS {
            ended.push(server.ended().await);
        }
        let closed =
            |ended: &&Ended| matches!(ended, Ended::ByServer(close) if close.code == CloseCode::TRY_AGAIN);
        assert_eq!(ended.iter().filter(closed).count(), 1);
    });
}

#[test]
fn a_stalled_reader_costs_no_more_than_its_queue() {
    const MESSAGES: usize = 4000;
    let plan = subscribing().narrow().limits(|limits| limits.close_timeout = CLOSE_TIMEOUT);
    serve_alone(plan, async |server| {
        let mut stalled = server.open_narrow().await;
        let mut reader = server.open().await;
        eventually("both subscriptions", || server.hub.subscribers("news").unwrap() == 2).await;
        let memory = PeakMemory::start();
        let data = "x".repeat(16 << 10);
        for _ in 0..MESSAGES {
            server.hub.publish("news", &data).await.unwrap();
            reader.text().await;
        }
        // 64 MiB have passed, the queue may hold 1.
        assert!(memory.growth() < 12 << 20, "{} bytes", memory.growth());
        assert_eq!(read_on(&mut stalled).await.0, 1013);
    });
}

#[test]
fn a_stalled_reader_is_closed_even_when_it_never_reads_on() {
    let plan = subscribing().narrow().limits(|limits| {
        limits.queue_bytes = 10_000;
        limits.close_timeout = Duration::from_millis(100);
    });
    serve(plan, async |server| {
        let _stalled = server.open_narrow().await;
        eventually("the subscription", || server.hub.subscribers("news").unwrap() == 1).await;
        while server.hub.subscribers("news").unwrap() == 1 {
            server.hub.publish("news", &"x".repeat(10_000)).await.unwrap();
        }
        let Ended::ByServer(close) = server.ended().await else { panic!("the server has closed it") };
        assert_eq!(close.code, CloseCode::TRY_AGAIN);
        eventually("its place", || server.hub.count() == 0).await;
    });
}

#[test]
fn one_message_larger_than_the_budget_is_delivered() {
    let plan = Plan::new().narrow().limits(|limits| limits.queue_bytes = 1000);
    serve(plan, async |server| {
        let (mut peer, socket) = server.open_known().await;
        let large = vec![7; 1 << 20];
        socket.send(Message::from(large.clone())).await.unwrap();
        assert!(peer.frame().await.payload == large);
        peer.echo("still here").await;
    });
}

#[test]
fn nothing_comes_behind_a_close_frame() {
    let plan = Plan::new().narrow().limits(|limits| limits.close_timeout = CLOSE_TIMEOUT);
    serve(plan, async |server| {
        let mut peer = server.open_narrow().await;
        let socket = server.connected().await;
        socket.subscribe("news").await.unwrap();
        // Enough to be queued, so that the close frame waits behind it.
        let queued = "x".repeat(500_000);
        socket.send(queued.clone()).await.unwrap();
        socket.close(CloseCode::NORMAL, "").await.unwrap();
        socket.send("too late").await.unwrap();
        server.hub.publish("news", "too late").await.unwrap();
        server.hub.send_all("too late").await.unwrap();
        peer.send(crate::support::masked(crate::support::PING, true, b"too late")).await;
        peer.expect_text(&queued).await;
        peer.expect_closing(1000).await;
    });
}

#[test]
fn a_slow_consumer_gets_whole_frames_only() {
    let plan = Plan::new().narrow().limits(|limits| {
        limits.queue_bytes = 50_000;
        limits.close_timeout = CLOSE_TIMEOUT;
    });
    serve(plan, async |server| {
        for size in [10, 1000, 30_000] {
            let mut peer = server.open_narrow().await;
            let socket = server.connected().await;
            let text = "x".repeat(size);
            // A message to one connection is a letter like any other: the list is answered behind it.
            let mut sent = 0;
            while sent < 1 << 20 {
                socket.send(text.clone()).await.unwrap();
                sent += size;
            }
            server.hub.connections().await.unwrap();
            assert_eq!(read_on(&mut peer).await.0, 1013, "texts of {size} bytes");
        }
    });
}

#[test]
fn a_flood_of_publications_does_not_make_a_new_socket_slow() {
    let plan = Plan::new().on_connect(async |socket| {
        socket.subscribe("a").await?;
        Ok(socket.subscribe("b").await?)
    });
    let plan = plan.settings(|settings| settings.shards = 1).limits(|limits| {
        limits.queue_bytes = 128 << 10;
        limits.close_timeout = CLOSE_TIMEOUT;
    });
    serve(plan, async |server| {
        let flood = || {
            let hub = server.hub.clone();
            tokio::spawn(async move {
                // Two channels by turns, so that nothing can be joined.
                while hub.publish("a", "flood").await.is_ok() && hub.publish("b", "flood").await.is_ok() {
                    tokio::task::consume_budget().await;
                }
            })
        };
        let floods = [flood(), flood()];
        for _ in 0..50 {
            server.open().await.expect_text("\"flood\"").await;
        }
        floods.iter().for_each(tokio::task::JoinHandle::abort);
    });
}
