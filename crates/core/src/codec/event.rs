//! What a decoder reports.

use super::close::CloseFrame;
use super::message::Message;
use bytes::Bytes;

/// Something that the client sent in full. It owns its bytes and shares none with the read buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An application message, put together from all its frames.
    Message(Message),
    /// A ping of up to 125 bytes, to be answered by a pong with the same bytes.
    Ping(Bytes),
    /// A pong of up to 125 bytes.
    Pong(Bytes),
    /// The client's last frame: `None` if it named no code. The server answers with a close frame of its own, unless
    /// it sent one already, and then ends the TCP connection first (RFC 6455, sections 5.5.1 and 7.1.1).
    Close(Option<CloseFrame>),
}
