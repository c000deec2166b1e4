//! Watches what the program is made from and says, after a short quiet, what kind of thing has changed. Which files
//! cargo really depends on is left to cargo.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{Notify, mpsc};

use crate::state::Event;

/// An editor's save is several events, a few milliseconds apart.
const QUIET: Duration = Duration::from_millis(60);

/// A program that writes without pause must not keep the rest waiting.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Kinds of change. Several may come together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Changes {
    /// Something that cargo may build from.
    pub(crate) sources: bool,
    /// `.env`, which the worker reads at its start.
    pub(crate) environment: bool,
    /// `frontend/package-lock.json`.
    pub(crate) packages: bool,
}

impl Changes {
    fn is_empty(self) -> bool {
        self == Self::default()
    }

    fn merge(&mut self, other: Self) {
        self.sources |= other.sources;
        self.environment |= other.environment;
        self.packages |= other.packages;
    }
}

/// Watches for as long as it is held.
pub(crate) struct Watch {
    pending: Arc<Pending>,
    _watcher: RecommendedWatcher,
}

/// Changes that nobody has taken yet. They merge, so there is no queue to overflow; the lock is held for a moment only,
/// because notify calls from a thread that has more to do.
#[derive(Default)]
struct Pending {
    changes: Mutex<Changes>,
    more: Notify,
}

impl Watch {
    /// Starts to watch the repository at `root`.
    pub(crate) fn start(root: &Path) -> anyhow::Result<Self> {
        let pending = Arc::new(Pending::default());
        let filter = Filter::of(root);
        let seen = Arc::clone(&pending);
        let mut watcher = notify::recommended_watcher(move |event| seen.add(filter.judge(event)))
            .context("cannot watch files")?;
        // The files at the root are watched through their directory: an editor replaces a file rather than write to
        // it, and a watch on the file itself would stay with the one that is gone.
        let places = [
            ("", RecursiveMode::NonRecursive),
            ("frontend", RecursiveMode::NonRecursive),
            ("crates", RecursiveMode::Recursive),
        ];
        for (place, mode) in places {
            let path = root.join(place);
            if path.is_dir() {
                watcher.watch(&path, mode).with_context(|| cannot_watch(&path))?;
            }
        }
        Ok(Self { pending, _watcher: watcher })
    }

    /// Reports changes for as long as somebody listens.
    pub(crate) async fn report(mut self, events: mpsc::Sender<Event>) {
        while events.send(Event::Changed(self.next().await)).await.is_ok() {}
    }

    /// Waits for changes and for the quiet after them. Not cancel-safe: whoever gives up waiting has taken the sign that
    /// there are changes, and leaves them where nobody looks.
    async fn next(&mut self) -> Changes {
        loop {
            self.pending.more.notified().await;
            let settle =
                async { while tokio::time::timeout(QUIET, self.pending.more.notified()).await.is_ok() {} };
            let _ = tokio::time::timeout(LONGEST_WAIT, settle).await;
            let changes = self.pending.take();
            if !changes.is_empty() {
                return changes;
            }
        }
    }
}

