//! The way into a shard: a queue of letters, bounded in bytes, that any thread may push to and one shard empties.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Notify, mpsc};

use crate::shard::Letter;

/// What a letter costs beside its payload. It bounds the number of letters, small as they may be.
const LETTER_BYTES: usize = 128;

/// Room beyond the capacity that only urgent letters (close, subscribe, accept) may use: a sixteenth of it.
const RESERVED_SHARE: usize = 16;

/// Letters that a shard takes at once; what it joins in one write is bounded by this.
const BATCH: usize = 256;

/// Makes both ends of an inbox for `capacity` bytes.
pub(crate) fn inbox(capacity: usize) -> (Inbox, InboxReader) {
    let (sender, letters) = mpsc::unbounded_channel();
    let gauge = Arc::new(Gauge { bytes: AtomicUsize::new(0), capacity, room: Notify::new() });
    (Inbox { letters: sender, gauge: Arc::clone(&gauge) }, InboxReader { letters, gauge })
}

/// The sending end. The channel below is unbounded because the gauge bounds it, in bytes, before anything is pushed.
pub(crate) struct Inbox {
    letters: mpsc::UnboundedSender<Envelope>,
    gauge: Arc<Gauge>,
}

/// The shard's end.
pub(crate) struct InboxReader {
    letters: mpsc::UnboundedReceiver<Envelope>,
    gauge: Arc<Gauge>,
}

/// The shard is gone; nothing will be delivered any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

struct Envelope {
    letter: Letter,
    bytes: usize,
}

struct Gauge {
    bytes: AtomicUsize,
    capacity: usize,
    room: Notify,
}

/// Room in an inbox that has been taken but not used yet; dropped unused, it is given back.
pub(crate) struct Room<'inbox> {
    inbox: &'inbox Inbox,
    bytes: usize,
}

impl Inbox {
    /// Takes room for a letter with `payload` bytes. One letter always fits into an empty inbox.
    pub(crate) fn reserve(&self, payload: usize, urgent: bool) -> Option<Room<'_>> {
        let bytes = payload + LETTER_BYTES;
        let reserved = if urgent { self.gauge.capacity / RESERVED_SHARE } else { 0 };
        let limit = self.gauge.capacity + reserved;
        let take = |taken: usize| (taken == 0 || taken + bytes <= limit).then_some(taken + bytes);
        // In one order with the look at whose the hub is, which follows.
        self.gauge.bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).ok()?;
        Some(Room { inbox: self, bytes })
    }

    /// Pushes a letter whether there is room or not: for the few that each connection has once in its life, and for the
    /// one answer that it may be waiting for. The limit on connections bounds them. If the shard is gone there is nothing
    /// left to be done for a connection.
    pub(crate) fn push(&self, payload: usize, letter: Letter) {
        let bytes = payload + LETTER_BYTES;
        self.gauge.bytes.fetch_add(bytes, Ordering::AcqRel);
        drop(self.letters.send(Envelope { letter, bytes }));
    }

    /// Waits until all letters are taken out, and all room that was taken is used or given back. Cancel-safe.
    pub(crate) async fn empty(&self) {
        loop {
            let mut room = std::pin::pin!(self.room());
            room.as_mut().enable();
            if self.gauge.bytes.load(Ordering::SeqCst) == 0 || self.is_closed() {
                return;
            }
            room.await;
        }
    }

    /// The shard is gone; there will never be room again.
    pub(crate) fn is_closed(&self) -> bool {
        self.letters.is_closed()
    }

    /// Resolves when the shard has taken letters out. Await it only after a failed [`reserve`](Self::reserve) that
    /// came *after* this call's future was enabled, or the wake-up may be missed.
    pub(crate) fn room(&self) -> tokio::sync::futures::Notified<'_> {
        self.gauge.room.notified()
    }
}

impl Room<'_> {
    /// Pushes the letter the room was taken for.
    pub(crate) fn push(mut self, letter: Letter) -> Result<(), Closed> {
        let bytes = std::mem::take(&mut self.bytes);
        self.inbox.letters.send(Envelope { letter, bytes }).map_err(|_| Closed)
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.inbox.gauge.release(self.bytes);
        }
    }
}

impl InboxReader {
    /// Waits for letters and appends a batch of them, oldest first. False when every sender is gone.
    ///
    /// Cancel-safe: letters are taken only when it returns.
    pub(crate) async fn receive(&mut self, letters: &mut Vec<Letter>) -> bool {
        let mut envelopes = Vec::with_capacity(BATCH.min(self.letters.len().max(1)));
        if self.letters.recv_many(&mut envelopes, BATCH).await == 0 {
            return false;
        }
        self.gauge.release(envelopes.iter().map(|envelope| envelope.bytes).sum());
        letters.extend(envelopes.into_iter().map(|envelope| envelope.letter));
        true
    }

    /// Whether the next [`receive`](Self::receive) would not have to wait.
    pub(crate) fn has_more(&self) -> bool {
        !self.letters.is_empty()
    }
}

/// Whoever waits for room learns that there will be none.
impl Drop for InboxReader {
    fn drop(&mut self) {
        self.letters.close();
        self.gauge.room.notify_waiters();
    }
}

impl Gauge {
    fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::CloseFrame, hub::Target};

    fn letter() -> Letter {
        Letter::Disconnect { target: Target::All, close: CloseFrame::new(crate::CloseCode::AWAY, "") }
    }

    #[test]
    fn a_full_inbox_refuses_ordinary_letters_and_keeps_room_for_urgent_ones() {
        let (inbox, _reader) = inbox(16 * LETTER_BYTES);
        for _ in 0..16 {
            inbox.reserve(0, false).unwrap().push(letter()).unwrap();
        }
        assert!(inbox.reserve(0, false).is_none());
        assert!(inbox.reserve(0, true).is_some());
    }

    #[test]
    fn one_letter_larger_than_the_capacity_fits_into_an_empty_inbox() {
        let (inbox, _reader) = inbox(10);
        assert!(inbox.reserve(1000, false).is_some());
    }

    #[test]
    fn unused_room_is_given_back() {
        let (inbox, _reader) = inbox(LETTER_BYTES);
        drop(inbox.reserve(0, false));
        assert_eq!(inbox.gauge.bytes.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn taking_letters_out_makes_room() {
        let (inbox, mut reader) = inbox(LETTER_BYTES);
        inbox.reserve(0, false).unwrap().push(letter()).unwrap();
        assert!(inbox.reserve(0, false).is_none());
        let mut letters = Vec::new();
        assert!(reader.receive(&mut letters).await);
        assert_eq!(letters.len(), 1);
        assert!(inbox.reserve(0, false).is_some());
    }

    #[test]
    fn a_gone_shard_is_reported() {
        let (inbox, reader) = inbox(1000);
        drop(reader);
        assert_eq!(inbox.reserve(0, false).unwrap().push(letter()), Err(Closed));
    }
}
