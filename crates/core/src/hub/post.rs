//! The way of a verb to the shards: to all of those it concerns or to none, with patience while an inbox is full.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::{
    Hub, HubError, Target, Verb,
    channels::Entry,
    inbox::Room,
    ownership::Whose,
    stream::{ReadLimits, Stream},
};
use crate::{
    Channel, ClientInfo, Json, Position, Publication, Since,
    handover::{Link, Question},
    shard::{Letter, NewSubscription, Outgoing, Snapshot, Terms, What},
};

/// What a publication costs in an inbox beside its data: the names and signs around it.
const PUBLICATION_BYTES: usize = 64;

/// One attempt to hand letters to the shards failed.
pub(super) enum Refused {
    /// This shard's inbox has no room now.
    Full(usize),
    /// The shards are gone.
    Stopped,
    /// The hub is not this process's now.
    NotOurs,
}

/// A subscription that is asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Joining {
    pub(crate) target: Target,
    pub(crate) channel: Channel,
    /// What the subscriber has seen, if it wants the rest.
    pub(crate) since: Option<Since>,
    /// The subscriber wants a position.
    pub(crate) positioned: bool,
    /// Without all of what it missed, it wants no subscription.
    pub(crate) all_or_nothing: bool,
    pub(crate) terms: Terms,
}

/// The stream does not have all of what a subscriber has missed, and nothing less was wanted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Missing;

