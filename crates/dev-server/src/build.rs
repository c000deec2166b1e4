//! Builds the worker with cargo, under a guard, and makes of cargo's output a program or a problem.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use tokio::sync::mpsc;

use crate::diagnostics::{CargoMessage, Errors, Problem};
use crate::executable::{Executable, Shelf};
use crate::guarded::{Tool, last_lines};
use crate::output::Line;
use crate::state::{Event, Run};
use crate::task::StopSignal;
use crate::terminal::{Terminal, without_ansi};

const ARGUMENTS: [&str; 4] =
    ["build", "--package=dev-worker", "--bin=dev-worker", "--message-format=json-diagnostic-rendered-ansi"];

/// How a build ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The program is put aside.
    Built(Arc<Executable>),
    /// The sources, or something around them, are wrong.
    Broken(Problem),
}

/// What every build needs.
pub(crate) struct Builder {
    cargo: OsString,
    root: PathBuf,
    terminal: Terminal,
    /// Made at the first build, because only its result says where the target directory is. Locked for a moment only.
    shelf: Mutex<Option<Arc<Shelf>>>,
}

impl Builder {
    pub(crate) fn new(cargo: OsString, root: PathBuf, terminal: Terminal) -> Self {
        Self { cargo, root, terminal, shelf: Mutex::new(None) }
    }

    /// Builds. `None` if asked to stop meanwhile; cargo is gone then. `events` hear which crate is being compiled.
    pub(crate) async fn build(
        &self,
        run: Run,
        stop: &mut StopSignal,
        events: &mpsc::Sender<Event>,
    ) -> Option<Outcome> {
        match self.try_build(run, stop, events).await {
            Ok(outcome) => outcome,
            Err(error) => {
                Some(Outcome::Broken(Problem::general("cargo could not be run", format!("{error:#}"))))
            }
        }
    }

    async fn try_build(
        &self,
        run: Run,
        stop: &mut StopSignal,
        events: &mpsc::Sender<Event>,
    ) -> anyhow::Result<Option<Outcome>> {
        let (mut guarded, mut output) = self.tool()?.start()?;
        let mut report = Report::default();
        loop {
            tokio::select! {
                line = output.next() => match line {
                    Some(line) => {
                        if let Some(doing) = report.read(line, self.terminal) {
                            let _ = events.send(Event::Building(run, doing)).await;
                        }
                    }
                    None => break,
                },
                () = stop.requested() => {
                    guarded.stop().await;
                    return Ok(None);
                }
            }
        }
        let status = guarded.wait().await?;
        for line in last_lines(&mut output).await {
            report.read(line, self.terminal);
        }
        self.conclude(status.success(), report, run).map(Some)
    }

    fn tool(&self) -> anyhow::Result<Tool> {
        let mut tool =
            Tool::new(&self.cargo, &ARGUMENTS, &self.root)?.with_variable("CARGO_TERM_COLOR", "never");
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_outer_package(name)) {
            tool = tool.without_variable(name);
        }
        Ok(tool)
    }

    fn conclude(&self, success: bool, report: Report, run: Run) -> anyhow::Result<Outcome> {
        if !success {
            if !report.has_diagnostics {
                self.terminal.verbatim(&report.said);
            }
            return Ok(Outcome::Broken(report.errors.into_problem(&self.root, &report.said)));
        }
        let built = report.executable.context("cargo built no dev-worker: is the package still there?")?;
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = match &mut *shelf {
            Some(shelf) => shelf,
            none => none.insert(Shelf::beside(&built)?),
        };
        Ok(Outcome::Built(Arc::new(Executable::put_aside(&built, shelf, run)?)))
    }
}

/// What cargo has said so far.
#[derive(Default)]
struct Report {
    errors: Errors,
    has_diagnostics: bool,
    executable: Option<PathBuf>,
    said: String,
    compiled: usize,
}

impl Report {
    /// Takes in one line; returns what to tell about progress.
    fn read(&mut self, line: Line, terminal: Terminal) -> Option<String> {
        match line {
            Line::Out(json) => {
                self.read_message(&json, terminal);
                None
            }
            Line::Error(text) => self.read_status(&without_ansi(&text)),
        }
    }

    fn read_message(&mut self, json: &str, terminal: Terminal) {
        match serde_json::from_str(json) {
            Ok(CargoMessage::CompilerMessage { package_id, message }) => {
                self.has_diagnostics = true;
                terminal.verbatim(message.rendered.as_deref().unwrap_or_default());
                self.errors.note(&package_id, message);
            }
            Ok(CargoMessage::CompilerArtifact { target, executable: Some(path) })
                if target.name == "dev-worker" =>
            {
                self.executable = Some(path);
            }
            // Anything else is not about the worker, or printed by a build script's tool.
            Ok(_) | Err(_) => {}
        }
    }

    fn read_status(&mut self, text: &str) -> Option<String> {
        match status(text) {
            Some(("Compiling", what)) => {
                self.compiled += 1;
                let name = what.split(' ').next().unwrap_or(what);
                Some(format!("{name} (crate {})", self.compiled))
            }
            Some(("Blocking", _)) => Some("waiting for another cargo that builds here".to_owned()),
            Some((verb @ ("Downloading" | "Downloaded" | "Updating"), what)) => {
                Some(format!("{verb} {what}"))
            }
            Some(_) => None,
            None => {
                self.said.push_str(text);
                self.said.push('\n');
                None
            }
        }
    }
}

/// Cargo's status lines have a verb that ends in column twelve.
fn status(line: &str) -> Option<(&str, &str)> {
    let (verb, rest) = (line.get(..12)?, line.get(12..)?);
    let verb = verb.trim_start();
    let is_verb = verb.starts_with(|first: char| first.is_ascii_uppercase())
        && verb.chars().all(|character| character.is_ascii_alphabetic());
    rest.strip_prefix(' ').filter(|_| is_verb).map(|rest| (verb, rest))
}

/// `cargo run` describes its package to the program it runs. Handed on to another cargo, these variables would be taken
/// for that build's and cause work that is not needed.
fn is_of_outer_package(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CFG_", "CARGO_FEATURE_"];
    let names = ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "OUT_DIR"];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_are_told_from_what_cargo_says() {
        assert_eq!(status("   Compiling serde v1.0.0"), Some(("Compiling", "serde v1.0.0")));
        assert_eq!(
            status("    Blocking waiting for file lock on build directory"),
            Some(("Blocking", "waiting for file lock on build directory"))
        );
        assert_eq!(status("error: could not find `Cargo.toml`"), None);
        assert_eq!(status("Caused by:"), None);
        assert_eq!(status("  |          ^"), None);
        assert_eq!(status("üüüüüüü"), None);
    }

    #[test]
    fn crates_are_counted_and_the_rest_is_kept() {
        let mut report = Report::default();
        assert_eq!(report.read_status("   Compiling a v1"), Some("a (crate 1)".into()));
        assert_eq!(report.read_status("   Compiling b v1 (/x)"), Some("b (crate 2)".into()));
        assert_eq!(report.read_status("error: no"), None);
        assert_eq!(report.said, "error: no\n");
    }

    #[test]
    fn variables_of_the_package_that_is_running_are_dropped_and_settings_are_kept() {
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "OUT_DIR", "CARGO_BIN_NAME"] {
            assert!(is_of_outer_package(OsStr::new(name)), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_JOBS", "RUSTFLAGS", "PATH"] {
            assert!(!is_of_outer_package(OsStr::new(name)), "{name}");
        }
    }
}
