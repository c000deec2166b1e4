//! The one table that publishers and shards share: for each channel which shards have subscribers, what it keeps, and
//! who is in it.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use super::{
    stream::{Stream, StreamState},
    told::Told,
};
use crate::{Channel, ClientInfo, ConnectionId, Epoch, Namespace, Namespaces};

/// Locks that the channels are spread over, so that publishers to different channels rarely meet.
const STRIPES: usize = 256;

/// Every channel that somebody is subscribed to, or that keeps something.
///
/// A stripe's lock is held while letters about its channels are pushed to the inboxes, which makes the order in an inbox
/// the order of things. It is never held across an await, and nothing under it waits.
pub(crate) struct Channels {
    stripes: Vec<Mutex<Stripe>>,
    shards: usize,
    hasher: RandomState,
    namespaces: Namespaces,
    fresh: FreshEpoch,
    /// A stream of another process that something was published to is not kept here.
    leaves_out: AtomicBool,
}

/// The epoch of the next new stream. It changes when a stream is forgotten that something was published to, so that none
/// has an epoch twice; until then all new streams share it. That is why a stream that nothing was ever published to need
/// not be kept: made again, it is the same, and whoever had subscribed to it can come back. Clients that may subscribe to
/// whatever they like can therefore not fill the memory with names.
struct FreshEpoch(Mutex<Epoch>);

/// The channels of one lock.
#[derive(Default)]
pub(crate) struct Stripe {
    entries: HashMap<Channel, Entry>,
}

/// What is known of one channel.
pub(crate) struct Entry {
    /// Subscribers on each shard.
    subscribers: Box<[u32]>,
    pub(crate) stream: Option<Box<Stream>>,
    /// Filled by the shards, each for its own connections.
    pub(crate) presence: Option<Box<Presence>>,
}

/// Who is in a channel.
pub(crate) type Presence = HashMap<ConnectionId, Arc<ClientInfo>>;

