//! Has the program that was just built write the front end's types, before it is started: what pages and the server say
//! to each other is declared in Rust only, so only the program knows it.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::build::Outcome;
use crate::diagnostics::Problem;
use crate::executable::Executable;
use crate::guarded::{Guarded, Tool, last_lines};
use crate::output::{Line, Output};
use crate::state::{Event, Run};
use crate::task::StopSignal;
use crate::terminal::Terminal;

/// Where the types are, from the repository's root.
const DIRECTORY: &str = "frontend/src/lib/contract";

/// How long the program may take. It writes down what was compiled into it, which takes milliseconds: when this has
/// passed, something in it waits for what will not come.
const LIMIT: Duration = Duration::from_secs(10);

/// How much is shown of what the program says besides, in bytes.
const MAX_WORDS: usize = 64 * 1024;

/// How long a program that is to stop may take to its end. Killed between writing a file and saying so, it would leave
/// types that nobody is told of, because the next program finds them as they should be.
const FINISH_LIMIT: Duration = Duration::from_millis(500);

/// What every export needs.
#[derive(Clone)]
pub(crate) struct Contract {
    root: PathBuf,
    terminal: Terminal,
}

/// How the program came to its end.
enum End {
    Exited(ExitStatus),
    TimedOut,
    Stopped,
}

impl Contract {
    pub(crate) fn new(root: PathBuf, terminal: Terminal) -> Self {
        Self { root, terminal }
    }

    /// Exports. `None` if asked to stop meanwhile; the program is gone then. `events` hear which files were written,
    /// however it ends.
    pub(crate) async fn export(
        &self,
        program: Arc<Executable>,
        run: Run,
        stop: &mut StopSignal,
        events: &mpsc::Sender<Event>,
    ) -> Option<Outcome> {
        let _ = events.send(Event::Building(run, "the front end's types".to_owned())).await;
        let mut report = Report::default();
        let end = self.run(&program, &mut report, stop).await;
        if !report.written.is_empty() {
            let _ = events.send(Event::TypesWritten(report.written)).await;
        }
        let words = report.words;
        let why = match end {
            Ok(End::Stopped) => return None,
            Ok(End::Exited(status)) if status.success() => {
                self.terminal.verbatim(&words);
                return Some(Outcome::Built(program));
            }
            Ok(End::Exited(status)) if words.is_empty() => format!("dev-worker ended with {status}\n"),
            Ok(End::Exited(_)) => words,
            Ok(End::TimedOut) => format!("dev-worker had not ended after {} s\n{words}", LIMIT.as_secs()),
            Err(error) => format!("{error:#}\n"),
        };
        self.terminal.verbatim(&why);
        Some(Outcome::Broken(Problem::general("the types for the front end could not be written", why)))
    }

    async fn run(
        &self,
        program: &Executable,
        report: &mut Report,
        stop: &mut StopSignal,
    ) -> anyhow::Result<End> {
        let tool = Tool::new(program.path(), &["--export-types", DIRECTORY], &self.root)?;
        let (mut guarded, mut output) = tool.start()?;
        let end = tokio::select! {
            status = report.read_until_end(&mut guarded, &mut output) => End::Exited(status?),
            () = tokio::time::sleep(LIMIT) => End::TimedOut,
            () = stop.requested() => End::Stopped,
        };
        if matches!(end, End::Stopped) {
            let to_its_end = report.read_until_end(&mut guarded, &mut output);
            let _ = tokio::time::timeout(FINISH_LIMIT, to_its_end).await;
        }
        guarded.stop().await;
        for line in last_lines(&mut output).await {
            report.read(line);
        }
        Ok(end)
    }
}

/// The application may print something as well, while it lists its calls and channels.
fn written(line: &str) -> Option<&str> {
    line.strip_prefix("wrote ").filter(|file| file.starts_with(DIRECTORY))
}

/// What the program has said so far.
#[derive(Default)]
struct Report {
    /// The files that it has written. It leaves those alone that are as they should be.
    written: Vec<String>,
    words: String,
}

impl Report {
    async fn read_until_end(
        &mut self,
        guarded: &mut Guarded,
        output: &mut Output,
    ) -> std::io::Result<ExitStatus> {
        while let Some(line) = output.next().await {
            self.read(line);
        }
        guarded.wait().await
    }

    fn read(&mut self, line: Line) {
        match line {
            Line::Out(line) => match written(&line) {
                Some(file) => self.written.push(file.to_owned()),
                None => self.say(&line),
            },
            Line::Error(line) => self.say(&line),
        }
    }

    fn say(&mut self, line: &str) {
        if self.words.len() < MAX_WORDS {
            self.words.push_str(line);
            self.words.push('\n');
        }
    }
}
