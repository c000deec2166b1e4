//! The hub, and the server that both binaries share.

mod environment;

pub use environment::{Environment, EnvironmentError};
