//! Runs Vite on a loopback port, under a guard: prints its lines, notices when it listens, and hands it what the
//! overlay is to show.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::sync::{mpsc, watch};

use crate::diagnostics::Problem;
use crate::guarded::{Tool, last_lines};
use crate::overlay;
use crate::state::{Event, Run};
use crate::task::StopSignal;
use crate::terminal::{Terminal, without_ansi};

const SCRIPT: &str = "node_modules/vite/bin/vite.js";

/// What one run of Vite needs.
pub(crate) struct Vite {
    pub(crate) run: Run,
    pub(crate) front_end: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) terminal: Terminal,
    /// The latest problem; a new run starts by hearing the one that stands.
    pub(crate) problem: watch::Receiver<Option<Problem>>,
    pub(crate) events: mpsc::Sender<Event>,
}

/// A loopback port that nobody uses at this moment. If somebody takes it before Vite does, Vite ends and is started
/// again with another.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?)
}

impl Vite {
    /// Runs until Vite ends or is to stop. Events tell when it listens, and how it ended unless that was wanted.
    pub(crate) async fn run(mut self, stop: &mut StopSignal) {
        let how = match self.try_run(stop).await {
            Ok(None) => return,
            Ok(Some(how)) => how,
            Err(error) => format!("{error:#}"),
        };
        let _ = self.events.send(Event::ViteEnded(self.run, how)).await;
    }

    async fn try_run(&mut self, stop: &mut StopSignal) -> anyhow::Result<Option<String>> {
        let (mut guarded, mut output) = self.tool()?.start()?;
        let mut listening = false;
        // The standing problem is news to a Vite that has just been started.
        self.problem.mark_changed();
        loop {
            tokio::select! {
                line = output.next() => {
                    let Some(line) = line else { break };
                    let text = line.into_text();
                    self.print(&text);
                    if !listening && self.is_listening(&text) {
                        listening = true;
                        let _ = self.events.send(Event::ViteListening(self.run)).await;
                    }
                }
                Ok(()) = self.problem.changed() => {
                    let line = overlay::line(self.problem.borrow_and_update().as_ref())?;
                    // If Vite is gone, the end of its output says so.
                    let _ = guarded.write_line(&line).await;
                }
                () = stop.requested() => {
                    guarded.stop().await;
                    return Ok(None);
                }
            }
        }
        let status = guarded.wait().await?;
        for line in last_lines(&mut output).await {
            self.print(&line.into_text());
        }
        Ok(Some(status.to_string()))
    }

    fn tool(&self) -> anyhow::Result<Tool> {
        if !self.front_end.join(SCRIPT).is_file() {
            anyhow::bail!("{SCRIPT} is missing in {}", self.front_end.display());
        }
        let port = self.address.port().to_string();
        let host = self.address.ip().to_string();
        let arguments =
            [SCRIPT, "dev", "--host", &host, "--port", &port, "--strictPort", "--clearScreen", "false"];
        let tool = Tool::new(Path::new("node"), &arguments, &self.front_end)?;
        let tool = tool.with_variable("DUPLEX_DEV_SERVER", "1");
        Ok(if self.terminal.has_colour() { tool.with_variable("FORCE_COLOR", "1") } else { tool })
    }

    fn print(&self, text: &str) {
        if !text.trim().is_empty() {
            self.terminal.tool("vite", text.trim_end());
        }
    }

    /// Vite prints its address once it listens there.
    fn is_listening(&self, text: &str) -> bool {
        without_ansi(text).contains(&format!("http://{}", self.address))
    }
}
