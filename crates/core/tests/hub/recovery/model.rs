//! What has to be true: the model judges what clients have seen by a log of its own. It is pure, and calls nothing of
//! what it judges.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    ops::RangeInclusive,
};

use duplex_core::Recovery;

use super::{
    Kind, MAX_RECOVERY_BYTES, QUEUE_BYTES,
    log::{Log, json_bytes},
    seen::{Answer, Publication, Published, Seen, Subscribed},
    tally::Tally,
};

/// The error says what is not as it has to be.
pub(super) type Verdict<T = ()> = Result<T, String>;

/// The code that a client is closed with when it reads too slowly.
const SLOW: u16 = 3008;

/// How much of what a client has seen is told with an error.
const TOLD: usize = 12;

/// What is known of a case.
pub(super) struct Model<'tally> {
    logs: BTreeMap<Kind, Log>,
    clients: Vec<Follower>,
    /// Bytes that the client that is judged can have been sent in this round.
    volume: usize,
    tally: &'tally mut Tally,
}

/// What a client has come to.
#[derive(Default)]
struct Follower {
    /// The offset it has reached in each of its channels; a range as long as nothing tells more.
    reached: HashMap<Kind, RangeInclusive<u64>>,
    /// Bytes that may wait for it.
    unread: usize,
}

impl<'tally> Model<'tally> {
    pub(super) fn new(clients: usize, tally: &'tally mut Tally) -> Self {
        let logs = Kind::ALL.into_iter().map(|kind| (kind, Log::new(kind))).collect();
        let clients = (0..clients).map(|_| Follower::default()).collect();
        Self { logs, clients, volume: 0, tally }
    }

    /// Takes down what was published in a round. That comes first, so that what clients have seen is known.
    pub(super) fn publish(&mut self, channel: Kind, published: Published) -> Verdict {
        self.log(channel).extend(published).map_err(|error| format!("{channel:?}: {error}"))
    }

    /// Judges what a client has seen in a round in which it was sent up to `volume` bytes.
    pub(super) fn judge(&mut self, client: usize, seen: &[Seen], volume: usize) -> Verdict {
        self.volume = volume;
        self.clients[client].unread += volume;
        for (index, one) in seen.iter().enumerate() {
            self.judge_one(client, one).map_err(|error| {
                let last = &seen[index.saturating_sub(TOLD)..=index];
                let last: String = last.iter().map(|seen| format!("\n    {seen:?}")).collect();
                format!("client {client}: {error}\nit has seen, at last:{last}")
            })?;
        }
        Ok(())
    }

    fn judge_one(&mut self, client: usize, seen: &Seen) -> Verdict {
        match seen {
            Seen::Connected(subscriptions) => self.connect(client, subscriptions),
            Seen::Subscribed(subscribed) => self.subscribe(client, subscribed, &mut { MAX_RECOVERY_BYTES }),
            Seen::Published(channel, publication) => self.deliver(client, *channel, publication),
            Seen::Unsubscribed(channel) => {
                self.clients[client].reached.remove(channel);
                Ok(())
            }
            Seen::Everything => self.catch_up(client),
            Seen::Left => {
                self.clients[client] = Follower::default();
                Ok(())
            }
            Seen::Closed(code) => {
                let unread = mem::take(&mut self.clients[client]).unread;
                if *code != SLOW || unread <= QUEUE_BYTES {
                    return Err(format!("closed with {code}, while at most {unread} bytes waited for it"));
                }
                self.tally.slow += 1;
                Ok(())
            }
        }
    }

    fn connect(&mut self, client: usize, subscriptions: &[Subscribed]) -> Verdict {
        self.clients[client] = Follower { unread: self.volume, ..Follower::default() };
        // All of them share what one reply may recover.
        let mut budget = MAX_RECOVERY_BYTES;
        for subscribed in subscriptions {
            self.subscribe(client, subscribed, &mut budget)?;
            self.tally.connecting += usize::from(subscribed.said.is_some());
        }
        Ok(())
    }

