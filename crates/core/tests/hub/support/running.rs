//! Starts a server for a test, and ends it: every test also proves that its server stops well.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::net::UnixStream,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpServer, web, web::ServiceConfig};
use duplex_core::{
    Calling, Connected, Connecting, Ended, Grant, HookResult, Hub, Identity, JoinLeave, Json, Message,
    Namespace, Namespaces, Publishing, Reading, Recovery, Refusal, Rejection, Server, Settings, Socket, Stop,
    Subscribing, centrifuge_socket,
    handover::{Predecessor, SuccessorSender, Successors},
    raw_socket,
};
use tokio::{
    runtime,
    sync::{Mutex, oneshot},
    task::JoinHandle,
};

use super::{
    Peer, Request,
    script::{self, Diary, Script, Scripted},
    within,
};

/// Tests that measure memory run while no other does.
static QUIET: RwLock<()> = RwLock::new(());

/// What carries the sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// `duplex_core::Server`.
    Server,
    /// A plain `HttpServer` of actix-web.
    Portable,
}

type Routes = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// A server to be started. It has `/socket` and `/hello`, and what a test adds.
pub(crate) struct Plan {
    driver: Driver,
    settings: Settings,
    script: Script,
    routes: Routes,
    narrow: bool,
    prepare: Option<Prepare>,
}

impl Plan {
    pub(crate) fn new() -> Self {
        let settings =
            Settings { shards: 2, workers: 1, drain_grace: Duration::from_millis(10), ..Settings::default() };
        let (driver, script) = (Driver::Server, Script::default());
        Self { driver, settings, script, routes: Arc::new(|_| ()), narrow: false, prepare: None }
    }

    pub(crate) fn driver(mut self, driver: Driver) -> Self {
        self.driver = driver;
        self
    }

    pub(crate) fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub(crate) fn limits(mut self, change: impl FnOnce(&mut duplex_core::Limits)) -> Self {
        change(&mut self.settings.limits);
        self
    }

    /// The server's kernel buffers hold little, so that a peer that does not read is soon noticed.
    pub(crate) fn narrow(mut self) -> Self {
        self.narrow = true;
        self
    }

    pub(crate) fn routes(mut self, routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        self.routes = Arc::new(routes);
        self
    }

