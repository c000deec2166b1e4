//! The byte stream below a connection: a TCP socket of our own, or a pipe to an actix worker that carries it for us.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd as _, BorrowedFd},
    task::{Context, Poll},
};

use tokio::{io::Interest, net::TcpStream};

use crate::portable::Pipe;

/// A byte stream that is not yet tied to a shard's runtime.
pub(crate) enum Incoming {
    Tcp(std::net::TcpStream),
    Portable(Pipe),
}

/// A byte stream on its shard. Reading and writing never wait; the `poll` methods register the task for readiness.
pub(crate) enum Transport {
    Tcp(TcpStream),
    Portable(Pipe),
}

impl Incoming {
    /// Ties the stream to the runtime of the current thread.
    pub(crate) fn open(self) -> io::Result<Transport> {
        match self {
            Self::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                TcpStream::from_std(stream).map(Transport::Tcp)
            }
            Self::Portable(pipe) => Ok(Transport::Portable(pipe)),
        }
    }
}

impl Transport {
    /// Its descriptor, if it has one of its own.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tcp(stream) => Some(stream.as_fd()),
            Self::Portable(_) => None,
        }
    }

    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(context),
            Self::Portable(pipe) => pipe.poll_read_ready(context),
        }
    }

    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(context),
            Self::Portable(pipe) => pipe.poll_write_ready(context),
        }
    }

    /// Whether there is room to write, as far as the runtime has heard.
    pub(crate) fn is_writable(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.try_io(Interest::WRITABLE, || Ok(())).is_ok(),
            Self::Portable(_) => true,
        }
    }

    /// Reads what is there; `WouldBlock` when nothing is, 0 at the end of the stream.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Portable(pipe) => pipe.try_read(buffer),
        }
    }

    /// Writes what fits now; `WouldBlock` when nothing does.
    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self, slices) {
            (Self::Tcp(stream), [only]) => stream.try_write(only),
            (Self::Tcp(stream), _) => stream.try_write_vectored(slices),
            (Self::Portable(pipe), _) => pipe.try_write(slices),
        }
    }

    /// Ends our direction of the stream; the peer reads the end after everything written before.
    pub(crate) fn end_writing(&self) {
        match self {
            // The peer may be gone already, which is what ends the connection then.
            Self::Tcp(stream) => drop(socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write)),
            Self::Portable(pipe) => pipe.end_writing(),
        }
    }
}
