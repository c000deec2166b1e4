//! What can happen to a run, and what can be done about it.

use std::sync::Arc;
use std::time::Duration;

use crate::build::Outcome;
use crate::diagnostics::Problem;
use crate::executable::Executable;
use crate::findings::Findings;
use crate::watch::Changes;

/// Numbers every build, every worker, and every run of Vite and of svelte-check, so that news of an earlier one is
/// recognised as such.
pub(crate) type Run = u64;

/// Something happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// Files changed.
    Changed(Changes),
    /// The installation of the front end's packages has to do something, or is still at it after this long.
    Installing(Duration),
    /// The packages are there. With how long it took, unless they were there already.
    Installed(Option<Duration>),
    /// The packages could not be installed.
    NotInstalled(Problem),
    /// Vite listens.
    ViteListening(Run),
    /// Vite ended without having been asked to.
    ViteEnded(Run, String),
    /// The build is busy with this.
    Building(Run, String),
    /// These files of the front end's types were written. Not with a run: whichever build did it, they are there now.
    TypesWritten(Vec<String>),
    /// The build is over.
    BuildEnded(Run, Outcome),
    /// The worker accepts connections. If it succeeds the one that served, that one has handed over to it.
    WorkerReady { run: Run, process: u32, succeeds: bool },
    /// The worker that serves could not hand over to this one, which therefore ends.
    NotTakenOver(Run, String),
    /// The worker is gone, or could not be started. It has said everything that it had to say.
    WorkerEnded(Run, Ending),
    /// The front end was checked against the types, and this was found.
    TypesChecked(Run, Findings),
    /// The type check ended without having been asked to.
    TypeCheckEnded(Run, String),
    /// There is no svelte-check among the packages.
    TypeCheckMissing(Run),
    /// A time asked for has come.
    Due(Timer),
}

/// How a worker ended.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    /// Whether it ended in order, as one does that has handed everything over.
    pub(crate) orderly: bool,
    /// In words.
    pub(crate) how: String,
}

/// What a time was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Timer {
    /// Start Vite again.
    RestartVite,
    /// Start the worker again.
    RestartWorker,
    /// This worker should have been ready by now.
    WorkerReady(Run),
    /// This worker should have ended by now.
    WorkerRetired(Run),
}

/// Something to do.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Stop Vite or an installation that is under way, and see that the packages are installed.
    Install,
    /// Start Vite.
    StartVite(Run),
    /// Stop a build that is under way, build, and write the front end's types.
    Build(Run),
    /// Start a worker. The one named last, which serves, is to hand its open sockets over to it.
    StartWorker(Run, Arc<Executable>, Option<Run>),
    /// Tell a worker that a newer one serves, which it does not know of.
    Retire(Run),
    /// End a worker at once.
    Kill(Run),
    /// Stop a type check that is under way, and start another. It goes on until it is ended.
    CheckTypes(Run),
    /// End the type check.
    EndTypeCheck,
    /// List what is wrong in the terminal.
    List(Findings),
    /// Show a problem in the browser, or that there is none.
    Show(Option<Problem>),
    /// Whether a worker serves: if not, callers are shown the waiting page.
    Serving(bool),
    /// Come back with this timer.
    After(Duration, Timer),
    /// Tell the person at the terminal.
    Say(Tone, String),
    /// The page works for the first time.
    Announce,
}

/// How something is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
}
