//! What this program is started for: the supervisor wants the application served, or its types written down.

use std::{env::ArgsOs, ffi::OsString, path::PathBuf};

/// The program's task.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Serve the application, as the supervisor orders.
    Serve,
    /// Write the TypeScript types of the application's contract into this directory.
    ExportTypes(PathBuf),
}

const USAGE: &str = "usage: dev-worker --export-types DIR\n\n\
    Writes the TypeScript types of the application's calls and channels into DIR, and says which files have\n\
    changed. Without arguments, the program serves for the development server, which starts it by itself:\n\
    cargo run -p dev-server";

impl Task {
    /// Reads the command line.
    pub(crate) fn from_arguments(arguments: ArgsOs) -> anyhow::Result<Self> {
        Self::read(arguments.skip(1))
    }

    fn read(mut arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Self> {
        match (arguments.next(), arguments.next(), arguments.next()) {
            (None, ..) => Ok(Self::Serve),
            (Some(flag), Some(directory), None) if flag == "--export-types" => {
                Ok(Self::ExportTypes(directory.into()))
            }
            _ => anyhow::bail!(USAGE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> anyhow::Result<Task> {
        Task::read(arguments.iter().map(OsString::from))
    }

    #[test]
    fn without_arguments_it_serves() {
        assert_eq!(read(&[]).unwrap(), Task::Serve);
    }

    #[test]
    fn with_a_directory_it_writes_types_there() {
        assert_eq!(read(&["--export-types", "a b"]).unwrap(), Task::ExportTypes("a b".into()));
    }

    #[test]
    fn anything_else_is_answered_with_the_usage() {
        for arguments in
            [&["--export-types"][..], &["--help"], &["--export-types", "a", "b"], &["serve", "a"]]
        {
            assert!(read(arguments).unwrap_err().to_string().starts_with("usage:"), "{arguments:?}");
        }
    }
}
