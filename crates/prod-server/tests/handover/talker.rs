//! Clients that send numbered messages, each in its own way, and keep accounts of the answers.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::tcp::OwnedWriteHalf,
    sync::{Notify, mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

use crate::{
    frame::{self, CONTINUATION, Frame, PING, PONG, TEXT},
    kernel::Sample,
    ledger::Ledger,
    patience::PATIENCE,
    socket::{Gone, Opening, PROTOCOL, RAW, Reader},
    stage::{Phase, Stage},
    words,
};

/// What a client does beside sending and listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Nothing.
    Steady,
    /// Sends its messages in fragments, with a ping in between.
    Fragments,
    /// Sends large messages among the small ones.
    Large,
    /// Is in the middle of a frame during each swap.
    Halves,
    /// Does not read during a swap, and is owed much.
    Slow,
    /// Says something only when it is asked to, after each swap.
    Idle,
}

/// Who a client is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) number: usize,
    /// Whether it speaks the protocol.
    pub(crate) protocol: bool,
    pub(crate) habit: Habit,
    /// The time between two of its messages.
    pub(crate) pace: Duration,
}

impl Plan {
    /// A client of a mixed crowd, half of which speaks the protocol.
    pub(crate) fn of_crowd(number: usize, pace: Duration) -> Plan {
        let habit = match number / 2 % 20 {
            0 | 1 => Habit::Fragments,
            2..=4 => Habit::Halves,
            5 => Habit::Slow,
            6 => Habit::Large,
            _ => Habit::Steady,
        };
        Plan { number, protocol: number % 2 == 1, habit, pace }
    }

    /// Whether its silence during a swap is the server's alone.
    pub(crate) fn is_steady(&self) -> bool {
        matches!(self.habit, Habit::Steady | Habit::Fragments)
    }
}

/// The size of the messages of a client that does not read the answers.
const UNREAD: usize = 200_000;

/// What the server itself is to hold for it: far less than makes it give the client up.
const UNSENT: u64 = 250_000;

/// More than kernels ever hold.
const MOST: u64 = 10_000_000;

/// A client that has been let in.
pub(crate) struct Talker {
    plan: Plan,
    reader: Reader,
    writer: OwnedWriteHalf,
    ledger: Ledger,
    /// What came with the first answers.
    early: Vec<String>,
}

