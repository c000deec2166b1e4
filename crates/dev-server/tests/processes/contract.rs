//! What becomes of types that a build changes. The supervisor is real; cargo, Node, npm and the application are shell
//! scripts, which do what a test wants and take no time.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::strays::{MARKER, new_run, processes_of};

/// What anything here may take.
const LIMIT: Duration = Duration::from_secs(10);

const CARGO: &str = r#"
if [ "$1" = --version ]; then echo cargo; exit; fi
mkdir -p target && cp worker target/dev-worker
echo "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"dev-worker\"},\"executable\":\"$PWD/target/dev-worker\"}"
"#;

/// Never becomes ready, and ends with the line to the supervisor.
const WORKER: &str = r#"
if [ "$1" = --export-types ]; then . ./export; else exec cat >/dev/null; fi
"#;

const NPM: &str = "
for script in vite/bin/vite.js svelte-check/bin/svelte-check; do
    mkdir -p node_modules/${script%/*} && touch node_modules/$script
done
";

/// What svelte-check says comes out of a pipe.
const NODE: &str = r#"
case $1 in
--version) echo v20.20.0 ;;
*/vite.js) echo "Local: http://$4:$6/"; exec sleep 300 ;;
*/svelte-check) exec cat ../rounds ;;
esac
"#;

const WRITES: &str = "echo 'the application says hello'; echo \"wrote $2/types.ts\"";

const BROKEN_ROUND: &str = r#"1795645277446 START "/srv/shop/frontend"
1795645277448 {"type":"ERROR","filename":"src/use.ts","start":{"line":2,"character":16},"end":{"line":2,"character":20},"message":"Property 'text' does not exist on type 'Message'.","code":2339}
1795645277448 {"type":"ERROR","filename":"src/removed.ts","start":{"line":2,"character":16},"end":{"line":2,"character":20},"message":"Property 'text' does not exist on type 'Message'.","code":2339}
1795645277448 COMPLETED 497 FILES 2 ERRORS 0 WARNINGS 2 FILES_WITH_PROBLEMS
"#;

const CLEAN_ROUND: &str = r#"1795645078993 START "/srv/shop/frontend"
1795645078994 COMPLETED 494 FILES 0 ERRORS 0 WARNINGS 0 FILES_WITH_PROBLEMS
"#;

/// A supervisor in a repository of its own.
struct Supervisor {
    process: Child,
    lines: Receiver<String>,
    said: Vec<String>,
    repository: tempfile::TempDir,
    run: String,
}

