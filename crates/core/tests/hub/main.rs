//! The hub and its server over real sockets: each test starts one on a port of its own, connects, acts and expects.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code, and clippy knows only the functions that are marked as tests"
)]

mod support;

mod clients;
mod drain;
mod early_bytes;
mod heartbeat;
mod hooks;
mod ordering;
mod overload;
mod portable;
mod protocol;
mod refusals;
mod revocation;
mod slow_consumers;
mod takeover;
mod verbs;
