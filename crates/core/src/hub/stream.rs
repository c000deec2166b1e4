//! The stream of one channel: its epoch, its last offset, and the publications it still keeps. Pure: the clock and the
//! options are passed in.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    Channel, Epoch, Namespace, Position, Publication, Since,
    deadline::{after, before, left},
};

/// Publications in the order of their offsets, without gaps.
pub(crate) struct Stream {
    epoch: Epoch,
    /// The offset of the last publication ever made.
    top: u64,
    kept: VecDeque<Kept>,
    /// When the stream was last published to or subscribed to.
    used: Instant,
}

struct Kept {
    publication: Publication,
    expires: Instant,
}

/// The version of what channels keep, as it crosses to another process and lies in a state file. A test fails when its
/// shape has changed and this has not.
pub(crate) const STREAMS_VERSION: u32 = 1;

/// A stream as plain data, which another process, or a later one, goes on with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StreamState {
    pub(crate) channel: Channel,
    epoch: Epoch,
    top: u64,
    /// How long ago it was last published to or subscribed to.
    unused: Duration,
    /// Publications, each with the time that it still has.
    kept: Vec<(Publication, Duration)>,
}

impl StreamState {
    /// What it takes on the way, about, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.kept.iter().map(|(publication, _)| publication.data.as_str().len() + 128).sum::<usize>() + 512
    }

    /// Where its end is.
    pub(crate) fn position(&self) -> Position {
        Position { epoch: self.epoch, offset: self.top }
    }

    /// How many publications are in it.
    #[cfg(test)]
    pub(crate) fn publications(&self) -> usize {
        self.kept.len()
    }

    /// Time has passed since it was written down.
    pub(crate) fn age(&mut self, time: Duration) {
        self.unused = self.unused.saturating_add(time);
        self.kept.iter_mut().for_each(|(_, left)| *left = left.saturating_sub(time));
    }
}

/// How much may be read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReadLimits {
    pub(crate) publications: usize,
    /// Bytes of data.
    pub(crate) bytes: usize,
}

/// Which part of a stream to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryQuery {
    /// Only publications behind this position, or before it in a reverse query.
    pub since: Option<Since>,
    /// At most so many; `None` for all that the limits allow, 0 for the position alone.
    pub limit: Option<usize>,
    /// From the newest to the oldest.
    pub reverse: bool,
}

/// A part of a stream, and where it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The publications, in the order that was asked for.
    pub publications: Vec<Publication>,
    /// The stream's end.
    pub top: Position,
}

/// The stream does not have, or no longer has, what follows the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unrecoverable;

impl Stream {
    pub(crate) fn new(epoch: Epoch, now: Instant) -> Self {
        Self { epoch, top: 0, kept: VecDeque::new(), used: now }
    }

    /// The stream as plain data, with what is kept of it behind an offset.
    pub(crate) fn state(&self, channel: &Channel, offset: u64, now: Instant) -> StreamState {
        let kept = self.kept.iter().filter(|one| one.publication.offset > offset);
        let kept = kept.map(|one| (one.publication.clone(), left(now, one.expires))).collect();
        let unused = now.saturating_duration_since(self.used);
        StreamState { channel: channel.clone(), epoch: self.epoch, top: self.top, unused, kept }
    }

    pub(crate) fn from_state(state: StreamState, now: Instant) -> Self {
        let kept = state.kept.into_iter();
        let kept = kept.map(|(publication, left)| Kept { publication, expires: after(now, left) }).collect();
        Self { epoch: state.epoch, top: state.top, kept, used: before(now, state.unused) }
    }

    /// Goes on to the end of `state`, which is of the same life: behind what is kept already, if it joins on to that.
    pub(crate) fn go_on(&mut self, state: StreamState, now: Instant) {
        let next = Self::from_state(state, now);
        let joins = match next.kept.front() {
            Some(first) => first.publication.offset == self.top + 1,
            None => next.top == self.top,
        };
        let kept = std::mem::take(&mut self.kept);
        *self = next;
        if joins {
            let behind = std::mem::replace(&mut self.kept, kept);
            self.kept.extend(behind);
        }
    }

    /// Whether anything was ever published to it.
    pub(crate) fn is_published(&self) -> bool {
        self.top > 0
    }

    pub(crate) fn position(&self) -> Position {
        Position { epoch: self.epoch, offset: self.top }
    }

    /// Gives a publication the next offset and keeps it.
    pub(crate) fn append(&mut self, publication: &mut Publication, options: &Namespace, now: Instant) {
        self.top += 1;
        self.used = now;
        publication.offset = self.top;
        if self.kept.is_empty() {
            // Most channels of many are quiet: four places at once, as usual, would be three too many.
            self.kept.reserve_exact(1);
        }
        self.kept
            .push_back(Kept { publication: publication.clone(), expires: after(now, options.history_ttl) });
        self.trim(options, now);
    }

