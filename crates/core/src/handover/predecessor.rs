//! The new process's end of the line until it serves.

use std::{
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use super::{
    Conversation, HandoverError, KERNEL_DECIDES, STATE_VERSION, fail_point,
    message::{Hello, ToNew, ToOld, Welcome},
    wire::Wire,
};
use crate::{descriptors::room_for_descriptors, hub::STREAMS_VERSION};

/// A line to the process that serves now.
#[derive(Debug)]
pub struct Predecessor {
    pub(super) wire: Wire,
    listeners: Vec<TcpListener>,
    welcome: Welcome,
    version: u32,
}

impl Predecessor {
    /// Says hello, and is welcomed or refused. Blocks for at most some seconds. Raise the limit on descriptors before: see
    /// [`raise_descriptor_limit`](crate::raise_descriptor_limit).
    ///
    /// # Errors
    /// See [`HandoverError`]; [`HandoverError::Refused`] says what is missing.
    pub fn greet(line: UnixStream) -> Result<Self, HandoverError> {
        let mut wire = Wire::new(line)?;
        fail_point::reach("hello", &mut wire)?;
        let fault = fail_point::fault_at("hello");
        let version = if fault.as_deref() == Some("version") { STATE_VERSION + 1 } else { STATE_VERSION };
        let descriptors = if fault.as_deref() == Some("descriptors") { 3 } else { room_for_descriptors() };
        let hello = Hello { version, streams: STREAMS_VERSION, process: std::process::id(), descriptors };
        wire.send(&ToOld::Hello(hello), &[])?;
        let (welcome, descriptors) = match wire.expect()? {
            (ToNew::Welcome(welcome), descriptors) => (welcome, descriptors),
            (ToNew::Refused(refusal), _) => return Err(refusal.into()),
            (other, _) => return Err(HandoverError::OutOfTurn(format!("{other:?}"))),
        };
        fail_point::reach("welcomed", &mut wire)?;
        let listeners = descriptors.into_iter().map(|descriptor: OwnedFd| TcpListener::from(descriptor));
        Ok(Self { wire, listeners: listeners.collect(), welcome, version })
    }

    /// The listening sockets that it hands over, close-on-exec. They can be taken once.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }

    /// Whether its open sockets can move here: both processes have the same state version. If not, the other one closes its
    /// sockets with a code that makes them come back.
    pub fn moves_sockets(&self) -> bool {
        self.moves_streams() && self.welcome.version == self.version
    }

    /// Whether what its channels keep can move here. If not, this process begins with an empty hub.
    pub(crate) fn moves_streams(&self) -> bool {
        KERNEL_DECIDES && self.welcome.streams == STREAMS_VERSION
    }

    /// The same line, to hang up on it from elsewhere.
    pub(crate) fn conversation(&self) -> Option<Conversation> {
        self.wire.stream().try_clone().ok().map(Conversation::with)
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.welcome.process
    }

    /// The build of the front end that it serves.
    pub(crate) fn build(&self) -> Option<&str> {
        self.welcome.build.as_deref()
    }

    /// This process serves with the listening sockets alone.
    pub(crate) fn replace(mut self) -> Result<(), HandoverError> {
        self.wire.send(&ToOld::Replace, &[])
    }
}
