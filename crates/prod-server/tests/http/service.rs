//! The program as a service: what systemd hears of it, and what SIGUSR2 does.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::process::Signal;

use crate::client;
use crate::page::Page;
use crate::running::Running;
use crate::site::{Site, line, stop};

const HANDOVER: [&str; 2] = ["--handover", "handover"];

/// Asks for a page over and over, each time over a new connection, until it is told to stop.
struct Visitors {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Visitors {
    fn come(address: SocketAddr) -> Visitors {
        let enough = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let enough = Arc::clone(&enough);
            move || {
                let mut answers = 0;
                while !enough.load(Ordering::Relaxed) || answers == 0 {
                    assert_eq!(client::send(address, "GET", "/", &[]).text(), "the root page");
                    answers += 1;
                }
                answers
            }
        });
        Visitors { enough, thread }
    }

    /// Every one of them was answered.
    #[track_caller]
    fn were_all_served(self) {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.join().expect("all of them are answered");
    }
}

#[track_caller]
fn assert_serves(address: SocketAddr) {
    assert_eq!(client::send(address, "GET", "/", &[]).text(), "the root page");
}

/// SIGUSR2, until the service manager has heard of the reload.
fn reload(site: &Site, running: &Running) {
    running.signal(Signal::USR2);
    let said = site.hears();
    assert_eq!(line(&said, "RELOADING="), Some("1"), "{said}");
    let time: u64 = line(&said, "MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(time > 0);
}

/// The process serves on, and the service manager knows why.
#[track_caller]
fn assert_goes_on(site: &Site, running: &mut Running, reason: &str) {
    running.hear("the next process has not taken over");
    let said = site.hears();
    assert_eq!(line(&said, "READY="), Some("1"), "{said}");
    assert!(line(&said, "STATUS=").unwrap().contains(reason), "{said}");
    assert_serves(running.address());
}

/// Puts a copy of the program where it can be replaced.
fn install(site: &Site) -> PathBuf {
    let program = site.path("server");
    fs::copy(env!("CARGO_BIN_EXE_prod-server"), &program).unwrap();
    program
}

#[test]
fn the_manager_hears_of_the_start_and_the_stop() {
    let site = Site::new();
    let mut running = Running::start(&mut site.command(&[]), 1);
    let said = site.hears();
    assert_eq!(line(&said, "READY="), Some("1"), "{said}");
    assert_eq!(line(&said, "MAINPID="), Some(running.process().as_raw_nonzero().to_string().as_str()));
    assert_eq!(line(&said, "STATUS="), Some(format!("Serving on {}", running.address()).as_str()));
    running.signal(Signal::TERM);
    assert_eq!(line(&site.hears(), "STOPPING="), Some("1"));
    running.ended();
    site.hears_nothing();
}

#[test]
fn sigusr2_puts_the_next_process_in_place_and_nobody_notices() {
    let site = Site::new();
    let mut first = site.start(&HANDOVER);
    let mut page = Page::open(first.address());
    let visitors = Visitors::come(first.address());
    reload(&site, &first);
    let second = site.hears_ready();
    assert_ne!(second, first.process());
    assert!(page.is_alive());
    first.ended();
    assert!(page.is_alive());
    drop(page);
    visitors.were_all_served();

    stop(second);
    assert_eq!(line(&site.hears(), "STOPPING="), Some("1"));
    first.everybody_ended();
    site.hears_nothing();
    assert!(!site.path("handover").exists());
}

#[test]
fn a_process_that_came_by_sigusr2_is_replaced_in_the_same_way() {
    let site = Site::new();
    let mut first = site.start(&HANDOVER);
    let mut page = Page::open(first.address());
    reload(&site, &first);
    let second = site.hears_ready();
    first.ended();
    rustix::process::kill_process(second, Signal::USR2).unwrap();
    assert_eq!(line(&site.hears(), "RELOADING="), Some("1"));
    let third = site.hears_ready();
    assert_ne!(third, second);
    assert!(page.is_alive());
    drop(page);
    stop(third);
    assert_eq!(line(&site.hears(), "STOPPING="), Some("1"));
    first.everybody_ended();
}

#[test]
fn a_program_that_is_replaced_under_its_name_is_the_next_to_run() {
    let site = Site::new();
    let program = install(&site);
    let mut running = Running::start(&mut site.installed(&program, &HANDOVER), 1);
    site.hears_ready_from(running.process());
    // As a deploy does it: the new file gets the name, the old one is deleted.
    let next = site.path("server.next");
    fs::write(&next, "#!/bin/sh\nexit 7\n").unwrap();
    fs::set_permissions(&next, fs::metadata(&program).unwrap().permissions()).unwrap();
    fs::rename(&next, &program).unwrap();
    reload(&site, &running);
    assert_goes_on(&site, &mut running, "it ended with exit status: 7");
    running.end_with(Signal::TERM);
}

#[test]
fn a_next_process_that_fails_its_checks_changes_nothing() {
    let site = Site::new();
    let mut running = site.start(&HANDOVER);
    let mut page = Page::open(running.address());
    fs::rename(site.assets(), site.path("elsewhere")).unwrap();
    fs::create_dir(site.assets()).unwrap();
    reload(&site, &running);
    running.hear("there is no built front end");
    assert_goes_on(&site, &mut running, "it ended with exit status: 1");
    assert!(page.is_alive());
    drop(page);
    // Nothing of that is in the way of the next attempt.
    reload(&site, &running);
    assert_goes_on(&site, &mut running, "it ended with exit status: 1");
    running.end_with(Signal::TERM);
}

#[test]
fn a_next_process_that_dies_before_the_last_step_changes_nothing() {
    let site = Site::new();
    let mut command = site.command(&HANDOVER);
    // The first process does not pass these points, because it takes over from nobody.
    let mut running = Running::start(command.env("DUPLEX_FAIL_AT", "before-commit:kill"), 1);
    site.hears_ready_from(running.process());
    let mut page = Page::open(running.address());
    for _ in 0..2 {
        reload(&site, &running);
        assert_goes_on(&site, &mut running, "it ended with signal: 9");
        assert!(page.is_alive());
    }
    let second = site.start(&HANDOVER);
    running.ended();
    assert!(page.is_alive());
    drop(page);
    site.stop(second);
}

#[test]
fn a_next_process_that_dies_right_behind_the_last_step_is_not_missed() {
    let site = Site::new();
    let mut command = site.command(&HANDOVER);
    let mut running = Running::start(command.env("DUPLEX_FAIL_AT", "committed:kill"), 1);
    site.hears_ready_from(running.process());
    reload(&site, &running);
    assert_goes_on(&site, &mut running, "it ended with signal: 9");
    let second = site.start(&HANDOVER);
    running.ended();
    assert_serves(second.address());
    site.stop(second);
}

#[test]
fn a_program_that_is_gone_changes_nothing() {
    let site = Site::new();
    let program = install(&site);
    let mut running = Running::start(&mut site.installed(&program, &HANDOVER), 1);
    site.hears_ready_from(running.process());
    fs::remove_file(&program).unwrap();
    reload(&site, &running);
    assert_goes_on(&site, &mut running, "cannot start");
    running.end_with(Signal::TERM);
}

#[test]
fn without_a_place_to_meet_sigusr2_says_what_is_missing() {
    let site = Site::new();
    let mut running = site.start(&[]);
    running.signal(Signal::USR2);
    running.hear("SIGUSR2 changes nothing: to be replaced, this process needs --handover PATH at its start");
    assert_serves(running.address());
    site.hears_nothing();
    running.end_with(Signal::TERM);
}

#[test]
fn a_second_sigusr2_while_a_process_is_being_started_is_ignored() {
    let site = Site::new();
    let mut command = site.command(&HANDOVER);
    // The first process has nobody to say hello to.
    let mut running = Running::start(command.env("DUPLEX_FAIL_AT", "hello:hang"), 1);
    site.hears_ready_from(running.process());
    reload(&site, &running);
    running.hear("starting the next process");
    running.signal(Signal::USR2);
    running.hear("is being started; if it hangs, kill it");
    site.hears_nothing();
    assert_serves(running.address());
}
