//! A WebSocket to the server, as raw as it gets.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::frame::{self, CLOSE, Frame};

/// How a socket ended that was not asked to.
#[derive(Debug)]
pub(crate) enum Gone {
    /// With a close frame.
    Closed(u16, String),
    /// Without one: the stream has ended or is broken.
    Broken(io::Error),
    /// It was not opened: the answer to the request was something else.
    Refused(String),
}

impl From<io::Error> for Gone {
    fn from(error: io::Error) -> Gone {
        Gone::Broken(error)
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gone::Closed(code, reason) => write!(formatter, "closed with {code} {reason:?}"),
            Gone::Broken(error) => write!(formatter, "broken: {error}"),
            Gone::Refused(head) => write!(formatter, "refused: {head:?}"),
        }
    }
}

impl Gone {
    /// Whether clients come back by themselves after it (docs/protocol.md, the end).
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Gone::Closed(code, _) => !matches!(code, 3500..=3999 | 4500..=4999),
            Gone::Broken(_) => true,
            Gone::Refused(head) => head.starts_with("HTTP/1.1 5"),
        }
    }
}

/// What a socket is opened with.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) server: SocketAddr,
    /// The client's address, so that there are enough ports for many.
    pub(crate) source: Ipv4Addr,
    pub(crate) path: &'static str,
    pub(crate) cookie: Option<String>,
    /// With a kernel buffer that holds little, so that what is not read stays at the server's end.
    pub(crate) narrow: bool,
}

/// The path of sockets without a protocol.
pub(crate) const RAW: &str = "/websocket";
/// The path of clients of the protocol.
pub(crate) const PROTOCOL: &str = "/connection/websocket";

/// The address of the client with a number: some clients share one.
pub(crate) fn source(number: usize) -> Ipv4Addr {
    let [.., high, low] = ((number / 100) as u32).to_be_bytes();
    Ipv4Addr::new(127, 7, high, low.max(1))
}

impl Opening {
    pub(crate) fn new(server: SocketAddr, number: usize, path: &'static str) -> Opening {
        Opening { server, source: source(number), path, cookie: None, narrow: false }
    }

    pub(crate) fn narrow(self, narrow: bool) -> Opening {
        Opening { narrow, ..self }
    }

    pub(crate) fn cookie(self, cookie: &str) -> Opening {
        Opening { cookie: Some(cookie.to_owned()), ..self }
    }

    /// Opens it.
    pub(crate) async fn open(&self) -> Result<(Reader, OwnedWriteHalf), Gone> {
        let stream = self.connect().await?;
        stream.set_nodelay(true)?;
        let (from, mut to) = stream.into_split();
        let cookie = self.cookie.as_deref().map_or(String::new(), |cookie| format!("Cookie: {cookie}\r\n"));
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{cookie}\r\n",
            self.path, self.server
        );
        to.write_all(request.as_bytes()).await?;
        let mut reader = Reader { from, buffer: Vec::new(), begin: 0 };
        let head = reader.head().await?;
        if !head.starts_with("HTTP/1.1 101 ") {
            return Err(Gone::Refused(head));
        }
        Ok((reader, to))
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        if self.narrow {
            socket.set_recv_buffer_size(200_000)?;
        }
        socket.set_nonblocking(true)?;
        let socket = TcpSocket::from_std_stream(socket.into());
        socket.bind((self.source, 0).into())?;
        socket.connect(self.server).await
    }
}

/// What comes from the server.
pub(crate) struct Reader {
    from: OwnedReadHalf,
    buffer: Vec<u8>,
    /// Where in the buffer the next frame begins.
    begin: usize,
}

impl Reader {
    /// The client's address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.from.local_addr().unwrap()
    }

    /// The next frame. A close frame is the end. It may be dropped and called again.
    pub(crate) async fn frame(&mut self) -> Result<Frame, Gone> {
        loop {
            if let Some((opcode, range)) = frame::find(&self.buffer[self.begin..]) {
                let payload = self.buffer[self.begin + range.start..self.begin + range.end].to_vec();
                self.begin += range.end;
                return if opcode == CLOSE { Err(closed(&payload)) } else { Ok(Frame { opcode, payload }) };
            }
            self.fill().await?;
        }
    }

    async fn head(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                self.begin = end + 4;
                return Ok(String::from_utf8_lossy(&self.buffer[..self.begin]).into_owned());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.begin > 0 {
            self.buffer.drain(..self.begin);
            self.begin = 0;
        }
        match self.from.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn closed(payload: &[u8]) -> Gone {
    match payload.split_at_checked(2) {
        Some((code, reason)) => Gone::Closed(
            u16::from_be_bytes(code.try_into().unwrap()),
            String::from_utf8_lossy(reason).into_owned(),
        ),
        None => Gone::Closed(1005, String::new()),
    }
}
