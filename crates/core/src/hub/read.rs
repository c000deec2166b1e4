//! What can be known of a channel: what was published to it, and who is in it.

use std::{collections::HashSet, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{History, HistoryQuery, Hub, HubError, channels::Presence, post::Refused, stream::ReadLimits};
use crate::{BadChannel, Channel, ClientInfo, Position, handover::Question};

/// How many are in a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceStats {
    /// Connections.
    pub clients: usize,
    /// Users: one with three tabs counts once, and all anonymous connections together do.
    pub users: usize,
}

impl Hub {
    /// Reads what a channel keeps.
    ///
    /// # Errors
    /// [`HubError::NoHistory`] when the channel's namespace keeps none, [`HubError::Unrecoverable`] when the query's
    /// epoch is not the stream's, [`HubError::Channel`] when the name is not one.
    pub async fn history(&self, channel: &str, query: &HistoryQuery) -> Result<History, HubError> {
        let unlimited = ReadLimits { publications: usize::MAX, bytes: usize::MAX };
        self.read_history(&Channel::new(channel)?, query, unlimited).await
    }

    /// Where a channel's stream is: what to tell a client that is about to read the channel's state from elsewhere, such
    /// as a database, *before* it is read. The client subscribes from there, and gets what was published meanwhile.
    ///
    /// # Errors
    /// As for [`history`](Self::history).
    pub async fn position(&self, channel: &str) -> Result<Position, HubError> {
        let nothing = HistoryQuery { limit: Some(0), ..HistoryQuery::default() };
        Ok(self.history(channel, &nothing).await?.top)
    }

    pub(crate) async fn read_history(
        &self,
        channel: &Channel,
        query: &HistoryQuery,
        limits: ReadLimits,
    ) -> Result<History, HubError> {
        if !self.shared.channels.namespaces().options(channel).keeps_history() {
            return Err(HubError::NoHistory(channel.clone()));
        }
        let question = || Question::History { channel: channel.clone(), query: query.clone(), limits };
        let read = self.carry_out(|| self.try_read_history(channel, query, limits), question).await?;
        read.ok_or(HubError::Unrecoverable)
    }

    /// Nothing if the position is not one in the stream.
    fn try_read_history(
        &self,
        channel: &Channel,
        query: &HistoryQuery,
        limits: ReadLimits,
    ) -> Result<Option<History>, Refused> {
        let channels = &self.shared.channels;
        let options = channels.namespaces().options(channel);
        let mut stripe = channels.lock(channel);
        self.owned()?;
        let entry = stripe.get_mut(channel);
        let now = Instant::now();
        let stream = entry.and_then(|entry| channels.stream(entry, options, now));
        // Reading makes no stream, but finds what a new one would be like.
        let read = stream.map_or_else(
            || channels.new_stream(now).read(query, limits),
            |stream| stream.read(query, limits),
        );
        Ok(read.ok())
    }

    /// Who is in a channel, by connection, in no particular order.
    ///
    /// # Errors
    /// [`HubError::NoPresence`] when the channel's namespace does not know, [`HubError::Channel`] when the name is not
    /// one.
    pub async fn presence(&self, channel: &str) -> Result<Vec<Arc<ClientInfo>>, HubError> {
        self.read_presence(&Channel::new(channel)?).await
    }

    pub(crate) async fn read_presence(&self, channel: &Channel) -> Result<Vec<Arc<ClientInfo>>, HubError> {
        let list = |presence: &Presence| presence.values().cloned().collect();
        self.look_at_presence(channel, list, || Question::Presence(channel.clone())).await
    }

    /// How many are in a channel.
    ///
    /// # Errors
    /// As for [`presence`](Self::presence).
    pub async fn presence_stats(&self, channel: &str) -> Result<PresenceStats, HubError> {
        self.read_presence_stats(&Channel::new(channel)?).await
    }

    pub(crate) async fn read_presence_stats(&self, channel: &Channel) -> Result<PresenceStats, HubError> {
        let count = |presence: &Presence| {
            let users: HashSet<_> = presence.values().map(|info| info.user.as_str()).collect();
            PresenceStats { clients: presence.len(), users: users.len() }
        };
        self.look_at_presence(channel, count, || Question::PresenceStats(channel.clone())).await
    }

    /// Looks at who is in a channel, under its lock. Nobody there is as good as the default.
    async fn look_at_presence<T: Default + DeserializeOwned>(
        &self,
        channel: &Channel,
        look: impl Fn(&Presence) -> T,
        question: impl FnOnce() -> Question,
    ) -> Result<T, HubError> {
        let channels = &self.shared.channels;
        if !channels.namespaces().options(channel).presence {
            return Err(HubError::NoPresence(channel.clone()));
        }
        let attempt = || {
            let stripe = channels.lock(channel);
            self.owned()?;
            let presence = stripe.get(channel).and_then(|entry| entry.presence.as_deref());
            Ok(presence.map(&look).unwrap_or_default())
        };
        self.carry_out(attempt, question).await
    }

    /// Subscribers of a channel in this process, counted by connection.
    ///
    /// # Errors
    /// [`BadChannel`] when the name is not one.
    pub fn subscribers(&self, channel: &str) -> Result<usize, BadChannel> {
        Ok(self.shared.channels.subscribers(&Channel::new(channel)?))
    }
}
