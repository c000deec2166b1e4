//! A process that is killed, and the next one: clients come back by themselves and are told the truth, with what a graceful
//! stop has kept and without.

use std::time::Duration;

use rustix::process::Signal;

use crate::{crowd::Crowd, server::Server, site::Site};

const CLIENTS: usize = 10;

/// Longer than everybody takes to come back.
const BACK: Duration = Duration::from_secs(30);

fn program(site: &Site) -> tokio::process::Command {
    let mut program = site.program();
    program.arg("--state-file").arg(site.path("state"));
    program
}

/// Everybody comes back to the server that runs now, and is told that nothing is lost, or that it is.
async fn comes_back(crowd: &Crowd, times: usize, recovered: bool) {
    assert!(crowd.answered(BACK).await, "not everybody has come back");
    assert!(crowd.talks(5).await, "nobody talks any more");
    for (number, status) in crowd.each().enumerate() {
        assert_eq!(status.ends.len(), times, "client {number}: {:?}", status.ends);
        let told = status.recoveries + status.resets;
        assert_eq!(told, if number % 2 == 1 { times as u32 } else { 0 }, "client {number} was told so often");
        assert!(if recovered { status.resets == 0 } else { status.resets == told }, "client {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_clients_are_told_that_they_have_missed_something() {
    let site = Site::new();
    let mut server = Server::start(&site, site.program()).await;
    let crowd = Crowd::gather(&site, CLIENTS).await;
    for times in 1..=2 {
        server.kill().await;
        server = Server::start(&site, site.program()).await;
        comes_back(&crowd, times, false).await;
    }
    assert_eq!(crowd.leave().await, [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_graceful_stop_with_a_state_file_nothing_is_missed() {
    let site = Site::new();
    let mut server = Server::start(&site, program(&site)).await;
    let crowd = Crowd::gather(&site, CLIENTS).await;
    for times in 1..=2 {
        server.signal(Signal::TERM);
        assert_eq!(server.ended().await.code(), Some(0), "{}", server.said());
        assert!(site.path("state").exists());
        server = Server::start(&site, program(&site)).await;
        comes_back(&crowd, times, true).await;
        assert!(!site.path("state").exists(), "it is used once");
    }
    assert_eq!(crowd.leave().await, [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_is_not_believed_after_a_crash_that_came_later() {
    let site = Site::new();
    let mut server = Server::start(&site, program(&site)).await;
    let crowd = Crowd::gather(&site, CLIENTS).await;
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.said());
    server = Server::start(&site, program(&site)).await;
    comes_back(&crowd, 1, true).await;
    server.kill().await;
    let _server = Server::start(&site, program(&site)).await;
    assert!(crowd.answered(BACK).await, "not everybody has come back");
    assert!(crowd.talks(5).await, "nobody talks any more");
    for status in crowd.each().skip(1).step_by(2) {
        assert_eq!((status.recoveries, status.resets), (1, 1), "{:?}", status.ends);
    }
    assert_eq!(crowd.leave().await, [] as [String; 0]);
}
