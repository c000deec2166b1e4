//! What the system knows about the server's sockets: how much waits in them, and which processes have them open.

use std::{
    collections::{HashMap, HashSet},
    fs,
    net::{Ipv4Addr, SocketAddr},
};

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// Bytes that the other end has not taken.
    pub(crate) sending: u64,
    /// Bytes that have come and not been read.
    pub(crate) received: u64,
    inode: u64,
}

/// All connections to an address at some instant, by the address of the client.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    servers: HashMap<SocketAddr, End>,
    clients: HashMap<SocketAddr, End>,
}

impl Sample {
    pub(crate) fn of(server: SocketAddr) -> Sample {
        let mut sample = Sample::default();
        for (here, there, end) in ends() {
            if here == server {
                sample.servers.insert(there, end);
            } else if there == server {
                sample.clients.insert(here, end);
            }
        }
        sample
    }

    /// The server's end.
    pub(crate) fn server(&self, client: SocketAddr) -> Option<End> {
        self.servers.get(&client).copied()
    }

    /// Whether the server has read everything that has come from this client. What the client has not been told about may
    /// have come all the same: the system drops that news while the client has no room for what it must read before.
    pub(crate) fn is_read(&self, client: SocketAddr) -> bool {
        self.servers.get(&client).is_none_or(|end| end.received == 0)
    }

    /// Bytes on their way to this client that kernels hold.
    pub(crate) fn on_the_way(&self, client: SocketAddr) -> u64 {
        let sending = self.servers.get(&client).map_or(0, |end| end.sending);
        sending + self.clients.get(&client).map_or(0, |end| end.received)
    }
}

/// Those of the processes that have it open.
pub(crate) fn owners(end: End, processes: &[u32]) -> Vec<u32> {
    processes.iter().copied().filter(|process| sockets_of(*process).contains(&end.inode)).collect()
}

fn sockets_of(process: u32) -> HashSet<u64> {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fd")) else { return HashSet::new() };
    let links = descriptors.filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok());
    links.filter_map(|link| inode(link.to_str()?)).collect()
}

fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Established connections of IPv4: `man 5 proc_pid_net`.
fn ends() -> impl Iterator<Item = (SocketAddr, SocketAddr, End)> {
    const ESTABLISHED: &str = "01";
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows: Vec<_> = table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let [_, here, there, ESTABLISHED, queues, _, _, _, _, inode, ..] = fields[..] else {
                return None;
            };
            let (sending, received) = queues.split_once(':')?;
            let [sending, received] =
                [sending, received].map(|bytes| u64::from_str_radix(bytes, 16).unwrap());
            Some((address(here)?, address(there)?, End { sending, received, inode: inode.parse().ok()? }))
        })
        .collect();
    rows.into_iter()
}

fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let ip = u32::from_str_radix(ip, 16).ok()?.to_ne_bytes();
    Some((Ipv4Addr::from(ip), u16::from_str_radix(port, 16).ok()?).into())
}

#[test]
fn the_system_says_what_waits_and_whose_it_is() {
    use std::io::Write;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = std::net::TcpStream::connect(address).unwrap();
    let (_server, peer) = listener.accept().unwrap();
    client.write_all(b"hello").unwrap();
    let sample = Sample::of(address);
    let end = sample.server(peer).unwrap();
    assert_eq!((end.received, end.sending, sample.is_read(peer), sample.on_the_way(peer)), (5, 0, false, 0));
    assert_eq!(owners(end, &[std::process::id(), 1]), [std::process::id()]);
}
