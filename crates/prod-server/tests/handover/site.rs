//! A place where servers run one after the other: a front-end build, a database, a port and the path at which the next
//! one comes in.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::Stdio,
    sync::atomic::{AtomicU16, Ordering},
};

use tempfile::TempDir;
use tokio::process::Command;

/// What the servers sign their cookies with.
pub(crate) const SECRET: &str = "a secret that both processes know, of more than thirty-two bytes";

/// A static file that is asked for.
pub(crate) const SCRIPT: (&str, &str) =
    ("/_app/immutable/start.js", "console.log('a script of forty-two bytes');");

/// Removed when it is dropped.
pub(crate) struct Site {
    directory: TempDir,
    pub(crate) address: SocketAddr,
}

impl Site {
    pub(crate) fn new() -> Site {
        let directory = tempfile::tempdir().unwrap();
        let files =
            [("index.html", "the root page"), ("200.html", "the fallback page"), (&SCRIPT.0[1..], SCRIPT.1)];
        for (name, content) in files {
            let path = directory.path().join("build").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Site { directory, address: (Ipv4Addr::LOCALHOST, free_port()).into() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The program as it is started here: it takes over from the one that runs, or is the first.
    pub(crate) fn program(&self) -> Command {
        let mut command = self.alone();
        command.arg("--handover").arg(self.path("handover"));
        command
    }

    /// The program without a handover.
    pub(crate) fn alone(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prod-server"));
        command
            .current_dir(self.directory.path())
            .env_clear()
            .env("SESSION_SECRET", SECRET)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .args(["--assets", "build", "--host", "127.0.0.1", "--port"])
            .arg(self.address.port().to_string());
        command
    }
}

/// A port that is free and that the system gives to no client, so that a server can come back to it.
fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const LAST: u16 = 30_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let mine = (std::process::id() % 1900) as u16 * 10;
    for _ in 0..1000 {
        let port = FIRST + (mine + NEXT.fetch_add(1, Ordering::Relaxed)) % (LAST - FIRST);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("there is no free port from {FIRST} to {LAST}");
}
