//! What a person is told when the run cannot start.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

fn dev_server() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dev-server"));
    command.env_remove("HOST").env_remove("PORT");
    command
}

#[track_caller]
fn assert_one_sentence(output: &Output, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    for part in parts {
        assert!(text.contains(part), "{text}");
    }
}

/// A directory with programs that print a version.
fn programs(versions: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, version) in versions {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\necho {version}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    directory
}

fn with_programs(path: &Path) -> Output {
    dev_server().env_remove("CARGO").env("PATH", path).output().unwrap()
}

#[test]
fn a_missing_tool_is_named_with_what_to_do() {
    let none = programs(&[]);
    assert_one_sentence(&with_programs(none.path()), &["cargo was not found", "https://rustup.rs"]);
    let cargo = programs(&[("cargo", "1.95")]);
    assert_one_sentence(
        &with_programs(cargo.path()),
        &["Node.js was not found", "20.19", "https://nodejs.org"],
    );
    let old = programs(&[("cargo", "1.95"), ("node", "v18.20.1")]);
    assert_one_sentence(&with_programs(old.path()), &["v18.20.1", "20.19", "https://nodejs.org"]);
    let node = programs(&[("cargo", "1.95"), ("node", "v20.20.0")]);
    assert_one_sentence(&with_programs(node.path()), &["npm was not found"]);
}

#[test]
fn a_taken_port_is_named_with_what_to_do() {
    let tools = programs(&[("cargo", "1.95"), ("node", "v20.20.0"), ("npm", "11")]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = dev_server()
        .args(["--host", "127.0.0.1", "--strict-port", "--port", &port])
        .env_remove("CARGO")
        .env("PATH", tools.path())
        .output()
        .unwrap();
    assert_one_sentence(&output, &[&port, "--port"]);
}

#[test]
fn a_port_that_is_no_number_is_named() {
    let output = dev_server().env("PORT", "http").output().unwrap();
    assert_one_sentence(&output, &["PORT", "http", "65535"]);
}

#[test]
fn help_teaches_and_hides_what_is_not_for_people() {
    let output = dev_server().arg("--help").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    for part in
        ["--port", "--host", "--open", "--strict-port", "3004", ".env", "svelte-check", "Examples", "Ctrl-C"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.to_lowercase().contains("guard"), "{text}");
}
