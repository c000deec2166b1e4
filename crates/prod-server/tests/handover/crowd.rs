//! Clients that come back by themselves when their socket ends, as every good client does, and note whether they are told
//! the truth. Some people beside them publish over HTTP.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::tcp::OwnedWriteHalf,
    sync::watch,
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use crate::{
    frame::{self, CLOSE, PING, PONG, TEXT},
    http::{self, Request},
    patience::becomes,
    record::Record,
    session,
    site::Site,
    socket::{Gone, Opening, PROTOCOL, RAW, Reader, source},
    talker::lines,
};

/// A client whose message is not answered for so long, while its socket stays open, is stuck. Longer than a handover may
/// take that fails by one side's silence.
const STUCK: Duration = Duration::from_secs(30);

/// How long a client waits for its socket to be opened, before it tries again.
const OPENING: Duration = Duration::from_secs(5);

const LOBBY: &str = "chat:lobby";

/// What one client has been through.
#[derive(Default)]
pub(crate) struct Status {
    /// How its sockets have ended.
    pub(crate) ends: Vec<String>,
    /// The address of the one that is open.
    pub(crate) address: Option<SocketAddr>,
    /// The last round that it was answered in.
    round: u64,
    /// Where it is in the channel.
    position: Option<(String, u64)>,
    /// How often it was told that it has missed something for ever.
    pub(crate) resets: u32,
    /// How often it was told that it has not.
    pub(crate) recoveries: u32,
    heard: BTreeSet<String>,
}

/// Everybody.
pub(crate) struct Crowd {
    pub(crate) record: Arc<Record>,
    pub(crate) statuses: Vec<Arc<Mutex<Status>>>,
    server: SocketAddr,
    round: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
    publishers: JoinSet<()>,
}

impl Crowd {
    /// As many clients, half of which are subscribed to the lobby, and two people who talk there. Waits until everybody has
    /// been answered, and something was said.
    pub(crate) async fn gather(site: &Site, clients: usize) -> Crowd {
        let mut crowd = Crowd {
            record: Arc::default(),
            statuses: (0..clients).map(|_| Arc::default()).collect(),
            server: site.address,
            round: watch::Sender::new(0),
            stop: watch::Sender::new(false),
            clients: JoinSet::new(),
            publishers: JoinSet::new(),
        };
        for (number, status) in crowd.statuses.iter().enumerate() {
            let (path, cookie) = if number % 2 == 0 {
                (RAW, None)
            } else {
                (PROTOCOL, Some(session::of(&format!("user-{number}"))))
            };
            let client = Returning {
                number,
                opening: Opening { cookie, ..Opening::new(site.address, number, path) },
                status: Arc::clone(status),
                record: Arc::clone(&crowd.record),
                round: crowd.round.subscribe(),
                stop: crowd.stop.subscribe(),
            };
            crowd.clients.spawn(client.run());
        }
        assert!(crowd.answered(STUCK).await, "not everybody is let in");
        for number in 0..2 {
            let (record, stop) = (Arc::clone(&crowd.record), crowd.stop.subscribe());
            crowd.publishers.spawn(publish(site.address, number, record, stop));
        }
        assert!(crowd.talks(5).await, "nobody talks");
        crowd
    }

    /// Whether everybody is answered who asks now.
    pub(crate) async fn answered(&self, deadline: Duration) -> bool {
        self.round.send_modify(|round| *round += 1);
        let round = *self.round.borrow();
        becomes(deadline, || self.each().all(|status| status.round >= round)).await
    }

    /// Whether this many more texts are published now.
    pub(crate) async fn talks(&self, count: usize) -> bool {
        let before = self.record.confirmed();
        becomes(STUCK, || self.record.confirmed() >= before + count).await
    }

    /// Everybody's status.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Status>> {
        self.statuses.iter().map(|status| status.lock().unwrap())
    }

    /// How many sockets have ended so far.
    pub(crate) fn ends(&self) -> usize {
        self.each().map(|status| status.ends.len()).sum()
    }

    /// How many clients have had one end.
    pub(crate) fn ended(&self) -> usize {
        self.each().filter(|status| !status.ends.is_empty()).count()
    }

    /// Sends everybody home, and returns what was wrong.
    pub(crate) async fn leave(mut self) -> Vec<String> {
        // Nobody publishes any more; then everybody waits until nothing more can come.
        self.publishers.abort_all();
        while self.publishers.join_next().await.is_some() {}
        let caught_up = becomes(STUCK, || self.unheard().is_empty()).await;
        self.stop.send_replace(true);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        let mut wrong = self.record.contradictions();
        if !caught_up {
            wrong.extend(self.unheard());
        }
        if self.record.confirmed() == 0 {
            wrong.push(format!("nothing was published at {}", self.server));
        }
        wrong
    }

    /// What clients have not heard that were told that they have missed nothing.
    fn unheard(&self) -> Vec<String> {
        let clients = self.statuses.iter().enumerate();
        let clients = clients.map(|(number, status)| (number, status.lock().unwrap()));
        let told = clients.filter(|(_, status)| status.position.is_some() && status.resets == 0);
        told.filter_map(|(number, status)| {
            let missed = self.record.missed(&status.heard);
            (!missed.is_empty()).then(|| format!("client {number} has not heard {missed:?}"))
        })
        .collect()
    }
}

