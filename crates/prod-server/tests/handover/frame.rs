//! Frames of RFC 6455 by hand, so that they can be sent in any pieces.

use std::ops::Range;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// Where a whole frame is at the front of what has been read: its payload, behind which the next one begins.
pub(crate) fn find(buffer: &[u8]) -> Option<(u8, Range<usize>)> {
    let (first, second) = (*buffer.first()?, *buffer.get(1)?);
    assert_eq!(first & FINAL, FINAL, "the server fragments nothing");
    assert_eq!(first & 0x70, 0, "no extension was negotiated");
    assert_eq!(second & MASKED, 0, "a server masks nothing");
    let (head, length) = match second {
        126 => (4, u64::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().unwrap()))),
        127 => (10, u64::from_be_bytes(buffer.get(2..10)?.try_into().unwrap())),
        short => (2, u64::from(short)),
    };
    let end = head + usize::try_from(length).unwrap();
    (buffer.len() >= end).then_some((first & 0x0F, head..end))
}

/// A client's frame; `last` is its FIN bit.
pub(crate) fn masked(opcode: u8, last: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![opcode | if last { FINAL } else { 0 }];
    match payload.len() {
        length @ 0..=125 => frame.push(MASKED | length as u8),
        length @ 126..=65_535 => {
            frame.push(MASKED | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(MASKED | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A whole text message.
pub(crate) fn text(payload: &str) -> Vec<u8> {
    masked(TEXT, true, payload.as_bytes())
}

/// A text message in as many fragments, cut anywhere, also inside a character. A ping comes between the first two.
pub(crate) fn fragments(payload: &str, count: usize, ping: &[u8]) -> Vec<u8> {
    let length = payload.len().div_ceil(count).max(1);
    let pieces: Vec<_> = payload.as_bytes().chunks(length).collect();
    let mut bytes = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let opcode = if number == 0 { TEXT } else { CONTINUATION };
        bytes.extend(masked(opcode, number + 1 == pieces.len(), piece));
        if number == 0 {
            bytes.extend(masked(PING, true, ping));
        }
    }
    bytes
}

/// A close frame that says that all is well.
pub(crate) fn close() -> Vec<u8> {
    masked(CLOSE, true, &1000_u16.to_be_bytes())
}

#[test]
fn a_frame_is_found_when_it_is_whole() {
    for length in [0, 125, 126, 65_535, 65_536] {
        let mut frame = masked(TEXT, true, &vec![b'x'; length]);
        // As the server would send it: without the mask.
        frame[1] &= !MASKED;
        let key = frame.len() - length - KEY.len();
        frame.drain(key..key + KEY.len());
        assert_eq!(find(&frame), Some((TEXT, key..key + length)));
        assert_eq!(find(&frame[..frame.len() - 1]), None);
    }
}
