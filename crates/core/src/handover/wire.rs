//! The line of a handover: messages in MessagePack, which costs little for the bytes that are most of it.

use std::{
    io,
    net::Shutdown,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

use super::HandoverError;
use crate::line::{LineError, LineLimits, MOST_DESCRIPTORS, RawLine};

/// The largest message, in bytes. Messages are far smaller, except one with a single very large publication.
const LIMITS: LineLimits = LineLimits { message: 256 << 20, descriptors: MOST_DESCRIPTORS };

/// How long the other side may take for its next word when it is its turn. What it has to do is a matter of milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// One end of the line.
#[derive(Debug)]
pub(super) struct Wire(RawLine);

impl Wire {
    /// An end whose other side has to answer within [`PATIENCE`].
    pub(super) fn new(stream: UnixStream) -> Result<Self, HandoverError> {
        stream.set_nonblocking(false)?;
        let line = RawLine::new(stream, LIMITS);
        line.set_patience(Some(PATIENCE), Some(PATIENCE))?;
        Ok(Self(line))
    }

    pub(super) fn try_clone(&self) -> Result<Self, HandoverError> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Reads wait as long as it takes, or not.
    pub(super) fn be_patient(&self, patient: bool) -> Result<(), HandoverError> {
        let read = if patient { None } else { Some(PATIENCE) };
        Ok(self.0.set_patience(read, Some(PATIENCE))?)
    }

    pub(super) fn send<M: Serialize>(
        &mut self,
        message: &M,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), HandoverError> {
        self.0.send(descriptors, |body| write(body, message)).map_err(understood)
    }

    /// Something that is no message.
    #[cfg(debug_assertions)]
    pub(super) fn send_garbage(&mut self) -> Result<(), HandoverError> {
        let garbage = |body: &mut Vec<u8>| {
            body.extend_from_slice(&[0xc1; 100]);
            Ok(())
        };
        Ok(self.0.send(&[], garbage)?)
    }

    /// The next message, or nothing at the end of the line.
    pub(super) fn receive<M: DeserializeOwned>(
        &mut self,
    ) -> Result<Option<(M, Vec<OwnedFd>)>, HandoverError> {
        let Some((body, descriptors)) = self.0.receive().map_err(understood)? else { return Ok(None) };
        Ok(Some((read(&body)?, descriptors)))
    }

    /// The next message, which has to come.
    pub(super) fn expect<M: DeserializeOwned>(&mut self) -> Result<(M, Vec<OwnedFd>), HandoverError> {
        self.receive()?.ok_or(HandoverError::HungUp)
    }

    /// The other side's writes fail from now on; what it has written before can still be read.
    pub(super) fn end_reading(&self) {
        self.0.end(Shutdown::Read);
    }

    pub(super) fn stream(&self) -> &UnixStream {
        self.0.stream()
    }

    pub(super) fn hang_up(&self) {
        self.0.end(Shutdown::Both);
    }
}

/// Writes a value behind what is there.
pub(super) fn write<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) -> Result<(), LineError> {
    rmp_serde::encode::write_named(bytes, value).map_err(|error| LineError::Message(error.to_string()))
}

/// Reads a value.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, LineError> {
    rmp_serde::from_slice(bytes).map_err(|error| LineError::Message(error.to_string()))
}

fn understood(error: LineError) -> HandoverError {
    match error {
        LineError::Io(error) if is_timeout(&error) => HandoverError::Silent(PATIENCE),
        error => error.into(),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
