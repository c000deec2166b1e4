//! The program as a process, and what it says.

use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Longer than anything takes here, so that what never comes fails the test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The program in a directory that has its own `.env`, with none of our variables.
pub(crate) fn program(directory: &Path) -> Command {
    installed(Path::new(env!("CARGO_BIN_EXE_prod-server")), directory)
}

/// The same for a copy of the program.
pub(crate) fn installed(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).env_clear().stdin(Stdio::null());
    command
}

/// A running program. When it is dropped, it is killed with all that it has started.
pub(crate) struct Running {
    process: Pid,
    status: Receiver<ExitStatus>,
    /// Everything that it and those that it has started say, until the last of them has ended.
    lines: Receiver<String>,
    addresses: Vec<SocketAddr>,
    said: String,
}

impl Running {
    /// Waits until it says that it listens on that many addresses.
    pub(crate) fn start(command: &mut Command, addresses: usize) -> Running {
        let (reader, writer) = pipe().unwrap();
        // Its own group, so that it can be ended with those that it starts.
        let child = command.stdout(Stdio::null()).stderr(writer).process_group(0).spawn().unwrap();
        // The command holds this process's copy of the writing end.
        command.stderr(Stdio::null());
        let mut running = Running {
            process: Pid::from_child(&child),
            status: watch(child),
            lines: listen(reader),
            addresses: Vec::new(),
            said: String::new(),
        };
        while running.addresses.len() < addresses {
            let line = running.hear("listening on http://");
            let (_, address) = line.split_once("listening on http://").unwrap();
            running.addresses.push(address.parse().unwrap());
        }
        running
    }

    /// Waits for a line with these words.
    #[track_caller]
    pub(crate) fn hear(&mut self, words: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("it has not said `{words}`:\n{}", self.said);
            };
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(words) {
                return line;
            }
        }
    }

    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(crate) fn process(&self) -> Pid {
        self.process
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal).unwrap();
    }

    /// Waits until it has ended by itself, well.
    #[track_caller]
    pub(crate) fn ended(&mut self) {
        let status = self.status();
        self.said.extend(self.lines.try_iter().map(|line| line + "\n"));
        assert!(status.success(), "{status}:\n{}", self.said);
    }

    /// Waits until it has ended by itself, without having got anywhere, and returns all that it has said.
    #[track_caller]
    pub(crate) fn failed(mut self) -> String {
        let status = self.status();
        self.everybody_ended();
        assert_eq!(status.code(), Some(1), "{}", self.said);
        std::mem::take(&mut self.said)
    }

    /// Waits until it and all that it has started have ended.
    #[track_caller]
    pub(crate) fn everybody_ended(&mut self) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.said.push_str(&(line + "\n")),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("something still runs:\n{}", self.said),
            }
        }
    }

    #[track_caller]
    pub(crate) fn end_with(mut self, signal: Signal) {
        self.signal(signal);
        self.ended();
    }

    /// Ends it as a loss of power would.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        self.status();
    }

    #[track_caller]
    fn status(&mut self) -> ExitStatus {
        let Ok(status) = self.status.recv_timeout(PATIENCE) else {
            self.said.extend(self.lines.try_iter().map(|line| line + "\n"));
            panic!("it goes on:\n{}", self.said);
        };
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        while self.lines.try_recv().is_ok() {}
        // Somebody is there who could say something.
        if matches!(self.lines.try_recv(), Err(TryRecvError::Empty)) {
            let _ = kill_process_group(self.process, Signal::KILL);
            while self.lines.recv().is_ok() {}
        }
    }
}

fn watch(mut child: Child) -> Receiver<ExitStatus> {
    let (sender, status) = channel();
    thread::spawn(move || sender.send(child.wait().unwrap()));
    status
}

fn listen(reader: PipeReader) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            // Whoever does not listen must not make the program wait.
            let _ = sender.send(line);
        }
    });
    lines
}