    pub(crate) fn authenticate<F>(mut self, hook: impl Fn(HttpRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Identity, Refusal>> + 'static,
    {
        self.script.authenticate = script::authenticate(hook);
        self
    }

    /// The user is what the query of the upgrade request says; without one it is nobody.
    pub(crate) fn users(self) -> Self {
        self.authenticate(async |request| {
            Ok(match request.query_string() {
                "" => Identity::anonymous(),
                user => Identity::user(user),
            })
        })
    }

    pub(crate) fn on_connect<F>(mut self, hook: impl Fn(Socket) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = HookResult> + Send + 'static,
    {
        self.script.on_connect = script::on_connect(hook);
        self
    }

    pub(crate) fn on_message<F>(mut self, hook: impl Fn(Socket, Message) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = HookResult> + Send + 'static,
    {
        self.script.on_message = script::on_message(hook);
        self
    }

    pub(crate) fn on_disconnect<F>(
        mut self,
        hook: impl Fn(Socket, Ended) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = HookResult> + Send + 'static,
    {
        self.script.on_disconnect = script::on_disconnect(hook);
        self
    }

    pub(crate) fn on_connecting<F>(
        mut self,
        hook: impl Fn(Socket, Connecting) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Connected, Rejection>> + Send + 'static,
    {
        self.script.on_connecting = script::decide(hook);
        self
    }

    pub(crate) fn on_subscribe<F>(
        mut self,
        hook: impl Fn(Socket, Subscribing) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Grant, Rejection>> + Send + 'static,
    {
        self.script.on_subscribe = script::decide(hook);
        self
    }

    pub(crate) fn on_publish<F>(
        mut self,
        hook: impl Fn(Socket, Publishing) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Json, Rejection>> + Send + 'static,
    {
        self.script.on_publish = script::decide(hook);
        self
    }

    pub(crate) fn on_call<F>(mut self, hook: impl Fn(Socket, Calling) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Json, Rejection>> + Send + 'static,
    {
        self.script.on_call = script::decide(hook);
        self
    }

    pub(crate) fn on_read<F>(mut self, hook: impl Fn(Socket, Reading) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Rejection>> + Send + 'static,
    {
        self.script.on_read = Some(script::decide(hook));
        self
    }

    pub(crate) fn namespaces(mut self, namespaces: Namespaces) -> Self {
        self.settings.namespaces = namespaces;
        self
    }

    /// Clients of the protocol may do everything, in channels without a namespace that have everything.
    pub(crate) fn everything(self) -> Self {
        let namespace = Namespace {
            history_size: 100,
            history_ttl: Duration::from_secs(300),
            recovery: Recovery::Forced,
            presence: true,
            join_leave: JoinLeave::On,
            ..Namespace::default()
        };
        self.namespaces(Namespaces::default().without_namespace(namespace))
            .on_subscribe(async |_, _| Ok(Grant::default()))
            .on_publish(async |_, publishing| Ok(publishing.data))
            .on_read(async |_, _| Ok(()))
            .on_call(async |_, call| Ok(call.data))
    }

    /// The server has this to say before it runs.
    pub(crate) fn prepare(mut self, prepare: impl FnOnce(Server) -> Server + Send + 'static) -> Self {
        self.prepare = Some(Box::new(prepare));
        self
    }

    fn start(self) -> Running {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        if self.narrow {
            // Accepted sockets inherit it.
            socket2::SockRef::from(&listener).set_send_buffer_size(4096).unwrap();
        }
        self.start_on(listener, None)
    }

    fn start_on(self, listener: TcpListener, predecessor: Option<Predecessor>) -> Running {
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = oneshot::channel();
        let (hooks, diary) = Scripted::new(self.script);
        let (successors, succession) = Successors::channel();
        let (say_ready, ready) = oneshot::channel();
        let (hub, run) = match self.driver {
            Driver::Server => {
                let server = Server::new(self.settings, vec![listener]).unwrap();
                let server = match predecessor {
                    Some(predecessor) => server.take_over(predecessor).unwrap(),
                    None => server,
                };
                let server = server.hand_over_to(succession).on_ready(move || {
                    let _ = say_ready.send(());
                });
                let server = self.prepare.into_iter().fold(server, |server, prepare| prepare(server));
                run_server(server, hooks, self.routes, stopping)
            }
            Driver::Portable => run_portable(self.settings, listener, hooks, self.routes, stopping),
        };
        let (stop, run) = (Mutex::new(Some(stop)), Mutex::new(Some(run)));
        Running {
            address,
            hub,
            diary: Mutex::new(diary),
            stop,
            run,
            successors,
            ready: Mutex::new(Some(ready)),
        }
    }
}

type Prepare = Box<dyn FnOnce(Server) -> Server + Send>;

type Run = JoinHandle<Result<(), String>>;

fn run_server(
    server: Server,
    hooks: Scripted,
    routes: Routes,
    stopping: oneshot::Receiver<Stop>,
) -> (Hub, Run) {
    let server = server.stop_on(async move { stopping.await.unwrap_or(Stop::Shutdown) });
    let hub = server.hub();
    let app = move || App::new().configure(standard_routes).configure(|config| routes(config));
    (hub, tokio::spawn(async move { server.run(hooks, app).await.map_err(|error| error.to_string()) }))
}

fn run_portable(
    settings: Settings,
    listener: TcpListener,
    hooks: Scripted,
    routes: Routes,
    stopping: oneshot::Receiver<Stop>,
) -> (Hub, Run) {
    let hub = Hub::start(settings, hooks).unwrap();
    let (app_hub, stop_hub) = (hub.clone(), hub.clone());
    let app = move || {
        let routes = Arc::clone(&routes);
        let app = App::new().app_data(app_hub.clone()).configure(standard_routes);
        app.configure(move |config| routes(config))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .client_disconnect_timeout(Duration::ZERO)
        .shutdown_timeout(1)
        .listen(listener)
        .unwrap();
    let server = server.run();
    let handle = server.handle();
    let run = tokio::spawn(async move {
        let serving = tokio::spawn(server);
        stop_hub.stop(stopping.await.unwrap_or(Stop::Shutdown)).await;
        handle.stop(true).await;
        serving.await.unwrap().map_err(|error| error.to_string())
    });
    (hub, run)
}

fn standard_routes(config: &mut ServiceConfig) {
    config
        .route("/socket", web::to(raw_socket))
        .route("/connection/websocket", web::to(centrifuge_socket))
        .route("/hello", web::get().to(async || "hello"));
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) hub: Hub,
    diary: Mutex<Diary>,
    stop: Mutex<Option<oneshot::Sender<Stop>>>,
    run: Mutex<Option<Run>>,
    successors: SuccessorSender,
    ready: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Running {
    /// A TCP connection.
    pub(crate) async fn connect(&self) -> Peer {
        Peer::connect(self.address).await
    }

    /// An open WebSocket.
    pub(crate) async fn open(&self) -> Peer {
        self.open_as(&Request::upgrade("/socket")).await
    }

    /// An open WebSocket whose kernel buffers hold little.
    pub(crate) async fn open_narrow(&self) -> Peer {
        let mut peer = Peer::connect_narrow(self.address).await;
        assert_eq!(peer.ask(&Request::upgrade("/socket")).await.status, 101);
        peer
    }

    pub(crate) async fn open_as(&self, request: &Request) -> Peer {
        let mut peer = self.connect().await;
        let response = peer.ask(request).await;
        assert_eq!(response.status, 101, "{}", response.body);
        peer
    }

    /// An open WebSocket, and its connection as the hooks see it.
    pub(crate) async fn open_known(&self) -> (Peer, Socket) {
        let peer = self.open().await;
        (peer, self.connected().await)
    }

    /// An open WebSocket of a user, in a plan with users, and its connection as the hooks see it.
    pub(crate) async fn open_user(&self, user: &str) -> (Peer, Socket) {
        let peer = self.open_as(&Request::upgrade(&format!("/socket?{user}"))).await;
        (peer, self.connected().await)
    }

    /// The next connection whose `on_connect` has begun.
    pub(crate) async fn connected(&self) -> Socket {
        within("on_connect", async { self.diary.lock().await.connected.recv().await }).await.unwrap()
    }

    /// The next message whose `on_message` has begun.
    pub(crate) async fn message(&self) -> Message {
        within("on_message", async { self.diary.lock().await.messages.recv().await }).await.unwrap()
    }

    /// The next connection whose `on_disconnect` has begun.
    pub(crate) async fn disconnected(&self) -> (Socket, Ended) {
        within("on_disconnect", async { self.diary.lock().await.disconnected.recv().await }).await.unwrap()
    }

    /// How the next connection that went away ended.
    pub(crate) async fn ended(&self) -> Ended {
        self.disconnected().await.1
    }

    /// Whether hooks have seen a connection that was not asked for yet.
    pub(crate) async fn has_seen_a_connection(&self) -> bool {
        !self.diary.lock().await.connected.is_empty()
    }

    /// Whether an `on_message` or `on_disconnect` has begun that was not asked for yet.
    pub(crate) async fn has_more_to_tell(&self) -> bool {
        let diary = self.diary.lock().await;
        !diary.messages.is_empty() || !diary.disconnected.is_empty()
    }

    /// A line to this server, as a process has that wants to take over.
    pub(crate) fn line(&self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.successors.offer(theirs);
        ours
    }

    /// A server that wants to take over from this one, and has been welcomed.
    pub(crate) async fn begin_successor(&self, plan: Plan) -> Self {
        let line = self.line();
        let greeted = tokio::task::spawn_blocking(move || Predecessor::greet(line)).await.unwrap();
        let mut predecessor = greeted.unwrap();
        let listener = predecessor.take_listeners().pop().unwrap();
        plan.start_on(listener, Some(predecessor))
    }

    /// A server that has taken over from this one, and accepts connections.
    pub(crate) async fn successor(&self, plan: Plan) -> Self {
        let successor = self.begin_successor(plan).await;
        successor.is_ready().await;
        successor
    }

    /// Waits until the server accepts connections.
    pub(crate) async fn is_ready(&self) {
        let ready = self.ready.lock().await.take().unwrap();
        within("a server that accepts connections", ready).await.unwrap();
    }

    /// Tells the server to stop.
    pub(crate) async fn stop(&self, stop: Stop) {
        self.stop.lock().await.take().unwrap().send(stop).unwrap();
    }

    /// Waits until `run` has returned, which has to be well.
    pub(crate) async fn stopped(&self) {
        let run = self.run.lock().await.take().unwrap();
        within("the server's end", run).await.unwrap().unwrap();
    }

    /// Waits until `run` has failed, and says why.
    pub(crate) async fn failed(&self) -> String {
        let run = self.run.lock().await.take().unwrap();
        within("the server's end", run).await.unwrap().unwrap_err()
    }

    /// Ends the server, and expects that it ends well.
    pub(crate) async fn finish(&self) {
        if self.run.lock().await.is_none() {
            return;
        }
        if let Some(stop) = self.stop.lock().await.take() {
            let _ = stop.send(Stop::Shutdown);
        }
        self.stopped().await;
    }
}

/// Starts a server, runs a test against it, and stops it.
pub(crate) fn serve(plan: Plan, test: impl AsyncFnOnce(&Running)) {
    let _others_may_run = QUIET.read().unwrap_or_else(PoisonError::into_inner);
    run(plan, test);
}

/// The same, while no other test runs.
pub(crate) fn serve_alone(plan: Plan, test: impl AsyncFnOnce(&Running)) {
    let _no_other_runs = QUIET.write().unwrap_or_else(PoisonError::into_inner);
    run(plan, test);
}

fn run(plan: Plan, test: impl AsyncFnOnce(&Running)) {
    let _ = env_logger::builder().is_test(true).try_init();
    let mut runtime = runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).thread_name("application").enable_all().build().unwrap();
    runtime.block_on(async {
        let running = plan.start();
        test(&running).await;
        running.finish().await;
    });
}
