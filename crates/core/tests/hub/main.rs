//! The hub and its server over real sockets: each test starts one on a port of its own, connects, acts and expects.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code, and clippy knows only the functions that are marked as tests"
)]

mod support;

mod bad_input;
mod bad_values;
mod client_hooks;
mod client_lifetime;
mod clients;
#[cfg(feature = "contract")]
mod contract;
mod drain;
mod early_bytes;
mod floods;
mod handover;
mod heartbeat;
mod history;
mod hooks;
mod ordering;
mod overload;
mod panics;
mod portable;
mod presence;
mod protocol;
mod recovery;
mod refusals;
mod revocation;
#[cfg(feature = "tokens")]
mod rust_sdk;
mod server_subscriptions;
mod slow_consumers;
mod takeover;
#[cfg(feature = "tokens")]
mod token_refresh;
#[cfg(feature = "tokens")]
mod tokens;
mod verbs;