    /// When it was last published to or subscribed to, as far as it has been looked at.
    pub(crate) fn used(&self) -> Instant {
        self.used
    }

    /// Somebody subscribes: the stream is in use.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.used = now;
    }

    /// Drops what is no longer to be kept.
    pub(crate) fn trim(&mut self, options: &Namespace, now: Instant) {
        while self.kept.len() > options.history_size
            || self.kept.front().is_some_and(|first| first.expires <= now)
        {
            self.kept.pop_front();
        }
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
    }

    /// Whether the stream has been idle for so long that its positions may be forgotten.
    pub(crate) fn is_forgotten(&self, options: &Namespace, now: Instant) -> bool {
        now.saturating_duration_since(self.used) >= options.meta_ttl
    }

    /// Exactly what was published behind `since`.
    ///
    /// # Errors
    /// [`Unrecoverable`] when some of it is not kept, or it is more than `limits` allow.
    pub(crate) fn recover(
        &self,
        since: &Since,
        limits: ReadLimits,
    ) -> Result<Vec<Publication>, Unrecoverable> {
        if !since.fits(self.epoch) || since.offset > self.top {
            return Err(Unrecoverable);
        }
        let missed = usize::try_from(self.top - since.offset).map_err(|_| Unrecoverable)?;
        if missed > self.kept.len() || missed > limits.publications {
            return Err(Unrecoverable);
        }
        let missed = || self.kept.range(self.kept.len() - missed..).map(|kept| &kept.publication);
        let bytes: usize = missed().map(|publication| publication.data.as_str().len()).sum();
        if bytes > limits.bytes {
            return Err(Unrecoverable);
        }
        Ok(missed().cloned().collect())
    }

    /// Reads a part of what is kept, as far as the limits go, but at least one publication.
    ///
    /// # Errors
    /// [`Unrecoverable`] when the query's epoch is another one.
    pub(crate) fn read(&self, query: &HistoryQuery, limits: ReadLimits) -> Result<History, Unrecoverable> {
        if query.since.as_ref().is_some_and(|since| !since.fits(self.epoch)) {
            return Err(Unrecoverable);
        }
        let limit = query.limit.unwrap_or(limits.publications).min(limits.publications);
        let mut bytes = 0;
        let fits = |publication: &&Publication| {
            let first = bytes == 0;
            bytes += publication.data.as_str().len();
            first || bytes <= limits.bytes
        };
        let bound = query.since.as_ref().map(|since| since.offset);
        let all = self.kept.iter().map(|kept| &kept.publication);
        let publications = if query.reverse {
            let before = |publication: &&Publication| bound.is_none_or(|bound| publication.offset < bound);
            all.rev().filter(before).take(limit).take_while(fits).cloned().collect()
        } else {
            let behind = |publication: &&Publication| bound.is_none_or(|bound| publication.offset > bound);
            all.filter(behind).take(limit).take_while(fits).cloned().collect()
        };
        Ok(History { publications, top: self.position() })
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::Json;

    const LIMITS: ReadLimits = ReadLimits { publications: 300, bytes: 1 << 20 };

    fn options() -> Namespace {
        Namespace { history_size: 3, history_ttl: Duration::from_secs(10), ..Namespace::default() }
    }

    fn publication(number: u64) -> Publication {
        Publication { offset: 0, data: Json::new(&number).unwrap(), info: None }
    }

    fn filled(count: u64, now: Instant) -> Stream {
        let mut stream = Stream::new(Epoch::random(), now);
        (1..=count).for_each(|number| stream.append(&mut publication(number), &options(), now));
        stream
    }

    fn since(stream: &Stream, offset: u64) -> Since {
        Position { epoch: stream.epoch, offset }.into()
    }

    fn offsets(publications: &[Publication]) -> Vec<u64> {
        publications.iter().map(|publication| publication.offset).collect()
    }

    #[test]
    fn offsets_start_at_one_and_grow_by_one() {
        let stream = filled(3, Instant::now());
        assert_eq!(offsets(&stream.recover(&since(&stream, 0), LIMITS).unwrap()), [1, 2, 3]);
        assert_eq!(stream.position().offset, 3);
    }

    #[test]
    fn a_client_gets_exactly_what_it_missed_or_nothing() {
        let stream = filled(5, Instant::now());
        assert_eq!(offsets(&stream.recover(&since(&stream, 2), LIMITS).unwrap()), [3, 4, 5]);
        assert_eq!(offsets(&stream.recover(&since(&stream, 5), LIMITS).unwrap()), [0; 0]);
        assert_eq!(stream.recover(&since(&stream, 1), LIMITS), Err(Unrecoverable));
    }

    #[test]
    fn a_position_of_another_life_or_of_the_future_is_unrecoverable() {
        let stream = filled(2, Instant::now());
        let foreign = Since { epoch: Epoch::random().to_string(), offset: 1 };
        assert_eq!(stream.recover(&foreign, LIMITS), Err(Unrecoverable));
        assert_eq!(stream.recover(&since(&stream, 3), LIMITS), Err(Unrecoverable));
        assert_eq!(stream.recover(&since(&stream, u64::MAX), LIMITS), Err(Unrecoverable));
    }

    #[test]
    fn more_than_the_limits_is_unrecoverable() {
        let stream = filled(3, Instant::now());
        let few = ReadLimits { publications: 2, ..LIMITS };
        assert_eq!(stream.recover(&since(&stream, 0), few), Err(Unrecoverable));
        assert!(stream.recover(&since(&stream, 1), few).is_ok());
        let small = ReadLimits { bytes: 2, ..LIMITS };
        assert_eq!(stream.recover(&since(&stream, 0), small), Err(Unrecoverable));
        assert!(stream.recover(&since(&stream, 1), small).is_ok());
    }

    #[test]
    fn a_publication_is_kept_for_its_time_and_positions_for_longer() {
        let start = Instant::now();
        let mut stream = filled(2, start);
        let later = start + Duration::from_secs(5);
        stream.append(&mut publication(3), &options(), later);
        stream.trim(&options(), start + Duration::from_secs(10));
        assert_eq!(offsets(&stream.recover(&since(&stream, 2), LIMITS).unwrap()), [3]);
        assert_eq!(stream.recover(&since(&stream, 1), LIMITS), Err(Unrecoverable));
        stream.trim(&options(), later + Duration::from_secs(10));
        assert_eq!(stream.recover(&since(&stream, 3), LIMITS), Ok(vec![]));
        assert!(!stream.is_forgotten(&options(), later + Duration::from_secs(20)));
        assert!(stream.is_forgotten(&options(), later + options().meta_ttl));
    }

    #[test]
    fn history_is_read_from_either_end() {
        let stream = filled(4, Instant::now());
        let read = |query: HistoryQuery| offsets(&stream.read(&query, LIMITS).unwrap().publications);
        let all = HistoryQuery::default();
        assert_eq!(read(all.clone()), [2, 3, 4]);
        assert_eq!(read(HistoryQuery { limit: Some(0), ..all.clone() }), [0; 0]);
        assert_eq!(read(HistoryQuery { limit: Some(2), ..all.clone() }), [2, 3]);
        assert_eq!(read(HistoryQuery { limit: Some(2), reverse: true, ..all.clone() }), [4, 3]);
        let since = Some(since(&stream, 3));
        assert_eq!(read(HistoryQuery { since: since.clone(), ..all.clone() }), [4]);
        assert_eq!(read(HistoryQuery { since, reverse: true, ..all }), [2]);
    }

    #[test]
    fn history_of_another_life_is_refused_and_no_query_gets_more_than_the_limit() {
        let stream = filled(3, Instant::now());
        let foreign = Some(Since { epoch: "_".to_owned(), offset: 0 });
        assert_eq!(
            stream.read(&HistoryQuery { since: foreign, ..HistoryQuery::default() }, LIMITS),
            Err(Unrecoverable)
        );
        let greedy = HistoryQuery { limit: Some(usize::MAX), ..HistoryQuery::default() };
        assert_eq!(
            stream.read(&greedy, ReadLimits { publications: 2, ..LIMITS }).unwrap().publications.len(),
            2
        );
    }

    #[test]
    fn history_is_read_as_far_as_the_bytes_go_but_at_least_one_publication() {
        let mut stream = Stream::new(Epoch::random(), Instant::now());
        for length in [10, 10, 10] {
            let data = Json::new(&"x".repeat(length - 2)).unwrap();
            stream.append(&mut Publication { offset: 0, data, info: None }, &options(), Instant::now());
        }
        let read = |bytes, reverse| {
            let query = HistoryQuery { reverse, ..HistoryQuery::default() };
            offsets(&stream.read(&query, ReadLimits { publications: 300, bytes }).unwrap().publications)
        };
        assert_eq!(read(20, false), [1, 2]);
        assert_eq!(read(29, true), [3, 2]);
        assert_eq!(read(1, false), [1]);
    }
}
