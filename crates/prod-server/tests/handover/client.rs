//! A client of the protocol that does one thing after the other.

use std::collections::VecDeque;

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::tcp::OwnedWriteHalf};

use crate::{
    frame::{self, PING, PONG, TEXT},
    patience::within,
    site::Site,
    socket::{Gone, Opening, PROTOCOL, Reader},
    talker::lines,
};

/// A client that has connected. It answers pings while it waits for something.
pub(crate) struct Client {
    reader: Reader,
    writer: OwnedWriteHalf,
    last_id: u32,
    lines: VecDeque<Value>,
    pushes: VecDeque<Value>,
    pub(crate) connection: String,
}

impl Client {
    /// A client with a cookie.
    pub(crate) async fn signed_in(site: &Site, cookie: &str) -> Client {
        let opening = Opening::new(site.address, 0, PROTOCOL).cookie(cookie);
        within("a client's connection", Client::connect(&opening)).await.unwrap()
    }

    pub(crate) async fn connect(opening: &Opening) -> Result<Client, Gone> {
        let (reader, writer) = opening.open().await?;
        let (lines, pushes) = (VecDeque::new(), VecDeque::new());
        let mut client = Client { reader, writer, last_id: 0, lines, pushes, connection: String::new() };
        let reply = client.ask("connect", json!({})).await?;
        reply["connect"]["client"]
            .as_str()
            .unwrap_or_else(|| panic!("{reply}"))
            .clone_into(&mut client.connection);
        Ok(client)
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.reader.address()
    }

    /// Sends a command, and does not wait for the reply.
    pub(crate) async fn say(&mut self, name: &str, request: Value) -> Result<(), Gone> {
        self.last_id += 1;
        let command = json!({ "id": self.last_id, name: request });
        Ok(self.writer.write_all(&frame::text(&command.to_string())).await?)
    }

    /// Sends a message past all channels.
    pub(crate) async fn send(&mut self, data: &str) -> Result<(), Gone> {
        let command = json!({ "send": { "data": data } });
        Ok(self.writer.write_all(&frame::text(&command.to_string())).await?)
    }

    /// Sends a command, and returns the whole reply.
    pub(crate) async fn ask(&mut self, name: &str, request: Value) -> Result<Value, Gone> {
        self.say(name, request).await?;
        self.reply().await
    }

    /// The next reply, which has to be that to the last command; pushes before it are kept.
    pub(crate) async fn reply(&mut self) -> Result<Value, Gone> {
        loop {
            let line = self.line().await?;
            match line.get("push") {
                Some(push) => self.pushes.push_back(push.clone()),
                None if line["id"] == self.last_id => return Ok(line),
                None => panic!("wanted the reply to {}, got {line}", self.last_id),
            }
        }
    }

    /// Sends a command, and returns its result.
    #[track_caller]
    pub(crate) fn result(&mut self, name: &str, request: Value) -> impl Future<Output = Value> {
        let (caller, name) = (std::panic::Location::caller(), name.to_owned());
        async move {
            let reply = within("a reply", self.ask(&name, request)).await;
            let reply = reply.unwrap_or_else(|gone| panic!("{caller}: {gone}"));
            reply.get(&name).unwrap_or_else(|| panic!("{caller}: {reply}")).clone()
        }
    }

    /// Subscribes, and returns the result.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, channel: &str) -> impl Future<Output = Value> {
        self.result("subscribe", json!({ "channel": channel, "join_leave": true }))
    }

    /// The next push. It may be dropped and called again.
    pub(crate) async fn next_push(&mut self) -> Result<Value, Gone> {
        if let Some(push) = self.pushes.pop_front() {
            return Ok(push);
        }
        let line = self.line().await?;
        Ok(line.get("push").unwrap_or_else(|| panic!("wanted a push, got {line}")).clone())
    }

    /// The next push about a channel.
    #[track_caller]
    pub(crate) fn push(&mut self) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                let push = within("a push", self.next_push()).await;
                let push = push.unwrap_or_else(|gone| panic!("{caller}: {gone}"));
                if push.get("channel").is_some() {
                    return push;
                }
            }
        }
    }

    /// Everything that has been pushed about channels, up to now: an answer comes behind it.
    pub(crate) async fn pushed(&mut self) -> Vec<Value> {
        self.result("ping", json!({})).await;
        self.pushes.drain(..).filter(|push| push.get("channel").is_some()).collect()
    }

    /// Sends a message, and returns what comes back, behind everything else that is pushed past all channels.
    pub(crate) async fn echo(&mut self, data: &str) -> String {
        within("sending", self.send(data)).await.unwrap();
        let start = serde_json::to_string(data).unwrap();
        loop {
            let push = within("an echo", self.next_push()).await.unwrap();
            match push["message"]["data"].as_str() {
                Some(text) if text.starts_with(&start) => return text.to_owned(),
                Some(_) => {}
                None => self.pushes.push_front(push),
            }
        }
    }

    /// Waits for the end of the connection.
    pub(crate) async fn gone(&mut self) -> Gone {
        loop {
            if let Err(gone) = within("the end", self.line()).await {
                return gone;
            }
        }
    }

    async fn line(&mut self) -> Result<Value, Gone> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                if line == json!({}) {
                    self.writer.write_all(&frame::text("{}")).await?;
                    continue;
                }
                return Ok(line);
            }
            let frame = self.reader.frame().await?;
            match frame.opcode {
                TEXT => self.lines.extend(lines(&frame)),
                PING => self.writer.write_all(&frame::masked(PONG, true, &frame.payload)).await?,
                _ => {}
            }
        }
    }
}
