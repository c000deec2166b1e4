//! Stories about the front end's types.

use super::*;
use crate::findings::Findings;

const TYPES: &str = "frontend/src/lib/contract/types.ts";

impl Story {
    /// Saves a Rust file that changes the types, up to the end of the build.
    fn change_types(&mut self, program: u64) -> &mut Self {
        self.on(Event::Changed(SOURCES));
        let build = self.last_build();
        self.on(Event::TypesWritten(vec![TYPES.into()]));
        assert_eq!(self.checking(), None, "the build is not over");
        self.on(Event::BuildEnded(build, good(program)))
    }

    /// A run in which the front end has been found not to fit.
    fn unfit() -> (Self, Run) {
        let mut story = Self::serving();
        let check = story.change_types(2).checking().expect("a check is started");
        story.on(Event::TypesChecked(check, Findings::imagined(3)));
        (story, check)
    }

    fn checking(&self) -> Option<Run> {
        self.find(|action| match action {
            Action::CheckTypes(run) => Some(*run),
            _ => None,
        })
    }

    fn ends_check(&self) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::EndTypeCheck))
    }

    fn lists(&self) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::List(_)))
    }
}

#[test]
fn types_that_were_written_are_named_and_the_front_end_is_checked_beside_the_swap() {
    let mut story = Story::serving();
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::TypesWritten(vec![TYPES.into(), "b.ts".into()]));
    assert!(story.says("written: frontend/src/lib/contract/types.ts, b.ts"));
    story.on(Event::BuildEnded(build, good(2)));
    assert_eq!(story.started(), Some(2));
    assert!(story.checking().is_some());
}

#[test]
fn types_that_stay_as_they_are_start_no_check() {
    let mut story = Story::serving();
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::BuildEnded(build, good(2)));
    assert_eq!(story.checking(), None);
}

#[test]
fn the_check_waits_for_vite() {
    let mut story = Story::begin();
    let build = story.last_build();
    story.on(Event::TypesWritten(vec![TYPES.into()]));
    story.on(Event::BuildEnded(build, good(1)));
    assert_eq!(story.checking(), None);
    story.vite_up();
    assert!(story.checking().is_some());
}

#[test]
fn types_that_could_not_be_written_are_a_problem_like_a_compile_error() {
    let mut story = Story::serving();
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::BuildEnded(build, broken("the types for the front end could not be written")));
    assert_eq!(story.shown(), Some(Some("the types for the front end could not be written".into())));
    assert!(story.says("could not be written; the running program stays"));
    assert_eq!((story.started(), story.retired(), story.checking()), (None, None, None));
}

#[test]
fn what_does_not_fit_is_listed_and_keeps_neither_the_program_nor_the_page_back() {
    let (mut story, _) = Story::unfit();
    assert!(story.lists() && story.says("no longer fits the server's types: 3 errors in 1 file"));
    assert!(!story.ends_check());
    assert_eq!(story.shown(), None);
    let worker = story.last_worker();
    story.on(ready(worker, 200));
    assert!(story.retired().is_some());
}

#[test]
fn the_check_goes_on_until_nothing_is_found() {
    let (mut story, check) = Story::unfit();
    story.on(Event::TypesChecked(check, Findings::imagined(1)));
    assert!(story.says("1 error in 1 file") && !story.ends_check());
    story.on(Event::TypesChecked(check, Findings::default()));
    assert!(story.says("the front end fits the server's types") && story.ends_check());
    assert!(!story.lists());

    assert!(story.change_types(3).checking().is_some());
}

#[test]
fn new_types_start_the_check_again_and_what_was_found_about_older_ones_is_not_told() {
    let (mut story, older) = Story::unfit();
    story.on(Event::Changed(SOURCES));
    let build = story.last_build();
    story.on(Event::TypesWritten(vec![TYPES.into()]));
    assert!(story.ends_check());
    story.on(Event::TypesChecked(older, Findings::default()));
    assert!(story.actions.is_empty());
    story.on(Event::BuildEnded(build, good(3)));
    let newer = story.checking().expect("a check is started");
    story.on(Event::TypesChecked(older, Findings::default()));
    assert!(story.actions.is_empty());
    story.on(Event::TypesChecked(newer, Findings::default()));
    assert!(story.says("the front end fits the server's types"));
}

#[test]
fn types_of_a_build_that_was_overtaken_are_checked_although_the_next_one_writes_none() {
    let mut story = Story::serving();
    story.on(Event::Changed(SOURCES));
    story.on(Event::Changed(SOURCES));
    story.on(Event::TypesWritten(vec![TYPES.into()]));
    assert_eq!(story.checking(), None);
    let build = story.last_build();
    story.on(Event::BuildEnded(build, broken("no")));
    assert!(story.checking().is_some());
}

#[test]
fn a_check_makes_way_for_an_installation_and_is_started_again_behind_it() {
    let (mut story, check) = Story::unfit();
    story.on(Event::Changed(PACKAGES));
    assert!(matches!(story.actions[..], [Action::EndTypeCheck, Action::Install]));
    story.on(Event::TypesChecked(check, Findings::default()));
    assert!(story.actions.is_empty());
    story.vite_up();
    assert!(story.checking().is_some());
}

#[test]
fn a_check_that_ends_by_itself_is_told_and_comes_back_with_the_next_types() {
    let (mut story, check) = Story::unfit();
    story.on(Event::TypeCheckEnded(check, "exit status: 1".into()));
    assert!(story.says("svelte-check ended (exit status: 1)"));
    assert_eq!(story.checking(), None);
    assert!(story.change_types(3).checking().is_some());
}

#[test]
fn a_missing_check_is_told_once_and_looked_for_again_among_new_packages() {
    let mut story = Story::serving();
    let check = story.change_types(2).checking().unwrap();
    story.on(Event::TypeCheckMissing(check));
    assert!(story.says("svelte-check is not among its packages"));
    assert_eq!(story.change_types(3).checking(), None);

    story.on(Event::Changed(PACKAGES));
    story.on(Event::Installed(Some(Duration::from_secs(9)))).vite_listens();
    assert!(story.checking().is_some());
}
