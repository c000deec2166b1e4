//! The WebSocket framing of RFC 6455 for a server: bytes in, events out, and messages in, frames out.
//! It does no I/O, reads no clock and answers nothing by itself; pongs, close replies and timeouts are its caller's.
//!
//! One [`Decoder`] belongs to one connection. Whoever reads the socket owns the read buffer, which many connections may
//! share, because nothing that the decoder keeps or returns points into it:
//!
//! ```
//! use duplex_core::codec::{Decoder, DecoderLimits, Event, Message, Violation, encode_close};
//!
//! fn received(decoder: &mut Decoder, mut input: &mut [u8]) -> Result<(), Violation> {
//!     while let Some(event) = decoder.decode(&mut input)? {
//!         match event {
//!             Event::Message(message) => println!("{} bytes of application data", message.len()),
//!             Event::Ping(payload) => println!("answer with a pong that carries {payload:?}"),
//!             Event::Pong(_) => {}
//!             Event::Close(frame) => println!("answer with {:?}", encode_close(frame.as_ref())),
//!         }
//!     }
//!     Ok(())
//! }
//!
//! let mut decoder = Decoder::new(DecoderLimits::default());
//! // "Hello", masked, as in RFC 6455 section 5.7.
//! let mut bytes = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
//! received(&mut decoder, &mut bytes)?;
//!
//! assert_eq!(Message::from("Hello").encode(), &b"\x81\x05Hello"[..]);
//! # Ok::<(), Violation>(())
//! ```

mod assembly;
mod close;
mod control;
mod decoder;
mod encoder;
mod event;
mod frames;
mod header;
mod inline_bytes;
mod limits;
mod mask;
mod message;
mod opcode;
mod payload;
mod text;
mod violation;

pub use close::{CloseCode, CloseFrame, InvalidCloseCode};
pub use decoder::Decoder;
pub use encoder::{encode, encode_close};
pub use event::Event;
pub use frames::{Frames, frames};
pub use limits::DecoderLimits;
pub use message::Message;
pub use opcode::Opcode;
pub use violation::Violation;

#[cfg(test)]
mod tests;
