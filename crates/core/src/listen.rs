//! Owns the binding of listening sockets: which addresses a host name means, and what to say when one is
//! taken.

use std::io;
use std::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::ops::ControlFlow;

use socket2::{Domain, Protocol, Socket, Type};

/// How many connections the kernel holds until they are accepted. A swap of the server makes them wait for a
/// moment, and the kernel cuts this down to its own limit.
const BACKLOG: i32 = 4096;

/// How often a port chosen by the system is chosen again when it is free for IPv4 and taken for IPv6.
const ATTEMPTS: usize = 16;

/// How many ports are tried in search of a free one: more would end up with someone else's service.
const PORTS: usize = 20;

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Another program has the port.
    #[error(
        "port {port} of {host} is taken: stop the program that has it, or choose another one with --port"
    )]
    Taken {
        /// The host as it was given.
        host: String,
        /// The port.
        port: u16,
    },

    /// The host is not an address.
    #[error("cannot listen on {0}: give an IP address of this machine, or localhost")]
    UnknownHost(String),

    /// The system refused.
    #[error("cannot listen on port {port} of {host}")]
    Refused {
        /// The host as it was given.
        host: String,
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens on a host and port, without blocking calls on the sockets. Port 0 lets the system choose.
///
/// `localhost` is 127.0.0.1 and, where there is IPv6, `::1` with the same port. A port counts as free while
/// connections of an earlier process wait to be forgotten.
///
/// # Errors
///
/// Fails when the port is taken on any of the addresses, or the host is no address of this machine.
pub fn listen(host: &str, port: u16) -> Result<Vec<TcpListener>, ListenError> {
    if !host.eq_ignore_ascii_case("localhost") {
        let address = numeric(host).map_err(|_| ListenError::UnknownHost(host.to_owned()))?;
        return Ok(vec![bind(SocketAddr::new(address, port)).map_err(|error| explain(host, port, error))?]);
    }
    for _ in 0..ATTEMPTS {
        if let ControlFlow::Break(listeners) =
            listen_on_loopback(port).map_err(|error| explain(host, port, error))?
        {
            return Ok(listeners);
        }
    }
    Err(ListenError::Taken { host: host.to_owned(), port })
}

/// Listens on the first port at or above `port` that is free on all addresses of the host.
///
/// # Errors
///
/// As [`listen`], and when all of the ports tried are taken.
pub fn listen_on_next_free(host: &str, port: u16) -> Result<Vec<TcpListener>, ListenError> {
    let taken = |result: &Result<_, ListenError>| matches!(result, Err(ListenError::Taken { .. }));
    let mut attempts = (port..=u16::MAX).take(PORTS).map(|port| listen(host, port));
    attempts.find(|result| !taken(result)).unwrap_or(Err(ListenError::Taken { host: host.to_owned(), port }))
}

/// Whether these sockets are what [`listen`] would make of a host and port, so that none has to be made. They come from
/// another process, which may have been started with other settings.
pub fn is_listening(listeners: &[TcpListener], host: &str, port: u16) -> bool {
    let addresses: Option<Vec<_>> = listeners.iter().map(|listener| listener.local_addr().ok()).collect();
    let Some(addresses) = addresses else { return false };
    let Some(first) = addresses.first() else { return false };
    let is_one_port = addresses.iter().all(|address| address.port() == first.port());
    let ips: Vec<_> = addresses.iter().map(SocketAddr::ip).collect();
    is_one_port && (port == 0 || port == first.port()) && is_host(&ips, host)
}

fn is_host(ips: &[IpAddr], host: &str) -> bool {
    if !host.eq_ignore_ascii_case("localhost") {
        return numeric(host).is_ok_and(|ip| ips == [ip]);
    }
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    // Alone where there was no IPv6.
    ips == [v4] || ips == [v4, v6]
}

fn numeric(host: &str) -> Result<IpAddr, AddrParseError> {
    host.trim_matches(['[', ']']).parse()
}

/// Continues if the system chose a port that is only free for IPv4.
fn listen_on_loopback(port: u16) -> io::Result<ControlFlow<Vec<TcpListener>>> {
    let first = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let chosen = first.local_addr()?.port();
    match bind(SocketAddr::from((Ipv6Addr::LOCALHOST, chosen))) {
        Ok(second) => Ok(ControlFlow::Break(vec![first, second])),
        Err(error) if has_no_address(&error) => Ok(ControlFlow::Break(vec![first])),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && port == 0 => Ok(ControlFlow::Continue(())),
        Err(error) => Err(error),
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if let IpAddr::V6(ip) = address.ip() {
        // The unspecified address stands for all of the machine's, those of IPv4 included.
        socket.set_only_v6(!ip.is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether the machine has no IPv6, or no address for it on the loopback interface.
fn has_no_address(error: &io::Error) -> bool {
    let unsupported = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(unsupported)
}

fn explain(host: &str, port: u16, source: io::Error) -> ListenError {
    let host = host.to_owned();
    match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { host, port },
        io::ErrorKind::AddrNotAvailable => ListenError::UnknownHost(host),
        _ => ListenError::Refused { host, port, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpStream;

    fn address(listener: &TcpListener) -> SocketAddr {
        listener.local_addr().unwrap()
    }

    #[test]
    fn localhost_is_reached_by_both_protocols_on_one_port() {
        let listeners = listen("localhost", 0).unwrap();
        let port = address(&listeners[0]).port();
        for listener in &listeners {
            assert!(address(listener).ip().is_loopback());
            assert_eq!(address(listener).port(), port);
            TcpStream::connect(address(listener)).unwrap();
        }
    }

    #[test]
    fn sockets_are_recognized_by_host_and_port() {
        let here = listen("127.0.0.1", 0).unwrap();
        let port = address(&here[0]).port();
        assert!(is_listening(&here, "127.0.0.1", port) && is_listening(&here, "127.0.0.1", 0));
        assert!(is_listening(&here, "localhost", port), "there may be no IPv6");
        assert!(!is_listening(&here, "127.0.0.1", port ^ 1));
        assert!(!is_listening(&here, "0.0.0.0", port) && !is_listening(&here, "example.com", port));
        let local = listen("localhost", 0).unwrap();
        assert!(is_listening(&local, "LOCALHOST", address(&local[0]).port()));
        assert_eq!(is_listening(&local, "127.0.0.1", 0), local.len() == 1);
        let other = listen("127.0.0.1", 0).unwrap();
        assert!(!is_listening(&[here, other].into_iter().flatten().collect::<Vec<_>>(), "127.0.0.1", 0));
        assert!(!is_listening(&[], "127.0.0.1", 0));
    }

    #[test]
    fn a_taken_port_is_named_with_a_way_out() {
        let listeners = listen("127.0.0.1", 0).unwrap();
        let port = address(&listeners[0]).port();
        for host in ["127.0.0.1", "localhost", "0.0.0.0"] {
            let message = listen(host, port).unwrap_err().to_string();
            let expected = format!("port {port} of {host} is taken: stop the program that has it, or choose");
            assert!(message.starts_with(&expected), "{message}");
        }
    }

    #[test]
    fn the_next_free_port_is_found() {
        let listeners = listen("127.0.0.1", 0).unwrap();
        let port = address(&listeners[0]).port();
        let found = listen_on_next_free("127.0.0.1", port).unwrap();
        assert!(address(&found[0]).port() > port);
        let error = listen_on_next_free("example.com", port).unwrap_err();
        assert!(matches!(error, ListenError::UnknownHost(_)));
    }

    #[test]
    fn a_port_is_free_while_old_connections_wait_to_be_forgotten() {
        let listeners = listen("127.0.0.1", 0).unwrap();
        let address = address(&listeners[0]);
        let mut client = TcpStream::connect(address).unwrap();
        listeners[0].set_nonblocking(false).unwrap();
        // The side that closes first is the one that has to wait.
        drop(listeners[0].accept().unwrap());
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        drop(client);
        drop(listeners);
        listen("127.0.0.1", address.port()).unwrap();
    }

    #[test]
    fn a_host_that_is_not_of_this_machine_is_refused() {
        for host in ["example.com", "192.0.2.1", ""] {
            let error = listen(host, 0).unwrap_err();
            assert!(matches!(error, ListenError::UnknownHost(_)), "{host}: {error}");
        }
    }

    #[test]
    fn an_address_in_brackets_is_understood() {
        match listen("[::1]", 0) {
            Ok(listeners) => assert_eq!(address(&listeners[0]).ip(), Ipv6Addr::LOCALHOST),
            Err(error) => assert!(matches!(error, ListenError::UnknownHost(_) | ListenError::Refused { .. })),
        }
    }
}
