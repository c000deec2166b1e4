//! The proxy between a client and a front-end server that are both plain sockets, so that every byte can be seen.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use actix_web::App;
use duplex_core::supervision::{Line, ToSupervisor};
use duplex_core::{Hooks, Server, Settings, Stop};
use tokio::sync::{oneshot, watch};

use crate::predecessor;
use crate::proxy::Proxy;
use crate::supervisor::Supervisor;

struct NoHooks;

impl Hooks for NoHooks {}

/// A worker with no application, its front-end server, and the supervisor's end of the line.
struct Scene {
    address: SocketAddr,
    front_end: TcpListener,
    line: Line,
    stop: Option<oneshot::Sender<Stop>>,
    worker: Option<JoinHandle<()>>,
}

impl Scene {
    fn set() -> Self {
        Self::succeeding(None)
    }

    /// A worker that was given a line to another one.
    fn succeeding(predecessor: Option<UnixStream>) -> Self {
        let front_end = TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (line, theirs) = Line::pair().unwrap();
        let supervisor = Supervisor::start(Line::try_from(theirs).unwrap()).unwrap();
        let proxy = Proxy::new(watch::Sender::new(front_end.local_addr().unwrap()).subscribe(), supervisor);
        let (stop, stopped) = oneshot::channel();
        let settings = Settings::default();
        let server = Server::new(settings, vec![listener]).unwrap();
        let (server, succeeds) = predecessor::succeed(server, predecessor).unwrap();
        assert!(!succeeds);
        let server = server.stop_on(async { stopped.await.unwrap_or(Stop::Shutdown) });
        let worker = std::thread::spawn(move || {
            let run = server.run(NoHooks, move || App::new().default_service(proxy.route()));
            tokio::runtime::Runtime::new().unwrap().block_on(run).unwrap();
        });
        Self { address, front_end, line, stop: Some(stop), worker: Some(worker) }
    }

    /// Sends a request as it is.
    fn ask(&self, request: &str) -> Peer {
        let mut client = Peer::of(TcpStream::connect(self.address).unwrap());
        client.say(request);
        client
    }

