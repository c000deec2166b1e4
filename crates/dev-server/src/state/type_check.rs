//! When the front end is checked against the server's types: after these have changed, as soon as Vite listens, which
//! writes what the front end's `tsconfig.json` extends, and no build is under way, which could change them again.
//! Whatever is found, the new program is served: the pages are mended beside it.

use crate::findings::Findings;
use crate::state::{Action, FrontEnd, Run, State, Tone};

/// Where the check is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum TypeCheck {
    /// The types have not changed since the last one.
    #[default]
    Idle,
    /// It is to be started as soon as possible.
    Wanted,
    /// It watches until it finds nothing.
    Running(Run),
    /// It would be wanted, but the packages do not have it.
    Missing,
}

impl State {
    pub(super) fn types_written(&mut self, files: &[String], actions: &mut Vec<Action>) {
        actions
            .push(Action::Say(Tone::Plain, format!("the front end's types written: {}", files.join(", "))));
        match self.type_check {
            TypeCheck::Idle | TypeCheck::Wanted => self.type_check = TypeCheck::Wanted,
            TypeCheck::Running(_) => self.put_type_check_off(actions),
            TypeCheck::Missing => {}
        }
    }

    /// Has a check that is under way started again later. It sees new types by itself, but nobody could tell: a round
    /// that was under way when they came would be taken for one about them, and may find nothing for that reason.
    pub(super) fn put_type_check_off(&mut self, actions: &mut Vec<Action>) {
        if matches!(self.type_check, TypeCheck::Running(_)) {
            actions.push(Action::EndTypeCheck);
            self.type_check = TypeCheck::Wanted;
        }
    }

    /// With other packages there may be a svelte-check.
    pub(super) fn look_for_type_check_again(&mut self) {
        if self.type_check == TypeCheck::Missing {
            self.type_check = TypeCheck::Wanted;
        }
    }

    pub(super) fn start_wanted_type_check(&mut self, actions: &mut Vec<Action>) {
        let is_possible = self.build.is_none() && matches!(self.front_end, FrontEnd::Up { .. });
        if is_possible && self.type_check == TypeCheck::Wanted {
            let run = self.next_run();
            actions.push(Action::CheckTypes(run));
            self.type_check = TypeCheck::Running(run);
        }
    }

    pub(super) fn types_checked(&mut self, run: Run, findings: Findings, actions: &mut Vec<Action>) {
        if self.type_check != TypeCheck::Running(run) {
            return;
        }
        if findings.is_empty() {
            actions.push(Action::Say(Tone::Good, "the front end fits the server's types".to_owned()));
            actions.push(Action::EndTypeCheck);
            self.type_check = TypeCheck::Idle;
        } else {
            let summary = format!("the front end no longer fits the server's types: {findings}");
            actions.push(Action::List(findings));
            actions.push(Action::Say(Tone::Bad, summary));
        }
    }

    pub(super) fn type_check_ended(&mut self, run: Run, how: &str, actions: &mut Vec<Action>) {
        if self.type_check == TypeCheck::Running(run) {
            let text = format!("svelte-check ended ({how}); it is started again when the types change");
            actions.push(Action::Say(Tone::Bad, text));
            self.type_check = TypeCheck::Idle;
        }
    }

    pub(super) fn type_check_missing(&mut self, run: Run, actions: &mut Vec<Action>) {
        if self.type_check == TypeCheck::Running(run) {
            let text =
                "the front end is not checked against its types: svelte-check is not among its packages";
            actions.push(Action::Say(Tone::Plain, text.to_owned()));
            self.type_check = TypeCheck::Missing;
        }
    }
}
