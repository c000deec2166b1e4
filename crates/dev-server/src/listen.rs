//! Binds the port: every address of the host, on one port number, the next free one if that is allowed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};

use anyhow::Context as _;
use socket2::{Domain, Protocol, Socket, Type};

use crate::settings::Settings;

/// Callers that may wait in the kernel while nobody accepts, as during a restart after a crash.
const BACKLOG: i32 = 1024;

/// How many port numbers are tried after the one asked for.
const NEXT_PORTS: u16 = 100;

/// The listening sockets. The supervisor holds them as long as it lives.
pub(crate) struct Listeners {
    sockets: Vec<TcpListener>,
    host: String,
    port: u16,
}

impl Listeners {
    /// Binds what the settings ask for.
    pub(crate) fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let addresses = addresses_of(&settings.host)?;
        let tries = if settings.strict_port || settings.port == 0 { 0 } else { NEXT_PORTS };
        for port in settings.port..=settings.port.saturating_add(tries) {
            match bind_all(&addresses, port) {
                Ok((sockets, port)) => return Ok(Self { sockets, host: settings.host.clone(), port }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error).with_context(|| cannot_listen(&settings.host, port)),
            }
        }
        if settings.strict_port {
            anyhow::bail!(
                "port {0} is in use: stop the program that uses it, choose another with --port, or leave out --strict-port",
                settings.port
            );
        }
        anyhow::bail!(
            "ports {0} to {1} are all in use: choose another with --port",
            settings.port,
            settings.port.saturating_add(tries)
        )
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
        let host = match self.host.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => "localhost".to_owned(),
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            Ok(_) | Err(_) => self.host.clone(),
        };
        format!("http://{host}:{}", self.port)
    }
}

/// `localhost` is both loopback addresses, whatever the system's host table says: browsers try both.
fn addresses_of(host: &str) -> anyhow::Result<Vec<IpAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    if let Ok(address) = host.trim_matches(['[', ']']).parse() {
        return Ok(vec![address]);
    }
    let resolved =
        (host, 0).to_socket_addrs().with_context(|| format!("cannot resolve the host {host:?}"))?;
    let mut addresses: Vec<_> = resolved.map(|address| address.ip()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// Binds all addresses to one port. An address family that this machine does not have is left out, as long as one
/// address remains.
fn bind_all(addresses: &[IpAddr], port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let mut port = port;
    let mut sockets = Vec::with_capacity(addresses.len());
    let mut refused = None;
    for address in addresses {
        match bind(SocketAddr::new(*address, port)) {
            Ok(listener) => {
                port = listener.local_addr()?.port();
                sockets.push(listener);
            }
            Err(error) if is_absent(&error) => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if sockets.is_empty() => Err(error),
        _ => Ok((sockets, port)),
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn is_absent(error: &io::Error) -> bool {
    let absent = [rustix::io::Errno::ADDRNOTAVAIL, rustix::io::Errno::AFNOSUPPORT];
    absent.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn cannot_listen(host: &str, port: u16) -> String {
    format!("cannot listen on {host}, port {port}: choose others with --host and --port")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn settings(port: u16, strict_port: bool) -> Settings {
        Settings { root: PathBuf::new(), host: "127.0.0.1".into(), port, open: false, strict_port }
    }

    #[test]
    fn the_next_free_port_is_taken() {
        let first = Listeners::bind(&settings(0, false)).unwrap();
        let second = Listeners::bind(&settings(first.port(), false)).unwrap();
        assert!(second.port() > first.port());
    }

    #[test]
    fn a_strict_port_that_is_taken_is_an_error_that_says_what_to_do() {
        let first = Listeners::bind(&settings(0, false)).unwrap();
        let error = Listeners::bind(&settings(first.port(), true)).err().unwrap().to_string();
        assert!(error.contains(&first.port().to_string()) && error.contains("--port"), "{error}");
    }

    #[test]
    fn localhost_is_both_loopback_addresses_on_one_port() {
        let settings = Settings { host: "localhost".into(), ..settings(0, false) };
        let listeners = Listeners::bind(&settings).unwrap();
        for socket in listeners.sockets() {
            let address = socket.local_addr().unwrap();
            assert!(address.ip().is_loopback());
            assert_eq!(address.port(), listeners.port());
        }
        assert_eq!(listeners.url(), format!("http://localhost:{}", listeners.port()));
    }
}
