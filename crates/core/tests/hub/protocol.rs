//! RFC 6455 on an open connection: what is answered, what is refused and with which code, and who ends the stream.

use std::time::Duration;

use bytes::Bytes;
use duplex_core::{CloseCode, CloseFrame, Ended, Limits, Message};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite;

use crate::support::{
    CLOSE, CONTINUATION, PING, PONG, PeakMemory, Peer, Plan, TEXT, close, eventually, masked, serve,
    serve_alone, text,
};

/// A violation is answered with its code, and the server ends the stream without waiting for an answer.
fn assert_violation(bytes: &[u8], code: u16) {
    assert_violation_below(Plan::new(), bytes, code);
}

fn assert_violation_below(plan: Plan, bytes: &[u8], code: u16) {
    // Long enough for the end of the stream to be told from the end of somebody's patience.
    let plan = plan.limits(|limits| limits.close_timeout = Duration::from_secs(60));
    serve(plan, async |server| {
        let mut other = server.open().await;
        let mut peer = server.open().await;
        peer.send(bytes).await;
        assert!(!peer.expect_close(code).await.is_empty(), "a violation is explained");
        peer.expect_end().await;
        drop(peer);
        let Ended::ByServer(close) = server.ended().await else { panic!("the server has closed it") };
        assert_eq!(close.code.get(), code);
        other.echo("still here").await;
    });
}

#[test]
fn an_unmasked_frame_is_1002() {
    assert_violation(b"\x81\x05Hello", 1002);
}

#[test]
fn a_reserved_bit_or_opcode_is_1002() {
    assert_violation(&[0xC1, 0x80, 1, 2, 3, 4], 1002);
    assert_violation(&[0x83, 0x80, 1, 2, 3, 4], 1002);
}

#[test]
fn a_continuation_of_nothing_is_1002() {
    assert_violation(&masked(CONTINUATION, true, b"of what?"), 1002);
}

#[test]
fn a_fragmented_ping_is_1002() {
    assert_violation(&masked(PING, false, b""), 1002);
}

#[test]
fn text_that_is_not_utf_8_is_1007() {
    assert_violation(&masked(TEXT, true, b"caf\xE9!"), 1007);
}

#[test]
fn invalid_utf_8_inside_a_fragment_is_1007_before_the_message_ends() {
    let bytes = [masked(TEXT, false, b"good "), masked(CONTINUATION, false, b"\xF0\x9F bad")].concat();
    assert_violation(&bytes, 1007);
}

#[test]
fn fragments_past_the_limit_together_are_1009() {
    let plan = Plan::new().limits(|limits| limits.max_message_bytes = 1000);
    let bytes = [masked(TEXT, false, &[b'x'; 600]), masked(CONTINUATION, false, &[b'x'; 600])].concat();
    assert_violation_below(plan, &bytes, 1009);
}

#[test]
fn a_message_of_just_the_limit_arrives_and_one_byte_more_is_1009() {
    let plan = || Plan::new().limits(|limits| limits.max_message_bytes = 1000);
    serve(plan(), async |server| server.open().await.echo(&"x".repeat(1000)).await);
    assert_violation_below(plan(), &text(&"x".repeat(1001)), 1009);
}

#[test]
fn endless_empty_fragments_are_1009() {
    let mut bytes = masked(TEXT, false, b"");
    (0..20_000).for_each(|_| bytes.extend(masked(CONTINUATION, false, b"")));
    assert_violation(&bytes, 1009);
}

#[test]
fn a_close_code_that_must_not_be_sent_is_1002() {
    for code in [999, 1004, 1005, 1006, 1015, 2999, 5000] {
        assert_violation(&close(code, ""), 1002);
    }
}

