//! Reads which build of the front end this is: what SvelteKit writes down for its pages to compare themselves with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::AssetsError;

/// Where SvelteKit keeps it, and its pages look.
const FILE: &str = "_app/version.json";

#[derive(Deserialize)]
struct Version {
    version: String,
}

/// The id of the build that these files are; nothing if it does not say.
pub(super) fn build_id(files: &BTreeMap<String, PathBuf>) -> Result<Option<String>, AssetsError> {
    let Some(path) = files.get(FILE) else { return Ok(None) };
    let text =
        std::fs::read(path).map_err(|source| AssetsError::Unreadable { path: path.clone(), source })?;
    match serde_json::from_slice::<Version>(&text) {
        Ok(Version { version }) => Ok(Some(version)),
        Err(error) => {
            log::warn!("{} does not say which build this is: {error}", path.display());
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The id in a version file with this content.
    fn id_in(content: Option<&str>) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("version.json");
        let files = content.map(|content| {
            std::fs::write(&path, content).unwrap();
            (FILE.to_owned(), path.clone())
        });
        build_id(&files.into_iter().collect()).unwrap()
    }

    #[test]
    fn the_id_is_what_sveltekit_wrote() {
        assert_eq!(id_in(Some(r#"{"version":"3f2a"}"#)).as_deref(), Some("3f2a"));
    }

    #[test]
    fn a_build_that_does_not_say_has_none() {
        for content in [None, Some("{}"), Some("not json"), Some(r#"{"version":7}"#)] {
            assert_eq!(id_in(content), None, "{content:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error() {
        let files = [(FILE.to_owned(), PathBuf::from("/nowhere/version.json"))];
        assert!(build_id(&files.into_iter().collect()).is_err());
    }
}
