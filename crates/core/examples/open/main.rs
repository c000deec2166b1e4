//! The Centrifuge client protocol with everything allowed to everybody, which other servers call insecure mode: to try
//! clients against. `cargo run --release -p duplex-core --example open -- --port 8000`.

mod api;

use std::time::Duration;

use actix_web::{App, HttpResponse, http::header, web};
use clap::Parser;
use duplex_core::{
    Calling, ErrorCode, Grant, HookResult, Hooks, JoinLeave, Json, Limits, Message, Namespace, Namespaces,
    Publishing, Reading, Recovery, Rejection, Server, Settings, Socket, Subscribing, TokenKeys,
    centrifuge_socket, listen,
};

/// Speaks the Centrifuge client protocol at /connection/websocket, and allows everything to everybody.
///
/// Tokens are signed with HS256 and the secret `secret`. Channels without a namespace, and those of `recovery`, keep 100
/// publications for 300 seconds and recover them; those of `smallhistory` keep 2. There is one call, `echo`. The HTTP API
/// (POST /api/publish, history, subscribe, unsubscribe, disconnect, refresh) wants the header `X-API-Key: test-api-key`.
#[derive(Parser)]
struct Flags {
    /// Port on 127.0.0.1; 0 lets the system choose.
    #[arg(long, default_value_t = 8000)]
    port: u16,

    /// The largest message that is accepted, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_message_bytes)]
    max_message: usize,
}

struct Open;

impl Hooks for Open {
    async fn on_subscribe(&self, _: &Socket, _: Subscribing) -> Result<Grant, Rejection> {
        Ok(Grant::default())
    }

    async fn on_publish(&self, _: &Socket, publishing: Publishing) -> Result<Json, Rejection> {
        Ok(publishing.data)
    }

    async fn on_read(&self, _: &Socket, _: Reading) -> Result<(), Rejection> {
        Ok(())
    }

    async fn on_call(&self, _: &Socket, calling: Calling) -> Result<Json, Rejection> {
        match calling.method.as_str() {
            "echo" => Ok(calling.data),
            _ => Err(ErrorCode::NOT_AVAILABLE.into()),
        }
    }

    async fn on_message(&self, _: &Socket, _: Message) -> HookResult {
        Ok(())
    }
}

fn namespaces() -> Namespaces {
    let recovery = Namespace {
        history_size: 100,
        history_ttl: Duration::from_secs(300),
        recovery: Recovery::Forced,
        ..Namespace::default()
    };
    Namespaces::default()
        .without_namespace(Namespace { presence: true, join_leave: JoinLeave::On, ..recovery.clone() })
        .with("smallhistory", Namespace { history_size: 2, ..recovery.clone() })
        .with("recovery", recovery)
}

/// A page to open the browser's tools on.
async fn page() -> HttpResponse {
    let page = "<!doctype html><meta charset=utf-8><title>open</title><link rel=icon href=data:,>\
        <p>The Centrifuge client protocol is spoken at <code>/connection/websocket</code>.";
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8")).body(page)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let flags = Flags::parse();
    let listeners = listen("127.0.0.1", flags.port)?;
    println!("listening on ws://{}/connection/websocket", listeners[0].local_addr()?);
    let limits = Limits { max_message_bytes: flags.max_message, ..Limits::default() };
    let tokens = TokenKeys::default().hs256("secret");
    let settings = Settings { limits, tokens, namespaces: namespaces(), ..Settings::default() };
    Server::new(settings, listeners)?
        .run(Open, || {
            App::new()
                .route("/", web::get().to(page))
                .route("/connection/websocket", web::to(centrifuge_socket))
                .service(web::scope("/api").configure(api::routes))
        })
        .await?;
    Ok(())
}
