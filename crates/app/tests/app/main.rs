//! The whole application on a server of its own, as browsers and scripts find it.

mod http;
mod messages;
mod running;
mod sockets;
mod start;
