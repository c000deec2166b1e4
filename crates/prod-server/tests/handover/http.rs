//! A client of HTTP that never tries anything twice.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) cookie: Option<String>,
    pub(crate) json: Option<String>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Request {
        Request { line: format!("GET {path}"), cookie: None, json: None }
    }

    pub(crate) fn post(path: &str, json: &serde_json::Value) -> Request {
        Request { line: format!("POST {path}"), cookie: None, json: Some(json.to_string()) }
    }

    pub(crate) fn cookie(self, cookie: &str) -> Request {
        Request { cookie: Some(cookie.to_owned()), ..self }
    }

    fn bytes(&self, server: SocketAddr, keep: bool) -> Vec<u8> {
        let mut text = format!("{} HTTP/1.1\r\nHost: {server}\r\n", self.line);
        if !keep {
            text.push_str("Connection: close\r\n");
        }
        if let Some(cookie) = &self.cookie {
            text.push_str(&format!("Cookie: {cookie}\r\n"));
        }
        if let Some(json) = &self.json {
            text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", json.len()));
        }
        text.push_str("\r\n");
        text.push_str(self.json.as_deref().unwrap_or(""));
        text.into_bytes()
    }
}

/// Somebody who asks, over one connection as long as the server keeps it, or over a new one each time.
pub(crate) struct Caller {
    server: SocketAddr,
    source: Ipv4Addr,
    keep: bool,
    connection: Option<TcpStream>,
}

impl Caller {
    pub(crate) fn new(server: SocketAddr, source: Ipv4Addr, keep: bool) -> Caller {
        Caller { server, source, keep, connection: None }
    }

    /// Asks once.
    pub(crate) async fn ask(&mut self, request: &Request) -> io::Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) if is_open(&connection) => connection,
            _ => self.connect().await?,
        };
        connection.write_all(&request.bytes(self.server, self.keep)).await?;
        let response = read(&mut connection).await?;
        // As the server asks: what follows goes over a new connection, and is no second attempt.
        if response.header("connection") != Some("close") && self.keep {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.source, 0).into())?;
        let connection = socket.connect(self.server).await?;
        connection.set_nodelay(true)?;
        Ok(connection)
    }
}

/// Whether the server has not ended it while nothing was asked, which every client looks for.
fn is_open(connection: &TcpStream) -> bool {
    let read = connection.try_read(&mut [0]);
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Asks once, over a connection of its own.
pub(crate) async fn ask(server: SocketAddr, source: Ipv4Addr, request: &Request) -> io::Result<Response> {
    Caller::new(server, source, false).ask(request).await
}

async fn read(connection: &mut TcpStream) -> io::Result<Response> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        fill(connection, &mut bytes).await?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    let status =
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let mut response = Response { status, headers: headers.to_owned(), body: String::new() };
    let length = response.header("content-length").map_or(Ok(0), str::parse::<usize>);
    let length = length.map_err(|_| io::ErrorKind::InvalidData)?;
    while bytes.len() < end + length {
        fill(connection, &mut bytes).await?;
    }
    response.body = String::from_utf8_lossy(&bytes[end..end + length]).into_owned();
    Ok(response)
}

async fn fill(connection: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    match connection.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