/// One client.
struct Returning {
    number: usize,
    opening: Opening,
    status: Arc<Mutex<Status>>,
    record: Arc<Record>,
    round: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
}

/// One of its sockets.
struct Visit {
    reader: Reader,
    writer: OwnedWriteHalf,
    /// What the answers end with, once it is known.
    connection: Option<String>,
    sent: u64,
    echoed: u64,
    /// The oldest message without an answer.
    waits_since: Option<Instant>,
    /// The epoch of the channel.
    epoch: Option<String>,
}

/// Why a visit is over.
enum Over {
    Gone(Gone),
    Stopped,
}

impl From<Gone> for Over {
    fn from(gone: Gone) -> Over {
        Over::Gone(gone)
    }
}

impl From<std::io::Error> for Over {
    fn from(error: std::io::Error) -> Over {
        Over::Gone(Gone::Broken(error))
    }
}

impl Returning {
    async fn run(mut self) {
        loop {
            match self.visit().await {
                Over::Stopped => return,
                Over::Gone(gone) => {
                    if !gone.is_temporary() {
                        self.wrong(&format!("it must not come back: {gone}"));
                    }
                    let mut status = self.status.lock().unwrap();
                    // A socket that was never opened has not ended.
                    if status.address.take().is_some() {
                        status.ends.push(format!("{gone}"));
                    }
                }
            }
            tokio::select! {
                () = sleep(Duration::from_millis(30)) => {}
                () = stopped(&mut self.stop) => return,
            }
        }
    }

