//! The supervisor's decisions: one state, changed by one event at a time, which says what to do about it. Nothing here
//! touches a process, a file or a clock.
//!
//! The rules: what is served is always the last program that became ready; the next one is started only when no build
//! is under way, so that it is made from the latest sources, and only after it has written the front end's types; it
//! takes the open sockets over, unless that has just failed; a problem stays on the pages until the latest sources are
//! being served.

mod backoff;
mod event;
mod status;
#[cfg(test)]
mod tests;
mod type_check;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::build::Outcome;
use crate::diagnostics::Problem;
use crate::executable::Executable;
use crate::state::backoff::Backoff;
use crate::state::type_check::TypeCheck;
use crate::terminal::seconds;
use crate::watch::Changes;

pub(crate) use event::{Action, Ending, Event, Run, Timer, Tone};
pub(crate) use status::{Status, Step, StepState};

/// How long a worker may take from its start until it accepts connections.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// How long a worker may take to finish its requests after a newer one serves.
const RETIRE_LIMIT: Duration = Duration::from_secs(30);

/// Everything the decisions depend on.
pub(crate) struct State {
    runs: Run,
    front_end: FrontEnd,
    /// Whether it is known if Vite comes up. Until then no worker is started: its first visitor is to find a page.
    front_end_settled: bool,
    vite_backoff: Backoff,
    build: Option<Build>,
    /// When the change that is not served yet was seen.
    changed: Instant,
    /// Whether the build that ended last was a good one.
    build_is_good: bool,
    problems: Problems,
    /// What the browsers were told last.
    shown: Option<Problem>,
    /// The last program that was built.
    program: Option<Arc<Executable>>,
    /// Why a worker is to be started as soon as possible.
    wanted: Option<Reason>,
    /// The last worker could not take the open sockets over, so the next one is to leave them alone.
    sockets_stay: bool,
    starting: Option<Worker>,
    serving: Option<Worker>,
    worker_backoff: Backoff,
    type_check: TypeCheck,
    announced: bool,
}

/// What stands in the way, by where it comes from.
#[derive(Default)]
struct Problems {
    sources: Option<Problem>,
    program: Option<Problem>,
    packages: Option<Problem>,
}

enum FrontEnd {
    Installing {
        since: Instant,
    },
    Starting {
        run: Run,
        since: Instant,
    },
    Up {
        run: Run,
        since: Instant,
    },
    /// Vite ended and is going to be started again.
    Resting,
    Failed,
}

struct Build {
    run: Run,
    since: Instant,
    doing: String,
}

struct Worker {
    run: Run,
    program: Arc<Executable>,
    since: Instant,
    reason: Reason,
    takeover: Takeover,
}

/// What a worker does about the open sockets of the one that serves.
#[derive(Debug, Eq, PartialEq)]
enum Takeover {
    /// There are none, or it leaves them alone.
    None,
    /// It takes them over.
    Under,
    /// It could not.
    Failed(String),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reason {
    Built,
    Environment,
    Ended,
}

impl State {
    /// The state at the start of a run, and what to do first.
    pub(crate) fn start(now: Instant) -> (Self, Vec<Action>) {
        let mut state = Self {
            runs: 0,
            front_end: FrontEnd::Installing { since: now },
            front_end_settled: false,
            vite_backoff: Backoff::default(),
            build: None,
            changed: now,
            build_is_good: true,
            problems: Problems::default(),
            shown: None,
            program: None,
            wanted: None,
            sockets_stay: false,
            starting: None,
            serving: None,
            worker_backoff: Backoff::default(),
            type_check: TypeCheck::default(),
            announced: false,
        };
        let mut actions = vec![Action::Serving(false), Action::Install];
        state.build(now, &mut actions);
        (state, actions)
    }

