//! A crowd that talks while one process after the other takes over, and that must not notice.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

use crate::{
    callers::Callers,
    kernel::Sample,
    ledger::Ledger,
    patience::{PATIENCE, becomes},
    report::{Report, Swap},
    scale::Scale,
    server::Server,
    site::Site,
    stage::{Phase, Stage, all},
    talker::{Habit, Plan, Talker},
};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_that_one_process_takes_over_from_another() {
    let scale = Scale::asked_for();
    let mut run = Run::start(&scale, Site::program).await;
    for _ in 0..scale.swaps {
        if scale.control {
            run.control().await;
            sleep(scale.rest).await;
        }
        run.swap().await;
        sleep(scale.rest).await;
    }
    let report = run.finish().await;
    println!("{report}");
    assert_eq!(report.wrong(), 0, "{report}");
    assert_eq!(report.counts.echoed, report.counts.sent, "{report}");
    let swaps = report.swaps.iter().filter(|swap| !swap.control);
    let processes: HashSet<_> = swaps.map(|swap| swap.to).collect();
    assert_eq!(processes.len(), scale.swaps as usize, "each is a process of its own: {report}");
}

/// The same crowd, while a process that wants to take over fails at the last moment, or before.
#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_that_a_process_fails_to_take_over() {
    let mut run = Run::start(&Scale::small(), Site::program).await;
    for fault in ["ready:close", "state-received:kill", "socket-received:garbage", "before-commit:kill"] {
        run.failing_swap(fault).await;
    }
    run.swap().await;
    let report = run.finish().await;
    assert_eq!(report.wrong(), 0, "{report}");
    assert_eq!(report.counts.echoed, report.counts.sent, "{report}");
}

/// Sockets that are opened at the same time.
const AT_ONCE: usize = 64;

/// How long nobody takes over, as long as it is not known how long that takes.
const CONTROL: Duration = Duration::from_millis(250);

/// A load on a server, and the server.
pub(crate) struct Run {
    server: Server,
    site: Site,
    scale: Scale,
    stage: Arc<Stage>,
    talkers: JoinSet<(Plan, Ledger)>,
    sockets: usize,
    /// Those whose silence is the server's alone.
    steady: usize,
    /// The addresses of those who get into the middle of something.
    prepared: HashMap<SocketAddr, Habit>,
    callers: Callers,
    swaps: Vec<Swap>,
}

impl Run {
    /// Starts a server and everybody, and waits until everybody has been answered once.
    pub(crate) async fn start(scale: &Scale, program: fn(&Site) -> tokio::process::Command) -> Run {
        duplex_core::raise_descriptor_limit();
        let site = Site::new();
        let server = Server::start(&site, program(&site)).await;
        let stage = Arc::new(Stage::new());
        let (mut talkers, mut prepared, mut steady) = (JoinSet::new(), HashMap::new(), 0);
        for talker in open(scale.plans(), site.address).await {
            let habit = talker.plan().habit;
            if matches!(habit, Habit::Halves | Habit::Slow) {
                prepared.insert(talker.address(), habit);
            }
            steady += usize::from(talker.plan().is_steady());
            let stage = Arc::clone(&stage);
            talkers.spawn(async move { (talker.plan(), talker.talk(stage).await) });
        }
        let sockets = talkers.len();
        let callers = Callers::start(&site, scale.callers, scale.gap, scale.shout);
        let (scale, swaps) = (scale.clone(), Vec::new());
        let run = Run { server, site, scale, stage, talkers, sockets, steady, prepared, callers, swaps };
        if !run.all_answered(0).await {
            let said = run.server.said();
            panic!("not everybody was answered:\n{said}\n{}", run.finish().await);
        }
        run
    }

    /// Has everybody say something, and waits for the answers.
    async fn all_answered(&self, swap: u32) -> bool {
        self.stage.enter(Phase::After(swap));
        let talk = all(&self.stage.caught_up, self.sockets - self.scale.idle, PATIENCE).await;
        self.stage.enter(Phase::Call(swap));
        let are_there = all(&self.stage.caught_up, self.scale.idle, PATIENCE).await;
        self.stage.enter(Phase::Quiet);
        talk && are_there
    }

    /// Has the next process take over, and waits until everybody has been answered again.
    pub(crate) async fn swap(&mut self) {
        let (mut swap, began) = self.begin().await;
        let next = Server::spawn(self.site.program());
        let mut last = std::mem::replace(&mut self.server, next);
        let status = last.ended().await;
        assert!(status.success(), "{status}:\n{}\nand the next one:\n{}", last.said(), self.server.said());
        let moved = last.line("have moved to process").unwrap_or_default();
        swap.frozen = moved.rsplit_once(" in ").map_or("?", |(_, time)| time).to_owned();
        self.end(swap, began).await;
    }

    /// Does as if a process took over.
    async fn control(&mut self) {
        let (mut swap, began) = self.begin().await;
        swap.control = true;
        sleep(self.swaps.iter().rfind(|swap| !swap.control).map_or(CONTROL, |last| last.took)).await;
        self.end(swap, began).await;
    }

    /// Has the next process try to take over, which it cannot.
    #[cfg(debug_assertions)]
    async fn failing_swap(&mut self, fault: &str) {
        let (swap, began) = self.begin().await;
        let mut program = self.site.program();
        program.env("DUPLEX_FAIL_AT", fault);
        let mut next = Server::spawn(program);
        let status = next.ended().await;
        assert!(!status.success() && self.server.runs(), "{status}: {}", self.server.said());
        self.end(swap, began).await;
    }

