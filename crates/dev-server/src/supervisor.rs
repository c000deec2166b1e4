//! The supervisor: one task on the main thread that owns every process of the run. It takes one event at a time to the
//! state, and does what the state decides.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use duplex_core::supervision::{Serve, ToWorker};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::build::{Builder, Outcome};
use crate::contract::Contract;
use crate::diagnostics::Problem;
use crate::executable::Executable;
use crate::findings::Findings;
use crate::install::{Installation, install};
use crate::listen::Listeners;
use crate::settings::{Flags, Settings};
use crate::state::{Action, Ending, Event, Run, State, Status, Timer, Tone};
use crate::svelte_check::SvelteCheck;
use crate::task::{StopSignal, Task};
use crate::terminal::Terminal;
use crate::tools::Tools;
use crate::vite::{self, Vite};
use crate::waiting_room::WaitingRoom;
use crate::watch::Watch;
use crate::worker::{Launch, Worker};

/// Events that may wait. Who has one more waits too: nothing is lost, and the supervisor itself never sends.
const WAITING_EVENTS: usize = 256;

/// How long the workers have to close their sockets and finish their requests at the end of the run.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Runs until somebody stops it.
pub(crate) fn run(flags: Flags) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(flags)?;
    // Children may ask to be ended with the thread that started them, so all of them are started on this one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(supervise(settings))
}

async fn supervise(settings: Settings) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    let tools = Tools::find()?;
    let watch = Watch::start(&settings.root)?;
    let listeners = Listeners::bind(&settings)?;
    let (events, received) = mpsc::channel(WAITING_EVENTS);
    let mut supervisor = Supervisor::new(settings, tools, listeners, events.clone())?;
    supervisor.greet();
    let _watching = Task::spawn(async move |_| watch.report(events).await);
    supervisor.serve_until(&mut interrupts, received).await?;
    tokio::select! {
        () = supervisor.stop() => Ok(ExitCode::SUCCESS),
        // The end of this process is the end of everything it guards.
        () = interrupts.next() => Ok(ExitCode::from(130)),
    }
}

/// Ctrl-C, SIGTERM, and the end of the terminal.
struct Interrupts {
    signals: [Signal; 3],
}

impl Interrupts {
    fn listen() -> anyhow::Result<Self> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Self { signals: [interrupt?, terminate?, hangup?] })
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

struct Supervisor {
    settings: Settings,
    node_version: String,
    terminal: Terminal,
    listeners: Listeners,
    builder: Arc<Builder>,
    contract: Contract,
    waiting_room: WaitingRoom,
    status: watch::Sender<Status>,
    problem: watch::Sender<Option<Problem>>,
    front_end_address: watch::Sender<SocketAddr>,
    events: mpsc::Sender<Event>,
    /// The installation, and then Vite.
    front_end: Option<Task>,
    /// The build, and then the export of the front end's types.
    build: Option<Task>,
    type_check: Option<Task>,
    workers: HashMap<Run, Worker>,
}

impl Supervisor {
    fn new(
        settings: Settings,
        tools: Tools,
        listeners: Listeners,
        events: mpsc::Sender<Event>,
    ) -> anyhow::Result<Self> {
        let terminal = Terminal::detect();
        let status = watch::Sender::new(Status::default());
        let waiting_room = WaitingRoom::new(status.subscribe(), settings.hosts.clone());
        Ok(Self {
            builder: Arc::new(Builder::new(tools.cargo, settings.root.clone(), terminal)),
            contract: Contract::new(settings.root.clone(), terminal),
            node_version: tools.node_version,
            settings,
            terminal,
            listeners,
            waiting_room,
            status,
            problem: watch::Sender::new(None),
            front_end_address: watch::Sender::new(vite::free_address()?),
            events,
            front_end: None,
            build: None,
            type_check: None,
            workers: HashMap::new(),
        })
    }

    fn greet(&self) {
        let (wanted, port) = (self.settings.port, self.listeners.port());
        if wanted != port && wanted != 0 {
            self.terminal.say(&format!("port {wanted} is in use, taking {port}"));
        }
        self.terminal.say(&format!("starting on {}", self.listeners.url()));
    }

