//! The secret that signs cookies in development: made once, kept in a file that git ignores, so that a sign-in
//! survives every swap and restart.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use duplex_core::Environment;

const NAME: &str = "SESSION_SECRET";

/// Bytes of randomness; the file has them as hexadecimal digits.
const SECRET_BYTES: usize = 32;

/// Sets `SESSION_SECRET` from the file, unless it is set.
pub(crate) fn provide(environment: &mut Environment, file: &Path) -> anyhow::Result<()> {
    if environment.get(NAME).is_some() {
        return Ok(());
    }
    let secret = keep(file).with_context(|| format!("cannot keep a secret in {}", file.display()))?;
    environment.set_default(NAME, secret);
    Ok(())
}

/// The file appears with its content or not at all: a reader never finds half a secret, and an unusable file is replaced.
fn keep(file: &Path) -> io::Result<String> {
    if let Some(secret) = read(file)? {
        return Ok(secret);
    }
    let secret = make()?;
    let draft = file.with_extension(std::process::id().to_string());
    let mut created = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    created.write_all(secret.as_bytes())?;
    std::fs::rename(&draft, file)?;
    // If another worker was faster or slower by a moment, both take what is there now.
    Ok(read(file)?.unwrap_or(secret))
}

fn read(file: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(secret) => Ok(Some(secret.trim().to_owned()).filter(|secret| secret.len() >= SECRET_BYTES)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn make() -> io::Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret_after(environment: &[(&str, &str)], file: &Path) -> String {
        let own = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut environment: Environment = own.collect();
        provide(&mut environment, file).unwrap();
        environment.get(NAME).unwrap().to_owned()
    }

    #[test]
    fn the_secret_is_made_once_and_readable_by_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        let first = secret_after(&[], &file);
        assert_eq!(first.len(), 2 * SECRET_BYTES);
        assert_eq!(secret_after(&[], &file), first);
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_empty_file_is_replaced_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        std::fs::write(&file, "").unwrap();
        let secret = secret_after(&[], &file);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), secret);
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_secret_of_the_environment_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        assert_eq!(secret_after(&[(NAME, "mine")], &file), "mine");
        assert!(!file.exists());
    }
}