impl Hub {
    /// Does what a verb says. The other methods are shorthands for this one.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn apply(&self, verb: Verb) -> Result<(), HubError> {
        match verb {
            Verb::Publish { channel, data, info } => self.publish_json(&channel, data, info).await.map(drop),
            Verb::Send { to, content } => {
                let payload = content.len();
                let outgoing = Outgoing::new(What::Content(content.clone()));
                let letter = || Letter::Send { to: to.clone(), outgoing: Arc::clone(&outgoing) };
                let verb = || Verb::Send { to: to.clone(), content };
                self.carry_out(|| self.post(&to, payload, false, letter), || Question::Apply(verb())).await
            }
            Verb::Subscribe { target, channel, since } => {
                let terms = Terms { join_leave: true, ..Terms::default() };
                let joining =
                    Joining { target, channel, since, positioned: true, all_or_nothing: false, terms };
                self.join(joining).await.map(drop)
            }
            Verb::Unsubscribe { target, channel } => {
                let letter = || Letter::Unsubscribe { target: target.clone(), channel: channel.clone() };
                let verb = || Verb::Unsubscribe { target: target.clone(), channel: channel.clone() };
                self.carry_out(|| self.post(&target, 0, true, letter), || Question::Apply(verb())).await
            }
            Verb::Renew { namespace } => {
                let name: Arc<str> = namespace.as_str().into();
                let letter = || Letter::Renew(Arc::clone(&name));
                let verb = || Verb::Renew { namespace };
                self.carry_out(|| self.post(&Target::All, 0, true, letter), || Question::Apply(verb())).await
            }
            Verb::Refresh { target, expires } => {
                let letter = || Letter::Refresh { target: target.clone(), expires };
                let verb = || Verb::Refresh { target: target.clone(), expires };
                self.carry_out(|| self.post(&target, 0, true, letter), || Question::Apply(verb())).await
            }
            Verb::Disconnect { target, close } => {
                let letter = || Letter::Disconnect { target: target.clone(), close: close.clone() };
                let verb = || Verb::Disconnect { target: target.clone(), close: close.clone() };
                self.carry_out(|| self.post(&target, 0, true, letter), || Question::Apply(verb())).await
            }
        }
    }

    /// Publishes, and says where the publication is in the channel's stream, if it has one.
    pub(crate) async fn publish_json(
        &self,
        channel: &Channel,
        data: Json,
        info: Option<Arc<ClientInfo>>,
    ) -> Result<Option<Position>, HubError> {
        let question =
            || Question::Publish { channel: channel.clone(), data: data.clone(), info: info.clone() };
        self.carry_out(|| self.post_publication(channel, &data, info.as_ref()), question).await
    }

    /// Subscribes; the shard does the rest.
    pub(crate) async fn join(&self, joining: Joining) -> Result<Result<(), Missing>, HubError> {
        match self.here_or_there(|| self.post_subscription(&joining)).await? {
            Done::Here(done) => Ok(done),
            Done::There(link) => link.ask(Question::Join(Box::new(joining))).await,
        }
    }

    /// Carries something out here, or has it carried out where the hub is now.
    pub(super) async fn carry_out<T: DeserializeOwned>(
        &self,
        attempt: impl FnMut() -> Result<T, Refused>,
        question: impl FnOnce() -> Question,
    ) -> Result<T, HubError> {
        match self.here_or_there(attempt).await? {
            Done::Here(done) => Ok(done),
            Done::There(link) => link.ask(question()).await,
        }
    }

    /// Waits, if need be, until it is decided whose the hub is.
    pub(super) async fn here_or_there<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Refused>,
    ) -> Result<Done<T>, HubError> {
        loop {
            if let Some(done) = self.retry(&mut attempt).await? {
                return Ok(Done::Here(done));
            }
            let patience = self.shared.settings.limits.inbox_deadline;
            if let Whose::Theirs(link) = self.shared.ownership.settled(patience).await? {
                return Ok(Done::There(link));
            }
        }
    }

    /// Tries until there is room or the deadline has passed; nothing if the hub is not this process's.
    async fn retry<T>(&self, mut attempt: impl FnMut() -> Result<T, Refused>) -> Result<Option<T>, HubError> {
        let shard = match attempt() {
            Ok(done) => return Ok(Some(done)),
            Err(Refused::Stopped) => return Err(HubError::Stopped),
            Err(Refused::NotOurs) => return Ok(None),
            Err(Refused::Full(shard)) => shard,
        };
        let patience = self.shared.settings.limits.inbox_deadline;
        timeout(patience, self.wait_and_retry(shard, attempt))
            .await
            .unwrap_or(Err(HubError::Overloaded(patience)))
    }

    async fn wait_and_retry<T>(
        &self,
        mut shard: usize,
        mut attempt: impl FnMut() -> Result<T, Refused>,
    ) -> Result<Option<T>, HubError> {
        loop {
            // Listening starts before the attempt, so room that appears right after it is not missed.
            let mut room = std::pin::pin!(self.shared.inboxes[shard].room());
            room.as_mut().enable();
            match attempt() {
                Ok(done) => return Ok(Some(done)),
                Err(Refused::Stopped) => return Err(HubError::Stopped),
                Err(Refused::NotOurs) => return Ok(None),
                Err(Refused::Full(full)) if full == shard => room.await,
                Err(Refused::Full(full)) => shard = full,
            }
        }
    }

    /// Whether this process may act on the hub. Ask when what has to be held is held: see [`Ownership`](super::Ownership).
    pub(super) fn owned(&self) -> Result<(), Refused> {
        let ownership = &self.shared.ownership;
        if ownership.is_ours() {
            return Ok(());
        }
        Err(if ownership.is_over() { Refused::Stopped } else { Refused::NotOurs })
    }

    /// Under the lock of the channel the publication gets its offset, is kept, and goes to each shard with subscribers:
    /// so the order is the same for all of them, and that of the offsets.
    fn post_publication(
        &self,
        channel: &Channel,
        data: &Json,
        info: Option<&Arc<ClientInfo>>,
    ) -> Result<Option<Position>, Refused> {
        let channels = &self.shared.channels;
        let options = channels.namespaces().options(channel);
        let mut stripe = channels.lock(channel);
        self.owned()?;
        let entry = match stripe.get_mut(channel) {
            Some(entry) => entry,
            None if options.keeps_history() => channels.entry(&mut stripe, channel),
            // Nobody listens, and nothing is kept.
            None => return Ok(None),
        };
        let rooms = self.rooms(entry.shards(), data.as_str().len() + PUBLICATION_BYTES, false)?;
        let mut publication = Publication { offset: 0, data: data.clone(), info: info.cloned() };
        let position = options.keeps_history().then(|| {
            let now = Instant::now();
            let stream = channels.stream_or_new(entry, options, now);
            stream.append(&mut publication, options, now);
            stream.position()
        });
        if !rooms.is_empty() {
            let outgoing = Outgoing::new(What::Publication { channel: channel.clone(), publication });
            let letter = || Letter::Publish { channel: channel.clone(), outgoing: Arc::clone(&outgoing) };
            push(rooms, letter)?;
        }
        Ok(position)
    }

    /// Under the lock of the channel the subscriber is counted, and what it missed is read: a publication before it is
    /// among that, and one after it comes after the letter.
    fn post_subscription(&self, joining: &Joining) -> Result<Result<(), Missing>, Refused> {
        let channels = &self.shared.channels;
        let options = channels.namespaces().options(&joining.channel);
        let positioned = options.recovery.applies(joining.positioned);
        let mut stripe = channels.lock(&joining.channel);
        self.owned()?;
        let entry = channels.entry(&mut stripe, &joining.channel);
        let snapshot = positioned.then(|| {
            let now = Instant::now();
            let stream = channels.stream_or_new(entry, options, now);
            stream.touch(now);
            self.snapshot(stream, joining.since.as_ref())
        });
        if joining.all_or_nothing
            && snapshot.as_ref().is_some_and(|snapshot| snapshot.recovered == Some(false))
        {
            stripe.drop_unused(&joining.channel);
            return Ok(Err(Missing));
        }
        let missed = |snapshot: &Snapshot| snapshot.bytes() + snapshot.missed.len() * PUBLICATION_BYTES;
        let payload = snapshot.as_ref().map_or(0, missed);
        let shards = self.shards_of(&joining.target);
        // The reserve is for what is small.
        let rooms = match self.rooms(shards.clone(), payload, payload == 0) {
            Ok(rooms) => rooms,
            Err(refused) => {
                stripe.drop_unused(&joining.channel);
                return Err(refused);
            }
        };
        shards.for_each(|shard| entry.count_in(shard));
        let mut terms = joining.terms.clone();
        terms.join_leave = options.join_leave.applies(terms.join_leave);
        let channel = stripe.name(&joining.channel);
        let subscription = NewSubscription { target: joining.target.clone(), channel, snapshot, terms };
        push(rooms, || Letter::Subscribe(Box::new(subscription.clone()))).map(Ok)
    }

    fn snapshot(&self, stream: &Stream, since: Option<&Since>) -> Snapshot {
        let limits = &self.shared.settings.limits;
        let limits = ReadLimits { publications: limits.max_recovery, bytes: limits.max_recovery_bytes };
        let missed = since.map(|since| stream.recover(since, limits));
        let recovered = missed.as_ref().map(Result::is_ok);
        let missed = missed.and_then(Result::ok).unwrap_or_default();
        Snapshot { position: stream.position(), recovered, missed }
    }

    /// A subscriber has come, as its shard says: it is in the channel from now on.
    pub(crate) fn appear(&self, channel: &Channel, info: &Arc<ClientInfo>) {
        let channels = &self.shared.channels;
        let options = channels.namespaces().options(channel);
        let mut stripe = channels.lock(channel);
        let Some(entry) = stripe.get_mut(channel) else { return };
        if options.presence {
            entry.show(info);
        }
        if options.join_leave.exists() {
            self.post_news(entry, channel, || What::Join {
                channel: channel.clone(),
                info: Arc::clone(info),
            });
        }
    }

    /// A subscriber has gone, as its shard says. `info` is what [`appear`](Self::appear) was told, if it was.
    pub(crate) fn leave(&self, channel: &Channel, shard: usize, info: Option<&Arc<ClientInfo>>) {
        let channels = &self.shared.channels;
        let options = channels.namespaces().options(channel);
        let mut stripe = channels.lock(channel);
        let Some(entry) = stripe.get_mut(channel) else { return };
        entry.count_out(shard);
        if let Some(stream) = &mut entry.stream {
            stream.touch(Instant::now());
        }
        if let Some(info) = info {
            entry.hide(info);
            if options.join_leave.exists() {
                self.post_news(entry, channel, || What::Leave {
                    channel: channel.clone(),
                    info: Arc::clone(info),
                });
            }
        }
        stripe.drop_unused(channel);
    }

    /// Shards must not wait for each other, so news finds room at once or is lost, which the log tells.
    fn post_news(&self, entry: &Entry, channel: &Channel, what: impl FnOnce() -> What) {
        if entry.shards().next().is_none() {
            return;
        }
        let outgoing = Outgoing::new(what());
        for shard in entry.shards() {
            let letter = Letter::News { channel: channel.clone(), outgoing: Arc::clone(&outgoing) };
            // What a shard works off while the hub is being frozen still leads to news.
            let room = self.room(shard, 0, true);
            if room
                .and_then(|room| room.push(letter).map_err(|_| Refused::Stopped))
                .is_err_and(|refused| matches!(refused, Refused::Full(_)))
            {
                let lost = self.shared.lost_news.fetch_add(1, Ordering::Relaxed) + 1;
                if lost.is_power_of_two() {
                    log::warn!(
                        "shard {shard} has no room for who comes and goes; {lost} such news were lost so far"
                    );
                }
            }
        }
    }

    pub(super) fn post(
        &self,
        target: &Target,
        payload: usize,
        urgent: bool,
        letter: impl FnMut() -> Letter,
    ) -> Result<(), Refused> {
        push(self.rooms(self.shards_of(target), payload, urgent)?, letter)
    }

    fn shards_of(&self, target: &Target) -> Range<usize> {
        let shards = self.shared.inboxes.len();
        match target {
            Target::Connection(id) => {
                let shard = id.shard(shards);
                shard..shard + 1
            }
            Target::User(_) | Target::All => 0..shards,
        }
    }

    /// Room in all of the inboxes, or in none of them.
    fn rooms(
        &self,
        mut shards: impl Iterator<Item = usize>,
        payload: usize,
        urgent: bool,
    ) -> Result<Rooms<'_>, Refused> {
        shards.try_fold(Rooms::new(), |mut rooms, shard| {
            rooms.push(self.reserve(shard, payload, urgent)?);
            Ok(rooms)
        })
    }

    fn reserve(&self, shard: usize, payload: usize, urgent: bool) -> Result<Room<'_>, Refused> {
        let room = self.room(shard, payload, urgent);
        self.owned()?;
        room
    }

    fn room(&self, shard: usize, payload: usize, urgent: bool) -> Result<Room<'_>, Refused> {
        let inbox = &self.shared.inboxes[shard];
        let refused = || if inbox.is_closed() { Refused::Stopped } else { Refused::Full(shard) };
        inbox.reserve(payload, urgent).ok_or_else(refused)
    }

    /// Posts a letter that cannot be made twice; it stays in its place until there is room.
    pub(super) fn post_once(&self, shard: usize, letter: &mut Option<Letter>) -> Result<(), Refused> {
        let room = self.reserve(shard, 0, true)?;
        let Some(letter) = letter.take() else { return Ok(()) };
        room.push(letter).map_err(|_| Refused::Stopped)
    }
}