    async fn serve_until(
        &mut self,
        interrupts: &mut Interrupts,
        mut events: mpsc::Receiver<Event>,
    ) -> anyhow::Result<()> {
        let (mut state, actions) = State::start(Instant::now());
        self.act(actions, &state)?;
        loop {
            let event = tokio::select! {
                () = interrupts.next() => return Ok(()),
                event = events.recv() => event.context("no more events")?,
            };
            match event {
                Event::WorkerEnded(run, _) => drop(self.workers.remove(&run)),
                Event::WorkerReady { run, .. } => self.workers.get_mut(&run).map_or((), Worker::note_ready),
                _ => {}
            }
            let actions = state.handle(event, Instant::now());
            self.act(actions, &state)?;
        }
    }

    fn act(&mut self, actions: Vec<Action>, state: &State) -> anyhow::Result<()> {
        self.status.send_replace(state.status());
        for action in actions {
            match action {
                Action::Install => self.install(),
                Action::StartVite(run) => self.start_vite(run)?,
                Action::Build(run) => self.build(run),
                Action::StartWorker(run, program, predecessor) => {
                    self.start_worker(run, program, predecessor);
                }
                Action::Retire(run) => self.tell(run, &ToWorker::Retire),
                Action::Kill(run) => drop(self.workers.remove(&run)),
                Action::CheckTypes(run) => self.check_types(run),
                Action::EndTypeCheck => self.end_type_check(),
                Action::List(findings) => self.list(&findings),
                Action::Show(problem) => drop(self.problem.send_replace(problem)),
                Action::Serving(true) => self.waiting_room.close(),
                Action::Serving(false) => self.waiting_room.open(self.listeners.sockets())?,
                Action::After(wait, timer) => self.remind(wait, timer),
                Action::Say(tone, text) => self.say(tone, &text),
                Action::Announce => self.announce(),
            }
        }
        Ok(())
    }

    fn install(&mut self) {
        let (front_end, node_version) = (self.settings.front_end(), self.node_version.clone());
        let (events, previous) = (self.events.clone(), self.front_end.take());
        self.front_end = Some(Task::spawn(async move |mut stop: StopSignal| {
            stop_previous(previous).await;
            let event = match install(&front_end, &node_version, &mut stop, &events).await {
                Some(Installation::Present) => Event::Installed(None),
                Some(Installation::Done(took)) => Event::Installed(Some(took)),
                Some(Installation::Failed(said)) => {
                    Event::NotInstalled(Problem::general("npm ci failed", said))
                }
                None => return,
            };
            let _ = events.send(event).await;
        }));
    }

    fn start_vite(&mut self, run: Run) -> anyhow::Result<()> {
        let address = vite::free_address()?;
        self.front_end_address.send_replace(address);
        for worker in self.workers.values_mut() {
            worker.tell(&ToWorker::FrontEnd { address });
        }
        let (front_end, terminal, problem) =
            (self.settings.front_end(), self.terminal, self.problem.subscribe());
        let vite = Vite { run, front_end, address, terminal, problem, events: self.events.clone() };
        let previous = self.front_end.take();
        self.front_end = Some(Task::spawn(async move |mut stop: StopSignal| {
            stop_previous(previous).await;
            vite.run(&mut stop).await;
        }));
        Ok(())
    }

    fn build(&mut self, run: Run) {
        let (builder, contract) = (Arc::clone(&self.builder), self.contract.clone());
        let (events, previous) = (self.events.clone(), self.build.take());
        self.build = Some(Task::spawn(async move |mut stop: StopSignal| {
            stop_previous(previous).await;
            let outcome = match builder.build(run, &mut stop, &events).await {
                Some(Outcome::Built(program)) => contract.export(program, run, &mut stop, &events).await,
                broken_or_stopped => broken_or_stopped,
            };
            if let Some(outcome) = outcome {
                let _ = events.send(Event::BuildEnded(run, outcome)).await;
            }
        }));
    }

