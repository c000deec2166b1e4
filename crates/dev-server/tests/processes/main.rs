//! The program with real processes around it: what its guard ends, and what it says when something is missing.

#![allow(clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod command_line;
mod guard;