    /// Takes in one event.
    pub(crate) fn handle(&mut self, event: Event, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Changed(changes) => self.change(changes, now, &mut actions),
            Event::Installing(elapsed) => actions.push(say_installing(elapsed)),
            Event::Installed(took) => self.installed(took, now, &mut actions),
            Event::NotInstalled(problem) => self.not_installed(problem, &mut actions),
            Event::ViteListening(run) => self.vite_listening(run, now),
            Event::ViteEnded(run, how) => self.vite_ended(run, &how, now, &mut actions),
            Event::Building(run, doing) => self.building(run, doing),
            Event::TypesWritten(files) => self.types_written(&files, &mut actions),
            Event::BuildEnded(run, outcome) => self.build_ended(run, outcome, &mut actions),
            Event::WorkerReady { run, process, succeeds } => {
                self.worker_ready(run, process, succeeds, now, &mut actions);
            }
            Event::NotTakenOver(run, why) => self.not_taken_over(run, why),
            Event::WorkerEnded(run, ending) => self.worker_ended(run, &ending, now, &mut actions),
            Event::TypesChecked(run, findings) => self.types_checked(run, findings, &mut actions),
            Event::TypeCheckEnded(run, how) => self.type_check_ended(run, &how, &mut actions),
            Event::TypeCheckMissing(run) => self.type_check_missing(run, &mut actions),
            Event::Due(timer) => self.due(timer, now, &mut actions),
        }
        self.start_wanted_worker(now, &mut actions);
        self.start_wanted_type_check(&mut actions);
        self.announce(&mut actions);
        self.show(&mut actions);
        actions
    }

    fn change(&mut self, changes: Changes, now: Instant, actions: &mut Vec<Action>) {
        if changes.packages {
            self.vite_backoff.reset();
            self.install(now, actions);
        }
        if changes.environment && self.program.is_some() {
            self.changed = now;
            self.wanted = Some(Reason::Environment);
        }
        if changes.sources {
            self.build(now, actions);
        }
    }

    fn build(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.changed = now;
        let run = self.next_run();
        self.build = Some(Build { run, since: now, doing: String::new() });
        actions.push(Action::Build(run));
    }

    fn building(&mut self, run: Run, doing: String) {
        if let Some(build) = self.build.as_mut().filter(|build| build.run == run) {
            build.doing = doing;
        }
    }

    fn build_ended(&mut self, run: Run, outcome: Outcome, actions: &mut Vec<Action>) {
        if self.build.as_ref().is_none_or(|build| build.run != run) {
            return;
        }
        self.build = None;
        match outcome {
            Outcome::Broken(problem) => {
                let what = if self.serving.is_some() { "; the running program stays" } else { "" };
                actions.push(Action::Say(Tone::Bad, format!("build failed: {}{what}", problem.title)));
                self.build_is_good = false;
                self.problems.sources = Some(problem);
            }
            Outcome::Built(program) => self.built(program, actions),
        }
    }

    fn built(&mut self, program: Arc<Executable>, actions: &mut Vec<Action>) {
        self.build_is_good = true;
        let current = self.starting.as_ref().or(self.serving.as_ref());
        if current.is_some_and(|worker| worker.program.identity() == program.identity()) {
            if self.starting.is_none() {
                self.problems.sources = None;
                self.forget_failed_program(program);
            }
            actions.push(Action::Say(Tone::Plain, "built, and nothing changed in the program".to_owned()));
            return;
        }
        self.program = Some(program);
        self.sockets_stay = false;
        self.worker_backoff.reset();
        self.wanted = Some(Reason::Built);
    }

    /// The sources are those of the running program again: one built in between, which could not start, is history.
    fn forget_failed_program(&mut self, program: Arc<Executable>) {
        if self.program.as_ref().is_some_and(|latest| latest.identity() != program.identity()) {
            self.problems.program = None;
            self.program = Some(program);
        }
    }

    fn start_wanted_worker(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.build.is_some() || !self.front_end_settled {
            return;
        }
        let Some(program) = self.program.clone() else { return };
        let Some(reason) = self.wanted.take() else { return };
        if let Some(overtaken) = self.starting.take() {
            actions.push(Action::Kill(overtaken.run));
        }
        let run = self.next_run();
        let sockets_stay = std::mem::take(&mut self.sockets_stay);
        let predecessor = self.serving.as_ref().filter(|_| !sockets_stay).map(|serving| serving.run);
        let takeover = if predecessor.is_some() { Takeover::Under } else { Takeover::None };
        actions.push(Action::StartWorker(run, Arc::clone(&program), predecessor));
        actions.push(Action::After(READY_LIMIT, Timer::WorkerReady(run)));
        self.starting = Some(Worker { run, program, since: now, reason, takeover });
    }

