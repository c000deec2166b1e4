//! Messages and descriptors over a Unix stream socket: a header of five bytes (length of the body, number of
//! descriptors), then the body as JSON. It blocks: each side gives the receiving end a thread of its own, which
//! therefore notices the other side's death whatever the rest of the program is busy with.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use serde::{Serialize, de::DeserializeOwned};

/// The largest message body in bytes. A tunnelled request's head and early bytes are the largest thing said, and
/// both are far below this.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// The most descriptors one message can carry: a listening socket per address and a line, with room to spare.
pub const MAX_DESCRIPTORS: usize = 16;

/// Length of the body (u32, big endian) and number of descriptors (u8).
const HEADER: usize = 5;

/// How long a message may take to be written. The other side reads in a thread of its own, so only a stopped process
/// lets this pass, and nobody is to wait for a stopped process.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// One end of the line.
#[derive(Debug)]
pub struct Line {
    stream: UnixStream,
}

/// A message and the descriptors that came with it.
#[derive(Debug)]
pub struct Received<M> {
    /// What was said.
    pub message: M,
    /// The descriptors, close-on-exec, in the order in which they were sent.
    pub descriptors: Vec<OwnedFd>,
}

/// Why a message could not be sent or received. After any of these the line is of no further use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The system refused.
    #[error("line between supervisor and worker")]
    Io(#[from] io::Error),
    /// The message is longer than [`MAX_MESSAGE`].
    #[error("message of {0} bytes on the supervision line, at most {MAX_MESSAGE} are allowed")]
    TooLong(usize),
    /// The message comes with more than [`MAX_DESCRIPTORS`] descriptors.
    #[error("message with {0} descriptors on the supervision line, at most {MAX_DESCRIPTORS} are allowed")]
    TooManyDescriptors(usize),
    /// Not every announced descriptor arrived, usually because the process may not open more files.
    #[error("message announces {announced} descriptors, {arrived} arrived; is the open-files limit reached?")]
    MissingDescriptors {
        /// How many the header speaks of.
        announced: usize,
        /// How many the kernel delivered.
        arrived: usize,
    },
    /// The line ended inside a message.
    #[error("supervision line ended inside a message")]
    Truncated,
    /// The body is not a message this side knows.
    #[error("message on the supervision line is not understood")]
    Message(#[from] serde_json::Error),
}

impl Line {
    /// Makes a line: this side's end, and the descriptor that becomes the worker's standard input.
    pub fn pair() -> Result<(Self, OwnedFd), LineError> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self::try_from(OwnedFd::from(ours))?, theirs.into()))
    }

    /// Takes the line that this process was given as its standard input, and leaves `/dev/null` in its place: a
    /// program that this process starts must not inherit the line.
    ///
    /// # Errors
    /// When standard input is no socket, i.e. when somebody started the worker by hand.
    pub fn from_stdin() -> Result<Self, LineError> {
        let line = io::stdin().as_fd().try_clone_to_owned()?;
        rustix::net::sockopt::socket_type(&line).map_err(io::Error::from)?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?).map_err(io::Error::from)?;
        Self::try_from(line)
    }

    /// A second handle to the same end, so that one thread can send while another receives.
    pub fn try_clone(&self) -> Result<Self, LineError> {
        Ok(Self { stream: self.stream.try_clone()? })
    }

    /// Sends one message with its descriptors, which stay open on this side too.
    pub fn send<M: Serialize>(
        &mut self,
        message: &M,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), LineError> {
        let bytes = encode(message, descriptors.len())?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(LineError::TooManyDescriptors(descriptors.len()));
        }
        let parts = [IoSlice::new(&bytes)];
        let sent = rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(&self.stream, &parts, &mut ancillary, SendFlags::empty())
        });
        // The descriptors go with the first byte; what a full buffer left over is plain bytes.
        let sent = sent.map_err(io::Error::from)?;
        Ok(self.stream.write_all(bytes.get(sent..).unwrap_or_default())?)
    }

    /// Waits for the next message. `None` is the end of the line: the other side closed it or is dead.
    pub fn receive<M: DeserializeOwned>(&mut self) -> Result<Option<Received<M>>, LineError> {
        let Some((length, announced, descriptors)) = self.receive_header()? else {
            return Ok(None);
        };
        if descriptors.len() != announced {
            return Err(LineError::MissingDescriptors { announced, arrived: descriptors.len() });
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).map_err(truncated)?;
        Ok(Some(Received { message: serde_json::from_slice(&body)?, descriptors }))
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
        let (length, announced) = decode_header(header)?;
        Ok(Some((length, announced, descriptors)))
    }

    fn receive_some(&mut self, bytes: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
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

/// Makes an end of the line of one end of a Unix socket pair.
impl TryFrom<OwnedFd> for Line {
    type Error = LineError;

    fn try_from(socket: OwnedFd) -> Result<Self, LineError> {
        let stream = UnixStream::from(socket);
        stream.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self { stream })
    }
}

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

