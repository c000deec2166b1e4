//! The listening sockets of the run. The supervisor holds them as long as it lives, and every worker serves on the same
//! ones.

use std::net::{IpAddr, TcpListener};

use anyhow::Context as _;
use duplex_core::{listen, listen_on_next_free};

use crate::settings::Settings;

/// The sockets, and how they were asked for.
pub(crate) struct Listeners {
    sockets: Vec<TcpListener>,
    host: String,
    port: u16,
}

impl Listeners {
    /// Binds what the settings ask for, or the next free port if they allow that.
    pub(crate) fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let bind = if settings.strict_port { listen } else { listen_on_next_free };
        let sockets = bind(&settings.host, settings.port)?;
        let first = sockets.first().context("the host has no address")?;
        let port = first.local_addr()?.port();
        Ok(Self { sockets, host: settings.host.clone(), port })
    }

    pub(crate) fn sockets(&self) -> &[TcpListener] {
        &self.sockets
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What to type into a browser on this machine.
    pub(crate) fn url(&self) -> String {
        let host = match self.host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => "localhost".to_owned(),
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            Ok(IpAddr::V4(_)) | Err(_) => self.host.clone(),
        };
        format!("http://{host}:{}", self.port)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use duplex_core::HostPolicy;

    use super::*;

    fn bind(host: &str, port: u16, strict_port: bool) -> anyhow::Result<Listeners> {
        Listeners::bind(&Settings {
            root: PathBuf::new(),
            host: host.into(),
            port,
            open: false,
            strict_port,
            hosts: HostPolicy::default(),
        })
    }

    #[test]
    fn the_next_free_port_is_taken_unless_the_port_is_strict() {
        let first = bind("127.0.0.1", 0, true).unwrap();
        assert!(bind("127.0.0.1", first.port(), false).unwrap().port() > first.port());
        let error = bind("127.0.0.1", first.port(), true).err().unwrap().to_string();
        assert!(error.contains(&first.port().to_string()) && error.contains("--port"), "{error}");
    }

    #[test]
    fn the_url_is_one_that_a_browser_here_can_open() {
        for (host, shown) in
            [("localhost", "localhost"), ("0.0.0.0", "localhost"), ("127.0.0.1", "127.0.0.1")]
        {
            let listeners = bind(host, 0, true).unwrap();
            assert_eq!(listeners.url(), format!("http://{shown}:{}", listeners.port()));
        }
    }
}
