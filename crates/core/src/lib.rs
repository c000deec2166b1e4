//! The hub, and the server that both binaries share.

pub mod codec;
