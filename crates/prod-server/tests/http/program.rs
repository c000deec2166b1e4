//! The program itself: how it starts, what it says, and how it ends.

use std::path::Path;
use std::process::Output;

use rustix::process::Signal;

use crate::client;
use crate::running::{Running, program};
use crate::server::Build;

fn run(directory: &Path, arguments: &[&str]) -> Output {
    program(directory).args(arguments).output().unwrap()
}

#[track_caller]
fn assert_refuses(output: &Output, code: i32, sentence: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(sentence), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn without_a_build_it_says_how_to_make_one() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["--port", "0"]);
    assert_refuses(
        &output,
        1,
        "there is no built front end in ./frontend/build: run scripts/build-frontend.sh",
    );
}

#[test]
fn a_taken_port_is_one_sentence() {
    let build = Build::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(build.outside(), &["--assets", "build", "--host", "127.0.0.1", "--port", &port]);
    assert_refuses(&output, 1, &format!("port {port} of 127.0.0.1 is taken: stop the program that has it"));
}

#[test]
fn a_wrong_flag_is_2_and_a_wrong_variable_1() {
    let build = Build::new();
    assert_refuses(&run(build.outside(), &["--prot", "1"]), 2, "--port");
    std::fs::write(build.outside().join(".env"), "# a comment\nPORT=http\n").unwrap();
    assert_refuses(&run(build.outside(), &[]), 1, "PORT is `http`, but it has to be a whole number");
    std::fs::write(build.outside().join(".env"), "# a comment\nPORT\n").unwrap();
    assert_refuses(&run(build.outside(), &[]), 1, ".env, line 2: expected NAME=value");
}

#[test]
fn it_serves_with_the_settings_of_the_file_and_ends_cleanly() {
    let build = Build::new();
    std::fs::write(
        build.outside().join(".env"),
        "HOST=127.0.0.1\nPORT=0\nPUBLIC_NAME=file\nSESSION_SECRET=hush\n",
    )
    .unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let mut command = program(build.outside());
        let running = Running::start(command.args(["--assets", "build"]).env("PUBLIC_NAME", "process"), 1);
        let script = client::send(running.address(), "GET", "/_app/env.js", &[]);
        assert_eq!(script.text(), r#"export const env={"PUBLIC_NAME":"process"}"#);
        assert!(!running.said().contains("hush"), "{}", running.said());
        running.end_with(signal);
    }
}

#[test]
fn a_preview_listens_on_the_loopback_only() {
    let build = Build::new();
    let mut command = program(build.outside());
    command.args(["--preview", "--port", "0", "--assets", "build"]).env("HOST", "0.0.0.0");
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let running = Running::start(&mut command, if has_ipv6 { 2 } else { 1 });
    for address in running.addresses() {
        assert!(address.ip().is_loopback(), "{address}");
        assert_eq!(client::send(*address, "GET", "/", &[]).text(), "the root page");
    }
}

#[test]
fn under_cargo_it_takes_the_files_of_the_workspace() {
    let build = Build::new();
    let workspace = build.outside();
    std::fs::create_dir(workspace.join("frontend")).unwrap();
    std::fs::rename(build.path(), workspace.join("frontend/build")).unwrap();
    std::fs::write(workspace.join(".env"), "PUBLIC_NAME=workspace\nHOST=127.0.0.1").unwrap();
    let mut command = program(Path::new("/"));
    command.args(["--port", "0"]).env("CARGO_MANIFEST_DIR", workspace.join("crates/prod-server"));
    let running = Running::start(&mut command, 1);
    let script = client::send(running.address(), "GET", "/_app/env.js", &[]);
    assert_eq!(script.text(), r#"export const env={"PUBLIC_NAME":"workspace"}"#);
}

#[test]
fn help_shows_how_to_use_it() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["--help"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for part in [
        "--preview",
        "[env: PORT]",
        "[env: HANDOVER]",
        "[env: STATE_FILE]",
        "SIGUSR2",
        "scripts/build-frontend.sh",
        "docs/deploy.md",
        "Flags win over environment variables",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}
