//! Built programs, put aside so that the next build cannot disturb the one that runs: a hard link costs nothing, and
//! the linker makes a new file each time.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rustix::process::Pid;

/// What a shelf's directory is called, followed by the process it belongs to.
const SHELF: &str = "dev-server.";

/// A built worker that stays as it is for as long as it is held.
#[derive(Debug)]
pub(crate) struct Executable {
    path: PathBuf,
    identity: Identity,
    /// Keeps the directory until the last program in it is gone.
    _shelf: Arc<Shelf>,
}

/// Two builds with the same identity gave the same program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    modified: (i64, i64),
}

/// The directory in which this process puts programs aside.
#[derive(Debug)]
pub(crate) struct Shelf {
    directory: PathBuf,
}

impl Executable {
    /// Puts a program aside, under a name that no earlier one has.
    pub(crate) fn put_aside(built: &Path, shelf: &Arc<Shelf>, number: u64) -> anyhow::Result<Self> {
        let identity = Identity::of(built).with_context(|| format!("cannot find {}", built.display()))?;
        let path = shelf.directory.join(format!("dev-worker-{number}"));
        std::fs::hard_link(built, &path)
            .or_else(|_| std::fs::copy(built, &path).map(drop))
            .with_context(|| format!("cannot put {} aside as {}", built.display(), path.display()))?;
        Ok(Self { path, identity, _shelf: Arc::clone(shelf) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// A program that exists in name only, for decisions about programs.
    #[cfg(test)]
    pub(crate) fn imagined(inode: u64) -> Arc<Self> {
        let identity = Identity { device: 0, inode, modified: (0, 0) };
        let shelf = Arc::new(Shelf { directory: PathBuf::from("/nonexistent") });
        Arc::new(Self { path: PathBuf::from(format!("/nonexistent/{inode}")), identity, _shelf: shelf })
    }
}

impl Drop for Executable {
    /// A program that still runs keeps its file in spite of this.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Ok(Self { device: metadata.dev(), inode: metadata.ino(), modified })
    }
}

impl Shelf {
    /// Makes this process's shelf beside the built programs, and removes those of processes that were killed.
    pub(crate) fn beside(built: &Path) -> anyhow::Result<Arc<Self>> {
        let parent = built.parent().unwrap_or(Path::new("."));
        remove_abandoned(parent);
        let directory = parent.join(format!("{SHELF}{}", std::process::id()));
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(Arc::new(Self { directory }))
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.directory);
    }
}

fn remove_abandoned(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(SHELF)).and_then(|pid| pid.parse().ok());
        if owner.and_then(Pid::from_raw).is_some_and(|pid| rustix::process::test_kill_process(pid).is_err()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_put_aside_survives_the_next_build_and_nothing_is_left_behind() {
        let target = tempfile::tempdir().unwrap();
        let built = target.path().join("dev-worker");
        std::fs::write(&built, "one").unwrap();
        let shelf = Shelf::beside(&built).unwrap();
        let first = Executable::put_aside(&built, &shelf, 1).unwrap();
        let again = Executable::put_aside(&built, &shelf, 2).unwrap();
        assert_eq!(first.identity(), again.identity());

        std::fs::remove_file(&built).unwrap();
        std::fs::write(&built, "two").unwrap();
        let second = Executable::put_aside(&built, &shelf, 3).unwrap();
        assert_ne!(first.identity(), second.identity());
        assert_eq!(std::fs::read_to_string(first.path()).unwrap(), "one");

        drop((first, again, second, shelf));
        let left: Vec<_> =
            std::fs::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [built]);
    }

    #[test]
    fn the_shelf_of_a_killed_process_is_removed() {
        let target = tempfile::tempdir().unwrap();
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        let abandoned = target.path().join(format!("{SHELF}{}", gone.id()));
        gone.wait().unwrap();
        std::fs::create_dir(&abandoned).unwrap();
        std::fs::write(abandoned.join("dev-worker-1"), "").unwrap();
        let _shelf = Shelf::beside(&target.path().join("dev-worker")).unwrap();
        assert!(!abandoned.exists());
    }
}
