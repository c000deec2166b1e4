//! The accounts of a client: what it has sent, what came of it, and when it heard something.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    iter::Sum,
    ops::Add,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{socket::Gone, stage::Phase, words};

/// What went well and what did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) echoed: u64,
    /// Never answered.
    pub(crate) lost: u64,
    /// Answered more than once.
    pub(crate) duplicated: u64,
    /// Answered behind a later one.
    pub(crate) reordered: u64,
    /// Answered with other words.
    pub(crate) damaged: u64,
    /// Sockets that ended.
    pub(crate) closed: u64,
    /// Messages to everybody that have not come, or not once.
    pub(crate) misheard: u64,
    /// Whatever nobody has asked for: a second greeting, a pong to no ping.
    pub(crate) strange: u64,
}

impl Counts {
    /// Everything that must not be.
    pub(crate) fn wrong(&self) -> u64 {
        let Counts { sent: _, echoed: _, lost, duplicated, reordered, damaged, closed, misheard, strange } =
            self;
        lost + duplicated + reordered + damaged + closed + misheard + strange
    }
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts {
            sent: self.sent + other.sent,
            echoed: self.echoed + other.echoed,
            lost: self.lost + other.lost,
            duplicated: self.duplicated + other.duplicated,
            reordered: self.reordered + other.reordered,
            damaged: self.damaged + other.damaged,
            closed: self.closed + other.closed,
            misheard: self.misheard + other.misheard,
            strange: self.strange + other.strange,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(counts: I) -> Counts {
        counts.fold(Counts::default(), Counts::add)
    }
}

struct Sent {
    number: u64,
    size: usize,
    at: Instant,
    /// The swap behind which it was sent.
    behind: Option<u32>,
}

/// The accounts of one client.
pub(crate) struct Ledger {
    client: usize,
    /// Whether its messages come back as JSON.
    json: bool,
    /// The connection's id, which never changes.
    connection: String,
    next: u64,
    awaited: VecDeque<Sent>,
    /// Those before which a later one was answered.
    missing: BTreeSet<u64>,
    pings: VecDeque<Vec<u8>>,
    greetings: u64,
    shouts: u64,
    counts: Counts,
    /// What was wrong first, in words.
    pub(crate) complaint: Option<String>,
    /// By swap: the longest that an answer took to something said before the swap was over. Behind it, those who were in the
    /// middle of something go on, which is a load of its own.
    waited: BTreeMap<u32, Duration>,
}

impl Ledger {
    pub(crate) fn new(client: usize, json: bool, connection: String) -> Ledger {
        Ledger {
            client,
            json,
            connection,
            next: 0,
            awaited: VecDeque::new(),
            missing: BTreeSet::new(),
            pings: VecDeque::new(),
            greetings: 0,
            shouts: 0,
            counts: Counts::default(),
            complaint: None,
            waited: BTreeMap::new(),
        }
    }

    /// The number of the next message, which is about to be sent.
    pub(crate) fn send(&mut self, phase: Phase, size: impl FnOnce(u64) -> usize) -> (u64, String) {
        let number = self.next;
        let size = size(number);
        self.next += 1;
        self.counts.sent += 1;
        self.awaited.push_back(Sent { number, size, at: Instant::now(), behind: phase.behind() });
        (number, words::text(self.client, number, size))
    }

    /// A ping is about to be sent.
    pub(crate) fn ping(&mut self, payload: &[u8]) {
        self.pings.push_back(payload.to_vec());
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) {
        if self.pings.pop_front().is_none_or(|ping| ping != payload) {
            self.counts.strange += 1;
            self.complain(format!("an unexpected pong {payload:?}"));
        }
    }

    /// A text that came. Returns the number of the message that it answers, if it is that.
    pub(crate) fn hear(&mut self, text: &str, phase: Phase) -> Option<u64> {
        let mut answered = None;
        if text.starts_with("Hello from the GET handler at ") {
            self.shouts += 1;
        } else if text.starts_with("Hello from the server ") {
            self.greetings += 1;
        } else if self.awaited.front().is_some_and(|sent| text == self.expected(sent)) {
            let sent = self.awaited.pop_front().unwrap();
            if let Some(swap) = phase.swap().filter(|swap| sent.behind != Some(*swap)) {
                let waited = self.waited.entry(swap).or_default();
                *waited = sent.at.elapsed().max(*waited);
            }
            self.counts.echoed += 1;
            answered = Some(sent.number);
        } else {
            self.wrong(text);
        }
        answered
    }

