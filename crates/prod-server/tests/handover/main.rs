//! Takes over from the real program again and again, under load and under faults, and counts what its clients notice.
//!
//! `cargo test -p prod-server --test handover` is small enough for every build. The full size is a command:
//!
//! ```text
//! DUPLEX_HANDOVER=full  cargo test --release -p prod-server --test handover -- --nocapture load
//! DUPLEX_HANDOVER=10000 cargo test --release -p prod-server --test handover -- --nocapture load
//! ```
//!
//! The first has 500 clients that talk and HTTP without a pause over 20 handovers, the second 10 000 sockets, most of
//! them idle, over 5. Both print what they have measured; what is asserted are counts, never times. The faults are in
//! debug builds only, as the places in the server are at which it can be made to fail; `DUPLEX_FAIL_ONLY="Old frozen"`
//! plays those whose name has these words.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]
#![cfg_attr(not(debug_assertions), allow(dead_code, reason = "the faults need a debug build"))]

mod accounting;
mod callers;
mod client;
mod continuity;
mod crowd;
#[cfg(debug_assertions)]
mod faults;
mod frame;
mod http;
mod kernel;
mod kills;
mod ledger;
mod load;
mod patience;
mod record;
mod report;
mod scale;
mod server;
mod session;
mod site;
mod socket;
mod stage;
mod talker;
mod words;