impl Channels {
    /// An empty table for a hub of `shards` shards.
    pub(crate) fn new(shards: usize, namespaces: Namespaces) -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        Self {
            stripes,
            shards,
            hasher: RandomState::new(),
            namespaces,
            fresh: FreshEpoch(Mutex::new(Epoch::random())),
            leaves_out: AtomicBool::new(false),
        }
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards
    }

    pub(crate) fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Locks the part of the table that knows `channel`.
    pub(crate) fn lock(&self, channel: &Channel) -> MutexGuard<'_, Stripe> {
        let stripe = self.hasher.hash_one(channel) as usize % STRIPES;
        self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry of a channel, under a lock that is already held; made if there is none.
    pub(crate) fn entry<'stripe>(
        &self,
        stripe: &'stripe mut Stripe,
        channel: &Channel,
    ) -> &'stripe mut Entry {
        let new =
            || Entry { subscribers: vec![0; self.shards].into_boxed_slice(), stream: None, presence: None };
        stripe.entries.entry(channel.clone()).or_insert_with(new)
    }

    /// A subscription was counted once on `shard`, before it was known how many connections it means.
    pub(crate) fn correct(&self, channel: &Channel, shard: usize, connections: usize) {
        if connections == 1 {
            return;
        }
        let mut stripe = self.lock(channel);
        let Some(entry) = stripe.entries.get_mut(channel) else { return };
        let added = u32::try_from(connections).unwrap_or(u32::MAX);
        entry.subscribers[shard] = entry.subscribers[shard].saturating_add(added).saturating_sub(1);
        stripe.drop_unused(channel);
    }

    /// A stream that nothing was published to.
    pub(crate) fn new_stream(&self, now: Instant) -> Stream {
        Stream::new(self.fresh.get(), now)
    }

    /// The stream of a channel as it is now, if there is one: nothing too old is in it.
    pub(crate) fn stream<'entry>(
        &self,
        entry: &'entry mut Entry,
        options: &Namespace,
        now: Instant,
    ) -> Option<&'entry mut Stream> {
        entry.refresh(options, now, &self.fresh);
        entry.stream.as_deref_mut()
    }

    /// The same, made if there is none.
    pub(crate) fn stream_or_new<'entry>(
        &self,
        entry: &'entry mut Entry,
        options: &Namespace,
        now: Instant,
    ) -> &'entry mut Stream {
        entry.refresh(options, now, &self.fresh);
        entry.stream.get_or_insert_with(|| Box::new(self.new_stream(now)))
    }

    /// Subscribers of a channel on all shards.
    pub(crate) fn subscribers(&self, channel: &Channel) -> usize {
        let stripe = self.lock(channel);
        stripe.get(channel).map_or(0, |entry| entry.subscribers.iter().map(|count| *count as usize).sum())
    }

    /// Forgets, in the part of the table whose turn it is, what need not be kept any longer.
    pub(crate) fn sweep(&self, turn: usize) {
        let now = Instant::now();
        let mut stripe = self.stripes[turn % STRIPES].lock().unwrap_or_else(PoisonError::into_inner);
        stripe.entries.retain(|channel, entry| {
            entry.refresh(self.namespaces.options(channel), now, &self.fresh);
            !entry.is_unused()
        });
        let (used, capacity) = (stripe.entries.len(), stripe.entries.capacity());
        if used < capacity / 4 {
            stripe.entries.shrink_to(used * 2);
        }
    }

    /// Whoever held a lock when this was called has let go of it when it returns.
    pub(crate) fn let_everybody_finish(&self) {
        self.stripes.iter().for_each(|stripe| drop(stripe.lock().unwrap_or_else(PoisonError::into_inner)));
    }

    /// The epoch of the next new stream.
    pub(crate) fn fresh_epoch(&self) -> Epoch {
        self.fresh.get()
    }

    /// Everything that is kept, one part of the table after the other.
    pub(crate) fn states(&self) -> impl Iterator<Item = Vec<StreamState>> + '_ {
        self.stripes.iter().map(move |stripe| {
            let stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            // It may be long since the part before.
            let now = Instant::now();
            let streams = stripe.entries.iter().filter_map(|(channel, entry)| {
                let stream = entry.stream.as_ref()?;
                Some(stream.state(channel, 0, now))
            });
            streams.collect()
        })
    }

    /// What another process does not know of all streams, one part of the table after the other.
    pub(crate) fn changes<'a>(&'a self, told: &'a mut Told) -> impl Iterator<Item = Vec<StreamState>> + 'a {
        let now = Instant::now();
        self.stripes.iter().map(move |stripe| {
            let stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            let streams = stripe.entries.iter().filter_map(|(channel, entry)| {
                let stream = entry.stream.as_ref()?;
                let behind = |offset| stream.state(channel, offset, now);
                told.rest(channel, stream.position(), stream.used(), behind)
            });
            streams.collect()
        })
    }

    /// New streams have the epoch that those of another process would have had, unless some of its streams are left out:
    /// one of those, made again, must be another one.
    pub(crate) fn begin_with(&self, fresh: Epoch) {
        if !self.leaves_out.load(Ordering::Acquire) {
            self.fresh.set(fresh);
        }
    }

    /// Goes on with streams of another process, or with what was published to those that are here already. What the
    /// namespaces here do not keep is left out.
    pub(crate) fn go_on_with(&self, streams: Vec<StreamState>) {
        let now = Instant::now();
        for state in streams {
            let (channel, position) = (state.channel.clone(), state.position());
            let options = self.namespaces.options(&channel);
            if !options.keeps_history() {
                if position.offset > 0 {
                    self.leaves_out.store(true, Ordering::Release);
                    self.fresh.change();
                }
                continue;
            }
            let mut stripe = self.lock(&channel);
            let stream = &mut self.entry(&mut stripe, &channel).stream;
            match stream {
                Some(stream) if stream.position().epoch == position.epoch => stream.go_on(state, now),
                _ => *stream = Some(Box::new(Stream::from_state(state, now))),
            }
            stream.iter_mut().for_each(|stream| stream.trim(options, now));
        }
    }

    /// These streams have been forgotten.
    pub(crate) fn forget(&self, channels: &[Channel]) {
        for channel in channels {
            let mut stripe = self.lock(channel);
            if let Some(entry) = stripe.get_mut(channel) {
                entry.stream = None;
            }
            stripe.drop_unused(channel);
        }
    }

    /// Gives all streams a new life: what was said in their old one belongs to somebody else.
    pub(crate) fn start_over(&self) {
        self.fresh.change();
        for stripe in &self.stripes {
            let mut stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            stripe.entries.values_mut().for_each(|entry| entry.stream = None);
            stripe.entries.retain(|_, entry| !entry.is_unused());
        }
    }

    /// A subscriber of `shard` has moved in from another process. Nobody is told that it came.
    pub(crate) fn move_in(&self, channel: &Channel, shard: usize, info: Option<&Arc<ClientInfo>>) -> Channel {
        let mut stripe = self.lock(channel);
        let presence = self.namespaces.options(channel).presence;
        let entry = self.entry(&mut stripe, channel);
        entry.count_in(shard);
        if let Some(info) = info.filter(|_| presence) {
            entry.show(info);
        }
        stripe.name(channel)
    }

    /// A subscriber of `shard` moves out. Nobody is told that it went.
    pub(crate) fn move_out(&self, channel: &Channel, shard: usize, info: Option<&Arc<ClientInfo>>) {
        let mut stripe = self.lock(channel);
        let Some(entry) = stripe.get_mut(channel) else { return };
        entry.count_out(shard);
        if let Some(info) = info {
            entry.hide(info);
        }
    }

    /// Channels in the table.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.stripes.iter().map(|stripe| stripe.lock().unwrap().entries.len()).sum()
    }
}

