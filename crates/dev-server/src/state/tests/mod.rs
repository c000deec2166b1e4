//! The decisions, told as stories.

mod takeover;
mod type_check;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;

/// A run in which time passes only when it is told to.
struct Story {
    state: State,
    now: Instant,
    actions: Vec<Action>,
}

const SOURCES: Changes = Changes { sources: true, environment: false, packages: false };
const ENVIRONMENT: Changes = Changes { sources: false, environment: true, packages: false };
const PACKAGES: Changes = Changes { sources: false, environment: false, packages: true };

impl Story {
    fn begin() -> Self {
        let now = Instant::now();
        let (state, actions) = State::start(now);
        Self { state, now, actions }
    }

    /// A run whose first worker serves program 1.
    fn serving() -> Self {
        let mut story = Self::begin();
        story.vite_up();
        let build = story.last_build();
        story.on(Event::BuildEnded(build, good(1)));
        let worker = story.last_worker();
        story.on(ready(worker, 100));
        story
    }

    fn on(&mut self, event: Event) -> &mut Self {
        self.actions = self.state.handle(event, self.now);
        self
    }

    fn after(&mut self, wait: Duration) -> &mut Self {
        self.now += wait;
        self
    }

    fn vite_up(&mut self) {
        self.on(Event::Installed(None)).vite_listens();
    }

    fn vite_listens(&mut self) {
        let run = self.find(|action| match action {
            Action::StartVite(run) => Some(*run),
            _ => None,
        });
        self.on(Event::ViteListening(run.expect("Vite is started")));
    }

    /// Ends Vite and lets the wait pass after which it is started again.
    fn end_vite(&mut self) -> Duration {
        let (FrontEnd::Starting { run, .. } | FrontEnd::Up { run, .. }) = self.state.front_end else {
            panic!("Vite runs")
        };
        self.on(Event::ViteEnded(run, "exit status: 1".into()));
        let (wait, timer) = self.timer().expect("Vite is started again");
        self.on(Event::Due(timer));
        wait
    }

    fn find<T>(&self, pick: impl Fn(&Action) -> Option<T>) -> Option<T> {
        self.actions.iter().find_map(pick)
    }

    #[track_caller]
    fn last_build(&self) -> Run {
        self.state.build.as_ref().expect("a build is under way").run
    }

    #[track_caller]
    fn serving_worker(&self) -> Run {
        self.state.serving.as_ref().expect("a worker serves").run
    }

    /// Edits, and builds this program without a mistake.
    fn edit(&mut self, program: u64) -> &mut Self {
        self.on(Event::Changed(SOURCES));
        let build = self.last_build();
        self.on(Event::BuildEnded(build, good(program)))
    }

    #[track_caller]
    fn last_worker(&self) -> Run {
        self.state.starting.as_ref().expect("a worker is starting").run
    }

    fn started(&self) -> Option<u64> {
        self.find(|action| match action {
            Action::StartWorker(_, program, _) => Some(inode(program)),
            _ => None,
        })
    }

    /// Whom the worker that is started takes the open sockets over from, if a worker is started.
    fn predecessor(&self) -> Option<Option<Run>> {
        self.find(|action| match action {
            Action::StartWorker(_, _, predecessor) => Some(*predecessor),
            _ => None,
        })
    }

    fn retired(&self) -> Option<Run> {
        self.find(|action| match action {
            Action::Retire(run) => Some(*run),
            _ => None,
        })
    }

    fn killed(&self) -> Option<Run> {
        self.find(|action| match action {
            Action::Kill(run) => Some(*run),
            _ => None,
        })
    }

    /// `Some(None)` if the overlay is taken down, `None` if nothing is said about it.
    fn shown(&self) -> Option<Option<String>> {
        self.find(|action| match action {
            Action::Show(problem) => Some(problem.as_ref().map(|problem| problem.title.clone())),
            _ => None,
        })
    }

    fn timer(&self) -> Option<(Duration, Timer)> {
        self.find(|action| match action {
            Action::After(wait, timer) => Some((*wait, *timer)),
            _ => None,
        })
    }

    fn says(&self, part: &str) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::Say(_, text) if text.contains(part)))
    }

    fn is_announced(&self) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::Announce))
    }
}

fn good(inode: u64) -> Outcome {
    Outcome::Built(Executable::imagined(inode))
}

/// A worker is ready without having taken anything over.
fn ready(run: Run, process: u32) -> Event {
    Event::WorkerReady { run, process, succeeds: false }
}

/// A worker is ready and has taken everything over.
fn succeeds(run: Run, process: u32) -> Event {
    Event::WorkerReady { run, process, succeeds: true }
}

fn failed(how: &str) -> Ending {
    Ending { orderly: false, how: how.to_owned() }
}

fn in_order() -> Ending {
    Ending { orderly: true, how: "exit status: 0".to_owned() }
}

fn broken(title: &str) -> Outcome {
    Outcome::Broken(Problem::general(title, ""))
}

fn inode(program: &Arc<Executable>) -> u64 {
    program
        .path()
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.parse().ok())
        .expect("imagined")
}