    async fn visit(&mut self) -> Over {
        let opened = tokio::select! {
            opened = timeout(OPENING, self.opening.open()) => opened,
            () = stopped(&mut self.stop) => return Over::Stopped,
        };
        let (reader, writer) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(gone)) => return gone.into(),
            Err(_) => return Over::Gone(Gone::Broken(std::io::ErrorKind::TimedOut.into())),
        };
        self.status.lock().unwrap().address = Some(reader.address());
        let mut visit =
            Visit { reader, writer, connection: None, sent: 0, echoed: 0, waits_since: None, epoch: None };
        match self.stay(&mut visit).await {
            Ok(never) => match never {},
            Err(over) => over,
        }
    }

    async fn stay(&mut self, visit: &mut Visit) -> Result<std::convert::Infallible, Over> {
        let protocol = self.number % 2 == 1;
        if protocol {
            visit.say(r#"{"id":1,"connect":{}}"#).await?;
            visit.say(&self.subscribe().to_string()).await?;
        }
        let mut ticks = interval(Duration::from_millis(50));
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                frame = visit.reader.frame() => {
                    let frame = frame?;
                    match frame.opcode {
                        PING => visit.writer.write_all(&frame::masked(PONG, true, &frame.payload)).await?,
                        TEXT if protocol => {
                            for line in lines(&frame) {
                                self.hear_line(visit, &line).await?;
                            }
                        }
                        TEXT => self.hear(visit, &String::from_utf8_lossy(&frame.payload)),
                        _ => {}
                    }
                }
                _ = ticks.tick(), if visit.connection.is_some() => self.ask(visit, protocol).await?,
                () = stopped(&mut stop) => {
                    visit.writer.write_all(&frame::masked(CLOSE, true, &1000_u16.to_be_bytes())).await?;
                    return Err(Over::Stopped);
                }
            }
        }
    }

    /// Sends the next message, unless one has no answer yet.
    async fn ask(&mut self, visit: &mut Visit, protocol: bool) -> Result<(), Over> {
        if let Some(since) = visit.waits_since {
            if since.elapsed() > STUCK {
                self.wrong("it is stuck");
                return Err(Over::Gone(Gone::Broken(std::io::ErrorKind::TimedOut.into())));
            }
            return Ok(());
        }
        let text = self.words(visit.sent, *self.round.borrow());
        visit.sent += 1;
        visit.waits_since = Some(Instant::now());
        let text = if protocol { json!({ "send": { "data": text } }).to_string() } else { text };
        visit.say(&text).await
    }

    fn words(&self, sent: u64, round: u64) -> String {
        format!("{}:{sent}:{round}", self.number)
    }

    /// A text past all channels: a greeting, or the answer to the only message that has none.
    fn hear(&mut self, visit: &mut Visit, text: &str) {
        let Some((said, connection)) = text.rsplit_once(" (") else {
            // Who is signed in is told so.
            return if text.starts_with("You are signed in as ") {
            } else {
                self.wrong(&format!("nobody asked for {text:?}"))
            };
        };
        let first = visit.connection.get_or_insert(connection.to_owned()).clone();
        if said.starts_with("Hello from the server") {
            return;
        }
        let said = said.trim_matches('"');
        let round = said.rsplit_once(':').and_then(|(_, round)| round.parse().ok()).unwrap_or(0);
        if visit.waits_since.take().is_none()
            || first != connection
            || said != self.words(visit.echoed, round)
        {
            self.wrong(&format!(
                "{} messages were sent on {first} and {} answered, now comes {text:?}",
                visit.sent, visit.echoed
            ));
        }
        visit.echoed += 1;
        self.status.lock().unwrap().round = round;
    }

    async fn hear_line(&mut self, visit: &mut Visit, line: &Value) -> Result<(), Over> {
        if *line == json!({}) {
            return visit.say("{}").await;
        }
        let push = &line["push"];
        if let Some(text) = push["message"]["data"].as_str() {
            self.hear(visit, text);
        } else if push["channel"] == LOBBY && push.get("pub").is_some() {
            self.publication(visit, &push["pub"]);
        } else if let Some(subscribed) = line.get("subscribe") {
            self.subscribed(visit, subscribed);
        } else if line.get("connect").is_none() && push.get("join").is_none() && push.get("leave").is_none() {
            self.wrong(&format!("it was told {line}"));
        }
        Ok(())
    }

    /// The command with the position it comes back with.
    fn subscribe(&self) -> Value {
        let mut request = json!({ "channel": LOBBY });
        if let Some((epoch, offset)) = &self.status.lock().unwrap().position {
            request["recover"] = true.into();
            request["epoch"] = json!(epoch);
            request["offset"] = json!(offset);
        }
        json!({ "id": 2, "subscribe": request })
    }

    fn subscribed(&mut self, visit: &mut Visit, result: &Value) {
        let (epoch, offset) =
            (result["epoch"].as_str().unwrap_or(""), result["offset"].as_u64().unwrap_or(0));
        visit.epoch = Some(epoch.to_owned());
        let mut status = self.status.lock().unwrap();
        let before = status.position.clone();
        let recovered = result["recovered"] == true;
        match &before {
            // The lobby is kept far longer than any test runs: in the same epoch, nothing is ever gone.
            Some((old, _)) if recovered != (old == epoch) => {
                drop(status);
                return self.wrong(&format!("at {before:?} it was told {result}"));
            }
            Some(_) if recovered => status.recoveries += 1,
            Some(_) => status.resets += 1,
            None => {}
        }
        if !recovered {
            status.position = Some((epoch.to_owned(), offset));
        }
        drop(status);
        for publication in result["publications"].as_array().into_iter().flatten() {
            self.publication(visit, publication);
        }
    }

    fn publication(&mut self, visit: &mut Visit, publication: &Value) {
        let (offset, text) = (publication["offset"].as_u64(), publication["data"]["text"].as_str());
        let (Some(offset), Some(text), Some(epoch)) = (offset, text, visit.epoch.clone()) else {
            return self.wrong(&format!("no publication: {publication}"));
        };
        let mut status = self.status.lock().unwrap();
        let expected = status.position.as_ref().map(|(_, offset)| offset + 1);
        status.position = Some((epoch.clone(), offset));
        status.heard.insert(text.to_owned());
        drop(status);
        if expected != Some(offset) {
            self.wrong(&format!("it expected {expected:?} and was told {publication}"));
        }
        self.record.note((epoch, offset), text);
    }

    fn wrong(&self, what: &str) {
        self.record.wrong(format!("client {}: {what}", self.number));
    }
}

impl Visit {
    async fn say(&mut self, text: &str) -> Result<(), Over> {
        Ok(self.writer.write_all(&frame::text(text)).await?)
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Says something in the lobby again and again, never the same thing twice. What is not answered may have been published
/// or not.
async fn publish(server: SocketAddr, number: usize, record: Arc<Record>, stop: watch::Receiver<bool>) {
    // Strangers are counted by address, and each may say some things in a row.
    const ADDRESSES: usize = 100;
    for turn in 0_u64.. {
        if *stop.borrow() {
            return;
        }
        let text = format!("{number} says {turn}");
        let body = json!({ "text": text, "author": "somebody" });
        let from = source(30_000 + 100 * (turn as usize % ADDRESSES * 2 + number));
        let request = Request::post("/api/rooms/lobby/messages", &body);
        match timeout(STUCK, http::ask(server, from, &request)).await {
            Ok(Ok(answer)) if answer.status == 201 => record.confirm(text),
            // In a handover that fails, requests may fail, and while there is no server, they do.
            Ok(_) => sleep(Duration::from_millis(20)).await,
            Err(_) => record.wrong(format!("the request for {text:?} is stuck")),
        }
        sleep(Duration::from_millis(25)).await;
    }
}
