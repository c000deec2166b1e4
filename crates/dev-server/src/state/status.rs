//! What the waiting page shows of the state.

use std::time::Instant;

use crate::diagnostics::Problem;
use crate::state::{FrontEnd, State};

/// How far the run is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    pub(crate) steps: Vec<Step>,
    pub(crate) problem: Option<Problem>,
}

/// One thing that has to be done before the page works.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) state: StepState,
}

/// How far a step is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum StepState {
    Waiting,
    Working { since: Instant, doing: String },
    Done,
    Failed,
}

impl State {
    /// The status at this moment.
    pub(crate) fn status(&self) -> Status {
        let steps = vec![
            Step { name: "Front-end packages", state: self.packages() },
            Step { name: "Front-end server", state: self.front_end_server() },
            Step { name: "Rust build", state: self.rust_build() },
            Step { name: "Application", state: self.application() },
        ];
        Status { steps, problem: self.shown.clone() }
    }

    fn packages(&self) -> StepState {
        match self.front_end {
            FrontEnd::Installing { since } => working(since, ""),
            FrontEnd::Failed => StepState::Failed,
            FrontEnd::Starting { .. } | FrontEnd::Up { .. } | FrontEnd::Resting => StepState::Done,
        }
    }

    fn front_end_server(&self) -> StepState {
        match self.front_end {
            FrontEnd::Installing { .. } | FrontEnd::Failed => StepState::Waiting,
            FrontEnd::Starting { since, .. } => working(since, ""),
            FrontEnd::Up { .. } => StepState::Done,
            FrontEnd::Resting => StepState::Failed,
        }
    }

    fn rust_build(&self) -> StepState {
        match &self.build {
            Some(build) => working(build.since, &build.doing),
            None if self.build_is_good => StepState::Done,
            None => StepState::Failed,
        }
    }

    fn application(&self) -> StepState {
        match (&self.starting, &self.serving) {
            (_, Some(_)) => StepState::Done,
            (Some(worker), None) => working(worker.since, ""),
            (None, None) => StepState::Waiting,
        }
    }
}

fn working(since: Instant, doing: &str) -> StepState {
    StepState::Working { since, doing: doing.to_owned() }
}