    /// Kills the process, and starts another one when somebody has asked in vain.
    pub(crate) async fn crash(&mut self) {
        let (swap, began) = self.begin().await;
        self.server.kill().await;
        let failed = || self.callers.tally.failed.load(Ordering::Relaxed) > 0;
        assert!(becomes(PATIENCE, failed).await, "nobody asks");
        self.server = Server::start(&self.site, self.site.alone()).await;
        self.end(swap, began).await;
    }

    /// Gets everybody into position.
    async fn begin(&mut self) -> (Swap, Instant) {
        let number = self.swaps.len() as u32 + 1;
        let began = Instant::now();
        self.stage.unsent.store(0, Ordering::Relaxed);
        self.stage.enter(Phase::Before(number));
        tokio::select! {
            () = self.in_position(Habit::Slow) => {}
            () = self.sample() => {}
        }
        self.stage.enter(Phase::Cut(number));
        self.in_position(Habit::Halves).await;
        // The server has read the halves. Of those who do not read, it may hold too much to read more.
        let read = || {
            let sample = Sample::of(self.site.address);
            let halves = self.prepared.iter().filter(|(_, habit)| **habit == Habit::Halves);
            halves.into_iter().all(|(client, _)| sample.is_read(*client))
        };
        becomes(Duration::from_secs(5), read).await;
        // All that was a load of its own.
        self.calm_down().await;
        let swap = Swap {
            number,
            control: false,
            from: self.server.pid(),
            to: 0,
            took: Duration::ZERO,
            settled: Duration::ZERO,
            prepared: self.prepared.len(),
            preparing: began.elapsed(),
            unsent: self.stage.unsent.load(Ordering::Relaxed),
            frozen: String::new(),
            messages: self.stage.answered.load(Ordering::Relaxed),
            requests: self.callers.tally.answered.load(Ordering::Relaxed),
        };
        self.stage.enter(Phase::Swapping(number));
        (swap, Instant::now())
    }

    /// Waits until everybody with this habit is in the middle of something.
    async fn in_position(&self, habit: Habit) {
        let count = self.prepared.values().filter(|other| **other == habit).count();
        assert!(all(&self.stage.set, count, PATIENCE).await, "not everybody is in position: {habit:?}");
    }

    /// Waits until those who only talk have been answered again.
    async fn calm_down(&self) {
        let answered = || self.stage.answered.load(Ordering::Relaxed);
        let again = answered() + self.steady as u64;
        becomes(Duration::from_secs(1), || answered() >= again).await;
    }

    /// Shows everybody what waits in the sockets, without an end.
    async fn sample(&self) {
        loop {
            self.stage.samples.send_replace(Sample::of(self.site.address));
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(&mut self, mut swap: Swap, began: Instant) {
        swap.took = began.elapsed();
        swap.to = self.server.pid();
        self.stage.enter(Phase::Over(swap.number));
        self.calm_down().await;
        let settled = self.all_answered(swap.number).await;
        swap.settled = began.elapsed();
        if !settled {
            println!("after swap {} not everybody was answered:\n{}", swap.number, self.server.said());
        }
        swap.requests = self.callers.tally.answered.load(Ordering::Relaxed) - swap.requests;
        swap.messages = self.stage.answered.load(Ordering::Relaxed) - swap.messages;
        self.swaps.push(swap);
    }

    /// Waits until there were enough requests, lets everything come to its end, and counts.
    pub(crate) async fn finish(mut self) -> Report {
        let tally = Arc::clone(&self.callers.tally);
        let enough = || {
            let done = tally.answered.load(Ordering::Relaxed) + tally.failed.load(Ordering::Relaxed);
            done >= self.scale.requests
        };
        assert!(becomes(10 * PATIENCE, enough).await, "too few requests");
        let tally = self.callers.stop().await;
        let shouts = tally.shouts.load(Ordering::Relaxed);
        self.stage.enter(Phase::End { shouts });
        let mut accounts = Vec::new();
        while let Some(account) = self.talkers.join_next().await {
            accounts.push(account.unwrap());
        }
        let waited = |swap: &Swap| {
            let steady = accounts.iter().filter(|(plan, _)| plan.is_steady());
            steady.filter_map(|(_, ledger)| ledger.waited(swap.number)).collect()
        };
        let mut complaints = tally.complaints.lock().unwrap().clone();
        complaints.extend(accounts.iter().filter_map(|(_, ledger)| ledger.account(shouts)).take(10));
        Report {
            sockets: self.sockets,
            counts: accounts.iter().map(|(_, ledger)| ledger.counts(shouts)).sum(),
            requests: tally.answered.load(Ordering::Relaxed),
            failed: tally.failed.load(Ordering::Relaxed),
            shouts,
            waited: self.swaps.iter().map(waited).collect(),
            swaps: self.swaps,
            complaints,
        }
    }
}

/// Opens everybody's socket, some at a time.
async fn open(plans: Vec<Plan>, server: SocketAddr) -> Vec<Talker> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut opening = JoinSet::new();
    for plan in plans {
        let turn = Arc::clone(&turns).acquire_owned().await.unwrap();
        opening.spawn(async move {
            let _turn = turn;
            Talker::open(plan, server).await
        });
    }
    let mut talkers = Vec::new();
    while let Some(opened) = opening.join_next().await {
        talkers.push(opened.unwrap().unwrap_or_else(|gone| panic!("it was not let in: {gone}")));
    }
    talkers
}
