//! The hub's handle: the verbs the rest of the program speaks, and how a hub starts and ends.

use std::{
    future::{Ready, ready},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use actix_web::{FromRequest, HttpRequest, dev, error::ErrorInternalServerError};
use bytestring::ByteString;
use serde::Serialize;
use tokio::{runtime, sync::oneshot, time::timeout};

use super::{Audience, Census, HubError, HubStartError, Inbox, InboxReader, Place, Target, Verb, inbox};
use crate::{
    BadChannel, Channel, ConnectionId, ConnectionInfo, Hooks, Message, Settings, Stop,
    codec::CloseFrame,
    hooks::HookRunner,
    shard::{End, Letter, Newcomer, Shard},
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
/// peer. They are cancel-safe: a verb that is dropped while it waits has not happened.
#[derive(Clone)]
pub struct Hub {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) inboxes: Vec<Inbox>,
    pub(super) audience: Arc<Audience>,
    census: Arc<Census>,
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
        settings.limits.check()?;
        let shards = settings.shards.clamp(1, Settings::MAX_SHARDS);
        let (inboxes, readers) = (0..shards).map(|_| inbox(settings.limits.inbox_bytes)).unzip();
        let census = Arc::new(Census::new(shards, settings.limits.max_connections));
        let shared = Shared {
            inboxes,
            audience: Arc::new(Audience::new(shards)),
            census,
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
            let audience = Arc::clone(&self.shared.audience);
            Shard::start(index, reader, audience, runner.clone(), self.shared.settings.limits.clone())?;
        }
        // A second run is impossible: `Unstarted` exists once.
        let _ = self.shared.runner.set(runner);
        Ok(())
    }

    /// Publishes data, as JSON, to everybody who is subscribed to `channel`.
    ///
    /// A raw socket gets the JSON text as one text message.
    ///
    /// # Errors
    /// See [`HubError`]. A channel without subscribers is no error.
    pub async fn publish(&self, channel: &str, data: &(impl Serialize + ?Sized)) -> Result<(), HubError> {
        let channel = Channel::new(channel)?;
        let data = ByteString::from(serde_json::to_string(data)?);
        self.apply(Verb::Publish { channel, data }).await
    }

    /// Sends a message to one connection. Nothing happens if it is gone.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn send(&self, connection: ConnectionId, message: impl Into<Message>) -> Result<(), HubError> {
        let message = message.into();
        self.apply(Verb::Send { to: Target::Connection(connection), message }).await
    }

    /// Sends a message to every connection of a user.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn send_user(&self, user: &str, message: impl Into<Message>) -> Result<(), HubError> {
        let message = message.into();
        self.apply(Verb::Send { to: Target::User(user.to_owned()), message }).await
    }

    /// Sends a message to every open connection.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn send_all(&self, message: impl Into<Message>) -> Result<(), HubError> {
        let message = message.into();
        self.apply(Verb::Send { to: Target::All, message }).await
    }

    /// Subscribes a connection: it gets what is published to `channel` from now on. Nothing happens if it is gone or
    /// subscribed already.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn subscribe(&self, connection: ConnectionId, channel: &str) -> Result<(), HubError> {
        let channel = Channel::new(channel)?;
        self.apply(Verb::Subscribe { connection, channel }).await
    }

    /// Takes a subscription back.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn unsubscribe(&self, connection: ConnectionId, channel: &str) -> Result<(), HubError> {
        let channel = Channel::new(channel)?;
        self.apply(Verb::Unsubscribe { connection, channel }).await
    }

    /// Closes a connection with a code and a reason, after what was sent to it before.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn disconnect(&self, connection: ConnectionId, close: CloseFrame) -> Result<(), HubError> {
        self.apply(Verb::Disconnect { target: Target::Connection(connection), close }).await
    }

    /// Closes every connection of a user.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn disconnect_user(&self, user: &str, close: CloseFrame) -> Result<(), HubError> {
        self.apply(Verb::Disconnect { target: Target::User(user.to_owned()), close }).await
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
            self.retry(|| self.post_once(shard, &mut letter)).await?;
            let answer = timeout(patience, answer).await.map_err(|_| HubError::Overloaded(patience))?;
            everybody.extend(answer.map_err(|_| HubError::Stopped)?);
        }
        Ok(everybody)
    }

    /// Open connections.
    pub fn count(&self) -> usize {
        self.shared.census.total()
    }

    /// Subscribers of a channel, counted by connection.
    ///
    /// # Errors
    /// [`BadChannel`] when the name is not one.
    pub fn subscribers(&self, channel: &str) -> Result<usize, BadChannel> {
        Ok(self.shared.audience.subscribers(&Channel::new(channel)?))
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

    /// Ends a connection behind everything that is in its shard's inbox.
    pub(crate) fn end(&self, connection: ConnectionId, end: End) {
        let shard = connection.shard(self.shared.inboxes.len());
        self.shared.inboxes[shard].push(0, Letter::End { connection, end });
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
        let (close, spread) = (stop.close_frame(), self.shared.settings.drain_spread);
        self.tell_shards(|| Letter::Drain { close: close.clone(), spread });
        let deadline = self.shared.settings.drain_deadline;
        if timeout(deadline, self.shared.census.empty()).await.is_err() {
            log::warn!("{} sockets did not end within {deadline:?}", self.count());
        }
    }

    /// Nothing is delivered from now on.
    pub(crate) fn end_shards(&self) {
        self.tell_shards(|| Letter::Stop);
    }

    fn tell_shards(&self, letter: impl Fn() -> Letter) {
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