#[test]
fn installation_and_build_start_together_and_the_waiting_page_is_shown() {
    let story = Story::begin();
    assert!(matches!(story.actions[..], [Action::Serving(false), Action::Install, Action::Build(_)]));
}

#[test]
fn the_first_worker_waits_for_vite_and_the_run_is_announced_once_both_are_up() {
    let mut story = Story::begin();
    let build = story.last_build();
    story.on(Event::BuildEnded(build, good(1)));
    assert_eq!(story.started(), None);
    story.vite_up();
    assert_eq!(story.started(), Some(1));
    assert!(!story.is_announced());
    let worker = story.last_worker();
    story.on(ready(worker, 100));
    assert!(story.is_announced() && story.says("worker 100 ready"));
    assert!(story.actions.iter().any(|action| matches!(action, Action::Serving(true))));
}

#[test]
fn the_application_is_served_even_if_the_front_end_cannot_be_installed() {
    let mut story = Story::begin();
    let build = story.last_build();
    story.on(Event::BuildEnded(build, good(1)));
    story.on(Event::NotInstalled(Problem::general("npm ci failed", "")));
    assert_eq!(story.started(), Some(1));
    assert_eq!(story.shown(), Some(Some("npm ci failed".into())));
}

#[test]
fn the_old_worker_serves_until_the_new_one_is_ready() {
    let mut story = Story::serving();
    let old = story.serving_worker();
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.after(Duration::from_millis(900)).on(Event::BuildEnded(build, good(2)));
    assert_eq!((story.started(), story.retired()), (Some(2), None));
    assert_eq!(story.predecessor(), Some(Some(old)));
    let new = story.last_worker();
    story.on(ready(new, 200));
    assert_eq!(story.retired(), Some(old));
    assert!(story.says("rebuilt in 0.9 s, worker 200 ready"));
}

#[test]
fn a_build_that_fails_is_shown_and_goes_when_the_mended_program_is_ready() {
    let mut story = Story::serving();
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::BuildEnded(build, broken("mismatched types")));
    assert_eq!(story.shown(), Some(Some("mismatched types".into())));
    assert_eq!((story.started(), story.retired()), (None, None));

    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::BuildEnded(build, good(2)));
    assert_eq!(story.shown(), None);
    let worker = story.last_worker();
    story.on(ready(worker, 200));
    assert_eq!(story.shown(), Some(None));
}

#[test]
fn a_mistake_that_is_taken_back_needs_no_swap() {
    let mut story = Story::serving();
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::BuildEnded(build, broken("no")));
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::BuildEnded(build, good(1)));
    assert_eq!((story.started(), story.shown()), (None, Some(None)));
}

#[test]
fn a_change_during_a_build_makes_its_outcome_worthless() {
    let mut story = Story::serving();
    story.on(Event::Changed(SOURCES));
    let first = story.last_build();
    story.on(Event::Changed(SOURCES));
    let second = story.last_build();
    assert_ne!(first, second);
    story.on(Event::BuildEnded(first, good(2)));
    assert_eq!(story.started(), None);
    story.on(Event::BuildEnded(second, good(3)));
    assert_eq!(story.started(), Some(3));
}

#[test]
fn a_worker_that_is_overtaken_before_it_is_ready_is_killed_and_its_readiness_ignored() {
    let mut story = Story::serving();
    story.edit(2).edit(3);
    let overtaken = story.killed().unwrap();
    story.on(ready(overtaken, 200));
    assert_eq!(story.retired(), None);
    assert_eq!(inode(&story.state.serving.as_ref().unwrap().program), 1);
}

#[test]
fn a_worker_that_becomes_ready_does_not_hide_a_newer_mistake() {
    let mut story = Story::serving();
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::BuildEnded(build, good(2)));
    let worker = story.last_worker();
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::BuildEnded(build, broken("newer")));
    story.on(ready(worker, 200));
    assert_eq!(story.shown(), None);
    assert!(story.state.shown.is_some());
}

#[test]
fn a_new_env_restarts_the_same_program_and_waits_for_a_build_under_way() {
    let mut story = Story::serving();
    story.on(Event::Changed(ENVIRONMENT));
    assert_eq!(story.started(), Some(1));

    let mut story = Story::serving();
    story.on(Event::Changed(SOURCES));
    story.on(Event::Changed(ENVIRONMENT));
    assert_eq!(story.started(), None);
    let build = story.last_build();
    story.on(Event::BuildEnded(build, good(2)));
    assert_eq!(story.started(), Some(2));
}

#[test]
fn a_new_env_takes_effect_although_the_latest_sources_are_broken_or_unchanged() {
    for outcome in [broken("no"), good(1)] {
        let mut story = Story::serving();
        story.on(Event::Changed(Changes { sources: true, ..ENVIRONMENT }));
        let build = story.last_build();
        story.on(Event::BuildEnded(build, outcome));
        assert_eq!(story.started(), Some(1));
    }
}

