//! The line between supervisor and worker: messages as JSON.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use crate::line::{LineError, LineLimits, RawLine};

/// The largest message body in bytes. A tunnelled request's head and early bytes are the largest thing said, and
/// both are far below this.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// The most descriptors one message can carry: a listening socket per address and a line, with room to spare.
pub const MAX_DESCRIPTORS: usize = 16;

/// How long a message may take to be written. The other side reads in a thread of its own, so only a stopped process
/// lets this pass, and nobody is to wait for a stopped process.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// One end of the line.
#[derive(Debug)]
pub struct Line {
    line: RawLine,
}

/// A message and the descriptors that came with it.
#[derive(Debug)]
pub struct Received<M> {
    /// What was said.
    pub message: M,
    /// The descriptors, close-on-exec, in the order in which they were sent.
    pub descriptors: Vec<OwnedFd>,
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
        Ok(Self { line: self.line.try_clone()? })
    }

    /// Sends one message with its descriptors, which stay open on this side too.
    pub fn send<M: Serialize>(
        &mut self,
        message: &M,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), LineError> {
        self.line.send(descriptors, |body| serde_json::to_writer(body, message).map_err(misunderstood))
    }

    /// Waits for the next message. `None` is the end of the line: the other side closed it or is dead.
    pub fn receive<M: DeserializeOwned>(&mut self) -> Result<Option<Received<M>>, LineError> {
        let Some((body, descriptors)) = self.line.receive()? else { return Ok(None) };
        let message = serde_json::from_slice(&body).map_err(misunderstood)?;
        Ok(Some(Received { message, descriptors }))
    }
}

/// Makes an end of the line of one end of a Unix socket pair.
impl TryFrom<OwnedFd> for Line {
    type Error = LineError;

    fn try_from(socket: OwnedFd) -> Result<Self, LineError> {
        let limits = LineLimits { message: MAX_MESSAGE, descriptors: MAX_DESCRIPTORS };
        let line = RawLine::new(UnixStream::from(socket), limits);
        line.set_patience(None, Some(SEND_TIMEOUT))?;
        Ok(Self { line })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err passes")]
fn misunderstood(error: serde_json::Error) -> LineError {
    LineError::Message(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;
    use crate::supervision::{Serve, ToSupervisor, ToWorker};

    fn pair() -> (Line, Line) {
        let (ours, theirs) = Line::pair().unwrap();
        (ours, Line::try_from(theirs).unwrap())
    }

    fn bytes_to_line() -> (UnixStream, Line) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (ours, Line::try_from(OwnedFd::from(theirs)).unwrap())
    }

    const READY: ToSupervisor = ToSupervisor::Ready { succeeds: false };

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
        ours.send(&READY, &[File::open("/dev/null").unwrap().as_fd()]).unwrap();
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
        assert!(matches!(ours.send(&message, &[]), Err(LineError::TooLong { .. })));
        ours.send(&READY, &[]).unwrap();
        assert_eq!(theirs.receive::<ToSupervisor>().unwrap().unwrap().message, READY);
    }

    #[test]
    fn too_many_descriptors_are_refused() {
        let (mut ours, _theirs) = pair();
        let null = File::open("/dev/null").unwrap();
        let error = ours.send(&READY, &[null.as_fd(); MAX_DESCRIPTORS + 1]).unwrap_err();
        assert!(matches!(error, LineError::TooManyDescriptors { count: 17, limit: MAX_DESCRIPTORS }));
    }

    #[test]
    fn a_header_that_announces_too_much_is_refused_at_the_header() {
        let (mut ours, mut theirs) = bytes_to_line();
        ours.write_all(&[255, 255, 255, 255, 0]).unwrap();
        assert!(matches!(theirs.receive::<ToWorker>(), Err(LineError::TooLong { .. })));
    }

    #[test]
    fn an_announced_descriptor_that_is_missing_is_an_error() {
        let (mut ours, mut theirs) = bytes_to_line();
        ours.write_all(&[0, 0, 0, 2, 1]).unwrap();
        let error = theirs.receive::<ToWorker>().unwrap_err();
        assert!(matches!(error, LineError::MissingDescriptors { announced: 1, arrived: 0 }));
    }

    #[test]
    fn the_end_of_the_line_is_none_between_messages_and_an_error_inside_one() {
        let (ours, mut theirs) = pair();
        drop(ours);
        assert!(theirs.receive::<ToWorker>().unwrap().is_none());

        for part in [&[0, 0][..], &[0, 0, 0, 9, 0, b'{']] {
            let (mut ours, mut theirs) = bytes_to_line();
            ours.write_all(part).unwrap();
            drop(ours);
            assert!(matches!(theirs.receive::<ToWorker>(), Err(LineError::Truncated)));
        }
    }

    #[test]
    fn an_unknown_message_is_an_error_that_names_it() {
        let (mut ours, mut theirs) = pair();
        ours.send(&serde_json::json!({ "type": "dance" }), &[]).unwrap();
        let error = theirs.receive::<ToWorker>().unwrap_err();
        assert!(matches!(&error, LineError::Message(cause) if cause.contains("dance")), "{error:?}");
    }
}
