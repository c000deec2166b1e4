//! What a frame is for, as its first byte says it.

/// The frame types of RFC 6455, section 5.2. The other ten values of the four bits are reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// The next part of the message that an earlier frame began.
    Continuation = 0x0,
    /// A text message, or the first part of one.
    Text = 0x1,
    /// A binary message, or the first part of one.
    Binary = 0x2,
    /// The sender's last frame.
    Close = 0x8,
    /// A request for a pong with the same payload.
    Ping = 0x9,
    /// The answer to a ping, or a sign of life that nobody asked for.
    Pong = 0xA,
}

impl Opcode {
    /// The opcode with these four bits; `None` for a reserved one.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// The four bits on the wire.
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// Whether this is a close, ping or pong: never fragmented, and at most 125 bytes (section 5.5).
    pub const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_opcodes_agree_in_both_directions() {
        let known = (0..=u8::MAX).filter(|&bits| Opcode::from_bits(bits).is_some()).collect::<Vec<_>>();
        assert_eq!(known, [0x0, 0x1, 0x2, 0x8, 0x9, 0xA]);
        assert!(known.into_iter().all(|bits| Opcode::from_bits(bits).map(Opcode::bits) == Some(bits)));
    }

    #[test]
    fn close_ping_and_pong_are_the_control_frames() {
        let control = (0..=u8::MAX).filter_map(Opcode::from_bits).filter(|opcode| opcode.is_control());
        assert_eq!(control.collect::<Vec<_>>(), [Opcode::Close, Opcode::Ping, Opcode::Pong]);
    }
}
