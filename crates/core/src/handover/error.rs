//! What can go wrong while one process takes over from another.

use std::io;

/// Why a handover did not take place. The process that serves goes on serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// The system refused.
    #[error("the line to the process that serves now failed")]
    Io(#[from] io::Error),
}