    fn worker_ready(
        &mut self,
        run: Run,
        process: u32,
        succeeds: bool,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(worker) = self.starting.take_if(|worker| worker.run == run) else { return };
        let took = seconds(now.duration_since(self.changed));
        let is_first = self.serving.is_none() && worker.takeover == Takeover::None;
        let text = match worker.reason {
            Reason::Built if is_first => format!("built in {took}, worker {process} ready"),
            Reason::Built => format!("rebuilt in {took}, worker {process} ready"),
            Reason::Environment => format!("restarted with the new .env in {took}, worker {process} ready"),
            Reason::Ended => format!("restarted, worker {process} ready"),
        };
        actions.push(Action::Say(Tone::Good, text));
        match self.serving.replace(worker) {
            Some(old) => {
                if !succeeds {
                    actions.push(Action::Retire(old.run));
                }
                actions.push(Action::After(RETIRE_LIMIT, Timer::WorkerRetired(old.run)));
            }
            None => actions.push(Action::Serving(true)),
        }
        self.problems.program = None;
        self.forget_mended_sources();
    }

    /// The latest sources build and their program has had its turn, so an error in older ones is history.
    fn forget_mended_sources(&mut self) {
        if self.build_is_good {
            self.problems.sources = None;
        }
    }

    fn not_taken_over(&mut self, run: Run, why: String) {
        if let Some(worker) = self.starting.as_mut().filter(|worker| worker.run == run) {
            worker.takeover = Takeover::Failed(why);
        }
    }

    fn worker_ended(&mut self, run: Run, ending: &Ending, now: Instant, actions: &mut Vec<Action>) {
        if let Some(worker) = self.starting.take_if(|worker| worker.run == run) {
            self.starting_ended(worker, ending, now, actions);
        } else if let Some(worker) = self.serving.take_if(|worker| worker.run == run) {
            self.serving_ended(&worker, ending, now, actions);
        }
    }

    fn starting_ended(&mut self, worker: Worker, ending: &Ending, now: Instant, actions: &mut Vec<Action>) {
        match worker.takeover {
            Takeover::Failed(why) => {
                let text =
                    format!("the open sockets cannot move to the new program: {why}; they will come back");
                actions.push(Action::Say(Tone::Bad, text));
                self.sockets_stay = true;
                self.wanted = self.wanted.or(Some(worker.reason));
            }
            Takeover::None | Takeover::Under => {
                let title = format!("the new program ended before it was ready: {}", ending.how);
                self.worker_failed(title, worker.since, now, actions);
            }
        }
    }

    fn serving_ended(&mut self, worker: &Worker, ending: &Ending, now: Instant, actions: &mut Vec<Action>) {
        let successor = self.starting.as_ref().filter(|starting| starting.takeover == Takeover::Under);
        if ending.orderly && successor.is_some() {
            // It has handed everything over, and the news that the other one is ready is on its way.
            return;
        }
        let title = format!("the program ended unexpectedly: {}", ending.how);
        self.worker_failed(title, worker.since, now, actions);
    }

    /// A program that cannot start is tried again only if there is no other that serves.
    fn worker_failed(&mut self, title: String, started: Instant, now: Instant, actions: &mut Vec<Action>) {
        let what = if self.serving.is_some() { "; the running program stays" } else { "" };
        actions.push(Action::Say(Tone::Bad, format!("{title}{what}")));
        self.problems.program = Some(Problem::general(title, "What it printed last is in the terminal."));
        self.forget_mended_sources();
        if self.serving.is_some() {
            return;
        }
        actions.push(Action::Serving(false));
        if self.starting.is_none() {
            let wait = self.worker_backoff.next(started, now);
            actions.push(Action::After(wait, Timer::RestartWorker));
        }
    }

    fn install(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.front_end = FrontEnd::Installing { since: now };
        // Its own packages may be about to change.
        self.put_type_check_off(actions);
        actions.push(Action::Install);
    }

