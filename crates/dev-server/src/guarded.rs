//! The supervisor's side of a guard: starts a tool under one, reads what it prints, waits for its end and sweeps up.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

use crate::guard;
use crate::output::Output;

/// How long the pipes may stay open after the tool's group is gone; only a daemon that left the group holds them.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A tool that is about to be started.
pub(crate) struct Tool {
    command: Command,
    name: String,
}

impl Tool {
    /// `program` with its arguments, in `directory`.
    pub(crate) fn new(
        program: impl AsRef<OsStr>,
        arguments: &[&str],
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let name = program.as_ref().to_string_lossy().into_owned();
        let mut command = Command::new(guard::program()?);
        command.args(["guard", "--"]).arg(program).args(arguments).current_dir(directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Its own group: Ctrl-C in the terminal reaches the supervisor only, which then stops everything in order.
        command.process_group(0);
        Ok(Self { command, name })
    }

    /// Sets an environment variable.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes an environment variable.
    pub(crate) fn without_variable(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Starts it. Call this on the main thread only: the tool's life hangs on the thread that starts it.
    pub(crate) fn start(mut self) -> anyhow::Result<(Guarded, Output)> {
        let mut child = self.command.spawn().with_context(|| format!("cannot start {}", self.name))?;
        let output = Output::of(child.stdout.take(), child.stderr.take());
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let input = child.stdin.take();
        Ok((Guarded { child, input, group }, output))
    }
}

/// A running tool. Dropping it ends the tool, because its guard's input ends.
pub(crate) struct Guarded {
    child: Child,
    input: Option<ChildStdin>,
    group: Option<Pid>,
}

impl Guarded {
    /// Writes one line to the tool's standard input.
    pub(crate) async fn write_line(&mut self, line: &str) -> std::io::Result<()> {
        let Some(input) = self.input.as_mut() else { return Ok(()) };
        input.write_all(line.as_bytes()).await?;
        input.write_all(b"\n").await?;
        input.flush().await
    }

    /// Waits for the end of the tool, and ends whatever it left in its group.
    pub(crate) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await;
        if let Some(group) = self.group.take() {
            end_group(group);
        }
        status
    }

    /// Ends the tool and waits until it is gone.
    pub(crate) async fn stop(mut self) {
        drop(self.input.take());
        let _ = self.wait().await;
    }
}

/// Ends every process of a group. An empty group is what one hopes for.
pub(crate) fn end_group(group: Pid) {
    let _ = rustix::process::kill_process_group(group, Signal::KILL);
}

/// Waits for the last lines of a tool that has ended.
pub(crate) async fn last_lines(output: &mut Output) -> Vec<crate::output::Line> {
    let mut lines = Vec::new();
    let read = async {
        while let Some(line) = output.next().await {
            lines.push(line);
        }
    };
    let _ = tokio::time::timeout(LAST_WORDS, read).await;
    lines
}