impl Stripe {
    pub(crate) fn get(&self, channel: &Channel) -> Option<&Entry> {
        self.entries.get(channel)
    }

    pub(crate) fn get_mut(&mut self, channel: &Channel) -> Option<&mut Entry> {
        self.entries.get_mut(channel)
    }

    /// The name that the table has already, so that a name costs its memory once.
    pub(crate) fn name(&self, channel: &Channel) -> Channel {
        self.entries.get_key_value(channel).map_or(channel, |(name, _)| name).clone()
    }

    /// Takes the entry out if nothing is in it.
    pub(crate) fn drop_unused(&mut self, channel: &Channel) {
        if self.entries.get(channel).is_some_and(Entry::is_unused) {
            self.entries.remove(channel);
        }
    }
}

impl Entry {
    /// The shards that have subscribers.
    pub(crate) fn shards(&self) -> impl Iterator<Item = usize> + '_ {
        self.subscribers.iter().enumerate().filter(|(_, count)| **count > 0).map(|(shard, _)| shard)
    }

    pub(crate) fn count_in(&mut self, shard: usize) {
        self.subscribers[shard] += 1;
    }

    pub(crate) fn count_out(&mut self, shard: usize) {
        self.subscribers[shard] = self.subscribers[shard].saturating_sub(1);
    }

    /// Somebody is in the channel from now on.
    pub(crate) fn show(&mut self, info: &Arc<ClientInfo>) {
        self.presence.get_or_insert_default().insert(info.client, Arc::clone(info));
    }

    /// Somebody is no longer in the channel.
    pub(crate) fn hide(&mut self, info: &ClientInfo) {
        if let Some(presence) = &mut self.presence {
            presence.remove(&info.client);
            self.presence.take_if(|presence| presence.is_empty());
        }
    }

    /// Lets go of what is too old. Somebody who is subscribed holds a position, so a stream is forgotten only when nobody
    /// is.
    fn refresh(&mut self, options: &Namespace, now: Instant, fresh: &FreshEpoch) {
        let in_use = self.has_subscribers();
        let Some(stream) = &mut self.stream else { return };
        stream.trim(options, now);
        if in_use {
            stream.touch(now);
        } else if !stream.is_published() {
            self.stream = None;
        } else if stream.is_forgotten(options, now) {
            fresh.change();
            self.stream = None;
        }
    }

    fn has_subscribers(&self) -> bool {
        self.subscribers.iter().any(|count| *count > 0)
    }

    fn is_unused(&self) -> bool {
        let keeps = self.stream.as_ref().is_some_and(|stream| stream.is_published());
        !keeps && self.presence.is_none() && !self.has_subscribers()
    }
}

