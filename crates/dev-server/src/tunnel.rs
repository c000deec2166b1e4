//! Joins a client's socket to a server on this machine: says again what the client has said so far, then copies both
//! ways until both are done. Each half closes on its own.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// How long a server on this machine may take to accept.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

const NOT_REACHABLE: &[u8] =
    b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 36\r\n\r\nThe front-end server is not running\n";

/// Joins `client` to whatever listens at `to`, for as long as both live.
pub(crate) async fn join(mut client: TcpStream, replay: &[u8], to: SocketAddr) -> io::Result<()> {
    let Ok(mut server) = dial(to).await else {
        client.write_all(NOT_REACHABLE).await?;
        return client.shutdown().await;
    };
    server.write_all(replay).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn dial(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(DIAL_TIMEOUT, TcpStream::connect(to)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn socket_pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn what_was_said_before_comes_first_and_each_half_closes_on_its_own() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let (mut client, taken) = socket_pair().await;
        let tunnel = tokio::spawn(async move { join(taken, b"head, ", address).await });

        client.write_all(b"body").await.unwrap();
        client.shutdown().await.unwrap();
        let (mut accepted, _) = server.accept().await.unwrap();
        let mut heard = String::new();
        accepted.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "head, body");

        accepted.write_all(b"answer after the client's end").await.unwrap();
        drop(accepted);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer after the client's end");
        tunnel.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_a_502() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let (mut client, taken) = socket_pair().await;
        join(taken, b"", closed).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 502 ") && head.contains(&format!("Content-Length: {}", body.len()))
        );
    }
}
