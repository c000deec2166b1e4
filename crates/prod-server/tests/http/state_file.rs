//! What channels remember, over a stop and a start.

use std::fs;

use crate::page::{Page, Position, post};
use crate::running::Running;
use crate::site::Site;

const STATE_FILE: [&str; 2] = ["--state-file", "state"];

#[test]
fn a_page_that_was_away_over_a_restart_gets_what_it_has_missed() {
    let site = Site::new();
    let first = site.start(&STATE_FILE);
    let left_at = Page::open(first.address()).enter("lobby");
    post(first.address(), "lobby", "before the stop");
    site.stop(first);
    assert!(site.path("state").is_file());

    let second = site.start(&STATE_FILE);
    assert!(!site.path("state").exists(), "it can be used once more");
    post(second.address(), "lobby", "after the start");
    let missed = Page::open(second.address()).come_back("lobby", &left_at);
    assert_eq!(missed, Some(vec!["before the stop".to_owned(), "after the start".to_owned()]));
    let now = Page::open(second.address()).enter("lobby");
    assert_eq!(now, Position { epoch: left_at.epoch, offset: left_at.offset + 2 });
    site.stop(second);
}

#[test]
fn a_crash_does_not_bring_back_an_earlier_stop() {
    let site = Site::new();
    let first = site.start(&STATE_FILE);
    let left_at = Page::open(first.address()).enter("lobby");
    post(first.address(), "lobby", "before the stop");
    site.stop(first);
    let second = site.start(&STATE_FILE);
    post(second.address(), "lobby", "lost with the process");
    second.kill();

    let third = site.start(&STATE_FILE);
    let missed = Page::open(third.address()).come_back("lobby", &left_at);
    assert_eq!(missed, None, "old offsets are used again");
    site.stop(third);
}

#[test]
fn a_damaged_file_is_put_aside_and_the_server_starts() {
    let site = Site::new();
    fs::write(site.path("state"), "some notes, and more of them than a header has").unwrap();
    let mut running = site.start(&STATE_FILE);
    assert_eq!(
        fs::read_to_string(site.path("state.unusable")).unwrap(),
        "some notes, and more of them than a header has"
    );
    Page::open(running.address()).enter("lobby");
    running.hear("the state file state is not used: it is no state file");
    site.stop(running);
    assert!(site.path("state").is_file());
}

#[test]
fn a_process_that_hands_over_leaves_no_file() {
    let site = Site::new();
    let arguments = [STATE_FILE, ["--handover", "handover"]].concat();
    let mut first = site.start(&arguments);
    let left_at = Page::open(first.address()).enter("lobby");
    post(first.address(), "lobby", "before");
    let second = site.start(&arguments);
    first.ended();
    assert!(!site.path("state").exists());
    let missed = Page::open(second.address()).come_back("lobby", &left_at);
    assert_eq!(missed, Some(vec!["before".to_owned()]));
    site.stop(second);
    assert!(site.path("state").is_file());
}

#[test]
fn a_file_of_a_time_before_the_process_that_is_taken_over_is_not_kept() {
    let site = Site::new();
    site.stop(site.start(&STATE_FILE));
    assert!(site.path("state").is_file());
    let handover = ["--handover", "handover"];
    let mut without = site.start(&handover);
    let with = site.start(&[STATE_FILE, handover].concat());
    without.ended();
    assert!(!site.path("state").exists(), "a crash would bring it back");
    site.stop(with);
    assert!(site.path("state").is_file());
}

#[test]
fn a_process_that_is_replaced_by_another_version_leaves_no_file() {
    let site = Site::new();
    let arguments = [STATE_FILE, ["--handover", "handover"]].concat();
    let mut first = site.start(&arguments);
    let left_at = Page::open(first.address()).enter("lobby");
    let second = Running::start(site.command(&arguments).env("DUPLEX_FAIL_AT", "hello:version"), 1);
    first.ended();
    assert!(!site.path("state").exists(), "a crash would bring it back");
    // What channels keep has a version of its own.
    assert_eq!(Page::open(second.address()).come_back("lobby", &left_at), Some(vec![]));
}
