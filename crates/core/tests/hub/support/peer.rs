//! A client that sends what it is told to, and reads what comes.

use std::{future::Future, io, net::SocketAddr, panic::Location};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::{CLOSE, Frame, PONG, Request, TEXT, close, masked, text, within};

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A TCP connection to the server.
pub(crate) struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Peer {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = within("a TCP connection", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// A peer whose kernel holds little for it, so that the server soon notices when it does not read.
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = within("a TCP connection", socket.connect(address)).await.unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        assert!(self.buffer.is_empty(), "bytes have been read already");
        self.stream
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let sent = within("sending", self.stream.write_all(bytes.as_ref())).await;
            sent.unwrap_or_else(|error| panic!("{caller}: cannot send: {error}"));
        }
    }

    /// Sends until it is done or the server has hung up.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within("sending", self.stream.write_all(bytes)).await
    }

    pub(crate) async fn send_text(&mut self, payload: &str) {
        self.send(text(payload)).await;
    }

    /// Ends this side's direction.
    pub(crate) async fn end_writing(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Breaks the connection off with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Sends a request and reads the answer, with its body unless it is a 101.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Request) -> impl Future<Output = Response> {
        let caller = Location::caller();
        async move {
            self.send(request.bytes()).await;
            self.response_at(caller).await
        }
    }

    #[track_caller]
    pub(crate) fn response(&mut self) -> impl Future<Output = Response> {
        self.response_at(Location::caller())
    }

    async fn response_at(&mut self, caller: &Location<'_>) -> Response {
        let end = loop {
            let end = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => self.fill(caller, "a response").await,
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut response = Response { status, headers, body: String::new() };
        let length = response.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.buffer.len() < length {
            self.fill(caller, "the body of a response").await;
        }
        response.body = String::from_utf8(self.buffer.drain(..length).collect()).unwrap();
        response
    }

    #[track_caller]
    pub(crate) fn frame(&mut self) -> impl Future<Output = Frame> {
        self.frame_at(Location::caller())
    }

    async fn frame_at(&mut self, caller: &Location<'_>) -> Frame {
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer) {
                return frame;
            }
            self.fill(caller, "a frame").await;
        }
    }

    /// The next frame, which has to be text.
    #[track_caller]
    pub(crate) fn text(&mut self) -> impl Future<Output = String> {
        let caller = Location::caller();
        async move {
            let frame = self.frame_at(caller).await;
            assert_eq!(frame.opcode, TEXT, "{caller}: wanted text, got {frame:?}");
            String::from_utf8(frame.payload).unwrap()
        }
    }

    #[track_caller]
    pub(crate) fn expect_text(&mut self, expected: &str) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let frame = self.frame_at(caller).await;
            let payload = String::from_utf8_lossy(&frame.payload);
            assert!(
                frame.opcode == TEXT && payload == expected,
                "{caller}: wanted {expected:?}, got opcode {} with {payload:?}",
                frame.opcode
            );
        }
    }

    /// Sends a text and expects it back: the connection lives, and everything before it has been handled.
    #[track_caller]
    pub(crate) fn echo(&mut self, payload: &str) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            self.send_text(payload).await;
            let frame = self.frame_at(caller).await;
            assert_eq!(frame, Frame { opcode: TEXT, payload: payload.into() }, "{caller}: wanted an echo");
        }
    }

    #[track_caller]
    pub(crate) fn expect_pong(&mut self, payload: &[u8]) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let frame = self.frame_at(caller).await;
            assert_eq!(frame, Frame { opcode: PONG, payload: payload.to_vec() }, "{caller}: wanted a pong");
        }
    }

    /// Expects a close frame next, and gives its reason.
    #[track_caller]
    pub(crate) fn expect_close(&mut self, code: u16) -> impl Future<Output = String> {
        let caller = Location::caller();
        async move {
            let frame = self.frame_at(caller).await;
            assert_eq!(frame.opcode, CLOSE, "{caller}: wanted a close frame, got {frame:?}");
            assert_eq!(
                frame.payload.get(..2),
                Some(&code.to_be_bytes()[..]),
                "{caller}: the code should be {code}"
            );
            String::from_utf8(frame.payload[2..].to_vec()).unwrap()
        }
    }

    /// Expects a close frame, answers it, expects the server to end the stream, and hangs up.
    #[track_caller]
    pub(crate) fn expect_closing(&mut self, code: u16) -> impl Future<Output = String> {
        let caller = Location::caller();
        async move {
            let frame = self.frame_at(caller).await;
            let expected = (CLOSE, Some(&code.to_be_bytes()[..]));
            assert_eq!((frame.opcode, frame.payload.get(..2)), expected, "{caller}: wanted close {code}");
            self.close_back(&frame).await;
            String::from_utf8(frame.payload[2..].to_vec()).unwrap()
        }
    }

    /// Answers a close frame, expects the server to end the stream, and hangs up.
    pub(crate) async fn close_back(&mut self, frame: &Frame) {
        self.send(masked(CLOSE, true, &frame.payload)).await;
        self.expect_end().await;
        self.end_writing().await;
    }

    /// Closes as a client should, and expects the same code back and the server to end the stream first, and hangs up.
    #[track_caller]
    pub(crate) fn close(&mut self, code: u16) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            self.send(close(code, "")).await;
            let frame = self.frame_at(caller).await;
            let expected = Frame { opcode: CLOSE, payload: code.to_be_bytes().to_vec() };
            assert_eq!(frame, expected, "{caller}: wanted the same code back");
            self.end_at(caller).await;
            self.end_writing().await;
        }
    }

    /// Expects the end of the stream, by FIN and not by a reset, and nothing before it.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) -> impl Future<Output = ()> {
        self.end_at(Location::caller())
    }

    async fn end_at(&mut self, caller: &Location<'_>) {
        let mut rest = std::mem::take(&mut self.buffer);
        let read =
            within(&format!("{caller}: the end of the stream"), self.stream.read_to_end(&mut rest)).await;
        read.unwrap_or_else(|error| panic!("{caller}: wanted the end of the stream, got {error}"));
        assert!(
            rest.is_empty(),
            "{caller}: wanted the end of the stream, got {} bytes: {rest:?}",
            rest.len()
        );
    }

    /// Waits until the stream has ended in whatever way, and gives what came before.
    pub(crate) async fn drain(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.buffer);
        // A reset is an end as well.
        let _ = within("the end of the stream", self.stream.read_to_end(&mut rest)).await;
        rest
    }

    async fn fill(&mut self, caller: &Location<'_>, what: &str) {
        let reading = within(&format!("{caller}: {what}"), self.stream.read_buf(&mut self.buffer)).await;
        match reading {
            Ok(0) => panic!("{caller}: wanted {what}, got the end of the stream behind {:?}", self.buffer),
            Ok(_) => {}
            Err(error) => panic!("{caller}: wanted {what}, got {error}"),
        }
    }
}
