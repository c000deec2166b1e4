//! A folder to deploy to: a build, a database, a handover socket, a state file, and a service manager that listens.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::running::{self, PATIENCE, Running};
use crate::server::Build;

/// Keeps sign-ins valid over a restart.
const SECRET: &str = "only for tests, and known to everyone who reads them";

/// Everything that outlives a process.
pub(crate) struct Site {
    build: Build,
    manager: UnixDatagram,
}

impl Site {
    pub(crate) fn new() -> Site {
        let build = Build::new();
        let manager = UnixDatagram::bind(build.outside().join("notify")).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        Site { build, manager }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.build.outside()
    }

    pub(crate) fn assets(&self) -> &Path {
        self.build.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The program on a port of its own, managed as a service.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.installed(Path::new(env!("CARGO_BIN_EXE_prod-server")), arguments)
    }

    /// The same with a copy of the program.
    pub(crate) fn installed(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = running::installed(program, self.folder());
        if !arguments.contains(&"--assets") {
            command.args(["--assets", "build"]);
        }
        command
            .args(arguments)
            .envs([("HOST", "127.0.0.1"), ("PORT", "0")])
            .env("NOTIFY_SOCKET", self.path("notify"))
            .env("SESSION_SECRET", SECRET);
        command
    }

    /// Starts it, and waits until it serves.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let running = Running::start(&mut self.command(arguments), 1);
        self.hears_ready_from(running.process());
        running
    }

    /// Stops what was started, and waits until it has ended.
    #[track_caller]
    pub(crate) fn stop(&self, mut running: Running) {
        running.signal(Signal::TERM);
        let said = self.hears();
        assert_eq!(line(&said, "STOPPING="), Some("1"), "{said}");
        running.ended();
    }

    /// What the service manager hears next.
    #[track_caller]
    pub(crate) fn hears(&self) -> String {
        let mut datagram = [0; 4096];
        let length = self.manager.recv(&mut datagram).expect("a notification in time");
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    }

    #[track_caller]
    pub(crate) fn hears_ready_from(&self, process: Pid) {
        assert_eq!(self.hears_ready(), process);
    }

    /// The process that serves from now on.
    #[track_caller]
    pub(crate) fn hears_ready(&self) -> Pid {
        let said = self.hears();
        assert_eq!(line(&said, "READY="), Some("1"), "{said}");
        let process = line(&said, "MAINPID=").and_then(|process| process.parse().ok());
        process.and_then(Pid::from_raw).unwrap_or_else(|| panic!("no process in {said}"))
    }

    #[track_caller]
    pub(crate) fn hears_nothing(&self) {
        self.manager.set_nonblocking(true).unwrap();
        let heard = self.manager.recv(&mut [0; 4096]);
        self.manager.set_nonblocking(false).unwrap();
        assert!(heard.is_err(), "it has said something");
    }
}

/// A process that another one has started. Its parent's end is not its own.
pub(crate) fn stop(process: Pid) {
    kill_process(process, Signal::TERM).unwrap();
}

/// The value of a line of a notification.
pub(crate) fn line<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    said.lines().find_map(|line| line.strip_prefix(name))
}
