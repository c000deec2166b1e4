//! The two servers: one does with the hub what the other does with a list of sessions.

use std::sync::Mutex;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_ws::{AggregatedMessage, Session};
use clap::ValueEnum;
use duplex_core::{
    HookResult, Hooks, Hub, Identity, Message, Refusal, Server, Settings, Socket, listen, raw_socket,
};
use futures_util::StreamExt;
use serde::Deserialize;

/// Which server.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// The hub.
    Duplex,
    /// actix-ws as its documentation shows it.
    ActixWs,
}

/// Serves until it is killed. The port is what it prints first.
pub(crate) async fn serve(kind: Kind) {
    let listeners = listen("127.0.0.1", 0).unwrap();
    println!("{}", listeners[0].local_addr().unwrap().port());
    match kind {
        Kind::Duplex => {
            let settings = Settings { shards: 1, workers: 1, ..Settings::default() };
            let server = Server::new(settings, listeners).unwrap();
            let app = || {
                App::new().route("/websocket", web::to(raw_socket)).route("/publish", web::get().to(publish))
            };
            server.run(Bench, app).await.unwrap();
        }
        Kind::ActixWs => {
            let sessions = web::Data::new(Sessions::default());
            let app = move || {
                let app = App::new().app_data(sessions.clone()).route("/websocket", web::get().to(open));
                app.route("/publish", web::get().to(send_to_each))
            };
            let [listener] = listeners.try_into().unwrap();
            HttpServer::new(app).workers(1).tcp_nodelay(true).listen(listener).unwrap().run().await.unwrap();
        }
    }
}

/// What `/publish` is asked for.
#[derive(Deserialize)]
struct Publication {
    count: usize,
    bytes: usize,
}

impl Publication {
    /// Both servers send the same bytes: a JSON string.
    fn text(&self) -> String {
        "x".repeat(self.bytes)
    }
}

struct Bench;

impl Hooks for Bench {
    async fn authenticate(&self, request: &HttpRequest) -> Result<Identity, Refusal> {
        Ok(Identity::user(request.query_string()))
    }

    async fn on_connect(&self, socket: &Socket) -> HookResult {
        if socket.identity().user_id() == Some("subscriber") {
            socket.subscribe("bench").await?;
        }
        Ok(())
    }

    async fn on_message(&self, socket: &Socket, message: Message) -> HookResult {
        Ok(socket.send(message).await?)
    }
}

async fn publish(hub: Hub, publication: web::Query<Publication>) -> HttpResponse {
    let text = publication.text();
    for _ in 0..publication.count {
        hub.publish("bench", &text).await.unwrap();
    }
    HttpResponse::NoContent().finish()
}

type Sessions = Mutex<Vec<Session>>;

async fn open(
    request: HttpRequest,
    body: web::Payload,
    sessions: web::Data<Sessions>,
) -> actix_web::Result<HttpResponse> {
    let (response, mut session, messages) = actix_ws::handle(&request, body)?;
    if request.query_string() == "subscriber" {
        sessions.lock().unwrap().push(session.clone());
    }
    actix_web::rt::spawn(async move {
        let mut messages = messages.aggregate_continuations();
        while let Some(Ok(message)) = messages.next().await {
            if let AggregatedMessage::Text(text) = message {
                session.text(text).await.unwrap();
            }
        }
    });
    Ok(response)
}

async fn send_to_each(sessions: web::Data<Sessions>, publication: web::Query<Publication>) -> HttpResponse {
    let text = serde_json::to_string(&publication.text()).unwrap();
    let mut everybody = sessions.lock().unwrap().clone();
    for _ in 0..publication.count {
        for session in &mut everybody {
            session.text(text.clone()).await.unwrap();
        }
    }
    HttpResponse::NoContent().finish()
}
