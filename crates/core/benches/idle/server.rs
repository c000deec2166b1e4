//! The server whose memory is measured.

use actix_web::{App, HttpResponse, web};
use duplex_core::{
    Grant, Hooks, Hub, Namespace, Namespaces, Recovery, Rejection, Server, Settings, Socket, Subscribing,
    centrifuge_socket, listen, raw_socket,
};
use serde::Deserialize;

struct Open;

impl Hooks for Open {
    async fn on_subscribe(&self, _: &Socket, _: Subscribing) -> Result<Grant, Rejection> {
        Ok(Grant::default())
    }
}

/// Serves until it is killed. The port is what it prints first.
pub(crate) async fn serve() {
    let listeners = listen("127.0.0.1", 0).unwrap();
    println!("{}", listeners[0].local_addr().unwrap().port());
    let kept = Namespace { history_size: 100, recovery: Recovery::Forced, ..Namespace::default() };
    let seen = Namespace { presence: true, ..kept.clone() };
    let namespaces = Namespaces::default().with("kept", kept).with("seen", seen);
    let settings = Settings { shards: 1, workers: 1, namespaces, ..Settings::default() };
    let app = || {
        App::new()
            .route("/websocket", web::to(raw_socket))
            .route("/connection/websocket", web::to(centrifuge_socket))
            .route("/publish", web::get().to(publish))
    };
    Server::new(settings, listeners).unwrap().run(Open, app).await.unwrap();
}

#[derive(Deserialize)]
struct Range {
    from: usize,
    count: usize,
}

async fn publish(hub: Hub, range: web::Query<Range>) -> HttpResponse {
    let data = "x".repeat(62);
    for number in range.from..range.from + range.count {
        hub.publish(&format!("kept:{number}"), &data).await.unwrap();
    }
    HttpResponse::NoContent().finish()
}
