//! Agreement with tungstenite, an independent implementation, on legal streams and on damaged ones.

use super::client::{cuts, decode, frame, sent};
use crate::codec::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::io::{self, Cursor, Read, Write};
use tokio_tungstenite::tungstenite;
use tungstenite::protocol::{Role, WebSocketConfig};

const LIMIT: usize = 70_000;

/// Reads a stream that was recorded before, and forgets what is written.
struct Recording(Cursor<Vec<u8>>);

impl Read for Recording {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Recording {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite reports for `bytes`, and whether it refused them in the end.
fn tungstenite_events(bytes: Vec<u8>) -> (Vec<Event>, bool) {
    let config = WebSocketConfig::default().max_frame_size(Some(LIMIT)).max_message_size(Some(LIMIT));
    let stream = Recording(Cursor::new(bytes));
    let mut socket = tungstenite::WebSocket::from_raw_socket(stream, Role::Server, Some(config));
    let mut events = Vec::new();
    loop {
        match socket.read() {
            // It reports a close code that must not travel as this close frame instead of an error.
            Ok(tungstenite::Message::Close(Some(close))) if close.reason.as_str() == "Protocol violation" => {
                return (events, true);
            }
            Ok(tungstenite::Message::Close(close)) => {
                events.push(Event::Close(close.map(close_frame)));
                return (events, false);
            }
            Ok(message) => events.push(event(message)),
            Err(_) => return (events, true),
        }
    }
}

fn event(message: tungstenite::Message) -> Event {
    match message {
        tungstenite::Message::Text(text) => Event::Message(text.as_str().into()),
        tungstenite::Message::Binary(bytes) => Event::Message(bytes.into()),
        tungstenite::Message::Ping(payload) => Event::Ping(payload),
        tungstenite::Message::Pong(payload) => Event::Pong(payload),
        message => panic!("unexpected {message:?}"),
    }
}

fn close_frame(close: tungstenite::protocol::CloseFrame) -> CloseFrame {
    CloseFrame::new(CloseCode::new(close.code.into()).unwrap(), close.reason.as_str())
}

/// Both decoders' events up to the end, which is a close frame or a refusal. Zeros behind the stream complete any
/// frame that it leaves open, for tungstenite looks at whole frames only, and are refused by both, being unmasked.
fn assert_agreement(mut bytes: Vec<u8>, cuts: &[usize]) {
    bytes.resize(bytes.len() + LIMIT + 2, 0);
    let limits = DecoderLimits { max_message_bytes: LIMIT, max_fragments: u32::MAX };
    let (events, violation) = decode(&mut Decoder::new(limits), &bytes, cuts);
    let (expected, refused) = tungstenite_events(bytes);
    match violation {
        // It accepts a length in any form, and knows no 1014, so there it has to agree on what came before only.
        Some(Violation::LengthNotMinimal(_)) => assert_eq!(events, expected[..events.len()]),
        None if matches!(events.last(), Some(Event::Close(Some(close))) if close.code == CloseCode::BAD_GATEWAY) =>
        {
            assert_eq!(events[..events.len() - 1], expected);
        }
        violation => assert_eq!((&events, violation.is_some()), (&expected, refused), "{violation:?}"),
    }
}

/// A frame with any first byte and a short payload, legal or not.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        4 => prop::sample::select(vec![0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x89, 0x8A]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        2 => prop::collection::vec(any::<u8>(), 0..3),
        2 => any::<char>().prop_map(|character| character.to_string().into_bytes()),
        1 => (124_usize..128).prop_map(|length| vec![b'x'; length]),
        1 => (0_usize..LIMIT + 10).prop_map(|length| vec![b'x'; length]),
    ];
    (first, payload).prop_map(|(first, payload)| frame(first, &payload))
}

proptest! {
    #[test]
    fn on_damaged_streams(
        sent in prop::collection::vec(sent(), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        indexes in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut bytes = sent.iter().flat_map(|sent| sent.bytes()).collect::<Vec<_>>();
        for (index, byte) in damage {
            *index.get_mut(&mut bytes) = byte;
        }
        let cuts = cuts(&bytes, &indexes);
        assert_agreement(bytes, &cuts);
    }

    #[test]
    fn on_frames_in_any_order(frames in prop::collection::vec(any_frame(), 1..6)) {
        assert_agreement(frames.concat(), &[]);
    }

    #[test]
    fn on_what_our_encoder_writes(payload in prop::collection::vec(any::<u8>(), 0..300)) {
        let stream = Recording(Cursor::new(encode(Opcode::Binary, &payload).to_vec()));
        let mut client = tungstenite::WebSocket::from_raw_socket(stream, Role::Client, None);
        prop_assert_eq!(client.read().unwrap(), tungstenite::Message::Binary(Bytes::from(payload)));
    }
}

#[test]
fn on_every_close_code() {
    for code in 0..=u16::MAX {
        assert_agreement_on_close(&code.to_be_bytes());
    }
}

#[test]
fn on_close_payloads_without_a_good_code_and_reason() {
    for payload in [&b""[..], b"\x03", b"\x03\xE8ok", b"\x03\xE8\xCE", b"\x03\xE8\xFF"] {
        assert_agreement_on_close(payload);
    }
}

#[track_caller]
fn assert_agreement_on_close(payload: &[u8]) {
    let bytes = frame(0x88, payload);
    let (events, violation) = decode(&mut Decoder::new(DecoderLimits::default()), &bytes, &[]);
    let (expected, refused) = tungstenite_events(bytes);
    if payload != CloseCode::BAD_GATEWAY.get().to_be_bytes() {
        assert_eq!((events, violation.is_some()), (expected, refused), "{payload:x?}");
    }
}
