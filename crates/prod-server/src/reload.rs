//! SIGUSR2: this process starts its successor, which then takes over at the handover socket. If it ends before that,
//! everything stays as it was.

use std::{
    convert::Infallible,
    env,
    ffi::OsString,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf, absolute},
    process::ExitStatus,
};

use tokio::{
    process::{Child, Command},
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{handover::Place, service_manager::ServiceManager};

/// How to start this program again.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// Listens for the signal from the very start, because it would end a process that does not.
pub(crate) struct Reload {
    signals: Signal,
    program: Program,
}

impl Program {
    /// This program, as it was started. To be asked at the start: afterwards there may be another one under its name, and the
    /// system would call this one deleted.
    fn running() -> io::Result<Self> {
        let mut arguments = env::args_os();
        let called = arguments.next().map(PathBuf::from).unwrap_or_default();
        Ok(Self { path: spelling(&called, env::current_exe()?), arguments: arguments.collect() })
    }

    fn start(&self) -> io::Result<Child> {
        Command::new(&self.path).args(&self.arguments).spawn()
    }
}

/// The path by which the program was called, if it leads there: a link in it that is changed leads to the next version.
fn spelling(called: &Path, executable: PathBuf) -> PathBuf {
    let is_path = called.components().count() > 1;
    match absolute(called) {
        Ok(called) if is_path && is_same_file(&called, &executable) => called,
        _ => executable,
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

impl Reload {
    /// Begins to listen for the signal.
    pub(crate) fn prepare() -> io::Result<Self> {
        Ok(Self { signals: signal(SignalKind::user_defined2())?, program: Program::running()? })
    }

    /// Starts a successor whenever there is the signal for it. `place` is where that one will look for this process, if
    /// there is such a place.
    pub(crate) async fn run(mut self, place: Option<Place>, manager: ServiceManager) -> Infallible {
        loop {
            self.signalled().await;
            let Some(place) = &place else {
                log::warn!(
                    "SIGUSR2 changes nothing: to be replaced, this process needs --handover PATH at its start"
                );
                continue;
            };
            match place.is_taken() {
                None => log::warn!(
                    "SIGUSR2 changes nothing: this process does not serve at the handover socket yet"
                ),
                Some(false) => {
                    log::warn!("SIGUSR2 changes nothing: another process is at the handover socket")
                }
                Some(true) => self.replace(place, &manager).await,
            }
        }
    }

    /// Starts a successor and watches over it until it ends, which it does only if it fails: this process ends first if
    /// it does not.
    async fn replace(&mut self, place: &Place, manager: &ServiceManager) {
        manager.reloads();
        log::info!("starting the next process: {}", self.program.path.display());
        let reason = match self.program.start() {
            Ok(child) => format!("it ended with {}", self.watch(child).await),
            Err(error) => format!("cannot start {}: {error}", self.program.path.display()),
        };
        if place.is_taken() == Some(true) {
            log::error!("the next process has not taken over: {reason}. This one goes on");
            manager.goes_on(&reason);
        }
    }

    async fn watch(&mut self, mut child: Child) -> String {
        loop {
            tokio::select! {
                status = child.wait() => return describe(status),
                () = self.signalled() => {
                    let process = child.id().unwrap_or_default();
                    log::warn!("SIGUSR2 changes nothing: process {process} is being started; if it hangs, kill it");
                }
            }
        }
    }

    async fn signalled(&mut self) {
        if self.signals.recv().await.is_none() {
            // The runtime is going down.
            std::future::pending::<()>().await;
        }
    }
}

fn describe(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| format!("an unknown status: {error}"), |status| status.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_that_the_program_was_called_by_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (release, link) = (folder.path().join("1"), folder.path().join("current"));
        std::fs::create_dir(&release).unwrap();
        std::fs::write(release.join("program"), "").unwrap();
        symlink(&release, &link).unwrap();
        assert_eq!(spelling(&link.join("program"), release.join("program")), link.join("program"));
    }

    #[test]
    fn what_leads_somewhere_else_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (executable, other) = (folder.path().join("program"), folder.path().join("other"));
        std::fs::write(&executable, "").unwrap();
        std::fs::write(&other, "").unwrap();
        for called in [other.as_path(), &folder.path().join("missing"), Path::new("program"), Path::new("")] {
            assert_eq!(spelling(called, executable.clone()), executable);
        }
    }

    #[test]
    fn the_path_is_that_of_the_running_program() {
        let program = Program::running().unwrap();
        assert!(program.path.is_absolute());
        assert!(is_same_file(&program.path, &env::current_exe().unwrap()));
    }
}