impl Supervisor {
    /// Starts with a program that exports its types with the script `export`.
    fn start(export: &str) -> Self {
        let repository = repository(export);
        let root = repository.path();
        let path = std::env::var("PATH").unwrap();
        let run = new_run();
        let mut process = Command::new(env!("CARGO_BIN_EXE_dev-server"))
            .args(["--host", "127.0.0.1", "--port", "0"])
            .current_dir(root)
            .env_remove("CARGO")
            .env("PATH", format!("{}:{path}", root.join("bin").display()))
            .env(MARKER, &run)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            while matches!(output.read_line(&mut line), Ok(length) if length > 0) {
                let _ = sender.send(line.trim_end().to_owned());
                line.clear();
            }
        });
        Self { process, lines, said: Vec::new(), repository, run }
    }

    /// Waits for a line with this in it.
    #[track_caller]
    fn expect(&mut self, part: &str) {
        let started = Instant::now();
        while !self.said.last().is_some_and(|line| line.contains(part)) {
            match self.lines.recv_timeout(LIMIT.saturating_sub(started.elapsed())) {
                Ok(line) => self.said.push(line),
                Err(_) => panic!("not said: {part}, only {:#?}", self.said),
            }
        }
    }

    #[track_caller]
    fn assert_not_said(&self, part: &str) {
        assert!(!self.said.iter().any(|line| line.contains(part)), "{:#?}", self.said);
    }

    /// The pipe to svelte-check, once that reads from it.
    #[track_caller]
    fn svelte_check(&self) -> File {
        let path = self.repository.path().join("rounds");
        let non_blocking = rustix::fs::OFlags::NONBLOCK.bits().try_into().unwrap();
        within_limit("svelte-check runs", || {
            OpenOptions::new().write(true).custom_flags(non_blocking).open(&path).ok()
        })
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    #[track_caller]
    fn assert_all_end(&mut self) {
        self.process.wait().unwrap();
        within_limit("everything has ended", || processes_of(&self.run).is_empty().then_some(()));
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn repository(export: &str) -> tempfile::TempDir {
    let repository = tempfile::tempdir().unwrap();
    let root = repository.path();
    for directory in ["bin", "crates/dev-worker", "frontend/src"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    for (program, script) in
        [("bin/cargo", CARGO), ("bin/node", NODE), ("bin/npm", NPM), ("worker", WORKER), ("export", export)]
    {
        write_script(&root.join(program), script);
    }
    for file in ["crates/dev-worker/Cargo.toml", "frontend/package-lock.json", "frontend/src/use.ts"] {
        std::fs::write(root.join(file), "").unwrap();
    }
    assert!(Command::new("mkfifo").arg(root.join("rounds")).status().unwrap().success());
    repository
}

fn write_script(path: &Path, script: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[track_caller]
fn within_limit<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        assert!(started.elapsed() < LIMIT, "not in time: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn changed_types_are_told_and_the_front_end_is_checked_until_it_fits() {
    let mut supervisor = Supervisor::start(WRITES);
    supervisor.expect("[dev] the front end's types written: frontend/src/lib/contract/types.ts");
    let mut svelte_check = supervisor.svelte_check();
    svelte_check.write_all(BROKEN_ROUND.as_bytes()).unwrap();
    supervisor.expect("[svelte-check] frontend/src/use.ts:3:17: Property 'text' does not exist on type");
    supervisor.expect("[dev] the front end no longer fits the server's types: 1 error in 1 file");
    svelte_check.write_all(CLEAN_ROUND.as_bytes()).unwrap();
    supervisor.expect("[dev] the front end fits the server's types");
    within_limit("svelte-check has ended", || svelte_check.write_all(b"1 ANYTHING\n").err());
    supervisor.signal(Signal::INT);
    supervisor.expect("[dev] stopped");
    supervisor.assert_all_end();
    supervisor.assert_not_said("removed.ts");
    supervisor.assert_not_said("svelte-check ended");
}

#[test]
fn types_that_cannot_be_written_are_told_in_the_programs_words_and_nothing_is_started() {
    let mut supervisor = Supervisor::start("echo 'no room for types.ts' >&2; exit 1");
    supervisor.expect("no room for types.ts");
    supervisor.expect("build failed: the types for the front end could not be written");
    supervisor.signal(Signal::INT);
    supervisor.expect("[dev] stopped");
    supervisor.assert_not_said("written:");
    supervisor.assert_all_end();
}

#[test]
fn an_export_that_hangs_does_not_keep_the_run_from_ending() {
    let mut supervisor = Supervisor::start("echo > hangs; exec sleep 300");
    let sign = supervisor.repository.path().join("hangs");
    within_limit("the export runs", || sign.exists().then_some(()));
    supervisor.signal(Signal::INT);
    supervisor.expect("[dev] stopped");
    supervisor.assert_all_end();
}

#[test]
fn a_check_that_is_under_way_ends_with_the_supervisor_however_that_ends() {
    for signal in [Signal::INT, Signal::KILL] {
        let mut supervisor = Supervisor::start(WRITES);
        let mut svelte_check = supervisor.svelte_check();
        svelte_check.write_all(BROKEN_ROUND.as_bytes()).unwrap();
        supervisor.expect("no longer fits");
        supervisor.signal(signal);
        supervisor.assert_all_end();
    }
}
