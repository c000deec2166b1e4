//! The harness: a server below a script of hooks, a client that can send any bytes, and waits with deadlines.

mod client;
mod frame;
mod memory;
mod peer;
mod pool;
mod request;
mod running;
mod script;
#[cfg(feature = "tokens")]
pub(crate) mod token;
mod wait;

pub(crate) use self::{
    client::Client,
    frame::{CLOSE, CONTINUATION, Frame, PING, PONG, TEXT, close, masked, text},
    memory::PeakMemory,
    peer::{Peer, Response},
    pool::Pool,
    request::Request,
    running::{Driver, Plan, Running, serve, serve_alone},
    wait::{eventually, within},
};
