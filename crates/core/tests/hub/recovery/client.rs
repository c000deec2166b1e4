//! A client that acts, and writes down all it sees.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    Kind,
    script::{Act, From, Wish},
    seen::{Answer, Publication, Said, Seen, Subscribed},
    stage::Stage,
};
use crate::support::{CLOSE, Frame, Peer, Request, Running, TEXT, close, text};

/// One client of a case, through all of its connections.
pub(super) struct Client {
    stage: Arc<Stage>,
    peer: Option<Peer>,
    is_connected: bool,
    last_id: u64,
    lines: VecDeque<Value>,
    /// Whether its subscriptions have a position.
    subscriptions: HashMap<Kind, bool>,
    /// How far it has come in each channel where it had a position.
    positions: HashMap<Kind, Said>,
    /// It has left something unread.
    pub(super) lags: bool,
    seen: Vec<Seen>,
}

/// The connection is over.
pub(super) struct Gone;

type Goes<T = ()> = Result<T, Gone>;

/// What came in.
enum Heard {
    Line(Value),
    Close(Frame),
}

impl Client {
    pub(super) fn new(stage: Arc<Stage>) -> Self {
        Self {
            stage,
            peer: None,
            is_connected: false,
            last_id: 0,
            lines: VecDeque::new(),
            subscriptions: HashMap::new(),
            positions: HashMap::new(),
            lags: false,
            seen: Vec::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.peer.is_some()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Opens a socket whose kernel buffers hold little.
    pub(super) async fn open(&mut self, server: &Running) {
        let mut peer = Peer::connect_narrow(server.address).await;
        assert_eq!(peer.ask(&Request::upgrade("/connection/websocket")).await.status, 101);
        self.peer = Some(peer);
    }

    /// What it has seen since the last call.
    pub(super) fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// Connects, and gets these subscriptions by it.
    pub(super) async fn connect(&mut self, wishes: &[Wish]) -> Goes {
        let mut subs = serde_json::Map::new();
        let mut asked: Vec<(Kind, Option<Said>, u64)> = Vec::new();
        for Wish { channel, from } in wishes {
            if asked.iter().all(|(other, ..)| other != channel) {
                let (said, name) = (self.said(*channel, *from), &self.stage.channel(*channel).name);
                if let Some(Said { epoch, offset }) = &said {
                    subs.insert(name.clone(), json!({ "recover": true, "epoch": epoch, "offset": offset }));
                }
                asked.push((*channel, said, self.stage.channel(*channel).least()));
            }
        }
        let names: Vec<_> = asked.iter().map(|(channel, ..)| &self.stage.channel(*channel).name).collect();
        let request = json!({ "data": names, "subs": subs });
        let mut result = self.result("connect", request).await?;
        let mut subscribed = Vec::new();
        for (channel, said, least) in asked {
            let answer = result["subs"][&self.stage.channel(channel).name].take();
            subscribed.push(self.subscribed(channel, said, true, least, answer));
        }
        self.is_connected = true;
        self.seen.push(Seen::Connected(subscribed));
        Ok(())
    }

    pub(super) async fn act(&mut self, act: &Act) -> Goes {
        match act {
            Act::Subscribe(wish) => self.subscribe(wish).await,
            Act::Unsubscribe(channel) => self.unsubscribe(*channel).await,
            Act::Publish { channel, count, bytes } => {
                for _ in 0..*count {
                    self.publish(*channel, *bytes).await?;
                }
                Ok(())
            }
        }
    }

    async fn subscribe(&mut self, Wish { channel, from }: &Wish) -> Goes {
        self.unsubscribe(*channel).await?;
        let said = self.said(*channel, *from);
        let positioned = !matches!(from, From::Now { positioned: false });
        let stage = Arc::clone(&self.stage);
        let mut request = json!({ "channel": stage.channel(*channel).name, "positioned": positioned });
        if let Some(Said { epoch, offset }) = &said {
            request["recover"] = json!(true);
            request["epoch"] = json!(epoch);
            request["offset"] = json!(offset);
        }
        let least = stage.channel(*channel).least();
        let answer = self.result("subscribe", request).await?;
        let subscribed = self.subscribed(*channel, said, positioned, least, answer);
        self.seen.push(Seen::Subscribed(Box::new(subscribed)));
        Ok(())
    }

    async fn unsubscribe(&mut self, channel: Kind) -> Goes {
        if self.subscriptions.contains_key(&channel) {
            let request = json!({ "channel": self.stage.channel(channel).name });
            self.result("unsubscribe", request).await?;
            self.subscriptions.remove(&channel);
            self.seen.push(Seen::Unsubscribed(channel));
        }
        Ok(())
    }

    async fn publish(&mut self, channel: Kind, bytes: usize) -> Goes {
        let stage = Arc::clone(&self.stage);
        let channel = stage.channel(channel);
        let _turn = channel.turn.lock().await;
        let data = channel.begin(bytes);
        self.result("publish", json!({ "channel": channel.name, "data": data })).await?;
        channel.finish(None, data);
        Ok(())
    }

    /// Reads until the round is over, or so many publications have come.
    pub(super) async fn listen(&mut self, over: &mut watch::Receiver<bool>, publications: usize) -> Goes {
        let enough = self.publications_seen().saturating_add(publications);
        while self.publications_seen() < enough {
            let heard = tokio::select! {
                heard = self.hear() => heard,
                _ = over.wait_for(|over| *over) => return Ok(()),
            };
            if let Some(reply) = self.heed(heard).await? {
                panic!("wanted no reply, got {reply}");
            }
        }
        Ok(())
    }

    /// Reads all that was sent before the end of the round.
    pub(super) async fn read_everything(&mut self) -> Goes {
        self.result("ping", json!({})).await?;
        self.seen.push(Seen::Everything);
        self.lags = false;
        Ok(())
    }

    /// Breaks the connection off.
    pub(super) fn reset(&mut self) {
        self.peer.take().unwrap().reset();
        self.forget_connection(Seen::Left);
    }

    /// Asks for a subscription, and breaks the connection off at once.
    pub(super) async fn vanish(&mut self, channel: Kind) -> Goes {
        let request = json!({ "channel": self.stage.channel(channel).name });
        self.ask("subscribe", request).await?;
        self.reset();
        Ok(())
    }

    /// Ends the connection in order, if there is one.
    pub(super) async fn leave(&mut self) {
        let Some(mut peer) = self.peer.take() else { return };
        peer.send(close(1000, "")).await;
        peer.drain().await;
        self.forget_connection(Seen::Left);
    }

    fn publications_seen(&self) -> usize {
        self.seen.iter().filter(|seen| matches!(seen, Seen::Published(..))).count()
    }

    /// What it says of how far it has come, when it is to say that.
    fn said(&self, channel: Kind, from: From) -> Option<Said> {
        let known = self.positions.get(&channel).cloned();
        let own = known.clone().unwrap_or_else(|| Said { epoch: String::new(), offset: 0 });
        match from {
            From::Now { .. } => None,
            From::Own => known,
            From::Older(by) => known.map(|own| Said { offset: own.offset.saturating_sub(by), ..own }),
            From::NoEpoch => Some(Said { epoch: String::new(), ..own }),
            From::Foreign => Some(Said { epoch: "0123456789abcdef".to_owned(), ..own }),
            From::Future(by) => Some(Said { offset: self.stage.channel(channel).most() + by, ..own }),
        }
    }

    /// A subscription was granted: takes down where it begins.
    fn subscribed(
        &mut self,
        channel: Kind,
        said: Option<Said>,
        positioned: bool,
        least: u64,
        answer: Value,
    ) -> Subscribed {
        let answer: Answer = serde_json::from_value(answer).unwrap();
        let between = self.stage.channel(channel).since(least);
        self.subscriptions.insert(channel, answer.epoch.is_some());
        if let Some(epoch) = answer.epoch.clone() {
            let offset = answer.publications.last().map_or(answer.offset, |last| last.offset);
            self.positions.insert(channel, Said { epoch, offset });
        }
        Subscribed { channel, said, positioned, answer, between }
    }

    async fn ask(&mut self, name: &str, request: Value) -> Goes {
        self.last_id += 1;
        let command = json!({ "id": self.last_id, name: request });
        let peer = self.peer.as_mut().ok_or(Gone)?;
        // A connection that was closed meanwhile says so when it is read.
        let _ = peer.try_send(&text(&command.to_string())).await;
        Ok(())
    }

    /// Sends a command, reads until its reply, and gives its result.
    async fn result(&mut self, name: &str, request: Value) -> Goes<Value> {
        self.ask(name, request).await?;
        loop {
            let heard = self.hear().await;
            if let Some(mut reply) = self.heed(heard).await? {
                assert_eq!(reply["id"], self.last_id, "{reply}");
                assert!(reply.get(name).is_some(), "wanted the result of {name}, got {reply}");
                return Ok(reply[name].take());
            }
        }
    }

    /// What comes next. Nothing is lost when it is not waited for to the end.
    async fn hear(&mut self) -> Heard {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Heard::Line(line);
            }
            let frame = self.peer.as_mut().unwrap().frame().await;
            if frame.opcode == CLOSE {
                return Heard::Close(frame);
            }
            assert_eq!(frame.opcode, TEXT);
            let message = String::from_utf8(frame.payload).unwrap();
            self.lines.extend(message.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
    }

    /// Takes down what came, unless it is a reply: that is for whoever asked.
    async fn heed(&mut self, heard: Heard) -> Goes<Option<Value>> {
        let mut line = match heard {
            Heard::Line(line) => line,
            Heard::Close(frame) => {
                let code = u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
                self.peer.take().unwrap().close_back(&frame).await;
                self.forget_connection(Seen::Closed(code));
                return Err(Gone);
            }
        };
        if line.get("push").is_none() {
            return Ok(Some(line));
        }
        let push = line["push"].take();
        let channel = Kind::ALL.into_iter().find(|kind| push["channel"] == self.stage.channel(*kind).name);
        let (Some(channel), Some(publication)) = (channel, push.get("pub")) else {
            panic!("wanted a publication, got {push}");
        };
        let publication: Publication = serde_json::from_value(publication.clone()).unwrap();
        if self.subscriptions.get(&channel) == Some(&true) {
            self.positions.get_mut(&channel).unwrap().offset = publication.offset;
        }
        self.seen.push(Seen::Published(channel, publication));
        Ok(None)
    }

    fn forget_connection(&mut self, how: Seen) {
        self.is_connected = false;
        self.lines.clear();
        self.subscriptions.clear();
        self.lags = false;
        self.seen.push(how);
    }
}
