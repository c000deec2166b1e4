//! The guard: this program in a hidden mode, standing between the supervisor and a tool it runs: cargo, npm, Vite,
//! svelte-check, and the built program while it writes types. It ends the tool's whole process group when its standard
//! input ends, which happens when the supervisor lets go of it and just as well when the supervisor is killed.
//!
//! Guard and tool share one process group, made by the supervisor. Three deaths are covered: the supervisor's (end of
//! input), the guard's (the tool asks for a signal at its parent's death, and the supervisor ends the group), and the
//! tool's (the supervisor ends what it left behind).

use std::ffi::OsString;
use std::io::{self, BufRead as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// How long a tool has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_millis(500);

/// Lines for the tool that may wait. One more is dropped: a tool that does not read (a stopped one) must not keep the
/// guard from seeing the end of its input.
const WAITING_LINES: usize = 64;

/// Runs `command` until it ends or standard input does, and exits as it did.
pub(crate) fn run(command: &[OsString]) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(guard(command))
}

/// The program to start in order to be guarded: this one, even if its file has been replaced since.
pub(crate) fn program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() }
}

async fn guard(command: &[OsString]) -> anyhow::Result<ExitCode> {
    // The supervisor has made the group already; whoever else starts a guard must not be ended together with it.
    rustix::process::setpgid(None, None).context("cannot lead a process group")?;
    // A handler replaces the default action, so the SIGTERM that this guard sends to its own group does not end it. A
    // handler, unlike an ignored signal, is not inherited by the tool.
    let _handlers = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let mut child = tokio::process::Command::new(program()?)
        .arg("guarded")
        .arg(rustix::process::getpid().to_string())
        .arg("--")
        .args(command)
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start the guarded program")?;
    let end_of_input = forward_input(child.stdin.take());
    tokio::select! {
        status = child.wait() => return Ok(exit_code(status?)),
        _ = end_of_input => {}
    }
    let _ = rustix::process::kill_current_process_group(Signal::TERM);
    let _ = tokio::time::timeout(GRACE, child.wait()).await;
    // The group includes this guard, so nothing after this line runs.
    rustix::process::kill_current_process_group(Signal::KILL)?;
    Ok(ExitCode::FAILURE)
}

/// Copies standard input line by line, in a thread that nothing the tool does can hold up, and tells when it ends.
fn forward_input(tool: Option<ChildStdin>) -> oneshot::Receiver<()> {
    let (ended, end_of_input) = oneshot::channel();
    let (sender, receiver) = mpsc::channel(WAITING_LINES);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut line = Vec::new();
        while matches!(input.read_until(b'\n', &mut line), Ok(count) if count > 0) {
            let _ = sender.try_send(std::mem::take(&mut line));
        }
        let _ = ended.send(());
    });
    tokio::spawn(write_lines(receiver, tool));
    end_of_input
}

async fn write_lines(mut lines: mpsc::Receiver<Vec<u8>>, tool: Option<ChildStdin>) {
    let Some(mut tool) = tool else { return };
    while let Some(line) = lines.recv().await {
        if tool.write_all(&line).await.is_err() {
            return;
        }
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

/// The last step before the tool: asks for SIGKILL at the death of the guard, which survives exec, and becomes the
/// tool. Only the guard's main thread starts this, so the death of a thread cannot be mistaken for the guard's.
pub(crate) fn become_guarded(parent: i32, command: &[OsString]) -> anyhow::Result<ExitCode> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return Ok(ExitCode::FAILURE);
    }
    let [program, arguments @ ..] = command else {
        anyhow::bail!("no program to guard");
    };
    let error = std::process::Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
