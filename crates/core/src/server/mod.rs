//! The HTTP server that both binaries share: actix assembled by hand, because `HttpServer` does not let sockets go.

mod background;
mod beginning;
mod gate;
mod handshake;
mod http;
mod origin;
mod rehearsal;
mod route;
mod running;
mod stop;
mod succession;
mod takeover;
mod upgrade;

use std::{
    cell::Cell,
    future::{Future, poll_fn, ready},
    io,
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
    task::Poll,
};

use actix_service::ServiceFactory;
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
};
use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::origin::is_origin;
use self::{
    background::Background,
    beginning::Beginning,
    gate::Gate,
    running::{Running, Stopping},
    succession::Succession,
};
pub use self::{
    handshake::HandshakeError,
    origin::{HostPolicy, OriginPolicy, origin_host},
    route::{centrifuge_socket, raw_socket},
    stop::Stop,
    takeover::{TakenSocket, Takeover},
};
use crate::{
    Hooks, Hub, HubStartError, Settings,
    handover::{Conversation, HandoverError, Luggage, Predecessor, Successors},
    hub::Unstarted,
    state_file::StateFileError,
};

/// The HTTP server with its hub.
///
/// ```no_run
/// # use actix_web::{App, web};
/// # use duplex_core::{Hooks, Server, Settings, raw_socket};
/// # struct Chat;
/// # impl Hooks for Chat {}
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = std::net::TcpListener::bind("127.0.0.1:3000")?;
/// let server = Server::new(Settings::default(), vec![listener])?;
/// server.run(Chat, || App::new().route("/websocket", web::to(raw_socket))).await?;
/// # Ok(())
/// # }
/// ```
pub struct Server {
    listeners: Vec<TcpListener>,
    settings: Settings,
    hub: Hub,
    unstarted: Unstarted,
    hub_is_known: Cell<bool>,
    stop: Stopping,
    ready: Box<dyn FnOnce() + Send>,
    predecessor: Option<Predecessor>,
    successors: Option<Successors>,
    background: Background,
    luggage: Luggage,
    state_file: Option<PathBuf>,
}

