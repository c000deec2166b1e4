//! Accepts connections while no worker serves, and answers with the waiting page. Whoever is still here when a worker
//! becomes ready is let through to it, so that no connection is lost at the change.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use duplex_core::HostPolicy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::state::Status;
use crate::tunnel;

/// The longest request head that is read.
const LONGEST_HEAD: usize = 32 * 1024;

/// Connections that may be in the room at once; further ones wait in the kernel.
const SEATS: usize = 512;

/// How long a caller may take to send its request, or to take its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to leave the listener alone after it failed, usually for want of descriptors.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// The room. Closing it lets the callers in it through; dropping it sends them away.
pub(crate) struct WaitingRoom {
    status: watch::Receiver<Status>,
    hosts: HostPolicy,
    seats: Arc<Semaphore>,
    serving: watch::Sender<bool>,
    doors: JoinSet<()>,
}

impl WaitingRoom {
    pub(crate) fn new(status: watch::Receiver<Status>, hosts: HostPolicy) -> Self {
        let seats = Arc::new(Semaphore::new(SEATS));
        Self { status, hosts, seats, serving: watch::Sender::new(false), doors: JoinSet::new() }
    }

    /// Accepts on these sockets from now on.
    pub(crate) fn open(&mut self, listeners: &[TcpListener]) -> std::io::Result<()> {
        self.serving.send_replace(false);
        self.doors.abort_all();
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
            self.doors.spawn(accept(listener, self.caller()));
        }
        Ok(())
    }

    /// A worker serves: accepts no more, and lets through whoever is here.
    pub(crate) fn close(&mut self) {
        self.doors.abort_all();
        self.serving.send_replace(true);
    }

    fn caller(&self) -> Caller {
        let (status, serving) = (self.status.clone(), self.serving.subscribe());
        Caller { status, hosts: self.hosts.clone(), serving, seats: Arc::clone(&self.seats) }
    }
}

/// What a caller's task needs.
#[derive(Clone)]
struct Caller {
    status: watch::Receiver<Status>,
    hosts: HostPolicy,
    serving: watch::Receiver<bool>,
    seats: Arc<Semaphore>,
}

async fn accept(listener: tokio::net::TcpListener, caller: Caller) {
    loop {
        let Ok(seat) = Arc::clone(&caller.seats).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let caller = caller.clone();
                tokio::spawn(async move {
                    // The caller may leave at any time; there is nobody to tell.
                    let _ = caller.receive(stream).await;
                    drop(seat);
                });
            }
            Err(_) => tokio::time::sleep(AFTER_FAILURE).await,
        }
    }
}

impl Caller {
    async fn receive(mut self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        let served = async {
            let _ = self.serving.wait_for(|serving| *serving).await;
        };
        tokio::select! {
            // In this order, a worker that serves is always preferred to the page.
            biased;
            () = served => {}
            whole = tokio::time::timeout(PATIENCE, read_head(&mut stream, &mut head)) => {
                if !whole?? {
                    return Ok(());
                }
                let response =
                    crate::waiting_page::response(&head, &self.hosts, &self.status.borrow(), Instant::now());
                return tokio::time::timeout(PATIENCE, answer(&mut stream, &response)).await?;
            }
        }
        // The worker listens where this caller dialled.
        let worker = stream.local_addr()?;
        tunnel::join(stream, &head, worker).await
    }
}

/// Reads until the end of the head. False if the caller left before. Cancel-safe: what was read is in `head`.
async fn read_head(stream: &mut TcpStream, head: &mut Vec<u8>) -> std::io::Result<bool> {
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        if stream.read_buf(head).await? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes, then reads what the caller still sends: closing a socket with unread bytes would take the answer back.
async fn answer(stream: &mut TcpStream, response: &[u8]) -> std::io::Result<()> {
    stream.write_all(response).await?;
    stream.shutdown().await?;
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> TcpListener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    }

    #[tokio::test]
    async fn a_caller_is_answered_and_one_that_has_said_nothing_yet_is_let_through_to_the_worker() {
        let listeners = [listener()];
        let address = listeners[0].local_addr().unwrap();
        let mut room =
            WaitingRoom::new(watch::Sender::new(Status::default()).subscribe(), HostPolicy::default());
        room.open(&listeners).unwrap();

        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"GET /half").await.unwrap();
        let mut asking = TcpStream::connect(address).await.unwrap();
        asking.write_all(b"GET / HTTP/1.1\r\nAccept: text/html\r\n\r\n").await.unwrap();
        let mut page = String::new();
        asking.read_to_string(&mut page).await.unwrap();
        assert!(page.starts_with("HTTP/1.1 503 "));

        room.close();
        let worker = tokio::net::TcpListener::from_std(listeners[0].try_clone().unwrap()).unwrap();
        let (mut accepted, _) = worker.accept().await.unwrap();
        silent.write_all(b" HTTP/1.1").await.unwrap();
        let mut heard = [0; 18];
        accepted.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"GET /half HTTP/1.1");
        accepted.write_all(b"hello").await.unwrap();
        drop(accepted);
        let mut answer = String::new();
        silent.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "hello");
    }
}