type Rooms<'hub> = Vec<Room<'hub>>;

/// Where something was carried out, or has to be.
pub(super) enum Done<T> {
    Here(T),
    There(Link),
}

fn push(rooms: Rooms<'_>, mut letter: impl FnMut() -> Letter) -> Result<(), Refused> {
    rooms.into_iter().try_for_each(|room| room.push(letter())).map_err(|_| Refused::Stopped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnectionId, Namespace, Namespaces, Recovery, Settings};

    #[tokio::test]
    async fn who_wants_all_or_nothing_and_gets_nothing_leaves_nothing_behind() {
        let kept = Namespace { history_size: 1, recovery: Recovery::Forced, ..Namespace::default() };
        let namespaces = Namespaces::default().without_namespace(kept);
        let (hub, _unstarted) = Hub::prepare(Settings { namespaces, ..Settings::default() }).unwrap();
        let joining = |all_or_nothing| Joining {
            target: Target::Connection(ConnectionId::new(0)),
            channel: Channel::new("news").unwrap(),
            since: Some(Since { epoch: "x".to_owned(), offset: 1 }),
            positioned: true,
            all_or_nothing,
            terms: Terms::default(),
        };
        assert!(hub.join(joining(true)).await.unwrap().is_err());
        assert_eq!(hub.shared.channels.len(), 0);
        assert!(hub.join(joining(false)).await.unwrap().is_ok());
        assert_eq!(hub.shared.channels.len(), 1);
    }
}
