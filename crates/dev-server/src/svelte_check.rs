//! Runs svelte-check under a guard, and tells what it finds round by round, each time a file of the front end is saved.
//!
//! It holds half a gigabyte of memory and computes for a second or two after every save. So it is not there while all
//! is well: it is started when the server's types have changed, and ended by the first round that finds nothing. Until
//! then it watches, and says after each save whether that has mended the pages.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use crate::findings::{Rounds, Said};
use crate::guarded::{Tool, last_lines};
use crate::output::Line;
use crate::settings::FRONT_END;
use crate::state::{Event, Run};
use crate::task::StopSignal;
use crate::terminal::Terminal;

const SCRIPT: &str = "node_modules/svelte-check/bin/svelte-check";

/// Errors of types and nothing else: what is unused or hard to access does not come from a change of the server's
/// types, and Vite warns of it.
const ARGUMENTS: [&str; 10] = [
    SCRIPT,
    "--watch",
    "--output",
    "machine-verbose",
    "--tsconfig",
    "./tsconfig.json",
    "--diagnostic-sources",
    "js",
    "--threshold",
    "error",
];

/// What one run of svelte-check needs.
pub(crate) struct SvelteCheck {
    pub(crate) run: Run,
    /// The repository's root, which places are told from.
    pub(crate) root: PathBuf,
    pub(crate) terminal: Terminal,
    pub(crate) events: mpsc::Sender<Event>,
}

impl SvelteCheck {
    /// Runs until svelte-check ends or is to stop. Events tell what it finds, and how it ended unless that was wanted.
    pub(crate) async fn run(self, stop: &mut StopSignal) {
        let event = if !self.front_end().join(SCRIPT).is_file() {
            Event::TypeCheckMissing(self.run)
        } else {
            match self.try_run(stop).await {
                Ok(None) => return,
                Ok(Some(how)) => Event::TypeCheckEnded(self.run, how),
                Err(error) => Event::TypeCheckEnded(self.run, format!("{error:#}")),
            }
        };
        let _ = self.events.send(event).await;
    }

    async fn try_run(&self, stop: &mut StopSignal) -> anyhow::Result<Option<String>> {
        let (mut guarded, mut output) = Tool::new("node", &ARGUMENTS, &self.front_end())?.start()?;
        let mut rounds = Rounds::default();
        loop {
            tokio::select! {
                line = output.next() => match line {
                    Some(line) => self.read(line, &mut rounds).await,
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
            self.read(line, &mut rounds).await;
        }
        Ok(Some(status.to_string()))
    }

    async fn read(&self, line: Line, rounds: &mut Rounds) {
        let said = match line {
            Line::Out(line) => rounds.read(&line, Path::new(FRONT_END)),
            Line::Error(words) => Some(Said::Words(words)),
        };
        match said {
            Some(Said::Round(mut findings)) => {
                // It goes on reporting modules that have been removed, and nothing a person does could mend those.
                findings.retain(|file| self.root.join(file).is_file());
                let _ = self.events.send(Event::TypesChecked(self.run, findings)).await;
            }
            Some(Said::Words(words)) if !words.trim().is_empty() => {
                self.terminal.tool("svelte-check", &words);
            }
            Some(Said::Words(_)) | None => {}
        }
    }

    fn front_end(&self) -> PathBuf {
        self.root.join(FRONT_END)
    }
}
