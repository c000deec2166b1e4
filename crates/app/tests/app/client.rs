//! A client of the Centrifuge protocol, as far as pages go: it says one thing at a time and waits for the answer.

use std::{collections::VecDeque, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::running::Running;

/// Longer than anything takes here, so that what never comes fails the test.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    commands: u32,
    /// What has been read of the socket and not been asked for.
    pushes: VecDeque<Value>,
}

impl Client {
    /// Connects, with a browser's cookie if there is one.
    pub(crate) async fn connect(running: &Running, cookie: Option<&str>) -> Self {
        let address = format!("ws://{}/connection/websocket", running.address);
        let mut request = address.into_client_request().unwrap();
        if let Some(cookie) = cookie {
            request.headers_mut().insert("cookie", cookie.parse().unwrap());
        }
        let socket = connect_async(request).await.unwrap().0;
        let mut client = Self { socket, commands: 0, pushes: VecDeque::new() };
        client.ask("connect", json!({})).await.unwrap();
        client
    }

    /// The reply of a call, or the code of its error.
    pub(crate) async fn call(&mut self, name: &str, params: Value) -> Result<Value, u64> {
        let mut reply = self.ask("rpc", json!({ "method": name, "data": params })).await?;
        Ok(reply["data"].take())
    }

    /// The terms of the subscription, which comes with the news of who comes and goes.
    pub(crate) async fn subscribe(&mut self, channel: &str) -> Result<Value, u64> {
        self.ask("subscribe", json!({ "channel": channel, "join_leave": true })).await
    }

    /// The same behind a position: that of a former subscription.
    pub(crate) async fn recover(&mut self, channel: &str, left_at: &Value) -> Result<Value, u64> {
        let (epoch, offset) = (&left_at["epoch"], left_at["offset"].as_u64().unwrap_or_default());
        let request = json!({ "channel": channel, "recover": true, "epoch": epoch, "offset": offset });
        self.ask("subscribe", request).await
    }

    pub(crate) async fn publish(&mut self, channel: &str, data: Value) -> Result<(), u64> {
        self.ask("publish", json!({ "channel": channel, "data": data })).await.map(drop)
    }

    /// The users who are there, in no particular order.
    pub(crate) async fn presence(&mut self, channel: &str) -> Result<Vec<String>, u64> {
        let reply = self.ask("presence", json!({ "channel": channel })).await?;
        let there = reply["presence"].as_object().unwrap().values();
        Ok(there.map(|info| info["user"].as_str().unwrap().to_owned()).collect())
    }

    /// The next publication to a channel.
    pub(crate) async fn publication(&mut self, channel: &str) -> Value {
        self.push(channel, "pub").await
    }

    /// Who has come into a channel next.
    pub(crate) async fn join(&mut self, channel: &str) -> Value {
        self.push(channel, "join").await["info"]["user"].take()
    }

    async fn push(&mut self, channel: &str, what: &str) -> Value {
        loop {
            while let Some(mut push) = self.pushes.pop_front() {
                if push["channel"] == channel && push[what].is_object() {
                    return push[what].take();
                }
            }
            self.read().await;
        }
    }

    async fn ask(&mut self, what: &str, request: Value) -> Result<Value, u64> {
        self.commands += 1;
        let command = json!({ "id": self.commands, what: request }).to_string();
        self.socket.send(Message::text(command)).await.unwrap();
        loop {
            if let Some(mut reply) = self.read().await {
                assert_eq!(reply["id"], self.commands, "{reply}");
                return reply["error"]["code"].as_u64().map_or_else(|| Ok(reply[what].take()), Err);
            }
        }
    }

    /// Reads one message, and returns the reply in it. There is at most one, as one command is answered at a time.
    async fn read(&mut self) -> Option<Value> {
        let message =
            timeout(PATIENCE, self.socket.next()).await.expect("a message in time").unwrap().unwrap();
        let mut answer = None;
        for line in message.into_text().unwrap().lines() {
            let mut line: Value = serde_json::from_str(line).unwrap();
            match line.get_mut("push") {
                Some(push) => self.pushes.push_back(push.take()),
                None => answer = Some(line),
            }
        }
        answer
    }
}