impl Talker {
    /// Opens its socket, and waits to be greeted.
    pub(crate) async fn open(plan: Plan, server: SocketAddr) -> Result<Talker, Gone> {
        let path = if plan.protocol { PROTOCOL } else { RAW };
        let opening = Opening::new(server, plan.number, path).narrow(plan.habit == Habit::Slow);
        let (mut reader, mut writer) = opening.open().await?;
        let mut early = Vec::new();
        let connection = if plan.protocol {
            writer.write_all(&frame::text(r#"{"id":1,"connect":{}}"#)).await?;
            loop {
                let reply = lines(&reader.frame().await?).into_iter().fold(None, |reply, line| {
                    early.extend(pushed(&line));
                    reply.or_else(|| Some(line["connect"]["client"].as_str()?.to_owned()))
                });
                if let Some(connection) = reply {
                    break connection;
                }
            }
        } else {
            let greeting = String::from_utf8(reader.frame().await?.payload).unwrap();
            let connection = greeting.rsplit_once('(').unwrap().1.trim_end_matches(')').to_owned();
            early.push(greeting);
            connection
        };
        let ledger = Ledger::new(plan.number, plan.protocol, connection);
        Ok(Talker { plan, reader, writer, ledger, early })
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plan
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.reader.address()
    }

    /// Talks until the end of the run, or of the socket.
    pub(crate) async fn talk(self, stage: Arc<Stage>) -> Ledger {
        let Talker { plan, mut reader, writer, mut ledger, early } = self;
        for text in early {
            ledger.hear(&text, Phase::Quiet);
        }
        let (answers, to_answer) = mpsc::unbounded_channel();
        let shared = Shared {
            plan,
            stage: &stage,
            ledger: Mutex::new(ledger),
            answers,
            news: Notify::new(),
            stopped: Notify::new(),
            leaves: AtomicBool::new(false),
            mark: Mutex::new(None),
            settled: Mutex::default(),
        };
        let talked = {
            let speaker = Speaker { shared: &shared, writer, to_answer, phase: stage.phase(), done: None };
            let listening = shared.listen(&mut reader);
            tokio::try_join!(speaker.speak(), listening).map(drop)
        };
        if let Err(gone) = talked {
            shared.ledger().closed(&gone);
            mourn(&stage, &shared).await;
        }
        shared.ledger.into_inner().unwrap()
    }
}

/// Keeps everybody else from waiting for a client whose socket has ended.
async fn mourn(stage: &Stage, shared: &Shared<'_>) {
    let mut phase = stage.phase();
    loop {
        let now = *phase.borrow_and_update();
        if matches!(now, Phase::End { .. }) {
            return;
        }
        shared.settle(now);
        if phase.changed().await.is_err() {
            return;
        }
    }
}

/// What both directions of a client share.
struct Shared<'a> {
    plan: Plan,
    stage: &'a Stage,
    ledger: Mutex<Ledger>,
    /// What has to be answered at once, as frames.
    answers: mpsc::UnboundedSender<Vec<u8>>,
    /// Something was heard.
    news: Notify,
    /// Nothing will be read until the swap is over.
    stopped: Notify,
    /// It has said goodbye.
    leaves: AtomicBool,
    /// The message whose answer says that the client is through the swap, and the phase that asked for it.
    mark: Mutex<Option<(u64, Phase)>>,
    /// The phases in which it has done what they ask for.
    settled: Mutex<Vec<Phase>>,
}

impl Shared<'_> {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    async fn listen(&self, reader: &mut Reader) -> Result<(), Gone> {
        let mut phase = self.stage.phase();
        loop {
            if self.plan.habit == Habit::Slow && phase.borrow_and_update().is_still() {
                self.stopped.notify_one();
                let _ = phase.wait_for(|phase| !phase.is_still()).await;
            }
            let frame = tokio::select! {
                frame = reader.frame() => frame,
                _ = phase.changed() => continue,
            };
            match frame {
                Ok(frame) => self.hear(&frame, *phase.borrow()),
                Err(Gone::Closed(1000, _)) if self.leaves.load(Ordering::Relaxed) => return Ok(()),
                Err(gone) => return Err(gone),
            }
        }
    }

    fn hear(&self, frame: &Frame, phase: Phase) {
        match frame.opcode {
            PING => self.answer(frame::masked(PONG, true, &frame.payload)),
            PONG => self.ledger().pong(&frame.payload),
            TEXT if self.plan.protocol => lines(frame).iter().for_each(|line| self.hear_line(line, phase)),
            TEXT => self.hear_text(&String::from_utf8_lossy(&frame.payload), phase),
            other => self.ledger().strange(&format!("a frame of kind {other}")),
        }
        self.news.notify_one();
    }

    fn hear_line(&self, line: &Value, phase: Phase) {
        if *line == json!({}) {
            return self.answer(frame::text("{}"));
        }
        match pushed(line) {
            Some(text) => self.hear_text(&text, phase),
            None => self.ledger().strange(&line.to_string()),
        }
    }

    fn hear_text(&self, text: &str, phase: Phase) {
        let answered = self.ledger().hear(text, phase);
        if answered.is_some() {
            self.stage.answered.fetch_add(1, Ordering::Relaxed);
        }
        let mut mark = self.mark.lock().unwrap();
        if let Some((_, phase)) = mark.take_if(|(number, _)| answered == Some(*number)) {
            self.settle(phase);
        }
    }

    /// It has done what the phase asks for, or never will.
    fn settle(&self, phase: Phase) {
        let mut settled = self.settled.lock().unwrap();
        if settled.contains(&phase) {
            return;
        }
        settled.push(phase);
        match (phase, self.plan.habit) {
            (Phase::Before(_), Habit::Slow) | (Phase::Cut(_), Habit::Halves) => self.stage.set.add_permits(1),
            (Phase::Call(_), Habit::Idle) => self.stage.caught_up.add_permits(1),
            (Phase::After(_), habit) if habit != Habit::Idle => self.stage.caught_up.add_permits(1),
            _ => {}
        }
    }

    fn answer(&self, frame: Vec<u8>) {
        // Nobody writes any more who has said goodbye.
        let _ = self.answers.send(frame);
    }
}

