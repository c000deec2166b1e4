//! Frames of RFC 6455 by hand, right and wrong ones: independent of the codec under test.

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

impl Frame {
    /// Takes a whole frame off the front of `buffer`, if there is one.
    pub(crate) fn take(buffer: &mut Vec<u8>) -> Option<Self> {
        let (first, second) = (*buffer.first()?, *buffer.get(1)?);
        assert_eq!(first & FINAL, FINAL, "the server fragments nothing");
        assert_eq!(first & 0x70, 0, "no extension was negotiated");
        assert_eq!(second & MASKED, 0, "a server masks nothing");
        let (head, length) = match second {
            126 => (4, usize::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?))),
            127 => (10, usize::try_from(u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?)).ok()?),
            short => (2, usize::from(short)),
        };
        let payload = buffer.get(head..head + length)?.to_vec();
        buffer.drain(..head + length);
        Some(Self { opcode: first & 0x0F, payload })
    }
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

/// A close frame with a code and a reason.
pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
    masked(CLOSE, true, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}