#[test]
fn a_frame_that_declares_1_tib_is_1009_at_its_header_and_costs_no_memory() {
    serve_alone(Plan::new(), async |server| {
        let mut peers = Vec::new();
        for _ in 0..20 {
            peers.push(server.open().await);
        }
        let memory = PeakMemory::start();
        for peer in &mut peers {
            peer.send([&[0x82, 0xFF][..], &(1_u64 << 40).to_be_bytes()].concat()).await;
            peer.send([1, 2, 3, 4]).await;
        }
        for peer in &mut peers {
            peer.expect_close(1009).await;
            peer.expect_end().await;
        }
        assert!(memory.growth() < 4 << 20, "{} bytes", memory.growth());
    });
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    serve(Plan::new(), async |server| {
        let mut peer = server.open().await;
        for payload in [&b""[..], b"are you there?", &[0xFF; 125]] {
            peer.send(masked(PING, true, payload)).await;
            peer.expect_pong(payload).await;
        }
    });
}

#[test]
fn control_frames_between_fragments_are_answered_at_once() {
    serve(Plan::new(), async |server| {
        let mut peer = server.open().await;
        peer.send(masked(TEXT, false, b"two ")).await;
        peer.send(masked(PING, true, b"now")).await;
        peer.expect_pong(b"now").await;
        peer.send([masked(PONG, true, b"unasked"), masked(CONTINUATION, true, b"parts")].concat()).await;
        peer.expect_text("two parts").await;
    });
}

#[test]
fn bytes_that_come_one_by_one_make_the_same_message() {
    serve(Plan::new(), async |server| {
        let mut peer = server.open().await;
        for byte in text("slowly, with \u{1F980}") {
            peer.send([byte]).await;
        }
        peer.expect_text("slowly, with \u{1F980}").await;
    });
}

#[test]
fn a_close_is_answered_with_the_same_code_and_the_server_ends_the_stream() {
    let plan = Plan::new().limits(|limits| limits.close_timeout = Duration::from_secs(60));
    serve(plan, async |server| {
        for code in [1000, 1001, 1011, 3000, 4999] {
            let mut peer = server.open().await;
            peer.close(code).await;
            drop(peer);
            let Ended::ByPeer(Some(close)) = server.ended().await else { panic!("the peer has closed it") };
            assert_eq!(close.code.get(), code);
        }
    });
}

#[test]
fn a_close_without_a_code_is_answered_without_one() {
    serve(Plan::new(), async |server| {
        let mut peer = server.open().await;
        peer.send(masked(CLOSE, true, b"")).await;
        let frame = peer.frame().await;
        assert_eq!((frame.opcode, frame.payload.as_slice()), (CLOSE, &b""[..]));
        peer.expect_end().await;
        drop(peer);
        assert_eq!(server.ended().await, Ended::ByPeer(None));
    });
}

#[test]
fn the_answers_to_messages_before_a_close_come_before_its_answer() {
    serve(Plan::new(), async |server| {
        let mut peer = server.open().await;
        peer.send([text("one"), text("two"), close(1000, "")].concat()).await;
        peer.expect_text("one").await;
        peer.expect_text("two").await;
        peer.expect_close(1000).await;
        peer.expect_end().await;
    });
}

#[test]
fn nothing_behind_a_close_is_handled() {
    serve(Plan::new(), async |server| {
        let mut peer = server.open().await;
        peer.send([close(1000, ""), text("too late")].concat()).await;
        peer.expect_close(1000).await;
        peer.expect_end().await;
        drop(peer);
        server.ended().await;
        assert!(!server.has_more_to_tell().await);
    });
}

#[test]
fn a_peer_that_ends_its_direction_without_a_close_is_lost() {
    serve(Plan::new(), async |server| {
        let mut peer = server.open().await;
        peer.echo("hello").await;
        peer.end_writing().await;
        peer.expect_end().await;
        assert_eq!(server.ended().await, Ended::Lost);
    });
}

#[test]
fn a_peer_that_resets_is_lost() {
    serve(Plan::new(), async |server| {
        let mut peer = server.open().await;
        peer.echo("hello").await;
        peer.reset();
        assert_eq!(server.ended().await, Ended::Lost);
    });
}

#[test]
fn a_peer_that_is_gone_when_the_server_speaks_is_lost() {
    serve(Plan::new(), async |server| {
        let (peer, socket) = server.open_known().await;
        peer.reset();
        // Whether the write or the read meets the reset first, it ends the connection.
        for _ in 0..100 {
            socket.send("anybody?").await.unwrap();
        }
        assert_eq!(server.ended().await, Ended::Lost);
    });
}