    /// Takes the connection that the proxy makes to the front-end server.
    fn accept(&self) -> Peer {
        Peer::of(self.front_end.accept().unwrap().0)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(panic)) = self.worker.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

/// One end of a connection.
struct Peer {
    stream: BufReader<TcpStream>,
}

impl Peer {
    fn of(stream: TcpStream) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    fn say(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Reads a head: its first line, and its header lines in lower case and order.
    fn head(&mut self) -> (String, Vec<String>) {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let first = lines.remove(0);
        lines.iter_mut().for_each(|line| *line = line.to_lowercase());
        lines.sort();
        (first, lines)
    }

    fn hear(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn rest(&mut self) -> String {
        let mut text = String::new();
        self.stream.read_to_string(&mut text).unwrap();
        text
    }
}

fn has(headers: &[String], header: &str) -> bool {
    headers.iter().any(|line| line == header)
}

#[test]
fn a_request_is_passed_on_unchanged_but_for_what_belongs_to_its_connection() {
    let scene = Scene::set();
    let mut client = scene.ask(
        "POST /a%20b//c?x=1&y=%2F HTTP/1.1\r\nHost: pages.test:3004\r\nOrigin: http://pages.test:3004\r\n\
         Accept-Encoding: br\r\nCookie: a=1\r\nX-Hop: 1\r\nConnection: close, X-Hop\r\nContent-Length: 5\r\n\r\nhello",
    );
    let mut vite = scene.accept();
    let (first, headers) = vite.head();
    assert_eq!(first, "POST /a%20b//c?x=1&y=%2F HTTP/1.1");
    for header in [
        "host: pages.test:3004",
        "origin: http://pages.test:3004",
        "accept-encoding: br",
        "cookie: a=1",
        "content-length: 5",
    ] {
        assert!(has(&headers, header), "{header} in {headers:?}");
    }
    assert!(!headers.iter().any(|line| line.starts_with("x-hop") || line.contains("close")), "{headers:?}");
    assert_eq!(vite.hear(5), "hello");

    vite.say(
        "HTTP/1.1 203 OK\r\nContent-Encoding: br\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 3\r\n\
         Keep-Alive: timeout=5\r\n\r\nabc",
    );
    let (first, headers) = client.head();
    assert!(first.starts_with("HTTP/1.1 203 "), "{first}");
    for header in ["content-encoding: br", "set-cookie: a=1", "set-cookie: b=2", "content-length: 3"] {
        assert!(has(&headers, header), "{header} in {headers:?}");
    }
    assert!(!headers.iter().any(|line| line.starts_with("keep-alive")), "{headers:?}");
    assert_eq!(client.rest(), "abc");
}

#[test]
fn a_body_in_chunks_is_passed_on_in_chunks_and_the_answer_while_it_is_being_made() {
    let scene = Scene::set();
    let mut client =
        scene.ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    client.say("3\r\ntwo\r\n0\r\n\r\n");
    let mut vite = scene.accept();
    assert!(has(&vite.head().1, "transfer-encoding: chunked"));
    let mut body = String::new();
    while !body.ends_with("0\r\n\r\n") {
        body.push_str(&vite.hear(1));
    }
    assert!(body.contains("one") && body.contains("two"), "{body}");

    vite.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    client.head();
    assert_eq!(client.hear(10), "5\r\nfirst\r\n");
    vite.say("6\r\nsecond\r\n0\r\n\r\n");
    assert_eq!(client.hear(16), "6\r\nsecond\r\n0\r\n\r\n");
}

#[test]
fn answers_without_a_body_keep_their_headers() {
    let scene = Scene::set();
    for (method, answer, expected) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n", "content-length: 42"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\n\r\n", "etag: \"x\""),
        ("GET", "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n", "location: /there"),
    ] {
        let mut client = scene.ask(&format!("{method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        let mut vite = scene.accept();
        vite.head();
        vite.say(answer);
        let (first, headers) = client.head();
        assert_eq!(first.get(..12), answer.get(..12));
        assert!(has(&headers, expected), "{expected} in {headers:?}");
        assert_eq!(client.rest(), "");
    }
}

#[test]
fn a_front_end_server_that_is_not_there_is_a_502_that_looks_again() {
    let mut scene = Scene::set();
    scene.front_end = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = scene.ask("GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
    assert!(client.head().0.starts_with("HTTP/1.1 502 "));
    assert!(client.rest().contains("http-equiv=\"refresh\""));
    let mut client = scene.ask("GET /x.js HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    assert!(client.head().0.starts_with("HTTP/1.1 502 "));
    assert!(!client.rest().contains('<'));
}

#[test]
fn a_websocket_goes_to_the_supervisor_with_everything_the_client_has_said() {
    let mut scene = Scene::set();
    let mut client = scene.ask(
        "GET /?token=t HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Protocol: vite-hmr\r\n\r\nearly bytes",
    );
    let mut received = scene.line.receive::<ToSupervisor>().unwrap().unwrap();
    let ToSupervisor::Tunnel { replay } = received.message else { panic!("a socket is handed over") };
    let replay = String::from_utf8(replay).unwrap().to_lowercase();
    assert!(replay.starts_with("get /?token=t http/1.1\r\n"), "{replay}");
    assert!(replay.contains("\r\nsec-websocket-protocol: vite-hmr\r\n"), "{replay}");
    let mut socket = TcpStream::from(received.descriptors.pop().unwrap());
    socket.set_nonblocking(false).unwrap();

    // What has not been said again is still in the socket: nothing is lost between the two.
    client.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    let mut unread = String::new();
    socket.read_to_string(&mut unread).unwrap();
    let (_, early) = replay.split_once("\r\n\r\n").unwrap();
    assert_eq!(format!("{early}{unread}"), "early bytes");
    socket.write_all(b"from the supervisor").unwrap();
    drop(socket);
    drop(scene);
    assert_eq!(client.rest(), "from the supervisor");
}

#[test]
fn a_request_for_a_websocket_that_has_a_body_is_refused() {
    let scene = Scene::set();
    for header in ["Content-Length: 2", "Transfer-Encoding: chunked"] {
        let mut client = scene.ask(&format!(
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{header}\r\n\r\n0\r\n\r\n"
        ));
        assert!(client.head().0.starts_with("HTTP/1.1 400 "), "{header}");
    }
}

#[test]
fn a_worker_serves_although_the_one_before_it_is_gone_or_makes_no_sense() {
    for last_words in ["", "these are no words of a worker's"] {
        let (line, mut other) = UnixStream::pair().unwrap();
        other.write_all(last_words.as_bytes()).unwrap();
        drop(other);
        let scene = Scene::succeeding(Some(line));
        let mut client = scene.ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut vite = scene.accept();
        vite.head();
        vite.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        assert!(client.head().0.starts_with("HTTP/1.1 200 "));
        assert_eq!(client.rest(), "hi");
    }
}
