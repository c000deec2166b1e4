//! The hub, and the server that both binaries share.
