//! The whole application on a server of its own, as browsers and scripts find it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "all of this is test code")]

mod client;
mod http;
mod messages;
mod pages;
mod running;
mod sockets;
mod start;