    fn check_types(&mut self, run: Run) {
        let (root, terminal, events) = (self.settings.root.clone(), self.terminal, self.events.clone());
        let check = SvelteCheck { run, root, terminal, events };
        let previous = self.type_check.take();
        self.type_check = Some(Task::spawn(async move |mut stop: StopSignal| {
            stop_previous(previous).await;
            check.run(&mut stop).await;
        }));
    }

    /// The task that ends it takes its place, so that the next one, and the end of the run, wait until it is gone.
    fn end_type_check(&mut self) {
        let previous = self.type_check.take();
        self.type_check = Some(Task::spawn(async move |_| stop_previous(previous).await));
    }

    fn list(&self, findings: &Findings) {
        for line in findings.lines() {
            self.terminal.tool("svelte-check", &line);
        }
    }

    fn start_worker(&mut self, run: Run, program: Arc<Executable>, predecessor: Option<Run>) {
        let launched = self.launch(run, program, predecessor);
        if let Err(error) = launched {
            let ending = Ending { orderly: false, how: format!("{error:#}") };
            self.send_later(Event::WorkerEnded(run, ending));
        }
    }

    fn launch(&mut self, run: Run, program: Arc<Executable>, predecessor: Option<Run>) -> anyhow::Result<()> {
        let predecessor = predecessor.and_then(|run| self.workers.get_mut(&run));
        let (near, far) = predecessor.is_some().then(UnixStream::pair).transpose()?.unzip();
        let serve = Serve {
            host: self.listeners.host().to_owned(),
            port: self.listeners.port(),
            front_end: *self.front_end_address.borrow(),
            takes_over: near.is_some(),
        };
        let launch = Launch {
            run,
            program,
            root: &self.settings.root,
            serve,
            listeners: self.listeners.sockets(),
            predecessor: near,
            front_end: self.front_end_address.subscribe(),
            events: self.events.clone(),
        };
        let worker = launch.start()?;
        if let (Some(predecessor), Some(line)) = (predecessor, far) {
            predecessor.hand_over_to(&line);
        }
        self.workers.insert(run, worker);
        Ok(())
    }

    fn tell(&mut self, run: Run, message: &ToWorker) {
        if let Some(worker) = self.workers.get_mut(&run) {
            worker.tell(message);
        }
    }

    fn remind(&self, wait: Duration, timer: Timer) {
        let events = self.events.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let _ = events.send(Event::Due(timer)).await;
        });
    }

    /// The supervisor must not wait for room in the queue that it empties itself.
    fn send_later(&self, event: Event) {
        let events = self.events.clone();
        tokio::spawn(async move { events.send(event).await });
    }

    fn say(&self, tone: Tone, text: &str) {
        match tone {
            Tone::Plain => self.terminal.say(text),
            Tone::Good => self.terminal.success(text),
            Tone::Bad => self.terminal.failure(text),
        }
    }

    fn announce(&self) {
        let url = self.listeners.url();
        self.terminal.success(&format!("ready on {url}"));
        if self.settings.open
            && let Err(error) = open::that_detached(&url)
        {
            self.terminal.failure(&format!("cannot open a browser ({error}); open {url} yourself"));
        }
    }

    /// Stops in order: workers, so that their sockets are closed properly, then Vite, then what is being built or
    /// checked.
    async fn stop(&mut self) {
        self.terminal.say("stopping");
        self.workers.retain(|_, worker| worker.serves());
        for worker in self.workers.values_mut() {
            worker.tell(&ToWorker::Stop);
        }
        let workers = std::mem::take(&mut self.workers);
        let all_ended = async {
            for worker in workers.into_values() {
                worker.join().await;
            }
        };
        // Past the limit the handles are dropped, which kills the processes.
        let _ = tokio::time::timeout(STOP_LIMIT, all_ended).await;
        stop_previous(self.front_end.take()).await;
        stop_previous(self.build.take()).await;
        stop_previous(self.type_check.take()).await;
        self.terminal.say("stopped");
    }
}

async fn stop_previous(task: Option<Task>) {
    if let Some(task) = task {
        task.stop().await;
    }
}
