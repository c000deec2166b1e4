//! What idle things cost, in bytes of resident memory and in processor time: `cargo bench -p duplex-core --bench idle`. The
//! server runs in a process of its own, a new one for each scene, with the system's allocator. Linux only: it reads
//! `/proc`.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark stops at the first surprise"
)]

#[path = "../hub/process.rs"]
mod process;
mod server;
#[path = "../hub/socket.rs"]
mod socket;

use std::time::Duration;

use clap::Parser;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    process::Server,
    socket::{connect, upgrade},
};

/// Measures what idle connections and channels cost.
#[derive(Parser)]
struct Flags {
    /// How often each scene is played.
    #[arg(long, default_value_t = 3)]
    rounds: usize,

    /// Connections that are open.
    #[arg(long, default_value_t = 5000)]
    connections: usize,

    /// Channels that keep something.
    #[arg(long, default_value_t = 100_000)]
    channels: usize,

    /// For how many seconds the processor time of idle clients is measured; a ping goes to each every 25 seconds.
    #[arg(long, default_value_t = 50)]
    seconds: u64,

    /// Serve instead of measuring: how the benchmark starts its servers.
    #[arg(long, hide = true)]
    serve: bool,

    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What there is many of.
#[derive(Clone, Copy)]
enum Scene {
    RawSockets,
    Clients,
    /// All in the same channel.
    ClientsInOneChannel,
    /// Each in a channel of its own, which keeps positions.
    ClientsInTheirOwn,
    /// All in the same channel, which shows who is there.
    ClientsSeen,
    /// Channels without subscribers that keep one publication of 64 bytes each.
    Channels,
}

impl Scene {
    const ALL: [(Self, &'static str); 6] = [
        (Self::RawSockets, "raw socket"),
        (Self::Clients, "client without a channel"),
        (Self::ClientsInOneChannel, "client in the same channel as all"),
        (Self::ClientsInTheirOwn, "client in a channel of its own"),
        (Self::ClientsSeen, "client in a channel with presence"),
        (Self::Channels, "channel with one publication"),
    ];

    /// Bytes for each of them.
    async fn play(self, flags: &Flags) -> f64 {
        let server = Server::start("");
        // What the first ones cause once is not theirs.
        let first = self.open(&server, 0, 50).await;
        let before = server.resident_bytes();
        let count = if matches!(self, Self::Channels) { flags.channels } else { flags.connections };
        let opened = self.open(&server, 50, count).await;
        let each = (server.resident_bytes() - before) / count as f64;
        drop((first, opened));
        each
    }

    async fn open(self, server: &Server, from: usize, count: usize) -> Vec<TcpStream> {
        if matches!(self, Self::Channels) {
            request(server, &format!("/publish?from={from}&count={count}")).await;
            return Vec::new();
        }
        let mut sockets = Vec::with_capacity(count);
        for number in from..from + count {
            sockets.push(self.open_one(server, number).await);
        }
        sockets
    }

    async fn open_one(self, server: &Server, number: usize) -> TcpStream {
        let channel = match self {
            Self::RawSockets => return upgrade(server, "/websocket").await,
            Self::Clients => None,
            Self::ClientsInOneChannel => Some("kept:all".to_owned()),
            Self::ClientsInTheirOwn => Some(format!("kept:{number}")),
            Self::ClientsSeen => Some("seen:all".to_owned()),
            Self::Channels => None,
        };
        let mut socket = upgrade(server, "/connection/websocket").await;
        say(&mut socket, r#"{"id":1,"connect":{}}"#).await;
        if let Some(channel) = channel {
            say(&mut socket, &format!(r#"{{"id":2,"subscribe":{{"channel":"{channel}"}}}}"#)).await;
        }
        socket
    }
}

#[tokio::main]
async fn main() {
    let flags = Flags::parse();
    duplex_core::raise_descriptor_limit();
    if flags.serve {
        return server::serve().await;
    }
    println!("{} connections, {} channels, {} rounds\n", flags.connections, flags.channels, flags.rounds);
    println!("{:<38}{:>8}   least to most", "bytes of memory for each idle", "median");
    for (scene, name) in Scene::ALL {
        let mut bytes = Vec::new();
        for _ in 0..flags.rounds {
            bytes.push(scene.play(&flags).await);
        }
        bytes.sort_by(f64::total_cmp);
        let (least, median, most) = (bytes[0], bytes[bytes.len() / 2], bytes[bytes.len() - 1]);
        println!("{name:<38}{median:>8.0}   {least:.0} to {most:.0}");
    }
    let microseconds = processor_time(&flags).await;
    println!("\nprocessor time of an idle client: {microseconds:.1} microseconds in a second");
}

/// Microseconds of the server's processor time that one idle client costs in a second: it answers pings.
async fn processor_time(flags: &Flags) -> f64 {
    let server = Server::start("");
    let clients = Scene::ClientsInOneChannel.open(&server, 0, flags.connections).await;
    let _answering: JoinSet<()> = clients.into_iter().map(answer_pings).collect();
    let before = server.processor_seconds();
    tokio::time::sleep(Duration::from_secs(flags.seconds)).await;
    let used = server.processor_seconds() - before;
    used * 1e6 / flags.seconds as f64 / flags.connections as f64
}

async fn answer_pings(mut client: TcpStream) {
    let mut ping = [0; 4];
    while client.read_exact(&mut ping).await.is_ok() {
        assert_eq!(&ping, b"\x81\x02{}");
        client.write_all(b"\x81\x82\0\0\0\0{}").await.unwrap();
    }
}

/// Sends a command and reads its reply, which is one short frame.
async fn say(socket: &mut TcpStream, command: &str) {
    // A mask of zeros masks nothing (RFC 6455 section 5.3).
    let mut frame = vec![0x81, 0x80 | u8::try_from(command.len()).expect("short"), 0, 0, 0, 0];
    frame.extend(command.as_bytes());
    socket.write_all(&frame).await.unwrap();
    let mut head = [0; 2];
    socket.read_exact(&mut head).await.unwrap();
    let length = match head[1] {
        126 => socket.read_u16().await.unwrap().into(),
        short => usize::from(short),
    };
    let mut reply = vec![0; length];
    socket.read_exact(&mut reply).await.unwrap();
    assert!(!reply.windows(7).any(|word| word == b"\"error\""), "{}", String::from_utf8_lossy(&reply));
}

async fn request(server: &Server, path: &str) {
    let mut stream = connect(server).await;
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}