    fn expected(&self, sent: &Sent) -> String {
        let text = words::text(self.client, sent.number, sent.size);
        let text = if self.json { serde_json::to_string(&text).unwrap() } else { text };
        format!("{text} ({})", self.connection)
    }

    /// What the answer to the last message takes on its way.
    pub(crate) fn last_answer_size(&self) -> u64 {
        let text = self.awaited.back().map(|sent| self.expected(sent)).unwrap_or_default();
        let text =
            if self.json { json!({ "push": { "message": { "data": text } } }).to_string() } else { text };
        text.len() as u64
    }

    /// A text that is not the next answer.
    fn wrong(&mut self, text: &str) {
        let start: String = text.chars().take(80).collect();
        let plain = if self.json { text.trim_start_matches('"') } else { text };
        let Some(number) = words::number(self.client, plain) else {
            self.counts.strange += 1;
            return self.complain(format!("nobody asked for {start:?}"));
        };
        if self.missing.remove(&number) {
            self.counts.reordered += 1;
            self.complain(format!("{number} came late: {start:?}"));
        } else if self.awaited.front().is_some_and(|sent| sent.number == number) {
            self.awaited.pop_front();
            self.counts.damaged += 1;
            self.complain(format!("{number} came back with other words: {start:?}"));
        } else if self.awaited.iter().any(|sent| sent.number == number) {
            let before: Vec<_> =
                self.awaited.iter().map(|sent| sent.number).take_while(|other| *other < number).collect();
            self.complain(format!("{number} came before {before:?}"));
            self.awaited.retain(|sent| sent.number > number);
            self.missing.extend(before);
        } else {
            self.counts.duplicated += 1;
            self.complain(format!("{number} came again: {start:?}"));
        }
    }

    /// Nobody will say anything about what has come that is not understood.
    pub(crate) fn strange(&mut self, what: &str) {
        self.counts.strange += 1;
        self.complain(what.chars().take(200).collect());
    }

    pub(crate) fn closed(&mut self, gone: &Gone) {
        self.counts.closed += 1;
        self.complain(format!("it was closed: {gone}"));
    }

    /// Whether everything has come that must come, when this many messages to everybody were sent.
    pub(crate) fn is_settled(&self, shouts: u64) -> bool {
        self.awaited.is_empty() && self.pings.is_empty() && self.shouts >= shouts
    }

    /// The final accounts, when this many messages to everybody were sent.
    pub(crate) fn counts(&self, shouts: u64) -> Counts {
        let mut counts = self.counts.clone();
        counts.lost += (self.awaited.len() + self.missing.len()) as u64;
        counts.misheard += self.shouts.abs_diff(shouts);
        counts.strange += self.greetings.abs_diff(1) + self.pings.len() as u64;
        counts
    }

    /// What was wrong, with numbers that have no words.
    pub(crate) fn account(&self, shouts: u64) -> Option<String> {
        let counts = self.counts(shouts);
        let awaited: Vec<_> = self.awaited.iter().map(|sent| sent.number).collect();
        let said = self.complaint.as_deref().unwrap_or("-");
        (counts.wrong() > 0).then(|| {
            format!(
                "client {}: {said}; {} of {shouts} to everybody, {} greetings, unanswered {awaited:?}, {counts:?}",
                self.client, self.shouts, self.greetings
            )
        })
    }

    /// The longest that it waited for an answer because of a swap.
    pub(crate) fn waited(&self, swap: u32) -> Option<Duration> {
        self.waited.get(&swap).copied()
    }

