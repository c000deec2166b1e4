//! Bytes and descriptors over a Unix stream socket: a header of five bytes (length of the body, number of descriptors),
//! then the body. It blocks: each side gives the receiving end a thread of its own, which therefore notices the other side's
//! death whatever the rest of the program is busy with.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

/// The most descriptors that one message can carry on any line; Linux allows 253.
pub(crate) const MOST_DESCRIPTORS: usize = 200;

/// Length of the body (u32, big endian) and number of descriptors (u8).
const HEADER: usize = 5;

/// What one message may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineLimits {
    /// Bytes of its body.
    pub(crate) message: usize,
    /// Descriptors, at most [`MOST_DESCRIPTORS`].
    pub(crate) descriptors: usize,
}

/// One end of a line.
#[derive(Debug)]
pub(crate) struct RawLine {
    stream: UnixStream,
    limits: LineLimits,
}

/// The body of a message, and the descriptors that came with it.
type Received = (Vec<u8>, Vec<OwnedFd>);

/// Why a message could not be sent or received. After any of these the line is of no further use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The system refused.
    #[error("the line between two processes failed")]
    Io(#[from] io::Error),
    /// The message is too long.
    #[error("message of {length} bytes on the line between two processes, at most {limit} are allowed")]
    TooLong {
        /// The bytes of its body.
        length: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The message comes with too many descriptors.
    #[error(
        "message with {count} descriptors on the line between two processes, at most {limit} are allowed"
    )]
    TooManyDescriptors {
        /// How many it comes with.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Not every announced descriptor arrived, usually because the process may not open more files.
    #[error("message announces {announced} descriptors, {arrived} arrived; is the open-files limit reached?")]
    MissingDescriptors {
        /// How many the header speaks of.
        announced: usize,
        /// How many the kernel delivered.
        arrived: usize,
    },
    /// The line ended inside a message.
    #[error("the line between two processes ended inside a message")]
    Truncated,
    /// The body is not a message this side knows.
    #[error("message on the line between two processes is not understood: {0}")]
    Message(String),
}

impl RawLine {
    pub(crate) fn new(stream: UnixStream, limits: LineLimits) -> Self {
        Self { stream, limits }
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// A second handle to the same end, so that one thread can send while another receives.
    pub(crate) fn try_clone(&self) -> Result<Self, LineError> {
        Ok(Self { stream: self.stream.try_clone()?, limits: self.limits })
    }

    /// How long one read, or one write, may take. For ever without one.
    pub(crate) fn set_patience(
        &self,
        read: Option<Duration>,
        write: Option<Duration>,
    ) -> Result<(), LineError> {
        self.stream.set_read_timeout(read)?;
        Ok(self.stream.set_write_timeout(write)?)
    }

    /// Ends one direction, or both: the other side's writes fail from now on, or its reads find the end. What it has written
    /// before can still be read here.
    pub(crate) fn end(&self, which: Shutdown) {
        // The other side may be gone already, which comes to the same.
        let _ = self.stream.shutdown(which);
    }

    /// Sends one message, whose body is what `write` appends, with its descriptors, which stay open on this side too.
    pub(crate) fn send(
        &mut self,
        descriptors: &[BorrowedFd<'_>],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), LineError>,
    ) -> Result<(), LineError> {
        let mut bytes = vec![0; HEADER];
        write(&mut bytes)?;
        let header = self.limits.encode(bytes.len() - HEADER, descriptors.len())?;
        bytes[..HEADER].copy_from_slice(&header);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            let (count, limit) = (descriptors.len(), MOST_DESCRIPTORS);
            return Err(LineError::TooManyDescriptors { count, limit });
        }
        let sent = rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(&self.stream, &[IoSlice::new(&bytes)], &mut ancillary, NO_SIGNAL)
        });
        // The descriptors go with the first byte; what a full buffer left over is plain bytes.
        let sent = sent.map_err(io::Error::from)?;
        Ok(self.stream.write_all(&bytes[sent..])?)
    }

    /// Waits for the next message: its body and the descriptors that came with it, close-on-exec. `None` is the end of the
    /// line: the other side closed it or is dead.
    pub(crate) fn receive(&mut self) -> Result<Option<Received>, LineError> {
        let Some((length, announced, descriptors)) = self.receive_header()? else {
            return Ok(None);
        };
        if descriptors.len() != announced {
            return Err(LineError::MissingDescriptors { announced, arrived: descriptors.len() });
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).map_err(truncated)?;
        Ok(Some((body, descriptors)))
    }

    fn receive_header(&mut self) -> Result<Option<(usize, usize, Vec<OwnedFd>)>, LineError> {
        let mut header = [0; HEADER];
        let mut descriptors = Vec::new();
        let mut filled = 0;
        while filled < HEADER {
            match self.receive_some(&mut header[filled..], &mut descriptors)? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(LineError::Truncated),
                count => filled += count,
            }
        }
        let (length, announced) = self.limits.decode(header)?;
        Ok(Some((length, announced, descriptors)))
    }

    fn receive_some(&mut self, bytes: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            rustix::net::recvmsg(&self.stream, &mut [IoSliceMut::new(bytes)], &mut ancillary, CLOSE_ON_EXEC)
        });
        let count = match received {
            Ok(received) => received.bytes,
            // The other process died with unread messages of ours: as much an end as any.
            Err(rustix::io::Errno::CONNRESET) => 0,
            Err(error) => return Err(error.into()),
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(arrived) = message {
                descriptors.extend(arrived);
            }
        }
        close_on_exec(descriptors)?;
        Ok(count)
    }
}

impl LineLimits {
    fn encode(self, body: usize, descriptors: usize) -> Result<[u8; HEADER], LineError> {
        let too_long = LineError::TooLong { length: body, limit: self.message };
        let length = u32::try_from(body).ok().filter(|_| body <= self.message).ok_or(too_long)?;
        let too_many = LineError::TooManyDescriptors { count: descriptors, limit: self.descriptors };
        let count = u8::try_from(descriptors).ok().filter(|_| descriptors <= self.descriptors);
        let [a, b, c, d] = length.to_be_bytes();
        Ok([a, b, c, d, count.ok_or(too_many)?])
    }

    fn decode(self, [a, b, c, d, descriptors]: [u8; HEADER]) -> Result<(usize, usize), LineError> {
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > self.message {
            return Err(LineError::TooLong { length, limit: self.message });
        }
        let descriptors = usize::from(descriptors);
        if descriptors > self.descriptors {
            return Err(LineError::TooManyDescriptors { count: descriptors, limit: self.descriptors });
        }
        Ok((length, descriptors))
    }
}

/// A line whose other end is gone is an error, and no signal.
#[cfg(target_os = "linux")]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(not(target_os = "linux"))]
const NO_SIGNAL: SendFlags = SendFlags::empty();

#[cfg(target_os = "linux")]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::empty();

/// Elsewhere than on Linux the flag has to be set afterwards.
fn close_on_exec(descriptors: &[OwnedFd]) -> io::Result<()> {
    if cfg!(target_os = "linux") {
        return Ok(());
    }
    for descriptor in descriptors {
        rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(())
}

fn truncated(error: io::Error) -> LineError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => LineError::Truncated,
        _ => error.into(),
    }
}