/// The server could not start, or ended badly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// There is nothing to listen on.
    #[error("the server was given no listening socket")]
    NoListener,
    /// The hub did not start.
    #[error(transparent)]
    Hub(#[from] HubStartError),
    /// The settings were to be changed when the hub, which goes by them, was in use already.
    #[error("the server's settings cannot be changed after its hub has been asked for")]
    TooLate,
    /// It could not take over from the process that serves, which goes on.
    #[error("cannot take over from the process that serves")]
    Handover(#[from] HandoverError),
    /// The file with the hub's state cannot be used.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    /// A socket or thread failed.
    #[error("the server failed")]
    Io(#[from] io::Error),
}

/// An application's services, as [`App::new`] and its methods build them.
pub trait AppEntry<B>:
    ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<B>, Error = Error, InitError = ()>
    + 'static
{
}

impl<B, T> AppEntry<B> for T where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static
{
}

impl Server {
    /// A server on sockets that listen already.
    ///
    /// # Errors
    /// [`ServeError::NoListener`] for an empty list, [`ServeError::Hub`] when a limit makes no sense.
    pub fn new(settings: Settings, listeners: Vec<TcpListener>) -> Result<Self, ServeError> {
        if listeners.is_empty() {
            return Err(ServeError::NoListener);
        }
        let (hub, unstarted) = Hub::prepare(settings.clone())?;
        Ok(Self {
            listeners,
            settings,
            hub,
            unstarted,
            hub_is_known: Cell::new(false),
            stop: Box::pin(Stop::signalled()),
            ready: Box::new(|| ()),
            predecessor: None,
            successors: None,
            background: Background::default(),
            luggage: Luggage::default(),
            state_file: None,
        })
    }

    /// Changes the settings that the program has chosen: the place for limits that belong to the application.
    ///
    /// ```
    /// # use duplex_core::{ServeError, Server};
    /// fn smaller(server: Server) -> Result<Server, ServeError> {
    ///     server.configure(|settings| settings.limits.max_message_bytes = 64 * 1024)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ServeError::Hub`] when a limit makes no sense, [`ServeError::TooLate`] after [`hub`](Self::hub).
    pub fn configure(mut self, change: impl FnOnce(&mut Settings)) -> Result<Self, ServeError> {
        if self.hub_is_known.get() {
            return Err(ServeError::TooLate);
        }
        change(&mut self.settings);
        self.prepare()?;
        Ok(self)
    }

    fn prepare(&mut self) -> Result<(), ServeError> {
        // What another process still owns is not this one's to act on.
        let ours = !self.predecessor.as_ref().is_some_and(Predecessor::moves_streams);
        (self.hub, self.unstarted) = Hub::prepare_owned(self.settings.clone(), ours)?;
        Ok(())
    }

    /// The hub, for the application's set-up. In a process that takes over, verbs wait until it has: so a verb that is
    /// awaited before [`run`](Self::run) would wait in vain, and ends with [`HubError::Unsettled`](crate::HubError).
    pub fn hub(&self) -> Hub {
        self.hub_is_known.set(true);
        self.hub.clone()
    }

    /// Replaces what makes the server stop; by default SIGTERM and SIGINT do.
    pub fn stop_on(mut self, stop: impl Future<Output = Stop> + Send + 'static) -> Self {
        self.stop = Box::pin(stop);
        self
    }

    /// Calls a function when the server accepts connections, and nothing can keep it from serving any more.
    pub fn on_ready(mut self, ready: impl FnOnce() + Send + 'static) -> Self {
        self.ready = Box::new(ready);
        self
    }

    /// Takes over from another process when everything here is ready to serve: its listening sockets, its hub's state and
    /// its open sockets. If that fails, [`run`](Self::run) does, and the other process goes on.
    ///
    /// # Errors
    /// [`ServeError::TooLate`] after [`hub`](Self::hub).
    pub fn take_over(mut self, from: Predecessor) -> Result<Self, ServeError> {
        if self.hub_is_known.get() {
            return Err(ServeError::TooLate);
        }
        self.predecessor = Some(from);
        self.prepare()?;
        Ok(self)
    }

    /// Runs a task as long as this process owns the hub, on the application runtime: from when it serves until it stops or
    /// begins to hand over, where the task is dropped at its next await. If the handover fails, `task` makes it anew.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use duplex_core::Server;
    /// fn with_clock(server: Server) -> Server {
    ///     let hub = server.hub();
    ///     server.background(move || {
    ///         let hub = hub.clone();
    ///         async move {
    ///             let mut seconds = tokio::time::interval(Duration::from_secs(1));
    ///             loop {
    ///                 seconds.tick().await;
    ///                 let _ = hub.publish("clock", "tick").await;
    ///             }
    ///         }
    ///     })
    /// }
    /// ```
    pub fn background<F>(mut self, task: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.background.add(move || Box::pin(task()));
        self
    }

    /// Carries something of the application's own memory over to the process that takes over: `export` is called here when
    /// everything stands still, and `import` there with what it returned, before anything goes on. Both should be quick:
    /// every socket waits. What the other process does not know, or cannot read, is left behind.
    ///
    /// ```
    /// # use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// # use duplex_core::Server;
    /// fn with_counter(server: Server, visits: Arc<AtomicU64>) -> Server {
    ///     let here = Arc::clone(&visits);
    ///     server.carry(
    ///         "visits",
    ///         move || here.load(Ordering::Relaxed),
    ///         move |count| visits.store(count, Ordering::Relaxed),
    ///     )
    /// }
    /// ```
    pub fn carry<T: Serialize + DeserializeOwned>(
        mut self,
        name: &str,
        export: impl Fn() -> T + Send + Sync + 'static,
        import: impl Fn(T) + Send + Sync + 'static,
    ) -> Self {
        self.luggage.add(name, export, import);
        self
    }

    /// Lets another process take over from this one: [`run`](Self::run) returns when everything is handed over and the last
    /// request answered.
    pub fn hand_over_to(mut self, successors: Successors) -> Self {
        self.successors = Some(successors);
        self
    }

    /// Keeps the hub's streams in a file from a graceful stop to the next start, which consumes it: so that clients
    /// recover what they missed meanwhile, and no crash brings back an old state. Without a file, and with one that is not
    /// understood, the server begins with nothing; one that cannot be removed fails [`run`](Self::run).
    pub fn state_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_file = Some(path.into());
        self
    }

    /// Serves until it is told to stop, and then drains (see [`Stop`]), or until another process has taken over.
    ///
    /// `app` is called twice for every worker thread: upgrade requests have an instance of the application of their
    /// own, made of the same routes and middleware. In a process that takes over it is called once more before that, to see
    /// whether it can be. The hub is added to it, so that handlers can extract it.
    ///
    /// The tokio runtime it is called in is the application runtime (see [`Hooks`]).
    ///
    /// # Errors
    /// See [`ServeError`].
    pub async fn run<T, B>(
        self,
        hooks: impl Hooks,
        app: impl Fn() -> App<T> + Clone + Send + 'static,
    ) -> Result<(), ServeError>
    where
        T: AppEntry<B>,
        B: MessageBody + 'static,
    {
        let Self { listeners, settings, hub, unstarted, stop, ready, successors, background, .. } = self;
        let (predecessor, state_file) = (self.predecessor, self.state_file);
        let luggage = Arc::new(self.luggage);
        announce(&settings);
        hub.run(unstarted, hooks)?;
        // Before anybody can connect: a signal that nobody listens for would end the process on the spot.
        let mut stop = begin_to_wait(stop).await;
        let gate = Gate::new(settings.hosts.clone());
        let builder = actix_server::Server::build()
            .workers(settings.workers.clamp(1, Settings::MAX_WORKERS))
            .shutdown_timeout(settings.drain_deadline.as_secs().max(1))
            .disable_signals();
        let succession = Succession::new(successors, &listeners, hub.clone())?;
        let builder = http::listen(builder, listeners, &settings, &hub, &gate, app.clone())?;
        let line = predecessor.as_ref().and_then(Predecessor::conversation);
        let rehearse = || rehearsal::rehearse(app, &hub, &gate);
        let beginning = Beginning::new(predecessor, state_file.as_deref(), &hub, &luggage, rehearse);
        let beginning = unless_stopped(beginning, &mut stop, line).await;
        let Some(beginning) = beginning.inspect_err(|_| hub.end_shards())? else {
            log::info!("told to stop before the server has begun");
            hub.end_shards();
            return Ok(());
        };
        let (serving, handle) = http::start(builder.run()).await?;
        // First the old process: until it knows, it may start over, and must still be the one that the next one finds.
        let before = beginning.say_started().await;
        ready();
        let running = Running { handle, hub, gate, settings, background, luggage, state_file, before };
        running.serve(serving, stop, succession).await?;
        Ok(())
    }
}

/// Waits for the beginning; nothing if there was a stop before. A handover that is under way is broken off, unless it is
/// decided already: then this process is the one to stop, as soon as it serves.
async fn unless_stopped(
    beginning: impl Future<Output = Result<Beginning, ServeError>>,
    stop: &mut Stopping,
    line: Option<Conversation>,
) -> Result<Option<Beginning>, ServeError> {
    let mut beginning = std::pin::pin!(beginning);
    let stopped = tokio::select! {
        biased;
        beginning = &mut beginning => {
            line.into_iter().for_each(Conversation::go_on);
            return beginning.map(Some);
        }
        stopped = &mut *stop => stopped,
    };
    drop(line);
    *stop = Box::pin(ready(stopped));
    Ok(beginning.await.ok().filter(Beginning::is_taken_over))
}

/// Polls a future once, so that it listens for what it waits for from now on.
async fn begin_to_wait(mut stop: Stopping) -> Stopping {
    let polled = poll_fn(|context| Poll::Ready(stop.as_mut().poll(context))).await;
    match polled {
        Poll::Ready(stop) => Box::pin(ready(stop)),
        Poll::Pending => stop,
    }
}

fn announce(settings: &Settings) {
    let limits = &settings.limits;
    log::info!(
        "{} shards, {} workers; at most {} sockets, messages of {} bytes, {} bytes waiting for a socket",
        settings.shards,
        settings.workers,
        limits.max_connections,
        limits.max_message_bytes,
        limits.queue_bytes,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server::new(Settings::default(), vec![TcpListener::bind("127.0.0.1:0").unwrap()]).unwrap()
    }

    #[test]
    fn settings_can_be_changed_until_the_hub_is_in_use() {
        let server = server().configure(|settings| settings.limits.max_message_bytes = 7).unwrap();
        assert_eq!(server.hub().settings().limits.max_message_bytes, 7);
        assert!(matches!(server.configure(|_| ()), Err(ServeError::TooLate)));
    }

    #[test]
    fn a_changed_limit_that_makes_no_sense_is_refused() {
        let refused = server().configure(|settings| settings.limits.max_connections = 0);
        assert!(matches!(refused, Err(ServeError::Hub(HubStartError::Limit(_)))));
    }

    #[test]
    fn a_server_needs_something_to_listen_on() {
        assert!(matches!(Server::new(Settings::default(), vec![]), Err(ServeError::NoListener)));
    }
}
