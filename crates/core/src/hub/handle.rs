//! The hub's handle: the verbs the rest of the program speaks, and how a hub starts and ends.

use std::{
    future::{Ready, ready},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use actix_web::{FromRequest, HttpRequest, dev, error::ErrorInternalServerError};
use serde::Serialize;
use tokio::{runtime, sync::oneshot, time::timeout};

use super::{
    Census, Channels, Content, HubError, HubStartError, Inbox, InboxReader, Ownership, Place, Target, Verb,
    inbox, post::Done,
};
use crate::{
    Channel, ConnectionId, ConnectionInfo, Hooks, Json, Position, Settings, Stop,
    codec::CloseFrame,
    handover::Question,
    hooks::{HookRunner, Rejection},
    shard::{End, Letter, Newcomer, Outcome, Shard},
};

/// A cheap handle to the hub. Every clone speaks to the same hub, from any thread.
///
/// It is an extractor: a handler that takes a `Hub` can push to browsers.
///
/// ```
/// use actix_web::{HttpResponse, Responder};
/// use duplex_core::{Hub, HubError};
///
/// async fn announce(hub: Hub) -> Result<impl Responder, HubError> {
///     hub.publish("news", &"the shop is open").await?;
///     Ok(HttpResponse::NoContent())
/// }
/// ```
///
/// **Order.** What one task asks of the hub happens in the order it asked. Publications to one channel reach every
/// subscriber in the same order, whoever published them.
///
/// **Waiting.** The verbs wait only when a shard has more work queued than [`Limits::inbox_bytes`](crate::Limits),
/// and give up with [`HubError::Overloaded`] after [`Limits::inbox_deadline`](crate::Limits). They never wait for a
/// peer. They are cancel-safe: a verb that is dropped while it waits has not happened. While another process takes over
/// they wait until it has, at most as long; afterwards they are carried out there, and one that is dropped meanwhile may
/// have happened.
#[derive(Clone)]
pub struct Hub {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) inboxes: Vec<Inbox>,
    pub(super) channels: Arc<Channels>,
    /// Joins and leaves that found no room.
    pub(super) lost_news: AtomicU64,
    pub(super) census: Arc<Census>,
    pub(super) ownership: Ownership,
    draining: AtomicBool,
    runner: OnceLock<HookRunner>,
}

/// A hub whose shards do not run yet.
pub(crate) struct Unstarted {
    readers: Vec<InboxReader>,
}

impl Hub {
    /// Starts a hub for an application that brings its own `HttpServer`; [`Server`](crate::Server) does this itself.
    ///
    /// The tokio runtime it is called in becomes the application runtime: hooks that have to wait continue there.
    ///
    /// # Errors
    /// See [`HubStartError`].
    pub fn start(settings: Settings, hooks: impl Hooks) -> Result<Self, HubStartError> {
        let (hub, unstarted) = Self::prepare(settings)?;
        hub.run(unstarted, hooks)?;
        Ok(hub)
    }

    /// A hub that takes verbs at once and delivers them when [`run`](Self::run) has started its shards.
    pub(crate) fn prepare(settings: Settings) -> Result<(Self, Unstarted), HubStartError> {
        Self::prepare_owned(settings, true)
    }

    /// The hub of a process that takes over from another one (`ours` is false): verbs wait until it has.
    pub(crate) fn prepare_owned(settings: Settings, ours: bool) -> Result<(Self, Unstarted), HubStartError> {
        settings.limits.check()?;
        settings.namespaces.check()?;
        let shards = settings.shards.clamp(1, Settings::MAX_SHARDS);
        let (inboxes, readers) = (0..shards).map(|_| inbox(settings.limits.inbox_bytes)).unzip();
        let census = Arc::new(Census::new(shards, settings.limits.max_connections));
        let shared = Shared {
            inboxes,
            channels: Arc::new(Channels::new(shards, settings.namespaces.clone())),
            lost_news: AtomicU64::new(0),
            census,
            ownership: Ownership::new(ours),
            draining: AtomicBool::new(false),
            runner: OnceLock::new(),
            settings,
        };
        Ok((Self { shared: Arc::new(shared) }, Unstarted { readers }))
    }

    /// Starts the shards. They end when the hub is stopped, or the last handle to it is gone.
    pub(crate) fn run(&self, unstarted: Unstarted, hooks: impl Hooks) -> Result<(), HubStartError> {
        let runtime = runtime::Handle::try_current().map_err(|_| HubStartError::NoRuntime)?;
        let runner = HookRunner::new(hooks, runtime, &self.shared.settings.limits);
        for (index, reader) in unstarted.readers.into_iter().enumerate() {
            let channels = Arc::clone(&self.shared.channels);
            let runs = self.shared.ownership.is_ours();
            Shard::start(index, reader, channels, runner.clone(), &self.shared.settings, runs)?;
        }
        // A second run is impossible: `Unstarted` exists once.
        let _ = self.shared.runner.set(runner);
        Ok(())
    }

