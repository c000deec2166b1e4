//! Server frames: one unmasked frame for each message or control payload (RFC 6455, section 5.2).

use super::close::CloseFrame;
use super::opcode::Opcode;
use bytes::{BufMut, Bytes, BytesMut};

/// One final, unmasked frame in one allocation.
///
/// The payload of a text frame has to be valid UTF-8, which [`Message::encode`](super::Message::encode) guarantees.
/// A control payload is cut to the 125 bytes that the protocol allows.
pub fn encode(opcode: Opcode, payload: &[u8]) -> Bytes {
    let payload = if opcode.is_control() { first_bytes(payload, MAX_CONTROL_BYTES) } else { payload };
    let mut frame = BytesMut::with_capacity(MAX_HEADER_BYTES + payload.len());
    frame.put_u8(FINAL | opcode.bits());
    put_length(&mut frame, payload.len());
    frame.put_slice(payload);
    frame.freeze()
}

/// A close frame, without a code for `None`. The reason is cut to 123 bytes, between two characters.
pub fn encode_close(close: Option<&CloseFrame>) -> Bytes {
    let Some(CloseFrame { code, reason }) = close else { return encode(Opcode::Close, b"") };
    let reason = cut(reason, MAX_REASON_BYTES);
    let mut payload = [0; MAX_CONTROL_BYTES];
    let mut rest = &mut payload[..];
    rest.put_u16(code.get());
    rest.put_slice(reason.as_bytes());
    encode(Opcode::Close, first_bytes(&payload, CODE_BYTES + reason.len()))
}

/// The bit of the first byte that marks a message's last frame.
pub(super) const FINAL: u8 = 0x80;
/// The short length that announces a 16-bit one.
pub(super) const LENGTH_16: u8 = 126;
/// The short length that announces a 64-bit one.
pub(super) const LENGTH_64: u8 = 127;
/// The longest payload of a control frame (section 5.5).
pub(super) const MAX_CONTROL_BYTES: usize = 125;

/// Two bytes and a 64-bit length; a server's frames carry no mask.
const MAX_HEADER_BYTES: usize = 10;
const CODE_BYTES: usize = 2;
const MAX_REASON_BYTES: usize = MAX_CONTROL_BYTES - CODE_BYTES;

/// Writes the length in its shortest form.
fn put_length(frame: &mut BytesMut, length: usize) {
    if let Some(short) = u8::try_from(length).ok().filter(|&short| short < LENGTH_16) {
        frame.put_u8(short);
    } else if let Ok(length) = u16::try_from(length) {
        frame.put_u8(LENGTH_16);
        frame.put_u16(length);
    } else {
        frame.put_u8(LENGTH_64);
        frame.put_u64(length as u64);
    }
}

fn first_bytes(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

/// The longest beginning of `text` that has at most `most` bytes.
fn cut(text: &str, most: usize) -> &str {
    (0..=most).rev().find_map(|length| text.get(..length)).filter(|_| text.len() > most).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::super::close::CloseCode;
    use super::*;

    #[test]
    fn lengths_take_their_shortest_form() {
        let header = |length: usize| {
            let frame = encode(Opcode::Binary, &vec![0; length]);
            frame[..frame.len() - length].to_vec()
        };
        assert_eq!(header(0), b"\x82\x00");
        assert_eq!(header(125), b"\x82\x7D");
        assert_eq!(header(126), b"\x82\x7E\x00\x7E");
        assert_eq!(header(65_535), b"\x82\x7E\xFF\xFF");
        assert_eq!(header(65_536), b"\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00");
    }

    #[test]
    fn a_control_payload_is_cut_to_125_bytes() {
        let frame = encode(Opcode::Ping, &[b'x'; 126]);
        assert_eq!(frame[..2], [0x89, 125]);
        assert_eq!(frame.len(), 2 + 125);
    }

    #[test]
    fn a_close_frame_without_a_code_is_empty() {
        assert_eq!(encode_close(None), &b"\x88\x00"[..]);
    }

    #[test]
    fn a_close_frame_carries_code_and_reason() {
        let close = CloseFrame::new(CloseCode::RESTART, "back soon");
        assert_eq!(encode_close(Some(&close)), &b"\x88\x0B\x03\xF4back soon"[..]);
    }

    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        for (reason, kept) in
            [("x".repeat(123), 123), ("x".repeat(124), 123), ("ä".repeat(62), 122), ("🦀".repeat(31), 120)]
        {
            let frame = encode_close(Some(&CloseFrame::new(CloseCode::NORMAL, reason.clone())));
            assert_eq!(std::str::from_utf8(&frame[4..]), Ok(&reason[..kept]));
            assert_eq!(usize::from(frame[1]), 2 + kept);
        }
    }
}