#[test]
fn a_peer_that_never_answers_a_close_is_cut_off() {
    let plan = Plan::new().limits(|limits| limits.close_timeout = Duration::from_millis(100));
    serve(plan, async |server| {
        let (mut peer, socket) = server.open_known().await;
        let close = CloseFrame::new(CloseCode::AWAY, "go");
        server.hub.disconnect(socket.id(), close.clone()).await.unwrap();
        assert_eq!(peer.expect_close(1001).await, "go");
        assert_eq!(peer.drain().await, b"");
        assert_eq!(server.ended().await, Ended::ByServer(close));
    });
}

#[test]
fn a_peer_that_never_hangs_up_after_the_closing_is_cut_off() {
    let plan = Plan::new().limits(|limits| limits.close_timeout = Duration::from_millis(100));
    serve(plan, async |server| {
        let mut peer = server.open().await;
        peer.send(close(1000, "")).await;
        peer.expect_close(1000).await;
        peer.expect_end().await;
        // The peer's own direction is still open.
        let Ended::ByPeer(_) = server.ended().await else { panic!("the peer has closed it") };
        eventually("its place", || server.hub.count() == 0).await;
    });
}

#[test]
fn a_peer_that_floods_after_the_closing_is_cut_off() {
    let plan = Plan::new().limits(|limits| limits.close_timeout = Duration::from_millis(200));
    serve(plan, async |server| {
        let (mut peer, socket) = server.open_known().await;
        socket.close(CloseCode::POLICY, "").await.unwrap();
        let flood = text(&"x".repeat(10_000)).repeat(10);
        while peer.try_send(&flood).await.is_ok() {}
        let Ended::ByServer(_) = server.ended().await else { panic!("the server has closed it") };
        assert!(!server.has_more_to_tell().await, "what comes behind our close is not handled");
    });
}

#[test]
fn a_ping_flood_by_a_peer_that_does_not_read_is_bounded() {
    let limits = Limits::default();
    serve_alone(Plan::new().narrow(), async |server| {
        let mut peer = server.open_narrow().await;
        server.connected().await;
        let memory = PeakMemory::start();
        let flood = masked(PING, true, b"").repeat(10_000);
        for _ in 0..100 {
            // It is closed on the way; what is sent then is not read any more.
            if peer.try_send(&flood).await.is_err() {
                break;
            }
        }
        drop(peer);
        let Ended::ByServer(close) = server.ended().await else { panic!("the server has closed it") };
        assert_eq!(close.code, CloseCode::TRY_AGAIN);
        assert!(memory.growth() < 8 * limits.queue_bytes, "{} bytes", memory.growth());
    });
}

#[test]
fn a_maintained_client_gets_on() {
    serve(Plan::new().on_connect(async |socket| Ok(socket.send("welcome").await?)), async |server| {
        let stream = Peer::connect(server.address).await.into_stream();
        let url = format!("ws://{}/socket", server.address);
        let (mut client, response) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        assert_eq!(response.status(), 101);
        let mut expected = vec![tungstenite::Message::text("welcome")];
        let large = Bytes::from(vec![7; 500_000]);
        for message in [tungstenite::Message::text("text"), tungstenite::Message::binary(large)] {
            client.send(message.clone()).await.unwrap();
            expected.push(message);
        }
        for message in expected {
            assert_eq!(client.next().await.unwrap().unwrap(), message);
        }
        client.send(tungstenite::Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
        let pong = tungstenite::Message::Pong(Bytes::from_static(b"there?"));
        assert_eq!(client.next().await.unwrap().unwrap(), pong);
        client.close(None).await.unwrap();
        while let Some(message) = client.next().await {
            assert!(message.unwrap().is_close());
        }
        drop(client);
        assert_eq!(server.message().await, Message::from("text"));
        assert_eq!(server.ended().await, Ended::ByPeer(None));
    });
}