    fn complain(&mut self, complaint: String) {
        self.complaint.get_or_insert(complaint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene(Ledger);

    impl Scene {
        /// A client that was greeted and has sent this many messages.
        fn sent(count: u64) -> Scene {
            let mut ledger = Ledger::new(3, false, "id".to_owned());
            ledger.hear("Hello from the server now (id)", Phase::Quiet);
            for _ in 0..count {
                ledger.send(Phase::Quiet, |_| 50);
            }
            Scene(ledger)
        }

        fn answer(&mut self, number: u64) {
            self.0.hear(&format!("{} (id)", words::text(3, number, 50)), Phase::Quiet);
        }
    }

    fn good(sent: u64) -> Counts {
        Counts { sent, echoed: sent, ..Counts::default() }
    }

    #[test]
    fn what_is_answered_in_order_and_once_is_well() {
        let mut scene = Scene::sent(3);
        (0..3).for_each(|number| scene.answer(number));
        scene.0.hear("Hello from the GET handler at noon", Phase::Quiet);
        assert_eq!((scene.0.counts(1), scene.0.account(1)), (good(3), None));
        assert!(scene.0.is_settled(1) && !scene.0.is_settled(2));
    }

    #[test]
    fn what_is_not_answered_is_lost() {
        let mut scene = Scene::sent(3);
        [0, 2].iter().for_each(|number| scene.answer(*number));
        let counts = scene.0.counts(0);
        assert_eq!((counts.lost, counts.wrong()), (1, 1));
        let mut scene = Scene::sent(2);
        scene.answer(0);
        assert_eq!(scene.0.counts(0).lost, 1);
    }

    #[test]
    fn what_is_answered_again_is_duplicated() {
        let mut scene = Scene::sent(2);
        [0, 1, 0, 1].iter().for_each(|number| scene.answer(*number));
        assert_eq!(scene.0.counts(0), Counts { duplicated: 2, ..good(2) });
    }

    #[test]
    fn what_comes_behind_a_later_one_is_reordered() {
        let mut scene = Scene::sent(3);
        [1, 0, 2].iter().for_each(|number| scene.answer(*number));
        let counts = scene.0.counts(0);
        assert_eq!((counts.reordered, counts.lost, counts.wrong()), (1, 0, 1));
    }

    #[test]
    fn other_words_or_another_connection_are_damage() {
        for change in [("a", "b"), ("(id)", "(other)"), (" (id)", "")] {
            let mut scene = Scene::sent(1);
            let text = format!("{} (id)", words::text(3, 0, 50));
            let text = if change.0 == "a" { text + " " } else { text.replace(change.0, change.1) };
            scene.0.hear(&text, Phase::Quiet);
            assert_eq!(scene.0.counts(0), Counts { sent: 1, damaged: 1, ..Counts::default() });
        }
    }

    #[test]
    fn what_nobody_asked_for_is_strange() {
        let mut scene = Scene::sent(0);
        scene.0.hear("Hello from the server again (id)", Phase::Quiet);
        scene.0.hear("4:0:somebody else's", Phase::Quiet);
        scene.0.pong(b"x");
        assert_eq!(scene.0.counts(0), Counts { strange: 3, ..Counts::default() });
    }

    #[test]
    fn what_is_said_behind_a_swap_is_not_of_it() {
        let mut scene = Scene::sent(1);
        std::thread::sleep(Duration::from_millis(2));
        scene.0.hear(&format!("{} (id)", words::text(3, 0, 50)), Phase::After(1));
        let waited = scene.0.waited(1).unwrap();
        assert!(waited >= Duration::from_millis(2));
        scene.0.send(Phase::After(1), |_| 50);
        std::thread::sleep(2 * waited);
        scene.0.hear(&format!("{} (id)", words::text(3, 1, 50)), Phase::After(1));
        assert_eq!((scene.0.waited(1), scene.0.waited(2)), (Some(waited), None));
    }

    #[test]
    fn messages_to_everybody_come_once() {
        let mut scene = Scene::sent(0);
        scene.0.hear("Hello from the GET handler at noon", Phase::Quiet);
        assert_eq!([0, 1, 2].map(|sent| scene.0.counts(sent).misheard), [1, 0, 1]);
    }
}
