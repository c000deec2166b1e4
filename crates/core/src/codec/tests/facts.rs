//! The rules that span frames, one by one.

use super::client::{decode, frame};
use crate::codec::*;

fn decoder() -> Decoder {
    Decoder::new(DecoderLimits { max_message_bytes: 100, max_fragments: 4 })
}

#[track_caller]
fn assert_refused(frames: &[Vec<u8>], violation: Violation, code: CloseCode) {
    let (_, found) = decode(&mut decoder(), &frames.concat(), &[]);
    assert_eq!(found, Some(violation));
    assert_eq!(violation.code(), code);
}

fn text(text: &str) -> Event {
    Event::Message(text.into())
}

#[test]
fn an_idle_decoder_fits_a_cache_line() {
    assert!(size_of::<Decoder>() <= 64, "{}", size_of::<Decoder>());
}

#[test]
fn an_empty_message_is_a_message() {
    let (events, violation) = decode(&mut decoder(), &[frame(0x81, b""), frame(0x82, b"")].concat(), &[]);
    assert_eq!(events, [text(""), Event::Message(Vec::new().into())]);
    assert_eq!(violation, None);
}

#[test]
fn a_control_frame_overtakes_the_message_around_it() {
    let stream = [frame(0x01, b"Hel"), frame(0x89, b"ping"), frame(0x00, b""), frame(0x80, b"lo")].concat();
    let (events, _) = decode(&mut decoder(), &stream, &[]);
    assert_eq!(events, [Event::Ping("ping".into()), text("Hello")]);
}

#[test]
fn the_rest_of_the_input_may_wait_after_an_event() {
    let mut decoder = decoder();
    let mut bytes = [frame(0x81, b"one"), frame(0x81, b"two")].concat();
    let mut input = &mut bytes[..];
    assert_eq!(decoder.decode(&mut input), Ok(Some(text("one"))));
    let kept = input.to_vec();
    assert_eq!(decode(&mut decoder, &kept, &[]).0, [text("two")]);
}

#[test]
fn a_character_may_be_divided_between_frames() {
    let stream =
        [frame(0x01, b"\xF0\x9F"), frame(0x89, b""), frame(0x00, b"\xA6"), frame(0x80, b"\x80")].concat();
    let cuts = (1..stream.len()).collect::<Vec<_>>();
    assert_eq!(decode(&mut decoder(), &stream, &cuts).0[1], text("🦀"));
}

#[test]
fn text_is_refused_in_the_middle_of_its_frame() {
    let stream = frame(0x81, b"valid \xED\xA0 and much that nobody has to wait for");
    let header_and_text = 6 + 6;
    let (events, violation) = decode(&mut decoder(), &stream[..header_and_text + 1], &[]);
    assert_eq!((events.len(), violation), (0, None));
    let (_, violation) = decode(&mut decoder(), &stream[..header_and_text + 2], &[]);
    assert_eq!(violation, Some(Violation::InvalidUtf8));
}

#[test]
fn text_that_ends_inside_a_character_is_refused() {
    assert_refused(&[frame(0x81, b"\xCE")], Violation::InvalidUtf8, CloseCode::INVALID);
    assert_refused(&[frame(0x01, b"\xCE"), frame(0x80, b"")], Violation::InvalidUtf8, CloseCode::INVALID);
}

#[test]
fn binary_may_hold_anything() {
    let (events, _) = decode(&mut decoder(), &frame(0x82, b"\xCE\xFF"), &[]);
    assert_eq!(events, [Event::Message(b"\xCE\xFF".to_vec().into())]);
}

#[test]
fn a_continuation_needs_a_start() {
    let violation = Violation::ContinuationWithoutStart;
    assert_refused(&[frame(0x80, b"")], violation, CloseCode::PROTOCOL);
    assert_refused(&[frame(0x00, b"")], violation, CloseCode::PROTOCOL);
    assert_refused(&[frame(0x81, b""), frame(0x80, b"")], violation, CloseCode::PROTOCOL);
    assert_refused(&[frame(0x01, b""), frame(0x80, b""), frame(0x80, b"")], violation, CloseCode::PROTOCOL);
}

#[test]
fn a_message_must_not_begin_inside_another() {
    for first in [0x01, 0x02, 0x81, 0x82] {
        assert_refused(
            &[frame(0x01, b"part"), frame(first, b"")],
            Violation::MessageInterrupted,
            CloseCode::PROTOCOL,
        );
    }
}

