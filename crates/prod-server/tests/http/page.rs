//! A page that is open: a client of the protocol, who is signed in and says one thing at a time.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Error, Message, WebSocket, client::IntoClientRequest as _, client::client,
};

use crate::running::PATIENCE;

pub(crate) struct Page {
    socket: WebSocket<TcpStream>,
    commands: u32,
    pushes: VecDeque<Value>,
}

/// Where a subscription stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Position {
    pub(crate) epoch: String,
    pub(crate) offset: u64,
}

/// Says something in a room from outside, and returns its text.
pub(crate) fn post(address: SocketAddr, room: &str, text: &str) {
    let body = json!({ "author": "curl", "text": text }).to_string();
    let answer = request(address, "POST", &format!("/api/rooms/{room}/messages"), &body);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

impl Page {
    /// Signs in and connects.
    pub(crate) fn open(address: SocketAddr) -> Page {
        let answer = request(address, "POST", "/api/session", r#"{"name":"Ada"}"#);
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        let cookie = cookie.split(';').next().unwrap();
        let mut request = format!("ws://{address}/connection/websocket").into_client_request().unwrap();
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let socket = client(request, stream).unwrap().0;
        let mut page = Page { socket, commands: 0, pushes: VecDeque::new() };
        page.ask("connect", json!({}));
        page
    }

    /// Subscribes to a room as one who sees it for the first time.
    pub(crate) fn enter(&mut self, room: &str) -> Position {
        position(&self.ask("subscribe", json!({ "channel": format!("chat:{room}") })))
    }

    /// Subscribes to a room behind a position. Returns the texts that were missed, if they could be had.
    pub(crate) fn come_back(&mut self, room: &str, left_at: &Position) -> Option<Vec<String>> {
        let Position { epoch, offset } = left_at;
        let channel = format!("chat:{room}");
        let request = json!({ "channel": channel, "recover": true, "epoch": epoch, "offset": offset });
        let reply = self.ask("subscribe", request);
        let missed = reply["publications"].as_array().cloned().unwrap_or_default();
        reply["recovered"].as_bool().unwrap_or(false).then(|| missed.iter().map(text).collect())
    }

    /// The next thing that is said in any room.
    pub(crate) fn hears(&mut self) -> (String, u64) {
        loop {
            while let Some(push) = self.pushes.pop_front() {
                if push["pub"].is_object() {
                    return (text(&push["pub"]), push["pub"]["offset"].as_u64().unwrap());
                }
            }
            self.read();
        }
    }

    /// Asks for something that needs the connection to be alive and signed in.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.ask("rpc", json!({ "method": "chat.rooms" }))["data"].is_array()
    }

    fn ask(&mut self, what: &str, request: Value) -> Value {
        self.commands += 1;
        let command = json!({ "id": self.commands, what: request }).to_string();
        self.socket.send(Message::text(command)).unwrap();
        loop {
            if let Some(mut reply) = self.read() {
                assert!(reply["error"].is_null() && reply["id"] == self.commands, "{reply}");
                return reply[what].take();
            }
        }
    }

    /// Reads one message, and returns the reply in it.
    fn read(&mut self) -> Option<Value> {
        let message = match self.socket.read() {
            Ok(Message::Close(frame)) => panic!("it was closed: {frame:?}"),
            Ok(message) => message,
            Err(Error::Io(error)) => panic!("nothing comes: {error}"),
            Err(error) => panic!("{error}"),
        };
        let mut answer = None;
        for line in message.to_text().unwrap().lines() {
            let mut line: Value = serde_json::from_str(line).unwrap();
            if line == json!({}) {
                self.socket.send(Message::text("{}")).unwrap();
            } else if let Some(push) = line.get_mut("push") {
                self.pushes.push_back(push.take());
            } else {
                answer = Some(line);
            }
        }
        answer
    }
}

fn position(reply: &Value) -> Position {
    let epoch = reply["epoch"].as_str().unwrap().to_owned();
    Position { epoch, offset: reply["offset"].as_u64().unwrap_or_default() }
}

fn text(publication: &Value) -> String {
    publication["data"]["text"].as_str().unwrap().to_owned()
}

fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
