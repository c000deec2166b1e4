//! A client of the Centrifuge protocol, as thin as can be: commands in, replies and pushes out.

use std::{collections::VecDeque, future::Future, panic::Location};

use duplex_core::Socket;
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

    /// A client of a user, in a plan with users, that has connected.
    pub(crate) async fn connected_as(running: &Running, user: &str) -> Self {
        let request = Request::upgrade(&format!("/connection/websocket?{user}"));
        let mut client = Self::over(running.open_as(&request).await);
        client.result("connect", json!({})).await;
        client
    }

    /// A client that has connected, and its connection as the hooks see it.
    pub(crate) async fn connected_known(running: &Running) -> (Self, Socket) {
        (Self::connected(running).await, running.connected().await)
    }

    /// A client that has connected with a token.
    #[cfg(feature = "tokens")]
    #[track_caller]
    pub(crate) fn connected_with(running: &Running, token: &str) -> impl Future<Output = Self> {
        let (caller, token) = (Location::caller(), token.to_owned());
        async move {
            let mut client = Self::open(running).await;
            client.ask("connect", json!({ "token": token })).await;
            let reply = client.reply().await;
            assert!(reply.get("connect").is_some(), "{caller}: wanted to be connected, got {reply}");
            client
        }
    }

    /// A client that has connected, with its kernel buffers holding little.
    pub(crate) async fn connected_narrow(running: &Running) -> Self {
        let mut peer = Peer::connect_narrow(running.address).await;
        assert_eq!(peer.ask(&Request::upgrade("/connection/websocket")).await.status, 101);
        let mut client = Self::over(peer);
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

    /// Subscribes, and returns the result.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, channel: &str) -> impl Future<Output = Value> {
        self.result("subscribe", json!({ "channel": channel }))
    }

    /// Calls the application: its hook answers behind everything that the hub was asked to do before.
    async fn call(&mut self) {
        let id = self.ask("rpc", json!({})).await;
        assert_eq!(self.reply().await["id"], id);
    }

    /// Expects that the client has been told nothing that it has not been asked for here.
    #[track_caller]
    pub(crate) fn expect_nothing(&mut self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            self.call().await;
            assert!(self.pushes.is_empty(), "{caller}: wanted nothing, got {:?}", self.pushes);
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
            let (sent, reason) = self.disconnected().await;
            assert_eq!(sent, code, "{caller}: wanted {code}, got {sent} {reason:?}");
        }
    }

    /// Waits for the close frame, behind whatever comes before, and that the server ends the stream: its code and reason.
    pub(crate) async fn disconnected(&mut self) -> (u16, String) {
        loop {
            let frame = self.peer.frame().await;
            if frame.opcode == CLOSE {
                self.peer.close_back(&frame).await;
                let (code, reason) = frame.payload.split_at(2);
                let code = u16::from_be_bytes([code[0], code[1]]);
                return (code, String::from_utf8(reason.to_vec()).unwrap());
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