    /// Publishes data, as JSON, to everybody who is subscribed to `channel`, and returns its position in the channel's
    /// stream; nothing if the channel's namespace keeps no history.
    ///
    /// A raw socket gets the JSON text as one text message.
    ///
    /// # Errors
    /// See [`HubError`]. A channel without subscribers is no error.
    pub async fn publish(
        &self,
        channel: &str,
        data: &(impl Serialize + ?Sized),
    ) -> Result<Option<Position>, HubError> {
        self.publish_json(&Channel::new(channel)?, Json::new(data)?, None).await
    }

    /// Sends a message to one connection. Nothing happens if it is gone.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn send(&self, connection: ConnectionId, content: impl Into<Content>) -> Result<(), HubError> {
        self.apply(Verb::Send { to: connection.into(), content: content.into() }).await
    }

    /// Sends a message to every connection of a user.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn send_user(&self, user: &str, content: impl Into<Content>) -> Result<(), HubError> {
        self.apply(Verb::Send { to: Target::User(user.to_owned()), content: content.into() }).await
    }

    /// Sends a message to every open connection.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn send_all(&self, content: impl Into<Content>) -> Result<(), HubError> {
        self.apply(Verb::Send { to: Target::All, content: content.into() }).await
    }

    /// Subscribes a connection: it gets what is published to `channel` from now on. Nothing happens if it is gone or
    /// subscribed already. A client of the protocol is told.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn subscribe(&self, connection: ConnectionId, channel: &str) -> Result<(), HubError> {
        let channel = Channel::new(channel)?;
        self.apply(Verb::Subscribe { target: connection.into(), channel, since: None }).await
    }

    /// Subscribes every connection that a user has now.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn subscribe_user(&self, user: &str, channel: &str) -> Result<(), HubError> {
        let channel = Channel::new(channel)?;
        self.apply(Verb::Subscribe { target: Target::User(user.to_owned()), channel, since: None }).await
    }

    /// Takes a subscription back, whoever asked for it. A client of the protocol is told, with code 2000.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn unsubscribe(&self, connection: ConnectionId, channel: &str) -> Result<(), HubError> {
        let channel = Channel::new(channel)?;
        self.apply(Verb::Unsubscribe { target: connection.into(), channel }).await
    }

    /// Takes the subscriptions of all of a user's connections to `channel` back.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn unsubscribe_user(&self, user: &str, channel: &str) -> Result<(), HubError> {
        let channel = Channel::new(channel)?;
        self.apply(Verb::Unsubscribe { target: Target::User(user.to_owned()), channel }).await
    }

    /// Makes all clients ask again for the subscriptions that they have asked for in a namespace: for when it has changed who
    /// may subscribe, or what is published there. The namespace is the part of the channels' names before the colon, empty
    /// for those without one. Clients of the protocol are told, with code 2500, and recover what they miss meanwhile where
    /// the channel recovers. Raw sockets, and what the server subscribed, are left alone.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn renew(&self, namespace: &str) -> Result<(), HubError> {
        self.apply(Verb::Renew { namespace: namespace.to_owned() }).await
    }

    /// Lets a connection stay until `expires`, or for ever. A client of the protocol is told. If the time has passed,
    /// the connection is closed with 3005, and has to be let in again.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn refresh(
        &self,
        connection: ConnectionId,
        expires: Option<SystemTime>,
    ) -> Result<(), HubError> {
        self.apply(Verb::Refresh { target: connection.into(), expires }).await
    }

    /// The same for every connection of a user.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn refresh_user(&self, user: &str, expires: Option<SystemTime>) -> Result<(), HubError> {
        self.apply(Verb::Refresh { target: Target::User(user.to_owned()), expires }).await
    }

    /// Closes a connection with a code and a reason, after what was sent to it before.
    /// [`DisconnectCode`](crate::DisconnectCode) has the codes that clients of the protocol know.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn disconnect(
        &self,
        connection: ConnectionId,
        close: impl Into<CloseFrame>,
    ) -> Result<(), HubError> {
        self.apply(Verb::Disconnect { target: connection.into(), close: close.into() }).await
    }

    /// Closes every connection of a user.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn disconnect_user(&self, user: &str, close: impl Into<CloseFrame>) -> Result<(), HubError> {
        self.apply(Verb::Disconnect { target: Target::User(user.to_owned()), close: close.into() }).await
    }

    /// Everybody who is connected, in no particular order. Connections that open or close meanwhile may be missing.
    ///
    /// # Errors
    /// See [`HubError`]. A shard that does not answer within [`Limits::inbox_deadline`](crate::Limits) is overloaded.
    pub async fn connections(&self) -> Result<Vec<ConnectionInfo>, HubError> {
        let patience = self.shared.settings.limits.inbox_deadline;
        let mut everybody = Vec::with_capacity(self.count());
        for shard in 0..self.shared.inboxes.len() {
            let (reply, answer) = oneshot::channel();
            let mut letter = Some(Letter::List(reply));
            match self.here_or_there(|| self.post_once(shard, &mut letter)).await? {
                Done::Here(()) => {}
                Done::There(link) => return link.ask(Question::Connections).await,
            }
            let answer = timeout(patience, answer).await.map_err(|_| HubError::Overloaded(patience))?;
            everybody.extend(answer.map_err(|_| HubError::Stopped)?);
        }
        Ok(everybody)
    }

    /// Open connections of this process.
    pub fn count(&self) -> usize {
        self.shared.census.total()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(crate) fn runner(&self) -> Option<&HookRunner> {
        self.shared.runner.get()
    }

    /// A place for one more connection, or nothing when the limit is reached.
    pub(crate) fn enter(&self) -> Option<Place> {
        self.shared.census.enter()
    }

    /// Hands a new connection to its shard, in one synchronous push.
    pub(crate) fn accept(&self, newcomer: Newcomer) {
        let shard = newcomer.shard();
        let early = newcomer.early_bytes();
        self.shared.inboxes[shard].push(early, Letter::Accept(Box::new(newcomer)));
    }

    /// A connection's `on_connect` hook has ended: behind what it sent, the connection gets what it shares with others.
    pub(crate) fn arrive(&self, connection: ConnectionId) {
        self.inbox_of(connection).push(0, Letter::Arrive(connection));
    }

    /// Ends a connection behind everything that is in its shard's inbox.
    pub(crate) fn end(&self, connection: ConnectionId, end: End) {
        self.inbox_of(connection).push(0, Letter::End { connection, end });
    }

    /// What a client's command came to, behind everything its hook has sent. A connection has one command at a time, so
    /// there is always room.
    pub(crate) fn answer(&self, connection: ConnectionId, command: u32, outcome: Result<Outcome, Rejection>) {
        self.inbox_of(connection).push(0, Letter::Answer { connection, command, outcome });
    }

    fn inbox_of(&self, connection: ConnectionId) -> &Inbox {
        &self.shared.inboxes[connection.shard(self.shared.inboxes.len())]
    }

    /// No new sockets from now on.
    pub(crate) fn begin_draining(&self) {
        self.shared.draining.store(true, Ordering::Release);
    }

    /// Whether the hub is on its way out.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Acquire)
    }

    /// Closes every connection, waits until all are gone, but at most for
    /// [`Settings::drain_deadline`](crate::Settings), and ends the shards. From then on every verb is
    /// [`HubError::Stopped`]. [`Server`](crate::Server) does this itself when it stops.
    ///
    /// Not cancel-safe: if it is dropped, connections are closed but the shards go on.
    pub async fn stop(&self, stop: Stop) {
        self.drain(stop).await;
        self.end_shards();
    }

    /// Closes every connection and waits until all are gone. Verbs go on to be accepted: a handler that is still at
    /// work must not fail because nobody is left to hear it.
    pub(crate) async fn drain(&self, stop: Stop) {
        self.begin_draining();
        let spread = self.shared.settings.drain_spread;
        self.tell_shards(|| Letter::Drain { stop, spread });
        let deadline = self.shared.settings.drain_deadline;
        if timeout(deadline, self.shared.census.empty()).await.is_err() {
            log::warn!("{} sockets did not end within {deadline:?}", self.count());
        }
    }

    /// Nothing is delivered from now on.
    pub(crate) fn end_shards(&self) {
        self.shared.ownership.end();
        self.tell_shards(|| Letter::Stop);
    }

    pub(super) fn tell_shards(&self, letter: impl Fn() -> Letter) {
        self.shared.inboxes.iter().for_each(|inbox| inbox.push(0, letter()));
    }
}

impl FromRequest for Hub {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let hub = request.app_data::<Self>().cloned();
        ready(hub.ok_or_else(|| {
            log::error!("a handler asks for the hub, but the App has none: add `.app_data(hub.clone())`");
            ErrorInternalServerError("internal error")
        }))
    }
}
