//! The line between the supervisor of a development run and the worker it starts: a Unix socket pair that carries
//! messages and descriptors. What either side does with a message is theirs to decide.
//!
//! The worker's end is its standard input, so that no descriptor number has to be agreed on. The end of the line is
//! also the sign that the supervisor is gone.

mod line;
mod message;

pub use crate::line::LineError;
pub use line::{Line, MAX_DESCRIPTORS, MAX_MESSAGE, Received};
pub use message::{Serve, ToSupervisor, ToWorker};
