//! The decoder of one connection: where it is between two bytes, and which frame may come next (RFC 6455, section 5).

use super::assembly::{Assembly, MessageKind};
use super::control::{ControlFrame, ControlKind};
use super::event::Event;
use super::header::{Header, PartialHeader};
use super::limits::DecoderLimits;
use super::opcode::Opcode;
use super::payload::PayloadRest;
use super::violation::Violation;
use serde::{Deserialize, Serialize};
use std::mem;

/// Turns a client's bytes into [`Event`]s.
///
/// A decoder is small plain data: it holds no heap memory between two messages, and what it holds inside one grows
/// with the bytes received, never with a length that a header declares. Serialised at any point, it goes on elsewhere
/// with the next byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoder {
    limits: DecoderLimits,
    stage: Stage,
    /// A fragmented message while none of its frames is being read.
    fragmented: Option<Box<Assembly>>,
}

impl Decoder {
    /// A decoder for the first byte behind the opening handshake.
    pub fn new(limits: DecoderLimits) -> Self {
        Self { limits, stage: Stage::IDLE, fragmented: None }
    }

    /// The next event in `input`, which is unmasked in place and shortened by what was read.
    ///
    /// `None` means that all of `input` was read. After an event the rest of `input` may be kept and given to a later
    /// call, with more bytes behind it or without. After [`Event::Close`] or a violation nothing more is decoded:
    /// every later call swallows its input and returns `None`.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] of the protocol or the limits, once. Frames are refused at their header, text at the
    /// first byte that cannot become valid UTF-8.
    pub fn decode(&mut self, input: &mut &mut [u8]) -> Result<Option<Event>, Violation> {
        let result = self.advance(input);
        if self.has_ended() {
            self.fragmented = None;
        }
        result
    }

    /// Goes on with other limits, as in a process that has other settings than the one before. A message that is under way
    /// is held to them from its next frame on.
    pub fn set_limits(&mut self, limits: DecoderLimits) {
        self.limits = limits;
    }

    /// Whether a close frame or a violation has ended the decoding.
    pub fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// The heap memory held for an unfinished message or control frame, in bytes; 0 between two messages.
    pub fn heap_bytes(&self) -> usize {
        let stage = match &self.stage {
            Stage::Data(_, message) => message.heap_bytes(),
            Stage::Control(frame) => frame.heap_bytes(),
            Stage::Header(_) | Stage::Ended => 0,
        };
        stage + self.fragmented.as_ref().map_or(0, |message| message.heap_bytes())
    }

    fn advance(&mut self, input: &mut &mut [u8]) -> Result<Option<Event>, Violation> {
        loop {
            // With its stage taken away the decoder has ended, so that is how every violation leaves it.
            let (stage, event) = match mem::replace(&mut self.stage, Stage::Ended) {
                Stage::Header(partial) => self.read_header(partial, input)?,
                Stage::Data(frame, message) => self.read_data(frame, message, input)?,
                Stage::Control(frame) => read_control(frame, input)?,
                Stage::Ended => {
                    *input = &mut [];
                    return Ok(None);
                }
            };
            self.stage = stage;
            if event.is_some() || input.is_empty() {
                return Ok(event);
            }
        }
    }

    fn read_header(&mut self, mut partial: PartialHeader, input: &mut &mut [u8]) -> Step {
        match partial.take(input)? {
            Some(header) => self.begin_frame(&header, input),
            None => Ok((Stage::Header(partial), None)),
        }
    }

    fn begin_frame(&mut self, header: &Header, input: &mut &mut [u8]) -> Step {
        match header.opcode {
            Opcode::Continuation => self.continue_message(header, input),
            Opcode::Text => self.begin_message(MessageKind::Text, header, input),
            Opcode::Binary => self.begin_message(MessageKind::Binary, header, input),
            Opcode::Close => begin_control(ControlKind::Close, header, input),
            Opcode::Ping => begin_control(ControlKind::Ping, header, input),
            Opcode::Pong => begin_control(ControlKind::Pong, header, input),
        }
    }

    fn begin_message(&mut self, kind: MessageKind, header: &Header, input: &mut &mut [u8]) -> Step {
        if self.fragmented.is_some() {
            return Err(Violation::MessageInterrupted);
        }
        let mut rest = self.admit(header, 0)?;
        // The usual case, a whole message in one read, needs no assembly.
        if header.last && rest.len() <= input.len() {
            let message = kind.message(rest.take(input))?;
            return Ok((Stage::IDLE, Some(Event::Message(message))));
        }
        self.read_data(DataFrame { rest, last: header.last }, Box::new(Assembly::new(kind)), input)
    }

    fn continue_message(&mut self, header: &Header, input: &mut &mut [u8]) -> Step {
        let mut message = self.fragmented.take().ok_or(Violation::ContinuationWithoutStart)?;
        if message.frames >= self.limits.max_fragments {
            return Err(Violation::TooManyFragments { limit: self.limits.max_fragments });
        }
        message.frames += 1;
        let rest = self.admit(header, message.len())?;
        self.read_data(DataFrame { rest, last: header.last }, message, input)
    }

    /// The payload of a data frame, if the message still has room for it behind the bytes received.
    fn admit(&self, header: &Header, received: usize) -> Result<PayloadRest, Violation> {
        let limit = self.limits.max_message_bytes;
        let length = usize::try_from(header.length).map_err(|_| Violation::MessageTooBig { limit })?;
        if length > limit.saturating_sub(received) {
            return Err(Violation::MessageTooBig { limit });
        }
        Ok(PayloadRest::new(header.key, length))
    }

    fn read_data(&mut self, mut frame: DataFrame, mut message: Box<Assembly>, input: &mut &mut [u8]) -> Step {
        message.push(frame.rest.take(input))?;
        if !frame.rest.is_empty() {
            return Ok((Stage::Data(frame, message), None));
        }
        if frame.last {
            return Ok((Stage::IDLE, Some(Event::Message(message.finish()?))));
        }
        self.fragmented = Some(message);
        Ok((Stage::IDLE, None))
    }
}

/// What the next byte belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Header(PartialHeader),
    Data(DataFrame, Box<Assembly>),
    Control(Box<ControlFrame>),
    Ended,
}

impl Stage {
    const IDLE: Self = Self::Header(PartialHeader::EMPTY);
}

/// The stage that follows, and what became complete on the way there.
type Step = Result<(Stage, Option<Event>), Violation>;

/// What is left of a text, binary or continuation frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DataFrame {
    rest: PayloadRest,
    /// Whether the message ends with this frame.
    last: bool,
}

fn begin_control(kind: ControlKind, header: &Header, input: &mut &mut [u8]) -> Step {
    // The header's own check has bounded the length to 125 bytes.
    let length = usize::try_from(header.length).map_err(|_| Violation::ControlTooLong)?;
    let mut rest = PayloadRest::new(header.key, length);
    if length <= input.len() {
        return finish_control(kind, rest.take(input));
    }
    read_control(Box::new(ControlFrame::new(kind, rest)), input)
}

fn read_control(mut frame: Box<ControlFrame>, input: &mut &mut [u8]) -> Step {
    if !frame.take(input) {
        return Ok((Stage::Control(frame), None));
    }
    finish_control(frame.kind(), frame.payload())
}

fn finish_control(kind: ControlKind, payload: &[u8]) -> Step {
    let event = kind.event(payload)?;
    let stage = if kind == ControlKind::Close { Stage::Ended } else { Stage::IDLE };
    Ok((stage, Some(event)))
}
