//! Installs the front end's packages when the lockfile or Node has changed since the last time. `npm ci` always starts
//! from nothing, so it is worth knowing when it is not needed. `scripts/build-frontend.sh` keeps the same stamp.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};

use crate::guarded::{Guarded, Tool, last_lines};
use crate::output::Output;
use crate::state::Event;
use crate::task::StopSignal;

/// How often a long installation says that it is still going on.
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// How an installation went.
pub(crate) enum Installation {
    /// The packages were there already.
    Present,
    /// They are there now, after this long.
    Done(Duration),
    /// They are not, and this is what npm said.
    Failed(String),
}

/// Installs if needed. `None` if asked to stop meanwhile. `events` hear how long it has taken so far.
pub(crate) async fn install(
    front_end: &Path,
    node_version: &str,
    stop: &mut StopSignal,
    events: &mpsc::Sender<Event>,
) -> Option<Installation> {
    match try_install(front_end, node_version, stop, events).await {
        Ok(installation) => installation,
        Err(error) => Some(Installation::Failed(format!("{error:#}"))),
    }
}

async fn try_install(
    front_end: &Path,
    node_version: &str,
    stop: &mut StopSignal,
    events: &mpsc::Sender<Event>,
) -> anyhow::Result<Option<Installation>> {
    let stamp = Stamp::of(front_end, node_version)?;
    if stamp.is_present() {
        return Ok(Some(Installation::Present));
    }
    let started = Instant::now();
    let _ = events.send(Event::Installing(Duration::ZERO)).await;
    // Without the stamp an interrupted installation is started again next time.
    stamp.remove()?;
    let (mut guarded, mut output) =
        Tool::new("npm", &["ci", "--no-audit", "--no-fund"], front_end)?.start()?;
    let mut ticks = interval_at(started + PROGRESS_EVERY, PROGRESS_EVERY);
    let mut said = String::new();
    loop {
        tokio::select! {
            line = output.next() => match line {
                Some(line) => append(&mut said, &line.into_text()),
                None => break,
            },
            _ = ticks.tick() => drop(events.send(Event::Installing(started.elapsed())).await),
            () = stop.requested() => {
                guarded.stop().await;
                return Ok(None);
            }
        }
    }
    conclude(&mut guarded, &mut output, &stamp, said, started.elapsed()).await.map(Some)
}

async fn conclude(
    guarded: &mut Guarded,
    output: &mut Output,
    stamp: &Stamp,
    mut said: String,
    took: Duration,
) -> anyhow::Result<Installation> {
    let status = guarded.wait().await?;
    for line in last_lines(output).await {
        append(&mut said, &line.into_text());
    }
    if !status.success() {
        return Ok(Installation::Failed(said));
    }
    stamp.write()?;
    Ok(Installation::Done(took))
}

fn append(said: &mut String, line: &str) {
    said.push_str(line);
    said.push('\n');
}

/// The note in `node_modules` that says what was installed by which Node.
struct Stamp {
    file: PathBuf,
    content: String,
}

impl Stamp {
    fn of(front_end: &Path, node_version: &str) -> anyhow::Result<Self> {
        let lockfile = front_end.join("package-lock.json");
        let lock = std::fs::read(&lockfile).with_context(|| format!("cannot read {}", lockfile.display()))?;
        let digest = Sha256::new().chain_update(lock).chain_update(node_version).finalize();
        let content = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { file: front_end.join("node_modules/.duplex-installed"), content })
    }

    fn is_present(&self) -> bool {
        std::fs::read_to_string(&self.file).is_ok_and(|content| content.trim() == self.content)
    }

    fn remove(&self) -> anyhow::Result<()> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.file.display()))
            }
            _ => Ok(()),
        }
    }

    fn write(&self) -> anyhow::Result<()> {
        std::fs::write(&self.file, &self.content)
            .with_context(|| format!("cannot write {}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_is_the_digest_of_the_lockfile_and_then_the_version_line() {
        let front_end = tempfile::tempdir().unwrap();
        std::fs::write(front_end.path().join("package-lock.json"), "abc").unwrap();
        let stamp = Stamp::of(front_end.path(), "v20.20.2\n").unwrap();
        // printf 'abcv20.20.2\n' | sha256sum
        assert_eq!(stamp.content, SHA256_OF_ABC_AND_VERSION);
    }

    const SHA256_OF_ABC_AND_VERSION: &str =
        "d30931e1583587fd4103d78c3ee78ada73de27f2f3cd8e3c1dae50a23edceb61";

    #[test]
    fn a_stamp_is_present_only_for_the_same_lockfile_and_node() {
        let front_end = tempfile::tempdir().unwrap();
        let path = front_end.path();
        std::fs::write(path.join("package-lock.json"), "{}").unwrap();
        std::fs::create_dir(path.join("node_modules")).unwrap();
        assert!(!Stamp::of(path, "v20.19.0\n").unwrap().is_present());
        Stamp::of(path, "v20.19.0\n").unwrap().write().unwrap();
        assert!(Stamp::of(path, "v20.19.0\n").unwrap().is_present());
        assert!(!Stamp::of(path, "v22.13.0\n").unwrap().is_present());
        std::fs::write(path.join("package-lock.json"), "{ }").unwrap();
        assert!(!Stamp::of(path, "v20.19.0\n").unwrap().is_present());
        Stamp::of(path, "v20.19.0\n").unwrap().remove().unwrap();
        Stamp::of(path, "v20.19.0\n").unwrap().remove().unwrap();
    }
}
