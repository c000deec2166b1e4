//! A running server: what it says, and how it ends.

use std::{
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStderr, Command},
    sync::watch,
    time::timeout,
};

use crate::{
    patience::{becomes, within},
    site::Site,
};

/// Killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pid: u32,
    said: Arc<Mutex<Vec<String>>>,
    lines: watch::Receiver<usize>,
}

impl Server {
    /// Starts it, and does not wait.
    pub(crate) fn spawn(mut command: Command) -> Server {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (said, (count, lines)) = (Arc::new(Mutex::new(Vec::new())), watch::channel(0));
        tokio::spawn(read(child.stderr.take().unwrap(), Arc::clone(&said), count));
        Server { pid: child.id().unwrap(), child, said, lines }
    }

    /// Starts the first one of a site, and waits until it listens.
    pub(crate) async fn start(site: &Site, command: Command) -> Server {
        let mut server = Server::spawn(command);
        let listens = format!("listening on http://{}", site.address);
        assert!(server.says(&listens).await, "it does not listen:\n{}", server.said());
        server
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Everything that it has said.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    /// The first line that has these words, if there is one already.
    pub(crate) fn line(&self, words: &str) -> Option<String> {
        self.said.lock().unwrap().iter().find(|line| line.contains(words)).cloned()
    }

    /// Waits until it says so; false if it ends before.
    pub(crate) async fn says(&mut self, words: &str) -> bool {
        loop {
            self.lines.borrow_and_update();
            if self.line(words).is_some() {
                return true;
            }
            if within(&format!("{words:?}"), self.lines.changed()).await.is_err() {
                return self.line(words).is_some();
            }
        }
    }

    /// Whether it says so before the deadline, or has before it ended.
    pub(crate) async fn says_within(&self, words: &str, deadline: Duration) -> bool {
        becomes(deadline, || self.line(words).is_some()).await
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // It may have ended a moment ago.
        let _ = kill_process(Pid::from_raw(self.pid as i32).unwrap(), signal);
    }

    /// Kills it as the system would that has no memory left, and waits for its end.
    pub(crate) async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = timeout(crate::patience::PATIENCE, self.child.wait()).await;
        status.unwrap_or_else(|_| panic!("{} goes on:\n{}", self.pid, self.said())).unwrap()
    }

    /// Its end, if that comes before the deadline.
    pub(crate) async fn ended_within(&mut self, deadline: Duration) -> Option<ExitStatus> {
        timeout(deadline, self.child.wait()).await.ok().map(Result::unwrap)
    }

    /// Whether it is stopped, as by SIGSTOP.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state() == Some('T')
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self.state(), None | Some('Z'))
    }

    /// The letter that `man 5 proc_pid_stat` has for it.
    fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        // Until it is gone it may write into a directory that is to be removed next.
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

async fn read(from: ChildStderr, said: Arc<Mutex<Vec<String>>>, count: watch::Sender<usize>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        said.lock().unwrap().push(line);
        count.send_modify(|count| *count += 1);
    }
}