impl FreshEpoch {
    fn get(&self) -> Epoch {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, epoch: Epoch) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = epoch;
    }

    fn change(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Epoch::random();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{History, HistoryQuery, Json, Position, Publication, Recovery, hub::ReadLimits};

    fn channels(shards: usize, namespace: Namespace) -> (Channels, Channel) {
        (
            Channels::new(shards, Namespaces::default().without_namespace(namespace)),
            Channel::new("lobby").unwrap(),
        )
    }

    fn count_in(channels: &Channels, channel: &Channel, shard: usize) {
        channels.entry(&mut channels.lock(channel), channel).count_in(shard);
    }

    /// Publishes something, and returns where that is.
    fn publish(channels: &Channels, channel: &Channel) -> Position {
        let (now, options) = (Instant::now(), channels.namespaces.options(channel));
        let mut stripe = channels.lock(channel);
        let stream = channels.stream_or_new(channels.entry(&mut stripe, channel), options, now);
        stream.append(&mut Publication { offset: 0, data: Json::null(), info: None }, options, now);
        stream.position()
    }

    /// Tells another table everything.
    fn tell(old: &Channels, new: &Channels) -> Told {
        let mut told = Told::default();
        for part in old.states() {
            part.iter().for_each(|state| told.tell(state));
            new.go_on_with(part);
        }
        told
    }

    /// What is kept of a channel.
    fn kept(channels: &Channels, channel: &Channel) -> Option<History> {
        let stripe = channels.lock(channel);
        let stream = stripe.get(channel).and_then(|entry| entry.stream.as_deref())?;
        Some(stream.read(&HistoryQuery::default(), ReadLimits { publications: 9, bytes: 999 }).unwrap())
    }

    #[test]
    fn a_channel_reaches_just_the_shards_with_subscribers() {
        let (channels, channel) = channels(3, Namespace::default());
        count_in(&channels, &channel, 2);
        count_in(&channels, &channel, 2);
        assert_eq!(channels.lock(&channel).get(&channel).unwrap().shards().collect::<Vec<_>>(), [2]);
        assert_eq!(channels.subscribers(&channel), 2);
    }

    #[test]
    fn a_subscription_that_meant_nobody_or_several_is_corrected() {
        let (channels, channel) = channels(2, Namespace::default());
        count_in(&channels, &channel, 0);
        count_in(&channels, &channel, 1);
        channels.correct(&channel, 0, 3);
        channels.correct(&channel, 1, 0);
        assert_eq!(channels.subscribers(&channel), 3);
        assert_eq!(channels.lock(&channel).get(&channel).unwrap().shards().collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn the_last_subscriber_takes_the_channel_along() {
        let (channels, channel) = channels(2, Namespace::default());
        count_in(&channels, &channel, 1);
        channels.correct(&channel, 1, 0);
        assert_eq!(channels.len(), 0);
    }

    #[test]
    fn a_stream_outlives_its_subscribers_and_its_publications_but_not_its_meta_ttl() {
        let options = Namespace {
            history_size: 10,
            history_ttl: Duration::from_millis(1),
            meta_ttl: Duration::from_secs(60),
            recovery: Recovery::Forced,
            ..Namespace::default()
        };
        let (channels, channel) = channels(1, options.clone());
        let (start, mut publication) =
            (Instant::now(), Publication { offset: 0, data: Json::new(&1).unwrap(), info: None });
        let mut stripe = channels.lock(&channel);
        let entry = channels.entry(&mut stripe, &channel);
        entry.count_in(0);
        channels.stream_or_new(entry, &options, start).append(&mut publication, &options, start);
        let after = |seconds| start + Duration::from_secs(seconds);
        let position = channels.stream(entry, &options, after(300)).unwrap().position();
        assert_eq!(position.offset, 1);
        entry.count_out(0);
        assert_eq!(channels.stream(entry, &options, after(301)).unwrap().position(), position);
        assert!(channels.stream(entry, &options, after(361)).is_none());
        let again = channels.stream_or_new(entry, &options, after(361)).position();
        assert!(again.offset == 0 && again.epoch != position.epoch);
    }

    #[test]
    fn a_stream_that_nothing_was_published_to_is_not_kept_and_comes_back_the_same() {
        let options = Namespace { history_size: 1, recovery: Recovery::Forced, ..Namespace::default() };
        let (channels, channel) = channels(1, options.clone());
        let subscribe = || {
            let mut stripe = channels.lock(&channel);
            let entry = channels.entry(&mut stripe, &channel);
            entry.count_in(0);
            channels.stream_or_new(entry, &options, Instant::now()).position()
        };
        let position = subscribe();
        channels.correct(&channel, 0, 0);
        assert_eq!(channels.len(), 0);
        assert_eq!(subscribe(), position);
    }

    #[test]
    fn sweeping_takes_out_what_nobody_needs() {
        let options = Namespace { history_size: 1, meta_ttl: Duration::ZERO, ..Namespace::default() };
        let (channels, channel) = channels(1, options.clone());
        let mut publication = Publication { offset: 0, data: Json::null(), info: None };
        let mut stripe = channels.lock(&channel);
        let stream = channels.stream_or_new(channels.entry(&mut stripe, &channel), &options, Instant::now());
        stream.append(&mut publication, &options, Instant::now());
        drop(stripe);
        assert_eq!(channels.len(), 1);
        (0..STRIPES).for_each(|turn| channels.sweep(turn));
        assert_eq!(channels.len(), 0);
    }

    #[test]
    fn a_stream_that_is_not_kept_here_does_not_come_back_with_its_old_epoch() {
        let kept = Namespace { history_size: 3, recovery: Recovery::On, ..Namespace::default() };
        let (old, lobby) = channels(1, kept.clone());
        let position = publish(&old, &lobby);
        let (forgetful, _) = channels(1, Namespace::default());
        forgetful.begin_with(old.fresh_epoch());
        forgetful.go_on_with(old.states().flatten().collect());
        let (back, _) = channels(1, kept.clone());
        back.begin_with(forgetful.fresh_epoch());
        back.go_on_with(forgetful.states().flatten().collect());
        assert_ne!(publish(&back, &lobby), position);
        // Whenever the epoch of new streams is said.
        let (forgetful, _) = channels(1, Namespace::default());
        forgetful.go_on_with(old.states().flatten().collect());
        forgetful.begin_with(old.fresh_epoch());
        assert_ne!(forgetful.fresh_epoch(), position.epoch);
        let (same, _) = channels(1, kept.clone());
        same.begin_with(old.fresh_epoch());
        same.go_on_with(old.states().flatten().collect());
        assert_eq!(publish(&same, &lobby).epoch, position.epoch);
    }

    /// What happens to some channels while another process is told of them.
    #[derive(Clone, Copy, Debug)]
    enum Happening {
        Published(usize),
        Forgotten(usize),
        Told,
    }

    fn happenings() -> impl Strategy<Value = Vec<Happening>> {
        let happening = prop_oneof![
            8 => (0_usize..3).prop_map(Happening::Published),
            1 => (0_usize..3).prop_map(Happening::Forgotten),
            2 => Just(Happening::Told),
        ];
        prop::collection::vec(happening, 0..60)
    }

    proptest! {
        #[test]
        fn a_process_that_is_told_twice_knows_everything(happenings in happenings()) {
            let options = Namespace { history_size: 4, recovery: Recovery::On, ..Namespace::default() };
            let names = ["a", "b", "c"].map(|name| Channel::new(name).unwrap());
            let table = || Channels::new(1, Namespaces::default().without_namespace(options.clone()));
            let (old, new, mut told) = (table(), table(), None);
            for happening in happenings {
                match happening {
                    Happening::Published(which) => _ = publish(&old, &names[which]),
                    Happening::Forgotten(which) => {
                        old.fresh.change();
                        old.forget(&names[which..=which]);
                    }
                    // It is told everything once, whenever that is.
                    Happening::Told => drop(told.get_or_insert_with(|| tell(&old, &new))),
                }
            }
            let mut told = told.unwrap_or_default();
            old.changes(&mut told).for_each(|part| new.go_on_with(part));
            new.forget(&told.gone());
            let known = |channels: &Channels| names.each_ref().map(|name| kept(channels, name));
            prop_assert_eq!(known(&new), known(&old));
            prop_assert_eq!(new.len(), old.len());
        }
    }

    #[test]
    fn only_what_has_changed_is_said_again() {
        let options = Namespace { history_size: 100, recovery: Recovery::On, ..Namespace::default() };
        let (old, lobby) = channels(1, options.clone());
        let (new, other) = (channels(1, options).0, Channel::new("other").unwrap());
        for _ in 0..50 {
            publish(&old, &lobby);
        }
        publish(&old, &other);
        let mut told = tell(&old, &new);
        publish(&old, &lobby);
        let changes: Vec<_> = old.changes(&mut told).flatten().collect();
        let said: Vec<_> = changes.iter().map(|state| (&state.channel, state.publications())).collect();
        assert_eq!(said, [(&lobby, 1)]);
    }

    #[test]
    fn that_a_stream_was_used_is_said_again_and_nothing_of_it() {
        let options = Namespace { history_size: 100, recovery: Recovery::On, ..Namespace::default() };
        let (old, lobby) = channels(1, options.clone());
        let (new, _) = channels(1, options);
        publish(&old, &lobby);
        let mut told = tell(&old, &new);
        let later = Instant::now() + Duration::from_secs(5);
        let mut stripe = old.lock(&lobby);
        stripe.get_mut(&lobby).unwrap().stream.as_mut().unwrap().touch(later);
        drop(stripe);
        let changes: Vec<_> = old.changes(&mut told).flatten().collect();
        assert_eq!(changes.iter().map(StreamState::publications).collect::<Vec<_>>(), [0]);
        new.go_on_with(changes);
        assert_eq!(kept(&new, &lobby).unwrap().publications.len(), 1);
    }
}
