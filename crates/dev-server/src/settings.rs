//! The command line, and the settings that come out of it: flags first, then the environment, then `.env`, then
//! defaults. `.env` is read here but never loaded into this process's environment, where a removed key would live on.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// The port when nothing else is asked for.
const DEFAULT_PORT: u16 = 3004;

/// Serves the application while you write it.
#[derive(Debug, Parser)]
#[command(
    name = "dev-server",
    version,
    about = "Serves the application while you write it: pages reload as you edit, Rust code is rebuilt and swapped in.",
    after_help = "Settings are taken from flags, then from the environment, then from .env, then from the defaults:\n  \
                  HOST, PORT   as --host and --port\n  \
                  NO_COLOR     plain output\n\n\
                  Examples:\n  \
                  cargo run -p dev-server -- --open            start, and open the browser\n  \
                  cargo run -p dev-server -- --port 4000       another port\n  \
                  cargo run -p dev-server -- --host 0.0.0.0    reachable from other machines\n\n\
                  Ctrl-C stops everything; twice stops it the hard way.",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) flags: Flags,
    #[command(subcommand)]
    pub(crate) mode: Option<Mode>,
}

/// What a person can ask for.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Flags {
    /// Port to listen on; the next free one is taken if it is in use [default: 3004]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Host or address to listen on; `localhost` is 127.0.0.1 and ::1 [default: localhost]
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Open the page in the browser when it is ready
    #[arg(long)]
    pub(crate) open: bool,
    /// Fail if the port is in use, instead of taking the next free one
    #[arg(long)]
    pub(crate) strict_port: bool,
}

/// The hidden modes in which this program starts itself; see the `guard` module.
#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    #[command(hide = true)]
    Guard {
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    #[command(hide = true)]
    Guarded {
        parent: i32,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

/// What the supervisor works with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Settings {
    /// The repository's root.
    pub(crate) root: PathBuf,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) open: bool,
    pub(crate) strict_port: bool,
}

impl Settings {
    /// Reads the environment and `.env` of the repository around the current directory.
    pub(crate) fn read(flags: Flags) -> anyhow::Result<Self> {
        let root = find_root()?;
        let file = read_env_file(&root.join(".env"))?;
        let look_up = |name: &str| {
            std::env::var(name)
                .ok()
                .or_else(|| file.get(name).cloned())
                .filter(|value| !value.trim().is_empty())
        };
        Self::resolve(root, flags, look_up)
    }

    fn resolve(
        root: PathBuf,
        flags: Flags,
        look_up: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let port = match (flags.port, look_up("PORT")) {
            (Some(port), _) => port,
            (None, Some(text)) => text
                .trim()
                .parse()
                .with_context(|| format!("PORT is {text:?}, it must be a number from 0 to 65535"))?,
            (None, None) => DEFAULT_PORT,
        };
        let host = flags.host.or_else(|| look_up("HOST")).unwrap_or_else(|| "localhost".to_owned());
        Ok(Self { root, host, port, open: flags.open, strict_port: flags.strict_port })
    }

    /// Where the front end's sources are.
    pub(crate) fn front_end(&self) -> PathBuf {
        self.root.join("frontend")
    }
}

/// The repository that the current directory is in, or else the one that this program was built from.
fn find_root() -> anyhow::Result<PathBuf> {
    let current = std::env::current_dir().context("cannot tell the current directory")?;
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let root = current.ancestors().chain(built_from).find(|directory| is_root(directory));
    root.map(Path::to_path_buf).context("no crates/dev-worker here: start dev-server inside the repository")
}

fn is_root(directory: &Path) -> bool {
    directory.join("crates/dev-worker/Cargo.toml").is_file()
}

fn read_env_file(path: &Path) -> anyhow::Result<HashMap<String, String>> {
    if !path.exists() {
        return Ok(HashMap::new());
    }
    let read = || dotenvy::from_path_iter(path)?.collect::<Result<_, _>>();
    read().with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: Flags, variables: &[(&str, &str)]) -> anyhow::Result<Settings> {
        let look_up =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Settings::resolve(PathBuf::from("/repository"), flags, look_up)
    }

    #[test]
    fn defaults_are_localhost_and_3004() {
        let settings = resolve(Flags::default(), &[]).unwrap();
        assert_eq!((settings.host.as_str(), settings.port), ("localhost", 3004));
    }

    #[test]
    fn flags_win_over_variables() {
        let flags = Flags { port: Some(1), host: Some("::1".into()), ..Flags::default() };
        let settings = resolve(flags, &[("PORT", "2"), ("HOST", "0.0.0.0")]).unwrap();
        assert_eq!((settings.host.as_str(), settings.port), ("::1", 1));
        let settings = resolve(Flags::default(), &[("PORT", "2"), ("HOST", "0.0.0.0")]).unwrap();
        assert_eq!((settings.host.as_str(), settings.port), ("0.0.0.0", 2));
    }

    #[test]
    fn a_port_that_is_no_number_is_named() {
        let error = resolve(Flags::default(), &[("PORT", "http")]).unwrap_err();
        assert!(error.to_string().contains("\"http\""), "{error}");
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