/// The direction to the server.
struct Speaker<'a, 'b> {
    shared: &'a Shared<'b>,
    writer: OwnedWriteHalf,
    to_answer: mpsc::UnboundedReceiver<Vec<u8>>,
    phase: watch::Receiver<Phase>,
    /// The phase for which everything is done.
    done: Option<Phase>,
}

impl Speaker<'_, '_> {
    async fn speak(mut self) -> Result<(), Gone> {
        let Plan { pace, number, habit, .. } = self.shared.plan;
        // So that they do not all speak at once.
        let first = Instant::now() + pace.mul_f64((number % 97) as f64 / 97.0);
        let mut ticks = interval_at(first, pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let phase = *self.phase.borrow_and_update();
            if self.done.replace(phase) != Some(phase) {
                match phase {
                    Phase::Before(swap) if habit == Habit::Slow => self.be_slow(swap).await?,
                    Phase::Cut(swap) if habit == Habit::Halves => self.be_cut(swap).await?,
                    Phase::After(_) if habit != Habit::Idle => self.send(Some(phase)).await?,
                    Phase::Call(_) if habit == Habit::Idle => self.send(Some(phase)).await?,
                    Phase::End { shouts } => return self.leave(shouts).await,
                    _ => {}
                }
            }
            tokio::select! {
                _ = ticks.tick(), if habit != Habit::Idle => self.send(None).await?,
                _ = self.phase.changed() => {}
                Some(frame) = self.to_answer.recv() => self.writer.write_all(&frame).await?,
            }
        }
    }

    /// Sends the next message, perhaps because a phase asks for it.
    async fn send(&mut self, asked: Option<Phase>) -> Result<(), Gone> {
        let (number, text) = self.next(asked, |client, number, habit| match habit {
            Habit::Large => words::large_size(client, number),
            _ => words::small_size(client, number),
        });
        let bytes = match self.shared.plan.habit {
            Habit::Fragments => {
                let ping = number.to_string();
                self.shared.ledger().ping(ping.as_bytes());
                frame::fragments(&text, 3 + (number % 3) as usize, ping.as_bytes())
            }
            _ => frame::text(&text),
        };
        Ok(self.writer.write_all(&bytes).await?)
    }

    /// Takes the next message into the accounts, and puts it into the words of the client.
    fn next(&self, asked: Option<Phase>, size: impl FnOnce(usize, u64, Habit) -> usize) -> (u64, String) {
        let Plan { number: client, habit, protocol, .. } = self.shared.plan;
        let (number, text) =
            self.shared.ledger().send(*self.phase.borrow(), |number| size(client, number, habit));
        if let Some(phase) = asked {
            *self.shared.mark.lock().unwrap() = Some((number, phase));
        }
        (number, if protocol { json!({ "send": { "data": text } }).to_string() } else { text })
    }

    /// Stops in the middle of a frame, and goes on when the swap is over.
    async fn be_cut(&mut self, swap: u32) -> Result<(), Gone> {
        let (bytes, cut) = self.half(swap as usize);
        self.writer.write_all(&bytes[..cut]).await?;
        self.shared.settle(Phase::Cut(swap));
        self.swapped().await;
        Ok(self.writer.write_all(&bytes[cut..]).await?)
    }

    /// Is owed much during the swap.
    async fn be_slow(&mut self, swap: u32) -> Result<(), Gone> {
        self.shared.stopped.notified().await;
        self.run_up_debts().await?;
        self.shared.settle(Phase::Before(swap));
        self.swapped().await;
        Ok(())
    }

