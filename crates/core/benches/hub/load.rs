//! What is done to a server, and measured.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    process::Server,
    socket::{connect, upgrade},
};

/// Bytes of a message.
const MESSAGE: usize = 64;

/// Publications of a round are about this many deliveries.
const DELIVERIES: usize = 200_000;

/// Sockets that echo at the same time, and messages of each.
const ECHO_SOCKETS: usize = 100;
const ECHOES: usize = 300;

/// One measurement.
#[derive(Clone, Copy)]
pub(crate) enum Scene {
    /// The next message is published when everybody has the last one.
    FanOutOneByOne,
    /// Sixteen messages are published at a time, so that frames can be joined.
    FanOutSixteen,
    /// A message comes back before the next is sent.
    Echo,
    /// Sockets that do nothing.
    Idle,
}

impl Scene {
    pub(crate) const ALL: [Self; 4] = [Self::FanOutOneByOne, Self::FanOutSixteen, Self::Echo, Self::Idle];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FanOutOneByOne => "deliveries, one message at a time",
            Self::FanOutSixteen => "deliveries, sixteen at a time",
            Self::Echo => "echoes",
            Self::Idle => "idle sockets per MB of memory",
        }
    }

    /// The figure: more is better.
    pub(crate) async fn play(self, server: &Server, sockets: usize) -> f64 {
        match self {
            Self::FanOutOneByOne => fan_out(server, sockets, 1).await,
            Self::FanOutSixteen => fan_out(server, sockets, 16).await,
            Self::Echo => echo(server).await,
            Self::Idle => idle(server, sockets).await,
        }
    }
}

async fn fan_out(server: &Server, sockets: usize, window: usize) -> f64 {
    let mut subscribers = open_all(server, sockets, "subscriber").await;
    // An unmasked text frame with a JSON string.
    let frame = 2 + 1 + MESSAGE + 1;
    let rounds = (DELIVERIES / sockets / window).max(1);
    let mut buffer = vec![0; frame * window];
    // The first round is for warming up.
    publish(server, window, &mut subscribers, &mut buffer).await;
    let before = server.processor_seconds();
    for _ in 0..rounds {
        publish(server, window, &mut subscribers, &mut buffer).await;
    }
    (rounds * window * sockets) as f64 / (server.processor_seconds() - before)
}

/// Publishes, and waits until everybody has everything.
async fn publish(server: &Server, count: usize, subscribers: &mut [TcpStream], buffer: &mut [u8]) {
    let mut stream = connect(server).await;
    let head = format!(
        "GET /publish?count={count}&bytes={MESSAGE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for subscriber in subscribers {
        subscriber.read_exact(buffer).await.unwrap();
    }
    stream.read_to_end(&mut Vec::new()).await.unwrap();
}

async fn echo(server: &Server) -> f64 {
    let sockets = open_all(server, ECHO_SOCKETS, "").await;
    let before = server.processor_seconds();
    let mut talks: JoinSet<()> = sockets.into_iter().map(talk).collect();
    while let Some(talk) = talks.join_next().await {
        talk.unwrap();
    }
    (ECHO_SOCKETS * ECHOES) as f64 / (server.processor_seconds() - before)
}

async fn talk(mut socket: TcpStream) {
    // A mask of zeros masks nothing (RFC 6455 section 5.3).
    let mut frame = vec![0x81, 0x80 | MESSAGE as u8, 0, 0, 0, 0];
    frame.extend([b'x'; MESSAGE]);
    let mut answer = [0; 2 + MESSAGE];
    for _ in 0..ECHOES {
        socket.write_all(&frame).await.unwrap();
        socket.read_exact(&mut answer).await.unwrap();
    }
}

async fn idle(server: &Server, sockets: usize) -> f64 {
    // What the first sockets cause once is not theirs.
    let first = open_all(server, 50, "").await;
    let before = server.resident_bytes();
    let idle = open_all(server, sockets, "").await;
    let per_socket = (server.resident_bytes() - before) / sockets as f64;
    drop((first, idle));
    1e6 / per_socket
}

async fn open_all(server: &Server, count: usize, query: &str) -> Vec<TcpStream> {
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        sockets.push(upgrade(server, &format!("/websocket?{query}")).await);
    }
    sockets
}
