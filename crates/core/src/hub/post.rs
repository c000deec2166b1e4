//! The way of a verb to the shards: to all of those it concerns or to none, with patience while an inbox is full.

use bytes::Bytes;
use tokio::time::timeout;

use super::{Hub, HubError, Target, Verb};
use crate::{
    Channel, ConnectionId,
    codec::{self, Opcode},
    shard::Letter,
};

/// One attempt to hand letters to the shards failed.
pub(super) enum Refused {
    /// This shard's inbox has no room now.
    Full(usize),
    /// The shards are gone.
    Stopped,
}

impl Hub {
    /// Does what a verb says. The other methods are shorthands for this one.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn apply(&self, verb: Verb) -> Result<(), HubError> {
        let payload = verb.payload_bytes();
        match verb {
            Verb::Publish { channel, data } => {
                let frame = codec::encode(Opcode::Text, data.as_bytes());
                self.retry(|| self.post_publication(&channel, &frame, payload)).await
            }
            Verb::Send { to, message } => {
                let frame = message.encode();
                self.retry(|| {
                    self.post(&to, payload, false, || Letter::Send { to: to.clone(), frame: frame.clone() })
                })
                .await
            }
            Verb::Disconnect { target, close } => {
                let letter = || Letter::Disconnect { target: target.clone(), close: close.clone() };
                self.retry(|| self.post(&target, payload, true, letter)).await
            }
            Verb::Subscribe { connection, channel } => {
                self.retry(|| self.post_subscription(connection, &channel)).await
            }
            Verb::Unsubscribe { connection, channel } => {
                let target = Target::Connection(connection);
                let letter = || Letter::Unsubscribe { connection, channel: channel.clone() };
                self.retry(|| self.post(&target, payload, true, letter)).await
            }
        }
    }

    /// Tries until there is room or the deadline has passed.
    pub(super) async fn retry(
        &self,
        mut attempt: impl FnMut() -> Result<(), Refused>,
    ) -> Result<(), HubError> {
        let shard = match attempt() {
            Ok(()) => return Ok(()),
            Err(Refused::Stopped) => return Err(HubError::Stopped),
            Err(Refused::Full(shard)) => shard,
        };
        let patience = self.shared.settings.limits.inbox_deadline;
        timeout(patience, self.wait_and_retry(shard, attempt))
            .await
            .unwrap_or(Err(HubError::Overloaded(patience)))
    }

    async fn wait_and_retry(
        &self,
        mut shard: usize,
        mut attempt: impl FnMut() -> Result<(), Refused>,
    ) -> Result<(), HubError> {
        loop {
            // Listening starts before the attempt, so room that appears right after it is not missed.
            let mut room = std::pin::pin!(self.shared.inboxes[shard].room());
            room.as_mut().enable();
            match attempt() {
                Ok(()) => return Ok(()),
                Err(Refused::Stopped) => return Err(HubError::Stopped),
                Err(Refused::Full(full)) if full == shard => room.await,
                Err(Refused::Full(full)) => shard = full,
            }
        }
    }

    /// The frame goes to each shard with subscribers; the lock makes it the same order for all of them.
    fn post_publication(&self, channel: &Channel, frame: &Bytes, payload: usize) -> Result<(), Refused> {
        let stripe = self.shared.audience.lock(channel);
        self.post_to(stripe.shards(channel), payload, false, || Letter::Publish {
            channel: channel.clone(),
            frame: frame.clone(),
        })
    }

    /// The subscriber counts from the moment the letter is in the inbox, so a publication after it comes after it.
    fn post_subscription(&self, connection: ConnectionId, channel: &Channel) -> Result<(), Refused> {
        let shard = connection.shard(self.shared.inboxes.len());
        let mut stripe = self.shared.audience.lock(channel);
        let room = self.shared.inboxes[shard].reserve(0, true).ok_or(Refused::Full(shard))?;
        room.push(Letter::Subscribe { connection, channel: channel.clone() })
            .map_err(|_| Refused::Stopped)?;
        self.shared.audience.join(&mut stripe, channel, shard);
        Ok(())
    }

    fn post(
        &self,
        target: &Target,
        payload: usize,
        urgent: bool,
        letter: impl FnMut() -> Letter,
    ) -> Result<(), Refused> {
        let shards = self.shared.inboxes.len();
        match target {
            Target::Connection(id) => {
                self.post_to(std::iter::once(id.shard(shards)), payload, urgent, letter)
            }
            Target::User(_) | Target::All => self.post_to(0..shards, payload, urgent, letter),
        }
    }

    /// All of the shards get the letter, or none of them.
    fn post_to(
        &self,
        shards: impl Iterator<Item = usize>,
        payload: usize,
        urgent: bool,
        mut letter: impl FnMut() -> Letter,
    ) -> Result<(), Refused> {
        let reserve =
            |shard: usize| self.shared.inboxes[shard].reserve(payload, urgent).ok_or(Refused::Full(shard));
        let rooms = shards.map(reserve).collect::<Result<Vec<_>, _>>()?;
        rooms.into_iter().try_for_each(|room| room.push(letter())).map_err(|_| Refused::Stopped)
    }

    /// Posts a letter that cannot be made twice; it stays in its place until there is room.
    pub(super) fn post_once(&self, shard: usize, letter: &mut Option<Letter>) -> Result<(), Refused> {
        let room = self.shared.inboxes[shard].reserve(0, true).ok_or(Refused::Full(shard))?;
        let Some(letter) = letter.take() else { return Ok(()) };
        room.push(letter).map_err(|_| Refused::Stopped)
    }
}