    /// Has so much to be answered that the server has to keep some of it.
    async fn run_up_debts(&mut self) -> Result<(), Gone> {
        let client = self.writer.local_addr()?;
        let mut samples = self.shared.stage.samples.subscribe();
        let mut owed = 0;
        while owed < MOST {
            // With what it holds already, still less than makes it give a raw socket up.
            for _ in 0..3 {
                let (_, text) = self.next(None, |_, _, _| UNREAD);
                self.writer.write_all(&frame::text(&text)).await?;
                owed += self.shared.ledger().last_answer_size();
            }
            let unsent = match self.is_read(client, &mut samples).await {
                true => owed.saturating_sub(samples.borrow().on_the_way(client)),
                // The server holds so much that it reads no more.
                false => UNSENT,
            };
            if unsent >= UNSENT {
                self.shared.stage.unsent.fetch_add(unsent, Ordering::Relaxed);
                break;
            }
        }
        Ok(())
    }

    /// Whether the server comes to read everything.
    async fn is_read(&self, client: SocketAddr, samples: &mut watch::Receiver<Sample>) -> bool {
        // The first may have been begun before.
        let _ = samples.changed().await;
        let mut read = 0;
        for _ in 0..20 {
            let _ = samples.changed().await;
            read = if samples.borrow().is_read(client) { read + 1 } else { 0 };
            if read == 2 {
                return true;
            }
        }
        false
    }

    async fn swapped(&mut self) {
        let _ = self.phase.wait_for(|phase| !phase.is_still()).await;
        self.phase.mark_changed();
    }

    /// A message, and where it is cut during a swap: somewhere else each time.
    fn half(&mut self, swap: usize) -> (Vec<u8>, usize) {
        const KEY_AND_HEAD: usize = 8;
        let kind = (self.shared.plan.number / 2 + swap) % 10;
        let size = match kind {
            8 | 9 => 300_000,
            _ => 500,
        };
        let (number, text) = self.next(None, |_, _, _| size);
        let whole = frame::text(&text);
        let (first, rest) = text.as_bytes().split_at(text.len() / 2);
        match kind {
            // In the head: behind its first byte, in the length, in the mask; and right behind it.
            0 => (whole, 1),
            1 => (whole, 3),
            2 => (whole, 6),
            3 => (whole, KEY_AND_HEAD),
            // In the payload, and in a character of it.
            4 => (whole, text.len() / 2),
            5 => {
                let wide = text.char_indices().find(|(_, letter)| letter.len_utf8() > 1);
                (whole, KEY_AND_HEAD + wide.map_or(1, |(at, _)| at + 1))
            }
            // Between two fragments, and in a ping between them.
            6 => {
                let first = frame::masked(TEXT, false, first);
                let cut = first.len();
                ([first, frame::masked(CONTINUATION, true, rest)].concat(), cut)
            }
            7 => {
                let first = frame::masked(TEXT, false, first);
                let cut = first.len() + 8;
                let ping = format!("swap {number}");
                self.shared.ledger().ping(ping.as_bytes());
                let ping = frame::masked(PING, true, ping.as_bytes());
                ([first, ping, frame::masked(CONTINUATION, true, rest)].concat(), cut)
            }
            // In the length of a large message, and shortly before its end.
            8 => (whole, 5),
            _ => {
                let cut = whole.len() - 100;
                (whole, cut)
            }
        }
    }

    /// Waits for what is still to come, and says goodbye.
    async fn leave(mut self, shouts: u64) -> Result<(), Gone> {
        let settling = async {
            while !self.shared.ledger().is_settled(shouts) {
                tokio::select! {
                    () = self.shared.news.notified() => {}
                    Some(frame) = self.to_answer.recv() => self.writer.write_all(&frame).await?,
                }
            }
            Ok::<_, Gone>(())
        };
        // What has not come by then is lost.
        if let Ok(settled) = timeout(PATIENCE, settling).await {
            settled?;
        }
        self.shared.leaves.store(true, Ordering::Relaxed);
        Ok(self.writer.write_all(&frame::close()).await?)
    }
}

/// The objects in a message of the protocol.
pub(crate) fn lines(frame: &Frame) -> Vec<Value> {
    let text = String::from_utf8_lossy(&frame.payload);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!({ "unreadable": line })))
        .collect()
}

/// What a push says past all channels.
fn pushed(line: &Value) -> Option<String> {
    Some(line["push"]["message"]["data"].as_str()?.to_owned())
}
