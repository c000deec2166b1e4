//! Owns the walk through the build directory: which files it has and what they are called in a URL. It does
//! not look into them.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};

use super::AssetsError;

/// The one directory with a dot that is made to be public (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// Whether a name is left out: whatever starts with a dot is a left-over of some tool and not meant for the
/// public.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && name != WELL_KNOWN
}

/// All files under `root` that may be served, by key: the path from the root, with slashes. Hidden ones are
/// left out. Links are followed while they stay inside.
pub(super) fn walk(root: &Path) -> Result<BTreeMap<String, PathBuf>, AssetsError> {
    let root = resolve(root)?;
    let mut walk = Walk { files: BTreeMap::new(), ancestors: vec![root.clone()], root };
    walk.descend(&walk.root.clone(), "")?;
    Ok(walk.files)
}

struct Walk {
    root: PathBuf,
    files: BTreeMap<String, PathBuf>,
    /// The directories that are being walked through, without links, to see when one leads back.
    ancestors: Vec<PathBuf>,
}

impl Walk {
    fn descend(&mut self, directory: &Path, prefix: &str) -> Result<(), AssetsError> {
        let unreadable = |source| AssetsError::Unreadable { path: directory.to_owned(), source };
        for entry in directory.read_dir().map_err(unreadable)? {
            self.visit(&entry.map_err(unreadable)?, prefix)?;
        }
        Ok(())
    }

    fn visit(&mut self, entry: &DirEntry, prefix: &str) -> Result<(), AssetsError> {
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            return Err(AssetsError::UnspeakableName(path));
        };
        if is_hidden(&name) {
            return Ok(());
        }
        let target = resolve(&path)?;
        if !target.starts_with(&self.root) || self.ancestors.contains(&target) {
            return Err(AssetsError::StrayLink(path));
        }
        let key = format!("{prefix}{name}");
        if target.is_dir() {
            self.ancestors.push(target);
            self.descend(&path, &format!("{key}/"))?;
            self.ancestors.pop();
        } else if target.is_file() {
            self.files.insert(key, target);
        }
        Ok(())
    }
}

fn resolve(path: &Path) -> Result<PathBuf, AssetsError> {
    path.canonicalize().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound if path.is_symlink() => AssetsError::StrayLink(path.to_owned()),
        _ => AssetsError::Unreadable { path: path.to_owned(), source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn build() -> tempfile::TempDir {
        let build = tempfile::tempdir().unwrap();
        fs::create_dir_all(build.path().join("a/.git")).unwrap();
        fs::create_dir_all(build.path().join(".well-known")).unwrap();
        for file in ["index.html", ".env", "a/b.js", "a/.git/config", ".well-known/security.txt"] {
            fs::write(build.path().join(file), file).unwrap();
        }
        build
    }

    #[test]
    fn hidden_files_are_left_out_except_the_well_known_ones() {
        let build = build();
        let keys: Vec<_> = walk(build.path()).unwrap().into_keys().collect();
        assert_eq!(keys, [".well-known/security.txt", "a/b.js", "index.html"]);
    }

    #[test]
    fn links_inside_the_build_are_followed() {
        let build = build();
        symlink("a", build.path().join("c")).unwrap();
        symlink("a/b.js", build.path().join("d.js")).unwrap();
        let keys: Vec<_> = walk(build.path()).unwrap().into_keys().collect();
        assert_eq!(keys, [".well-known/security.txt", "a/b.js", "c/b.js", "d.js", "index.html"]);
    }

    #[test]
    fn links_out_of_the_build_into_nothing_or_in_a_circle_are_refused() {
        let elsewhere = tempfile::tempdir().unwrap();
        for target in [
            elsewhere.path(),
            Path::new("/etc/passwd"),
            Path::new("nothing"),
            Path::new(".."),
            Path::new("."),
        ] {
            let build = build();
            symlink(target, build.path().join("a/link")).unwrap();
            let error = walk(build.path()).unwrap_err();
            assert!(matches!(error, AssetsError::StrayLink(_)), "{target:?}: {error}");
        }
    }
}