fn encode<M: Serialize>(message: &M, descriptors: usize) -> Result<Vec<u8>, LineError> {
    let mut bytes = vec![0; HEADER];
    serde_json::to_writer(&mut bytes, message)?;
    let body = bytes.len() - HEADER;
    let length = u32::try_from(body).ok().filter(|_| body <= MAX_MESSAGE).ok_or(LineError::TooLong(body))?;
    let count = u8::try_from(descriptors).ok().filter(|_| descriptors <= MAX_DESCRIPTORS);
    let count = count.ok_or(LineError::TooManyDescriptors(descriptors))?;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes[4] = count;
    Ok(bytes)
}

fn decode_header([a, b, c, d, descriptors]: [u8; HEADER]) -> Result<(usize, usize), LineError> {
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if length > MAX_MESSAGE {
        return Err(LineError::TooLong(length));
    }
    let descriptors = usize::from(descriptors);
    if descriptors > MAX_DESCRIPTORS {
        return Err(LineError::TooManyDescriptors(descriptors));
    }
    Ok((length, descriptors))
}

fn truncated(error: io::Error) -> LineError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => LineError::Truncated,
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;
    use crate::supervision::{Serve, ToSupervisor, ToWorker};

    fn pair() -> (Line, Line) {
        let (ours, theirs) = Line::pair().unwrap();
        (ours, Line::try_from(theirs).unwrap())
    }

    fn serve() -> ToWorker {
        let front_end = SocketAddr::from((Ipv4Addr::LOCALHOST, 5173));
        ToWorker::Serve(Serve { host: "localhost".into(), port: 3004, front_end, takes_over: false })
    }

    #[test]
    fn a_listener_arrives_with_its_message_and_still_accepts() {
        let (mut ours, mut theirs) = pair();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        ours.send(&serve(), &[listener.as_fd()]).unwrap();
        drop(listener);

        let mut received = theirs.receive::<ToWorker>().unwrap().unwrap();
        assert_eq!(received.message, serve());
        let inherited = TcpListener::from(received.descriptors.pop().unwrap());
        assert!(received.descriptors.is_empty());
        let client = TcpStream::connect(address).unwrap();
        assert_eq!(inherited.accept().unwrap().1, client.local_addr().unwrap());
    }

    #[test]
    fn received_descriptors_are_closed_on_exec() {
        let (mut ours, mut theirs) = pair();
        ours.send(&ToSupervisor::Ready, &[File::open("/dev/null").unwrap().as_fd()]).unwrap();
        let received = theirs.receive::<ToSupervisor>().unwrap().unwrap();
        let flags = rustix::io::fcntl_getfd(&received.descriptors[0]).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn messages_keep_their_own_descriptors_when_several_wait() {
        let (mut ours, mut theirs) = pair();
        let null = File::open("/dev/null").unwrap();
        for count in [0, 2, 0, MAX_DESCRIPTORS, 1] {
            let replay = vec![7; count * 1000];
            ours.send(&ToSupervisor::Tunnel { replay }, &vec![null.as_fd(); count]).unwrap();
        }
        for count in [0, 2, 0, MAX_DESCRIPTORS, 1] {
            let received = theirs.receive::<ToSupervisor>().unwrap().unwrap();
            assert_eq!(received.message, ToSupervisor::Tunnel { replay: vec![7; count * 1000] });
            assert_eq!(received.descriptors.len(), count);
        }
    }

    #[test]
    fn a_message_larger_than_the_socket_buffer_arrives_whole_with_its_descriptor() {
        let (mut ours, mut theirs) = pair();
        let message = ToSupervisor::Tunnel { replay: vec![200; MAX_MESSAGE / 4 - 100] };
        let sent = message.clone();
        let sender = std::thread::spawn(move || {
            ours.send(&sent, &[File::open("/dev/null").unwrap().as_fd()]).unwrap();
        });
        let received = theirs.receive::<ToSupervisor>().unwrap().unwrap();
        sender.join().unwrap();
        assert_eq!(received.message, message);
        assert_eq!(received.descriptors.len(), 1);
    }

    #[test]
    fn too_long_a_message_is_refused_before_anything_is_sent() {
        let (mut ours, mut theirs) = pair();
        let message = ToSupervisor::Tunnel { replay: vec![200; MAX_MESSAGE] };
        assert!(matches!(ours.send(&message, &[]), Err(LineError::TooLong(_))));
        ours.send(&ToSupervisor::Ready, &[]).unwrap();
        assert_eq!(theirs.receive::<ToSupervisor>().unwrap().unwrap().message, ToSupervisor::Ready);
    }

    #[test]
    fn too_many_descriptors_are_refused() {
        let (mut ours, _theirs) = pair();
        let null = File::open("/dev/null").unwrap();
        let error = ours.send(&ToSupervisor::Ready, &[null.as_fd(); MAX_DESCRIPTORS + 1]).unwrap_err();
        assert!(matches!(error, LineError::TooManyDescriptors(17)));
    }

    #[test]
    fn a_header_that_announces_too_much_is_refused_at_the_header() {
        let (ours, mut theirs) = pair();
        (&ours.stream).write_all(&[255, 255, 255, 255, 0]).unwrap();
        assert!(matches!(theirs.receive::<ToWorker>(), Err(LineError::TooLong(_))));
    }

    #[test]
    fn an_announced_descriptor_that_is_missing_is_an_error() {
        let (ours, mut theirs) = pair();
        (&ours.stream).write_all(&[0, 0, 0, 2, 1]).unwrap();
        let error = theirs.receive::<ToWorker>().unwrap_err();
        assert!(matches!(error, LineError::MissingDescriptors { announced: 1, arrived: 0 }));
    }

    #[test]
    fn the_end_of_the_line_is_none_between_messages_and_an_error_inside_one() {
        let (ours, mut theirs) = pair();
        drop(ours);
        assert!(theirs.receive::<ToWorker>().unwrap().is_none());

        for part in [&[0, 0][..], &[0, 0, 0, 9, 0, b'{']] {
            let (ours, mut theirs) = pair();
            (&ours.stream).write_all(part).unwrap();
            drop(ours);
            assert!(matches!(theirs.receive::<ToWorker>(), Err(LineError::Truncated)));
        }
    }

    #[test]
    fn an_unknown_message_is_an_error_that_names_it() {
        let (mut ours, mut theirs) = pair();
        ours.send(&serde_json::json!({ "type": "dance" }), &[]).unwrap();
        let error = theirs.receive::<ToWorker>().unwrap_err();
        assert!(
            matches!(&error, LineError::Message(cause) if cause.to_string().contains("dance")),
            "{error:?}"
        );
    }
}
