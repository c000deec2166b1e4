//! What the system knows about the server's sockets: how much waits in them, and which processes have them open.

use std::{
    collections::{HashMap, HashSet},
    fs,
    net::{Ipv4Addr, SocketAddr},
};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, sendto, socket_with,
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

/// Established connections of IPv4: `man 7 sock_diag`. The tables in `/proc` have all those that are over as well, and take
/// a load's processor for longer than a handover does.
fn ends() -> Vec<(SocketAddr, SocketAddr, End)> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    );
    let socket = socket.expect("the system tells nobody about its sockets: it has no NETLINK_SOCK_DIAG");
    sendto(&socket, &request(), SendFlags::empty(), &netlink::SocketAddrNetlink::new(0, 0)).unwrap();
    let mut ends = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty()).unwrap();
        let mut messages = &buffer[..length];
        while let Some((header, _)) = messages.split_at_checked(HEADER) {
            match u16::from_ne_bytes([header[4], header[5]]) {
                DONE => return ends,
                BY_FAMILY => ends.push(end(&messages[HEADER..])),
                other => panic!("the system answers with a message of kind {other}"),
            }
            let length = number(header, 0) as usize;
            messages = &messages[length.next_multiple_of(4).min(messages.len())..];
        }
    }
}

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// `NLMSG_DONE`.
const DONE: u16 = 3;
/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;

/// `struct nlmsghdr` and `struct inet_diag_req_v2`: all TCP sockets of IPv4 that are established.
fn request() -> Vec<u8> {
    const LENGTH: u32 = 72;
    const REQUEST_AND_DUMP: u16 = 0x301;
    const IPV4: u8 = 2;
    const TCP: u8 = 6;
    const ESTABLISHED: u32 = 1 << 1;
    let mut request = LENGTH.to_ne_bytes().to_vec();
    request.extend([BY_FAMILY.to_ne_bytes(), REQUEST_AND_DUMP.to_ne_bytes()].concat());
    // Its number, and who asks: the system knows.
    request.extend([0; 8]);
    request.extend([IPV4, TCP, 0, 0]);
    request.extend(ESTABLISHED.to_ne_bytes());
    request.resize(LENGTH as usize, 0);
    request
}

fn number(message: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(message[at..at + 4].try_into().unwrap())
}

/// `struct inet_diag_msg`.
fn end(message: &[u8]) -> (SocketAddr, SocketAddr, End) {
    let address = |port: usize, ip: usize| -> SocketAddr {
        let port = u16::from_be_bytes([message[port], message[port + 1]]);
        let ip: [u8; 4] = message[ip..ip + 4].try_into().unwrap();
        (Ipv4Addr::from(ip), port).into()
    };
    let end = End {
        received: number(message, 56).into(),
        sending: number(message, 60).into(),
        inode: number(message, 68).into(),
    };
    (address(4, 8), address(6, 24), end)
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