    fn installed(&mut self, took: Option<Duration>, now: Instant, actions: &mut Vec<Action>) {
        if let Some(took) = took {
            actions
                .push(Action::Say(Tone::Good, format!("front-end packages installed in {}", seconds(took))));
        }
        self.problems.packages = None;
        if took.is_some() {
            self.vite_backoff.reset();
            self.look_for_type_check_again();
        }
        self.start_vite(now, actions);
    }

    fn not_installed(&mut self, problem: Problem, actions: &mut Vec<Action>) {
        let advice = "put frontend/package-lock.json right; saving it tries again";
        actions.push(Action::Say(Tone::Bad, format!("{}: {advice}\n{}", problem.title, problem.text)));
        self.front_end = FrontEnd::Failed;
        self.front_end_settled = true;
        self.problems.packages = Some(problem);
    }

    fn start_vite(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let run = self.next_run();
        self.front_end = FrontEnd::Starting { run, since: now };
        actions.push(Action::StartVite(run));
    }

    fn vite_listening(&mut self, run: Run, now: Instant) {
        if matches!(self.front_end, FrontEnd::Starting { run: current, .. } if current == run) {
            self.front_end = FrontEnd::Up { run, since: now };
            self.front_end_settled = true;
        }
    }

    fn vite_ended(&mut self, run: Run, how: &str, now: Instant, actions: &mut Vec<Action>) {
        let (FrontEnd::Starting { run: current, since } | FrontEnd::Up { run: current, since }) =
            self.front_end
        else {
            return;
        };
        if current != run {
            return;
        }
        let wait = self.vite_backoff.next(since, now);
        actions.push(Action::Say(
            Tone::Bad,
            format!("Vite ended ({how}); starting it again in {}", seconds(wait)),
        ));
        actions.push(Action::After(wait, Timer::RestartVite));
        self.front_end = FrontEnd::Resting;
        self.front_end_settled = true;
    }

    fn due(&mut self, timer: Timer, now: Instant, actions: &mut Vec<Action>) {
        match timer {
            // Missing packages may be why it ended; present ones cost a look at their stamp.
            Timer::RestartVite if matches!(self.front_end, FrontEnd::Resting) => self.install(now, actions),
            Timer::RestartWorker if self.serving.is_none() && self.starting.is_none() => {
                self.wanted = self.wanted.or(Some(Reason::Ended));
            }
            Timer::WorkerReady(run) if self.starting.as_ref().is_some_and(|worker| worker.run == run) => {
                let limit = READY_LIMIT.as_secs();
                actions.push(Action::Say(
                    Tone::Bad,
                    format!("the new program was not ready after {limit} s; ending it"),
                ));
                actions.push(Action::Kill(run));
            }
            // Killing a worker that has ended by now does nothing.
            Timer::WorkerRetired(run) => actions.push(Action::Kill(run)),
            Timer::RestartVite | Timer::RestartWorker | Timer::WorkerReady(_) => {}
        }
    }

    fn announce(&mut self, actions: &mut Vec<Action>) {
        if !self.announced && self.serving.is_some() && matches!(self.front_end, FrontEnd::Up { .. }) {
            self.announced = true;
            actions.push(Action::Announce);
        }
    }

    fn show(&mut self, actions: &mut Vec<Action>) {
        let problem = self.problems.first();
        if self.shown.as_ref() != problem {
            self.shown = problem.cloned();
            actions.push(Action::Show(self.shown.clone()));
        }
    }

    fn next_run(&mut self) -> Run {
        self.runs += 1;
        self.runs
    }
}

impl Problems {
    /// The one to show: what was edited last is most likely what has to be mended.
    fn first(&self) -> Option<&Problem> {
        self.sources.as_ref().or(self.program.as_ref()).or(self.packages.as_ref())
    }
}

fn say_installing(elapsed: Duration) -> Action {
    let text = match elapsed.as_secs() {
        0 => "installing the front-end packages (npm ci)".to_owned(),
        seconds => format!("still installing the front-end packages ({seconds} s)"),
    };
    Action::Say(Tone::Plain, text)
}
