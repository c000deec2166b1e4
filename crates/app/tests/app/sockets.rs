//! Sockets learn that their user has signed out, or has become somebody else.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::{
    http::{ask, sign_in},
    running::{Place, Running},
};

/// Longer than anything takes here, so that what never comes fails the test.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client of the Centrifuge protocol comes back after, at once; other clients do, too.
const COME_BACK: u16 = 3011;

/// A raw socket with a browser's cookie.
struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens one, and waits for the greeting.
    async fn open(running: &Running, cookie: &str) -> Self {
        let mut request = format!("ws://{}/websocket", running.address).into_client_request().unwrap();
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        let mut socket = Self(connect_async(request).await.unwrap().0);
        assert!(socket.text().await.starts_with("Hello from the server"));
        socket
    }

    async fn next(&mut self) -> Message {
        timeout(PATIENCE, self.0.next()).await.expect("a message in time").unwrap().unwrap()
    }

    async fn text(&mut self) -> String {
        self.next().await.into_text().unwrap().to_string()
    }

    /// Waits until it is closed, and returns the code.
    async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame.unwrap().code.into();
            }
        }
    }
}

/// Two sockets of Ada's, on two devices, and one of Bob's.
struct Scene {
    _place: Place,
    running: Running,
    cookie: String,
    ada: [Socket; 2],
    bob: Socket,
}

impl Scene {
    async fn set() -> Self {
        let place = Place::new();
        let running = place.start().await;
        let cookie = sign_in(&running, "Ada", None).await;
        let elsewhere = sign_in(&running, "Ada", None).await;
        let mut ada = [Socket::open(&running, &cookie).await, Socket::open(&running, &elsewhere).await];
        for socket in &mut ada {
            assert_eq!(socket.text().await, "You are signed in as Ada");
        }
        let cookie_of_bob = sign_in(&running, "Bob", None).await;
        let mut bob = Socket::open(&running, &cookie_of_bob).await;
        assert_eq!(bob.text().await, "You are signed in as Bob");
        Self { _place: place, running, cookie, ada, bob }
    }

    async fn ada_is_told_to_come_back_and_bob_is_not(mut self) {
        for socket in &mut self.ada {
            assert_eq!(socket.closed().await, COME_BACK);
        }
        ask(&self.running, "GET", "/api/test", None, None).await;
        assert!(self.bob.text().await.starts_with("Hello from the GET handler"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_user_signs_out_has_to_come_back() {
    let scene = Scene::set().await;
    let answer = ask(&scene.running, "DELETE", "/api/session", Some(&scene.cookie), None).await;
    assert_eq!((answer.status, answer.cookie()), (204, Some("session=")));
    scene.ada_is_told_to_come_back_and_bob_is_not().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_user_becomes_somebody_else_has_to_come_back() {
    let scene = Scene::set().await;
    sign_in(&scene.running, "Eve", Some(&scene.cookie)).await;
    scene.ada_is_told_to_come_back_and_bob_is_not().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_user_signs_in_once_more_can_stay() {
    let mut scene = Scene::set().await;
    sign_in(&scene.running, "Ada", Some(&scene.cookie)).await;
    ask(&scene.running, "GET", "/api/test", None, None).await;
    for socket in &mut scene.ada {
        assert!(socket.text().await.starts_with("Hello from the GET handler"));
    }
}
