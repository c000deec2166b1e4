//! How the open sockets move from one worker to the next.

use super::*;

#[test]
fn the_first_worker_and_one_after_a_crash_take_nothing_over() {
    let mut story = Story::begin();
    story.vite_up();
    let build = story.last_build();
    story.on(Event::BuildEnded(build, good(1)));
    assert_eq!(story.predecessor(), Some(None));

    let mut story = Story::serving();
    story.on(Event::WorkerEnded(story.serving_worker(), failed("signal: 6")));
    let (wait, timer) = story.timer().unwrap();
    story.after(wait).on(Event::Due(timer));
    assert_eq!(story.predecessor(), Some(None));
}

#[test]
fn a_worker_that_has_handed_over_is_left_to_finish_its_requests_and_ends() {
    let mut story = Story::serving();
    let old = story.serving_worker();
    story.edit(2);
    story.on(succeeds(story.last_worker(), 200));
    assert_eq!((story.retired(), story.killed()), (None, None));
    assert_eq!(story.timer(), Some((RETIRE_LIMIT, Timer::WorkerRetired(old))));
    story.on(Event::WorkerEnded(old, in_order()));
    assert!(story.actions.is_empty());
}

#[test]
fn a_worker_that_ends_in_order_while_its_successor_starts_has_handed_over() {
    let mut story = Story::serving();
    let old = story.serving_worker();
    story.edit(2);
    let new = story.last_worker();
    story.on(Event::WorkerEnded(old, in_order()));
    assert!(story.actions.is_empty(), "{:?}", story.actions);
    story.after(Duration::from_millis(900)).on(succeeds(new, 200));
    assert!(story.says("rebuilt in 0.9 s, worker 200 ready"));
    assert_eq!((story.retired(), story.shown()), (None, None));
}

#[test]
fn a_successor_that_ends_behind_the_one_that_has_handed_over_to_it_is_started_again() {
    let mut story = Story::serving();
    let old = story.serving_worker();
    story.edit(2);
    let new = story.last_worker();
    story.on(Event::WorkerEnded(old, in_order()));
    story.on(Event::WorkerEnded(new, failed("signal: 6")));
    assert!(story.actions.iter().any(|action| matches!(action, Action::Serving(false))));
    let (wait, timer) = story.timer().unwrap();
    story.after(wait).on(Event::Due(timer));
    assert_eq!((story.started(), story.predecessor()), (Some(2), Some(None)));
}

#[test]
fn a_worker_that_ends_in_order_without_a_successor_has_crashed() {
    let mut story = Story::serving();
    story.on(Event::WorkerEnded(story.serving_worker(), in_order()));
    assert!(story.actions.iter().any(|action| matches!(action, Action::Serving(false))));
    assert!(story.says("ended unexpectedly") && story.timer().is_some());
}

#[test]
fn a_crash_while_the_successor_starts_shows_the_waiting_page_until_that_is_ready() {
    let mut story = Story::serving();
    let old = story.serving_worker();
    story.edit(2);
    let new = story.last_worker();
    story.on(Event::WorkerEnded(old, failed("signal: 6")));
    assert!(story.actions.iter().any(|action| matches!(action, Action::Serving(false))));
    assert_eq!(story.timer(), None);
    story.on(ready(new, 200));
    assert!(story.actions.iter().any(|action| matches!(action, Action::Serving(true))));
}

#[test]
fn a_worker_that_could_not_take_over_is_started_again_without_the_open_sockets() {
    let mut story = Story::serving();
    let old = story.serving_worker();
    story.edit(2);
    let new = story.last_worker();
    story.on(Event::NotTakenOver(new, "the line broke".into()));
    assert!(story.actions.is_empty());
    story.on(Event::WorkerEnded(new, failed("exit status: 1")));
    assert!(story.says("the line broke"));
    assert_eq!((story.started(), story.predecessor()), (Some(2), Some(None)));
    assert_eq!(story.shown(), None, "there is nothing wrong with the program");
    story.on(ready(story.last_worker(), 200));
    assert!(story.says("rebuilt in"));
    assert_eq!(story.retired(), Some(old));

    story.edit(3);
    assert!(matches!(story.predecessor(), Some(Some(_))), "the next one tries again");
}

#[test]
fn a_program_that_ends_before_it_has_taken_over_leaves_everything_to_the_one_that_serves() {
    let mut story = Story::serving();
    let old = story.serving_worker();
    story.edit(2);
    story.on(Event::WorkerEnded(story.last_worker(), failed("exit status: 1")));
    assert_eq!((story.timer(), story.started(), story.serving_worker()), (None, None, old));
    assert!(!story.actions.iter().any(|action| matches!(action, Action::Serving(_))));
    story.edit(3);
    assert_eq!(story.predecessor(), Some(Some(old)));
}
