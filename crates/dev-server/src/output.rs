//! The lines a tool prints, from both of its outputs in one bounded queue; a tool that prints faster than they are
//! read waits.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::mpsc;

/// Lines that may wait to be read.
const WAITING_LINES: usize = 256;

/// One line, without its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Line {
    /// From standard output.
    Out(String),
    /// From standard error.
    Error(String),
}

impl Line {
    /// The text, wherever it came from.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Out(text) | Self::Error(text) => text,
        }
    }
}

/// What a tool prints.
pub(crate) struct Output {
    lines: mpsc::Receiver<Line>,
}

impl Output {
    pub(crate) fn of(out: Option<ChildStdout>, error: Option<ChildStderr>) -> Self {
        let (sender, lines) = mpsc::channel(WAITING_LINES);
        if let Some(out) = out {
            tokio::spawn(read(out, Line::Out, sender.clone()));
        }
        if let Some(error) = error {
            tokio::spawn(read(error, Line::Error, sender));
        }
        Self { lines }
    }

    /// The next line; `None` when the tool has closed both outputs. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Line> {
        self.lines.recv().await
    }
}

async fn read(source: impl AsyncRead + Unpin, kind: fn(String) -> Line, lines: mpsc::Sender<Line>) {
    let mut source = BufReader::new(source);
    let mut bytes = Vec::new();
    while matches!(source.read_until(b'\n', &mut bytes).await, Ok(count) if count > 0) {
        let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
        bytes.clear();
        if lines.send(kind(text)).await.is_err() {
            return;
        }
    }
}
