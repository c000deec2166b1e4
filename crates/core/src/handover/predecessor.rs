//! The new process's end of the line until it serves.

use std::{net::TcpListener, os::unix::net::UnixStream};

use super::HandoverError;

/// A line to the process that serves now.
#[derive(Debug)]
pub struct Predecessor {
    listeners: Vec<TcpListener>,
    _line: UnixStream,
}

impl Predecessor {
    /// Says hello, and is welcomed or refused. Blocks for at most some seconds.
    ///
    /// # Errors
    /// See [`HandoverError`].
    pub fn greet(line: UnixStream) -> Result<Self, HandoverError> {
        Ok(Self { listeners: Vec::new(), _line: line })
    }

    /// The listening sockets that it hands over, close-on-exec. They can be taken once.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }

    /// Whether its open sockets can move here: both processes have the same state version.
    pub fn moves_sockets(&self) -> bool {
        true
    }
}
