//! The command line, and the settings that come out of it: flags first, then the environment, then `.env`, then
//! defaults. `.env` is read here but never loaded into this process's environment, where a removed key would live on.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use duplex_core::{Environment, EnvironmentError, HostPolicy};

/// The port when nothing else is asked for.
const DEFAULT_PORT: u16 = 3004;

/// Where the front end is, from the repository's root.
pub(crate) const FRONT_END: &str = "frontend";

/// Serves the application while you write it.
#[derive(Debug, Parser)]
#[command(
    name = "dev-server",
    version,
    about = "Serves the application while you write it: pages reload as you edit, Rust code is rebuilt and swapped in.",
    after_help = "\
When Rust code is saved, it is built, writes the front end's types (frontend/src/lib/contract), and is swapped in.
If the types have changed, svelte-check says here which pages no longer fit, and again at each save until they do.

Flags win over environment variables, those over the file .env, and that over the defaults.

Examples:
  cargo run -p dev-server -- --open            start, and open the page
  cargo run -p dev-server -- --port 4000       on another port
  cargo run -p dev-server -- --host 0.0.0.0    for other machines too
  NO_COLOR=1 cargo run -p dev-server           in plain text

Ctrl-C stops everything in order; a second one stops it at once.",
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
    /// Port to listen on, or the next free one above it; 0 lets the system choose [env: PORT] [default: 3004]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Address to listen on: an IP address of this machine, or localhost [env: HOST] [default: localhost]
    #[arg(long, value_name = "ADDRESS")]
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
    /// The names that may be asked for, as the worker has it.
    pub(crate) hosts: HostPolicy,
}

impl Settings {
    /// Reads the environment and `.env` of the repository around the current directory.
    pub(crate) fn read(flags: Flags) -> anyhow::Result<Self> {
        let root = find_root()?;
        let environment = Environment::read(&root.join(".env"))?;
        Ok(Self::settle(root, flags, &environment)?)
    }

    fn settle(root: PathBuf, flags: Flags, environment: &Environment) -> Result<Self, EnvironmentError> {
        let port = match flags.port {
            Some(port) => port,
            None => environment.parse("PORT")?.unwrap_or(DEFAULT_PORT),
        };
        let host =
            flags.host.as_deref().or_else(|| environment.get("HOST")).unwrap_or("localhost").to_owned();
        let hosts = duplex_core::Settings::default().local(environment).hosts;
        Ok(Self { root, host, port, open: flags.open, strict_port: flags.strict_port, hosts })
    }

    /// Where the front end's sources are.
    pub(crate) fn front_end(&self) -> PathBuf {
        self.root.join(FRONT_END)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(flags: Flags, variables: &[(&str, &str)]) -> Result<Settings, EnvironmentError> {
        let environment =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::settle(PathBuf::from("/repository"), flags, &environment)
    }

    #[test]
    fn defaults_are_localhost_and_3004() {
        let settings = settle(Flags::default(), &[]).unwrap();
        assert_eq!((settings.host.as_str(), settings.port), ("localhost", 3004));
    }

    #[test]
    fn flags_win_over_variables() {
        let variables = [("PORT", "2"), ("HOST", "0.0.0.0")];
        let flags = Flags { port: Some(1), host: Some("::1".into()), ..Flags::default() };
        let settings = settle(flags, &variables).unwrap();
        assert_eq!((settings.host.as_str(), settings.port), ("::1", 1));
        let settings = settle(Flags::default(), &variables).unwrap();
        assert_eq!((settings.host.as_str(), settings.port), ("0.0.0.0", 2));
    }

    #[test]
    fn a_port_that_is_no_number_is_named() {
        let error = settle(Flags::default(), &[("PORT", "http")]).unwrap_err();
        assert!(error.to_string().contains("PORT is `http`"), "{error}");
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