#[test]
fn a_message_may_reach_its_limit_but_not_pass_it() {
    let limit = Violation::MessageTooBig { limit: 100 };
    assert_eq!(decode(&mut decoder(), &frame(0x82, &[0; 100]), &[]).0.len(), 1);
    assert_refused(&[frame(0x82, &[0; 101])], limit, CloseCode::TOO_BIG);

    let parts = [frame(0x02, &[0; 60]), frame(0x80, &[0; 40])].concat();
    assert_eq!(decode(&mut decoder(), &parts, &[]).0.len(), 1);
    assert_refused(&[frame(0x02, &[0; 60]), frame(0x80, &[0; 41])], limit, CloseCode::TOO_BIG);
    // A character's first bytes count like any others.
    assert_refused(&[frame(0x01, b"\xF0\x9F\xA6"), frame(0x80, &[0; 98])], limit, CloseCode::TOO_BIG);
}

#[test]
fn a_declared_tebibyte_is_refused_at_its_header() {
    let header = [&[0x82, 0xFF], &(1_u64 << 40).to_be_bytes()[..], b"KEYS"].concat();
    let mut decoder = Decoder::new(DecoderLimits::default());
    let (_, violation) = decode(&mut decoder, &header, &[]);
    assert_eq!(violation, Some(Violation::MessageTooBig { limit: 1024 * 1024 }));
    assert_eq!(decoder.heap_bytes(), 0);
}

#[test]
fn memory_follows_the_bytes_received_and_not_the_declared_length() {
    let limits = DecoderLimits::for_message_bytes(1 << 30);
    for opcode in [0x01, 0x02] {
        let mut decoder = Decoder::new(limits);
        let header = [&[opcode, 0xFF], &(1_u64 << 30).to_be_bytes()[..], b"KEYS", &[b'K'; 8]].concat();
        assert_eq!(decode(&mut decoder, &header, &[]), (Vec::new(), None));
        assert!(decoder.heap_bytes() < 200, "{}", decoder.heap_bytes());
    }
}

#[test]
fn a_message_may_have_as_many_frames_as_the_limit_says() {
    let (start, next, last) = (frame(0x02, b""), frame(0x00, b""), frame(0x80, b""));
    let four = [start.clone(), next.clone(), next.clone(), last.clone()].concat();
    assert_eq!(decode(&mut decoder(), &four.repeat(2), &[]).0.len(), 2);
    assert_refused(
        &[start, next.clone(), next.clone(), next, last],
        Violation::TooManyFragments { limit: 4 },
        CloseCode::TOO_BIG,
    );
}

#[test]
fn a_close_frame_carries_code_and_reason() {
    let (events, _) = decode(&mut decoder(), &frame(0x88, b"\x03\xE9bye"), &[]);
    assert_eq!(events, [Event::Close(Some(CloseFrame::new(CloseCode::AWAY, "bye")))]);
    assert_eq!(decode(&mut decoder(), &frame(0x88, b""), &[]).0, [Event::Close(None)]);
}

#[test]
fn a_bad_close_payload_is_refused() {
    assert_refused(&[frame(0x88, b"\x03")], Violation::CloseCodeTruncated, CloseCode::PROTOCOL);
    assert_refused(&[frame(0x88, b"\x03\xEE")], Violation::InvalidCloseCode(1006), CloseCode::PROTOCOL);
    assert_refused(&[frame(0x88, b"\x03\xE8\xCE")], Violation::InvalidCloseReason, CloseCode::INVALID);
}

#[test]
fn nothing_is_decoded_after_a_close_frame() {
    let mut decoder = decoder();
    let stream =
        [frame(0x01, b"unfinished"), frame(0x88, b""), frame(0x89, b""), b"\xFF\xFF".to_vec()].concat();
    let (events, violation) = decode(&mut decoder, &stream, &[]);
    assert_eq!((&events[..], violation), (&[Event::Close(None)][..], None));
    assert!(decoder.has_ended());
    assert_eq!(decoder.heap_bytes(), 0);
}

#[test]
fn nothing_is_decoded_after_a_violation() {
    let mut decoder = decoder();
    let (_, violation) = decode(&mut decoder, &[frame(0x01, b"unfinished"), frame(0x83, b"")].concat(), &[]);
    assert_eq!(violation, Some(Violation::ReservedOpcode(3)));
    assert!(decoder.has_ended());
    assert_eq!(decoder.heap_bytes(), 0);
    assert_eq!(decode(&mut decoder, &frame(0x89, b""), &[]), (Vec::new(), None));
}

#[test]
fn what_came_before_a_violation_is_reported_first() {
    let stream = [frame(0x81, b"good"), frame(0xC1, b"bad")].concat();
    let (events, violation) = decode(&mut decoder(), &stream, &[]);
    assert_eq!(events, [text("good")]);
    assert_eq!(violation, Some(Violation::ReservedBits(4)));
}
