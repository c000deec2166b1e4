//! The program with real processes around it: what its guard ends, what it says when something is missing, and what it
//! makes of new types for the front end.

#![allow(clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod command_line;
mod contract;
mod guard;
mod strays;
