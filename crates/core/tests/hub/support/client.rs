//! A client of the Centrifuge protocol, as thin as can be: commands in, replies and pushes out.

use std::{collections::VecDeque, future::Future, panic::Location};

use serde_json::{Value, json};

use super::{CLOSE, Frame, Peer, Request, Running, TEXT};

/// A client. It answers pings by itself.
pub(crate) struct Client {
    peer: Peer,
    last_id: u32,
    lines: VecDeque<Value>,
    pushes: VecDeque<Value>,
}

impl Client {
    /// A client that has not connected yet.
    pub(crate) async fn open(running: &Running) -> Self {
        Self::over(running.open_as(&Request::upgrade("/connection/websocket")).await)
    }

    /// A client that has connected, without a token.
    pub(crate) async fn connected(running: &Running) -> Self {
        let mut client = Self::open(running).await;
        client.result("connect", json!({})).await;
        client
    }

    /// A client on a socket that is open.
    pub(crate) fn over(peer: Peer) -> Self {
        Self { peer, last_id: 0, lines: VecDeque::new(), pushes: VecDeque::new() }
    }

    /// The socket below, for what no client would do.
    pub(crate) fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    pub(crate) fn into_peer(self) -> Peer {
        self.peer
    }

    /// Sends one message with whatever is in it.
    pub(crate) async fn say(&mut self, message: &str) {
        self.peer.send_text(message).await;
    }

    /// Sends a command, and returns its id.
    pub(crate) async fn ask(&mut self, name: &str, request: Value) -> u32 {
        self.last_id += 1;
        let command = json!({ "id": self.last_id, name: request });
        self.say(&command.to_string()).await;
        self.last_id
    }

    /// The next reply; pushes that come before it are kept.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            loop {
                let line = self.line(caller).await;
                match line.get("push") {
                    Some(push) => self.pushes.push_back(push.clone()),
                    None => return line,
                }
            }
        }
    }

    /// Sends a command, and returns its result.
    #[track_caller]
    pub(crate) fn result(&mut self, name: &str, request: Value) -> impl Future<Output = Value> {
        let (caller, name) = (Location::caller(), name.to_owned());
        async move {
            let id = self.ask(&name, request).await;
            let reply = self.reply().await;
            assert_eq!(reply["id"], id, "{caller}: {reply}");
            let result = reply.get(&name);
            result.unwrap_or_else(|| panic!("{caller}: wanted the result of {name}, got {reply}")).clone()
        }
    }

    /// Sends a command, and returns the code of the error it is answered with.
    #[track_caller]
    pub(crate) fn error(&mut self, name: &str, request: Value) -> impl Future<Output = u64> {
        let (caller, name) = (Location::caller(), name.to_owned());
        async move {
            let id = self.ask(&name, request).await;
            let reply = self.reply().await;
            assert_eq!(reply["id"], id, "{caller}: {reply}");
            let code = reply["error"]["code"].as_u64();
            code.unwrap_or_else(|| panic!("{caller}: wanted an error to {name}, got {reply}"))
        }
    }

    /// The next push.
    #[track_caller]
    pub(crate) fn push(&mut self) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            if let Some(push) = self.pushes.pop_front() {
                return push;
            }
            let line = self.line(caller).await;
            line.get("push").unwrap_or_else(|| panic!("{caller}: wanted a push, got {line}")).clone()
        }
    }

    /// The next push, which has to be a publication: its data.
    #[track_caller]
    pub(crate) fn publication(&mut self) -> impl Future<Output = Value> {
        let caller = Location::caller();
        async move {
            let push = self.push().await;
            let data = push["pub"].get("data");
            data.unwrap_or_else(|| panic!("{caller}: wanted a publication, got {push}")).clone()
        }
    }

    /// Expects to be disconnected with this code, by a close frame behind whatever comes before, and that the server ends
    /// the stream.
    #[track_caller]
    pub(crate) fn expect_disconnect(&mut self, code: u16) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            loop {
                let frame = self.peer.frame().await;
                if frame.opcode == CLOSE {
                    let sent = frame.payload.get(..2);
                    assert_eq!(sent, Some(&code.to_be_bytes()[..]), "{caller}: wanted {code}, got {frame:?}");
                    return self.peer.close_back(&frame).await;
                }
            }
        }
    }

    /// Leaves as a client does.
    pub(crate) async fn leave(mut self) {
        self.peer.send(super::close(1000, "")).await;
        self.peer.drain().await;
    }

    async fn line(&mut self, caller: &Location<'_>) -> Value {
        loop {
            if let Some(line) = self.lines.pop_front() {
                if line.as_object().is_some_and(serde_json::Map::is_empty) {
                    self.say("{}").await;
                    continue;
                }
                return line;
            }
            let Frame { opcode, payload } = self.peer.frame().await;
            let text = String::from_utf8_lossy(&payload).into_owned();
            assert_eq!(opcode, TEXT, "{caller}: wanted a message, got opcode {opcode} with {text:?}");
            self.lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
    }
}
