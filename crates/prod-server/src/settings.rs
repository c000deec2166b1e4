//! Owns the command line and what follows from it, the environment and the defaults. It binds and serves
//! nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Parser;
use duplex_core::{Environment, EnvironmentError};

use crate::AssetsSettings;

/// The variables that pages may see, and so everyone who asks for the page.
const PUBLIC_PREFIX: &str = "PUBLIC_";

/// Serves the built front end and the application, in production or, with --preview, on this machine only.
#[derive(Debug, Default, Parser)]
#[command(
    name = "prod-server",
    version,
    after_help = "\
Flags win over environment variables, those over the file .env, and that over the defaults.

Before the first start, build the front end: scripts/build-frontend.sh

Examples:
  cargo run --release -p prod-server              the production server, on 0.0.0.0:3005
  cargo run -p prod-server -- --preview --open    the same for your own eyes, on localhost:3003
  PORT=80 prod-server --assets /srv/site          an installed binary and its build
  RUST_LOG=debug prod-server                      with more to read
  prod-server --handover /run/duplex/handover     started again, the new process takes over from the old one

docs/deploy.md tells how to deploy without anybody noticing."
)]
pub struct Flags {
    /// Serve to this machine only, on localhost:3003
    #[arg(long)]
    pub preview: bool,

    /// Address to listen on: an IP address of this machine, or localhost [env: HOST] [default: 0.0.0.0]
    #[arg(long, conflicts_with = "preview", value_name = "ADDRESS")]
    pub host: Option<String>,

    /// Port to listen on; 0 lets the system choose [env: PORT] [default: 3005, or 3003 for a preview]
    #[arg(long)]
    pub port: Option<u16>,

    /// Directory with the built front end [default: frontend/build]
    #[arg(long, value_name = "DIR")]
    pub assets: Option<PathBuf>,

    /// Stream files above this size from disk, hold others in memory [env: STREAM_ABOVE] [default: 4194304]
    #[arg(long, value_name = "BYTES")]
    pub stream_above: Option<u64>,

    /// Take over from the process that serves at this Unix socket, and be found there by the next one [env: HANDOVER]
    ///
    /// The first process with this path makes the socket. Each later one gets the listening sockets, what channels keep
    /// and the open connections, and the earlier one exits when its last request is answered. If the new one cannot
    /// start, the old one goes on. Only processes of the same user meet there. SIGUSR2 makes a process start its
    /// successor itself, from the same file with the same arguments.
    #[arg(long, value_name = "PATH")]
    pub handover: Option<PathBuf>,

    /// Keep what channels remember in this file from a stop to the next start [env: STATE_FILE]
    ///
    /// Clients that come back recover what they missed. The file is written at SIGTERM and SIGINT and removed when it is
    /// read, so after a crash they are told that they have not recovered.
    #[arg(long, value_name = "PATH")]
    pub state_file: Option<PathBuf>,

    /// Open the page in the browser
    #[arg(long)]
    pub open: bool,
}

/// Everything that was decided before the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether this is a preview, for this machine only.
    pub preview: bool,
    /// Where to listen.
    pub host: String,
    /// Where to listen; 0 lets the system choose.
    pub port: u16,
    /// Where the build is.
    pub directory: PathBuf,
    /// How to serve it.
    pub assets: AssetsSettings,
    /// Where the process before this one is found, and this one by the next.
    pub handover: Option<PathBuf>,
    /// What keeps the hub's streams from a stop to the next start.
    pub state_file: Option<PathBuf>,
    /// Whether to open the browser.
    pub open: bool,
}

impl Flags {
    /// The directory with `.env` and the front end: the workspace under `cargo run`, else the current
    /// directory.
    pub fn root() -> PathBuf {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let workspace = package.as_deref().and_then(|package| package.ancestors().nth(2));
        workspace.unwrap_or(Path::new(".")).to_owned()
    }

    /// Joins the flags with the environment and the defaults.
    ///
    /// # Errors
    ///
    /// Fails when a variable that is needed has a value of the wrong kind.
    pub fn settle(self, environment: &Environment) -> Result<Settings, EnvironmentError> {
        // A preview is local whatever HOST says, because that is what it was asked for.
        let (default_host, default_port) = if self.preview { ("localhost", 3003) } else { ("0.0.0.0", 3005) };
        let host = environment.get("HOST").filter(|_| !self.preview).unwrap_or(default_host).to_owned();
        let defaults = AssetsSettings::default();
        let largest_in_memory = match self.stream_above {
            Some(size) => size,
            None => environment.parse("STREAM_ABOVE")?.unwrap_or(defaults.largest_in_memory),
        };
        let port = match self.port {
            Some(port) => port,
            None => environment.parse("PORT")?.unwrap_or(default_port),
        };
        // A preview beside the production server must not take its place because both read the same `.env`.
        let path = |name| environment.get(name).filter(|_| !self.preview).map(|_| environment.path(name, ""));
        Ok(Settings {
            preview: self.preview,
            handover: self.handover.or_else(|| path("HANDOVER")),
            state_file: self.state_file.or_else(|| path("STATE_FILE")),
            host: self.host.unwrap_or(host),
            port,
            directory: self.assets.unwrap_or_else(|| Flags::root().join("frontend/build")),
            assets: AssetsSettings { largest_in_memory, public_environment: public(environment) },
            open: self.open,
        })
    }
}