impl Pending {
    fn add(&self, changes: Changes) {
        if changes.is_empty() {
            return;
        }
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).merge(changes);
        self.more.notify_one();
    }

    fn take(&self) -> Changes {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn cannot_watch(path: &Path) -> String {
    format!("cannot watch {}: is the limit fs.inotify.max_user_watches reached?", path.display())
}

/// Tells changes that matter from those that do not.
struct Filter {
    root: PathBuf,
    ignored: Vec<Gitignore>,
}

impl Filter {
    fn of(root: &Path) -> Self {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
        let crates =
            std::fs::read_dir(root.join("crates")).into_iter().flatten().flatten().map(|entry| entry.path());
        let directories = [root.clone(), root.join("crates")].into_iter().chain(crates);
        Self { ignored: directories.filter_map(|directory| rules_in(&directory)).collect(), root }
    }

    fn judge(&self, event: notify::Result<notify::Event>) -> Changes {
        let everything = Changes { sources: true, environment: true, packages: true };
        // An error, or the kernel's word that it lost events: anything may have changed.
        let Ok(event) = event else { return everything };
        if event.need_rescan() {
            return everything;
        }
        if !is_change(event.kind) {
            return Changes::default();
        }
        event.paths.iter().fold(Changes::default(), |mut changes, path| {
            changes.merge(self.judge_path(path));
            changes
        })
    }

    fn judge_path(&self, path: &Path) -> Changes {
        let nothing = Changes::default();
        let Ok(relative) = path.strip_prefix(&self.root) else { return nothing };
        match relative.to_str() {
            Some(".env") => Changes { environment: true, ..nothing },
            Some("frontend/package-lock.json") => Changes { packages: true, ..nothing },
            Some("Cargo.toml" | "Cargo.lock") => Changes { sources: true, ..nothing },
            _ if relative.starts_with("crates")
                && relative != Path::new("crates")
                && !self.is_ignored(path) =>
            {
                Changes { sources: true, ..nothing }
            }
            _ => nothing,
        }
    }

    fn is_ignored(&self, path: &Path) -> bool {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let in_output = relative.iter().any(|part| part == "target" || part == "node_modules");
        in_output
            || path.file_name().and_then(|name| name.to_str()).is_some_and(is_never_source)
            || self.ignored.iter().any(|rules| {
                path.starts_with(rules.path()) && rules.matched_path_or_any_parents(path, false).is_ignore()
            })
    }
}

fn rules_in(directory: &Path) -> Option<Gitignore> {
    let file = directory.join(".gitignore");
    if !file.is_file() {
        return None;
    }
    let mut builder = GitignoreBuilder::new(directory);
    builder.add(file);
    builder.build().ok()
}

/// Opening and reading is no change; a new modification time is one, for cargo goes by it.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// Databases, which change because the program runs, and what editors leave beside a file while they work on it.
fn is_never_source(name: &str) -> bool {
    let databases = [".db", ".db3", ".sqlite", ".sqlite3", "-journal", "-wal", "-shm"];
    let editors = ["~", ".swp", ".swo", ".swx", ".tmp"];
    databases.iter().chain(&editors).any(|end| name.ends_with(end))
        || name.starts_with(".#")
        || name == "4913"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for directory in ["crates/app/src", "frontend/src", "target"] {
            std::fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        std::fs::write(root.path().join(".gitignore"), "/target\n/.env\n*.log\n").unwrap();
        std::fs::write(root.path().join("crates/app/.gitignore"), "/generated\n").unwrap();
        root
    }

    #[test]
    fn only_what_the_program_is_made_from_matters() {
        let root = repository();
        let filter = Filter::of(root.path());
        let judge = |path: &str| filter.judge_path(&filter.root.join(path));
        let nothing = Changes::default();
        let sources = Changes { sources: true, ..nothing };
        for path in
            ["crates/app/src/lib.rs", "crates/app/templates/a.html", "crates/new", "Cargo.toml", "Cargo.lock"]
        {
            assert_eq!(judge(path), sources, "{path}");
        }
        assert_eq!(judge(".env"), Changes { environment: true, ..nothing });
        assert_eq!(judge("frontend/package-lock.json"), Changes { packages: true, ..nothing });
        let without_effect = [
            "crates",
            "target",
            "README.md",
            "crates/app/data.db",
            "crates/app/data.sqlite-wal",
            "crates/app/out.log",
            "crates/app/generated/x.rs",
            "crates/app/target/x",
            "crates/app/src/lib.rs~",
            "crates/app/src/.lib.rs.swp",
            "crates/app/src/4913",
            "frontend/package.json",
            "frontend/src/a.svelte",
            "frontend/src/lib/contract/types.ts",
            "../elsewhere/Cargo.toml",
        ];
        for path in without_effect {
            assert_eq!(judge(path), nothing, "{path}");
        }
    }

    #[test]
    fn a_lost_event_counts_as_every_change() {
        let filter = Filter::of(repository().path());
        let lost = notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        let everything = Changes { sources: true, environment: true, packages: true };
        assert_eq!(filter.judge(Ok(lost)), everything);
        assert_eq!(filter.judge(Err(notify::Error::generic("x"))), everything);
    }

    #[tokio::test]
    async fn saves_by_rename_and_files_in_new_directories_are_seen() {
        let root = repository();
        let path = root.path().canonicalize().unwrap();
        let mut watch = Watch::start(&path).unwrap();

        std::fs::write(path.join("crates/app/src/.new"), "").unwrap();
        std::fs::rename(path.join("crates/app/src/.new"), path.join("crates/app/src/lib.rs")).unwrap();
        assert!(watch.next().await.sources);

        std::fs::create_dir(path.join("crates/app/src/deep")).unwrap();
        assert!(watch.next().await.sources);
        std::fs::write(path.join("crates/app/src/deep/mod.rs"), "").unwrap();
        assert!(watch.next().await.sources);

        std::fs::write(path.join(".env.new"), "A=1").unwrap();
        std::fs::rename(path.join(".env.new"), path.join(".env")).unwrap();
        assert_eq!(watch.next().await, Changes { environment: true, ..Changes::default() });
    }

    #[tokio::test]
    async fn changes_close_together_come_as_one() {
        let root = repository();
        let path = root.path().canonicalize().unwrap();
        let mut watch = Watch::start(&path).unwrap();
        std::fs::write(path.join("Cargo.toml"), "").unwrap();
        std::fs::write(path.join(".env"), "").unwrap();
        std::fs::write(path.join("frontend/package-lock.json"), "{}").unwrap();
        assert_eq!(watch.next().await, Changes { sources: true, environment: true, packages: true });
    }
}
