//! A server in a process of its own, and what the kernel says about that process.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// The kernel counts processor time in hundredths of a second, and memory in pages.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: f64 = 4096.0;

/// Killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts this program once more, to serve: `kind` is what it is to serve, if there is a choice.
    pub(crate) fn start(kind: &str) -> Self {
        let serve = ["--serve", kind];
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(serve.into_iter().filter(|argument| !argument.is_empty()))
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts once more");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().expect("the server says its port") }
    }

    /// Seconds of processor time that it has used.
    pub(crate) fn processor_seconds(&self) -> f64 {
        let stat = self.read("stat");
        // The second field is the program's name, which may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let [user, system] = [fields[11], fields[12]].map(|ticks| ticks.parse::<f64>().unwrap());
        (user + system) / TICKS_PER_SECOND
    }

    /// Bytes of memory that it has.
    pub(crate) fn resident_bytes(&self) -> f64 {
        self.read("statm").split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * PAGE_BYTES
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the server lives")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