fn public(environment: &Environment) -> BTreeMap<String, String> {
    environment.iter(PUBLIC_PREFIX).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn settle(flags: &[&str], variables: &[(&str, &str)]) -> Result<Settings, EnvironmentError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let flags = Flags::try_parse_from([&["prod-server"], flags].concat()).unwrap();
        flags.settle(&variables.collect())
    }

    #[track_caller]
    fn assert_address(flags: &[&str], variables: &[(&str, &str)], host: &str, port: u16) {
        let settings = settle(flags, variables).unwrap();
        assert_eq!((settings.host.as_str(), settings.port), (host, port));
    }

    #[test]
    fn the_command_line_is_consistent() {
        Flags::command().debug_assert();
    }

    #[test]
    fn the_service_unit_has_a_command_line_that_is_understood() {
        let unit = std::fs::read_to_string("../../docs/deploy/duplex.service").unwrap();
        let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let flags = Flags::try_parse_from(command.split(' ')).unwrap();
        assert_eq!(flags.handover, Some("/run/duplex/handover".into()));
        assert_eq!(flags.state_file, Some("/var/lib/duplex/state".into()));
        assert_eq!(flags.assets, Some("/srv/duplex/build".into()));
    }

    #[test]
    fn flags_go_before_the_environment_and_that_before_defaults() {
        assert_address(&[], &[], "0.0.0.0", 3005);
        assert_address(&[], &[("PORT", "1"), ("HOST", "::1")], "::1", 1);
        assert_address(
            &["--port", "2", "--host", "localhost"],
            &[("PORT", "1"), ("HOST", "::1")],
            "localhost",
            2,
        );
        assert_address(&["--port", "2"], &[("PORT", "not looked at")], "0.0.0.0", 2);
    }

    #[test]
    fn a_preview_is_local_whatever_the_environment_says() {
        assert_address(&["--preview"], &[], "localhost", 3003);
        assert_address(&["--preview"], &[("HOST", "0.0.0.0"), ("PORT", "1")], "localhost", 1);
        assert!(Flags::try_parse_from(["prod-server", "--preview", "--host", "0.0.0.0"]).is_err());
    }

    #[test]
    fn the_paths_of_a_handover_are_flags_or_variables() {
        let variables = [("HANDOVER", "run/handover"), ("STATE_FILE", "data/state")];
        let paths = |settings: Settings| [settings.handover, settings.state_file];
        assert_eq!(paths(settle(&[], &[]).unwrap()), [None, None]);
        let both = [Some("run/handover".into()), Some("data/state".into())];
        assert_eq!(paths(settle(&[], &variables).unwrap()), both);
        let settings = settle(&["--handover", "a", "--state-file", "b"], &variables).unwrap();
        assert_eq!(paths(settings), [Some("a".into()), Some("b".into())]);
    }

    #[test]
    fn a_preview_does_not_take_over_because_of_the_environment() {
        let variables = [("HANDOVER", "run/handover"), ("STATE_FILE", "data/state")];
        let settings = settle(&["--preview"], &variables).unwrap();
        assert_eq!((settings.handover, settings.state_file), (None, None));
        let settings = settle(&["--preview", "--handover", "a"], &variables).unwrap();
        assert_eq!(settings.handover, Some("a".into()));
    }

    #[test]
    fn paths_in_a_file_lead_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        std::fs::write(&file, "HANDOVER=handover\nSTATE_FILE=/var/state").unwrap();
        let settings = Flags::default().settle(&Environment::read(&file).unwrap()).unwrap();
        assert_eq!(settings.handover, Some(folder.path().join("handover")));
        assert_eq!(settings.state_file, Some("/var/state".into()));
    }

    #[test]
    fn a_port_that_is_none_is_named() {
        let message = settle(&[], &[("PORT", "http")]).unwrap_err().to_string();
        assert!(message.starts_with("PORT is `http`"), "{message}");
    }

    #[test]
    fn only_public_variables_reach_the_pages() {
        let variables = [("PUBLIC_NAME", "Duplex"), ("SESSION_SECRET", "hunter2"), ("PUBLICITY", "x")];
        let settings = settle(&["--stream-above", "7"], &variables).unwrap();
        assert_eq!(
            settings.assets.public_environment,
            BTreeMap::from([("PUBLIC_NAME".into(), "Duplex".into())])
        );
        assert_eq!(settings.assets.largest_in_memory, 7);
    }
}