    /// `budget` is what the reply may still recover.
    fn subscribe(&mut self, client: usize, subscribed: &Subscribed, budget: &mut usize) -> Verdict {
        let judged = match subscribed.has_position() {
            true => self.judge_position(subscribed, budget),
            false => subscribed.judge_without_position(),
        };
        let reached = judged.map_err(|error| format!("{error}: {subscribed:?}"))?;
        match self.clients[client].reached.insert(subscribed.channel, reached) {
            None => Ok(()),
            Some(_) => Err(format!("subscribed twice to {:?}", subscribed.channel)),
        }
    }

    /// Judges the answer to a subscription with a position, at the top that it names itself. Gives the offset that the
    /// client has reached with it.
    fn judge_position(
        &mut self,
        subscribed: &Subscribed,
        budget: &mut usize,
    ) -> Verdict<RangeInclusive<u64>> {
        let Subscribed { channel, said, answer, between, .. } = subscribed;
        if !(answer.positioned && answer.recoverable) {
            return Err("it has no position".to_owned());
        }
        let log = self.log(*channel);
        log.check_epoch(answer.epoch.as_ref().ok_or("it has no epoch")?)?;
        let top = answer.offset + answer.publications.len() as u64;
        if !between.contains(&top) || top > log.top() {
            return Err(format!("{top} is an impossible position"));
        }
        let missed = said.as_ref().map(|said| log.missed(said, top, *budget));
        let recovered = matches!(missed, Some(Ok(_)));
        if (answer.recovered, answer.was_recovering) != (recovered, said.is_some()) {
            return Err(format!("it had to be {missed:?} at {top}"));
        }
        let wanted = (answer.offset + 1..=top).filter(|_| recovered);
        if !answer.publications.iter().map(|publication| publication.offset).eq(wanted) {
            return Err("it has wrong publications".to_owned());
        }
        if said.as_ref().is_some_and(|said| recovered && said.offset != answer.offset) {
            return Err("it goes on from elsewhere".to_owned());
        }
        for publication in &answer.publications {
            log.offset(publication)?;
            *budget -= json_bytes(&publication.data);
        }
        let raced = log.is_amid_round(top);
        if let (Some(missed), Some(said)) = (missed, said) {
            self.tally.count(missed, said, raced);
        }
        Ok(top..=top)
    }

    fn deliver(&mut self, client: usize, channel: Kind, publication: &Publication) -> Verdict {
        let offset = self.log(channel).offset(publication)?;
        let reached = self.clients[client].reached.get_mut(&channel);
        let reached = reached.ok_or_else(|| format!("not subscribed to {channel:?}"))?;
        if !reached.contains(&(offset - 1)) {
            return Err(format!("{channel:?} has come to {reached:?}, and goes on with {offset}"));
        }
        *reached = offset..=offset;
        Ok(())
    }

    /// The client has read everything, so it has to be at the end of all its channels.
    fn catch_up(&mut self, client: usize) -> Verdict {
        let follower = &mut self.clients[client];
        follower.unread = 0;
        for (channel, reached) in &mut follower.reached {
            let end = self.logs[channel].top();
            if !reached.contains(&end) {
                return Err(format!("{channel:?} stops at {reached:?} and not at {end}"));
            }
            *reached = end..=end;
        }
        Ok(())
    }

    fn log(&mut self, channel: Kind) -> &mut Log {
        self.logs.get_mut(&channel).unwrap()
    }
}

impl Subscribed {
    /// Whether the subscription has to have a position.
    fn has_position(&self) -> bool {
        match self.channel.namespace().recovery {
            Recovery::Off => false,
            Recovery::On => self.positioned || self.said.is_some(),
            Recovery::Forced => true,
        }
    }

    /// Such an answer says nothing, so the client may have reached whatever was possible.
    fn judge_without_position(&self) -> Verdict<RangeInclusive<u64>> {
        let Answer { recoverable, positioned, epoch, offset, publications, recovered, was_recovering } =
            &self.answer;
        let says = *recoverable || *positioned || epoch.is_some() || *offset > 0;
        if says || !publications.is_empty() || *recovered || *was_recovering {
            return Err("it has no position to speak of".to_owned());
        }
        Ok(self.between.clone())
    }
}
