//! The tools a run needs: cargo, Node and npm. Checked before anything starts, so that what is missing is said in one
//! sentence and not by a failure somewhere in the middle.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// The cargo to build with: the one that started this program, if one did.
    pub(crate) cargo: OsString,
    /// What `node --version` prints, with its end of line.
    pub(crate) node_version: String,
}

impl Tools {
    /// Looks for them.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        if version_of(Path::new(&cargo)).is_none() {
            anyhow::bail!(
                "cargo was not found: install Rust from https://rustup.rs, open a new terminal and start again"
            );
        }
        let node_version = version_of(Path::new("node")).context(
            "Node.js was not found: install version 20.19 or newer from https://nodejs.org and start again",
        )?;
        check_node(&node_version)?;
        if !is_on_path("npm") {
            anyhow::bail!(
                "npm was not found, although Node.js is there: install it (it comes with https://nodejs.org) and start again"
            );
        }
        Ok(Self { cargo, node_version })
    }
}

fn version_of(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// npm takes a quarter of a second to say its version, and only its presence is of interest.
fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn check_node(version: &str) -> anyhow::Result<()> {
    if is_new_enough(version) {
        return Ok(());
    }
    let version = version.trim();
    anyhow::bail!(
        "Node.js {version} does not suit: install 20.19 or newer of version 20, or 22.13 or newer, from https://nodejs.org and start again"
    )
}

/// The versions that the front end's tools run on: `^20.19.0 || ^22.13.0 || >=24`.
fn is_new_enough(version: &str) -> bool {
    let mut parts = version.trim().trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else {
        return false;
    };
    matches!((major, minor), (20, 19..) | (22, 13..) | (24.., _))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_from_20_19_on_suits() {
        for version in ["v20.19.0\n", "v20.20.2\n", "v22.13.1", "v24.0.0", "v26.1.0"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["v18.20.0", "v20.18.9", "v21.7.0", "v22.11.0", "v23.5.0", "", "node", "v20"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }

    #[test]
    fn too_old_a_node_is_named_with_what_to_do() {
        let error = check_node("v18.0.0\n").unwrap_err().to_string();
        assert!(error.contains("v18.0.0 ") && error.contains("https://nodejs.org"), "{error}");
    }

    #[test]
    fn a_program_that_does_not_exist_has_no_version() {
        assert_eq!(version_of(Path::new("/nonexistent/node")), None);
    }
}
