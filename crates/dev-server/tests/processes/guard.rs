//! Every process below a guard holds its standard output, so the end of that output is the end of them all; nothing
//! here waits for a time to pass.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
#[cfg(target_os = "linux")]
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::strays::{MARKER, new_run, processes_of};

/// What a run may take to be gone, however it ended.
const LIMIT: Duration = Duration::from_secs(5);

/// A guard and the shell script it guards.
struct Guarded {
    guard: Child,
    /// Apart from the child, which would close it before waiting.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    run: String,
}

impl Guarded {
    fn start(script: &str) -> Self {
        let run = new_run();
        let mut guard = Command::new(env!("CARGO_BIN_EXE_dev-server"))
            .args(["guard", "--", "sh", "-c", script])
            .env(MARKER, &run)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(guard.stdout.take().unwrap());
        let input = guard.stdin.take();
        Self { guard, input, output, run }
    }

    /// The next line that the script prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.guard.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Checks that every process of the run ends in time.
    #[track_caller]
    fn assert_all_end(mut self) {
        let started = Instant::now();
        drop(self.input.take());
        self.output.read_to_end(&mut Vec::new()).unwrap();
        self.guard.wait().unwrap();
        assert!(started.elapsed() < LIMIT, "gone only after {:?}", started.elapsed());
        assert_eq!(processes_of(&self.run), Vec::<String>::new());
    }
}

#[test]
fn the_end_of_input_ends_the_tool_and_what_it_started() {
    let mut guarded = Guarded::start("sleep 300 & (sleep 300 & echo started; wait) & wait");
    assert_eq!(guarded.line(), "started");
    if cfg!(target_os = "linux") {
        // A process that is just becoming another program has no environment for a moment.
        let started = Instant::now();
        while processes_of(&guarded.run).len() < 5 {
            assert!(started.elapsed() < LIMIT, "only {:?}", processes_of(&guarded.run));
            std::thread::yield_now();
        }
    }
    guarded.assert_all_end();
}

#[test]
fn a_tool_that_ignores_sigterm_is_killed() {
    let mut guarded = Guarded::start("trap '' TERM; sleep 300 & echo started; while :; do wait; done");
    assert_eq!(guarded.line(), "started");
    guarded.assert_all_end();
}

#[test]
fn a_tool_that_is_still_starting_is_ended_too() {
    Guarded::start("echo started; exec sleep 300").assert_all_end();
}

#[test]
fn the_guard_exits_as_the_tool_did() {
    let mut guarded = Guarded::start("exit 7");
    assert_eq!(guarded.guard.wait().unwrap().code(), Some(7));
    let mut guarded = Guarded::start("kill -KILL $$");
    assert_eq!(guarded.guard.wait().unwrap().code(), Some(128 + 9));
}

#[test]
fn a_tool_that_does_not_exist_is_named() {
    let mut guard = Command::new(env!("CARGO_BIN_EXE_dev-server"))
        .args(["guard", "--", "/nonexistent/tool"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _input = guard.stdin.take();
    let output = guard.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot start /nonexistent/tool"));
}

#[test]
fn lines_reach_the_tool() {
    let mut guarded = Guarded::start("exec cat");
    guarded.write(b"one\ntwo\n");
    assert_eq!((guarded.line().as_str(), guarded.line().as_str()), ("one", "two"));
    guarded.assert_all_end();
}

#[test]
fn a_tool_that_does_not_read_does_not_keep_the_guard_from_ending_it() {
    let mut guarded = Guarded::start("echo started; exec sleep 300");
    assert_eq!(guarded.line(), "started");
    let line = [&[b'x'; 16 * 1024][..], b"\n"].concat();
    for _ in 0..200 {
        guarded.write(&line);
    }
    guarded.assert_all_end();
}

#[test]
fn signals_of_the_terminal_do_not_end_the_guard() {
    let mut guarded = Guarded::start("echo started; exec cat");
    assert_eq!(guarded.line(), "started");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        guarded.signal(signal);
    }
    guarded.write(b"still here\n");
    assert_eq!(guarded.line(), "still here");
    guarded.assert_all_end();
}

#[cfg(target_os = "linux")]
#[test]
fn the_tool_dies_with_a_killed_guard() {
    let mut guarded = Guarded::start("echo started; exec sleep 300");
    assert_eq!(guarded.line(), "started");
    guarded.signal(Signal::KILL);
    assert_eq!(guarded.guard.wait().unwrap().signal(), Some(9));
    guarded.assert_all_end();
}
