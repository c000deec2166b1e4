//! A second start with the same handover socket.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixListener;

use crate::client;
use crate::page::{Page, post};
use crate::running::Running;
use crate::site::Site;

const HANDOVER: [&str; 2] = ["--handover", "handover"];

#[track_caller]
fn assert_serves(address: SocketAddr) {
    assert_eq!(client::send(address, "GET", "/", &[]).text(), "the root page");
}

/// A start that is to fail, and what it says.
#[track_caller]
fn assert_fails(site: &Site, arguments: &[&str], sentence: &str) {
    let said = Running::start(&mut site.command(arguments), 0).failed();
    assert!(said.contains(sentence) && !said.contains("panicked"), "{said}");
}

#[test]
fn a_second_start_takes_over_and_the_first_process_ends() {
    let site = Site::new();
    let mut first = site.start(&HANDOVER);
    let mut page = Page::open(first.address());
    let before = page.enter("lobby");
    let second = site.start(&HANDOVER);
    assert_eq!(second.address(), first.address());
    first.ended();
    post(second.address(), "lobby", "still here?");
    assert_eq!(page.hears(), ("still here?".to_owned(), before.offset + 1));
    drop(page);
    site.stop(second);
    assert!(!site.path("handover").exists());
}

#[test]
fn a_page_recovers_over_a_handover_what_it_has_missed_for_other_reasons() {
    let site = Site::new();
    let mut first = site.start(&HANDOVER);
    let left_at = Page::open(first.address()).enter("lobby");
    post(first.address(), "lobby", "one");
    let second = site.start(&HANDOVER);
    first.ended();
    post(second.address(), "lobby", "two");
    let missed = Page::open(second.address()).come_back("lobby", &left_at);
    assert_eq!(missed, Some(vec!["one".to_owned(), "two".to_owned()]));
}

#[test]
fn a_process_for_another_address_takes_the_sockets_and_binds_for_itself() {
    let site = Site::new();
    let mut first = site.start(&HANDOVER);
    let mut page = Page::open(first.address());
    let mut command = site.command(&HANDOVER);
    let second = Running::start(command.args(["--host", "127.0.0.2"]), 1);
    site.hears_ready_from(second.process());
    first.ended();
    assert!(page.is_alive());
    drop(page);
    assert_serves(second.address());
    assert!(TcpStream::connect(first.address()).is_err(), "somebody listens where the first process did");
    site.stop(second);
}

#[test]
fn a_process_that_fails_its_checks_leaves_the_first_one_alone() {
    let site = Site::new();
    let first = site.start(&HANDOVER);
    fs::create_dir(site.path("empty")).unwrap();
    let mut page = Page::open(first.address());
    let failing = [
        (["--assets", "empty"], "there is no built front end in empty"),
        (["--state-file", "missing/state"], "cannot write the state file missing/state"),
        (["--host", "nowhere.invalid"], "cannot listen on nowhere.invalid"),
    ];
    for (arguments, sentence) in failing {
        assert_fails(&site, &[&HANDOVER[..], &arguments].concat(), sentence);
    }
    assert!(page.is_alive());
    drop(page);
    assert_serves(first.address());
    site.stop(first);
}

#[test]
fn the_socket_of_a_dead_process_is_in_nobodys_way() {
    let site = Site::new();
    let first = site.start(&HANDOVER);
    first.kill();
    assert!(site.path("handover").exists());
    let second = site.start(&HANDOVER);
    assert_serves(second.address());
    site.stop(second);
    assert!(!site.path("handover").exists());
}

#[test]
fn a_path_where_nobody_can_meet_is_named() {
    let site = Site::new();
    assert_fails(
        &site,
        &["--handover", "missing/handover"],
        "there is no directory missing for the handover",
    );
    assert_fails(&site, &["--handover", "notify"], "cannot use the handover socket notify");
    fs::write(site.path("notes"), "mine").unwrap();
    assert_fails(&site, &["--handover", "notes"], "notes is there and is no socket");
    assert_eq!(fs::read_to_string(site.path("notes")).unwrap(), "mine");
    let long = "x".repeat(200);
    assert_fails(&site, &["--handover", &long], "the path of the handover socket has 200 bytes");
}

#[test]
fn a_stranger_who_serves_there_is_not_taken_for_a_predecessor() {
    let site = Site::new();
    let listener = UnixListener::bind(site.path("handover")).unwrap();
    let stranger = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut line, _) = listener.accept().unwrap();
        line.write_all(b"220 mail.example.org ESMTP\r\n").unwrap();
        let _ = line.read_to_end(&mut Vec::new());
    });
    assert_fails(&site, &HANDOVER, "cannot take over from the process that serves now");
    stranger.join().unwrap();
}
