//! The hub and its server over real sockets: each test starts one on a port of its own, connects, acts and expects.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod support;

mod drain;
mod early_bytes;
mod heartbeat;
mod hooks;
mod overload;
mod portable;
mod protocol;
mod refusals;
mod slow_consumers;
mod takeover;
mod verbs;