#[test]
fn a_crashed_worker_is_restarted_with_growing_waits_and_the_waiting_page_meanwhile() {
    let mut story = Story::serving();
    let mut waits = Vec::new();
    for process in 0..3 {
        let run = story.serving_worker();
        story.on(Event::WorkerEnded(run, failed("exit status: 101")));
        assert!(story.actions.iter().any(|action| matches!(action, Action::Serving(false))));
        assert!(story.says("exit status: 101"));
        let (wait, timer) = story.timer().unwrap();
        assert_eq!(timer, Timer::RestartWorker);
        waits.push(wait.as_millis());
        story.after(wait).on(Event::Due(timer));
        assert_eq!(story.started(), Some(1));
        let worker = story.last_worker();
        story.on(ready(worker, process));
        assert_eq!(story.shown(), Some(None));
    }
    assert_eq!(waits, [250, 500, 1000]);
}

#[test]
fn a_program_that_ends_before_it_is_ready_is_not_tried_again_while_another_serves() {
    let mut story = Story::serving();
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::BuildEnded(build, good(2)));
    let worker = story.last_worker();
    story.on(Event::WorkerEnded(worker, failed("exit status: 1")));
    assert_eq!(story.timer(), None);
    assert!(story.shown().unwrap().unwrap().contains("before it was ready"));
    assert!(story.state.serving.is_some());
}

#[test]
fn a_crash_during_a_build_that_fails_brings_the_last_good_program_back() {
    let mut story = Story::serving();
    story.on(Event::Changed(SOURCES));
    let run = story.serving_worker();
    story.on(Event::WorkerEnded(run, failed("signal: 9")));
    let (_, timer) = story.timer().unwrap();
    story.on(Event::Due(timer));
    assert_eq!(story.started(), None);
    let build = story.last_build();
    story.on(Event::BuildEnded(build, broken("no")));
    assert_eq!(story.started(), Some(1));
}

#[test]
fn a_worker_that_never_becomes_ready_is_killed() {
    let mut story = Story::serving();
    story.on(Event::Changed(ENVIRONMENT));
    let worker = story.last_worker();
    story.on(Event::Due(Timer::WorkerReady(worker)));
    assert_eq!(story.killed(), Some(worker));
}

#[test]
fn going_back_to_the_running_program_forgets_one_that_could_not_start() {
    let mut story = Story::serving();
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::BuildEnded(build, good(2)));
    let worker = story.last_worker();
    story.on(Event::WorkerEnded(worker, failed("exit status: 1")));
    assert!(matches!(story.shown(), Some(Some(_))));

    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::BuildEnded(build, good(1)));
    assert_eq!(story.shown(), Some(None));
    story.on(Event::Changed(ENVIRONMENT));
    assert_eq!(story.started(), Some(1));
}

#[test]
fn a_build_without_effect_leaves_what_is_wrong_with_the_environment_on_show() {
    let mut story = Story::serving();
    story.on(Event::Changed(ENVIRONMENT));
    let worker = story.last_worker();
    story.on(Event::WorkerEnded(worker, failed("exit status: 1")));
    assert!(matches!(story.shown(), Some(Some(_))));
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::BuildEnded(build, good(1)));
    assert_eq!(story.shown(), None);
}

#[test]
fn a_retired_worker_that_stays_is_killed_and_its_end_is_no_news() {
    let mut story = Story::serving();
    let old = story.serving_worker();
    story.on(Event::Changed(ENVIRONMENT));
    let worker = story.last_worker();
    story.on(ready(worker, 200));
    assert_eq!(story.timer(), Some((RETIRE_LIMIT, Timer::WorkerRetired(old))));
    story.on(Event::Due(Timer::WorkerRetired(old)));
    assert_eq!(story.killed(), Some(old));
    story.on(Event::WorkerEnded(old, failed("signal: 9")));
    assert!(story.actions.is_empty());
}

#[test]
fn vite_is_started_again_when_it_ends_and_the_packages_are_installed_again_when_their_lock_changes() {
    let mut story = Story::serving();
    let first = story.end_vite();
    assert!(matches!(story.actions[..], [Action::Install]), "its packages may be what is missing");
    story.on(Event::Installed(None));
    assert!(story.actions.iter().any(|action| matches!(action, Action::StartVite(_))));
    assert!(story.end_vite() > first, "present packages are no reason to hurry");

    story.on(Event::Changed(PACKAGES));
    assert!(matches!(story.actions[..], [Action::Install]));
    story.on(Event::Due(Timer::RestartVite));
    assert!(story.actions.is_empty());
    story.vite_up();
    assert!(!story.is_announced());
}

#[test]
fn the_status_tells_how_far_each_step_is() {
    let mut story = Story::begin();
    let build = story.last_build();
    story.on(Event::Building(build, "serde (crate 3)".into()));
    let states: Vec<_> = story.state.status().steps.into_iter().map(|step| step.state).collect();
    assert!(matches!(&states[0], StepState::Working { .. }));
    assert_eq!(states[1], StepState::Waiting);
    assert!(matches!(&states[2], StepState::Working { doing, .. } if doing == "serde (crate 3)"));
    assert_eq!(states[3], StepState::Waiting);
    let states: Vec<_> = Story::serving().state.status().steps.into_iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Done, StepState::Done, StepState::Done, StepState::Done]);
}
