//! A contract with one call and one kind of channels for everything that a contract can do: what the front-end layer is
//! tested against. `cargo run -p duplex-core --example contract -- --port 8000`.

mod calls;
mod channels;

use std::sync::Arc;

use actix_web::{App, HttpRequest, HttpResponse, web};
use clap::Parser;
use duplex_core::{
    Calling, Connected, Connecting, Grant, Hooks, Identity, Json, Publishing, Refusal, Rejection, Server,
    Settings, Socket, Subscribing, centrifuge_socket, contract::Contract, listen,
};

/// Answers the calls of a contract at /connection/websocket; GET /fingerprints has the fingerprints of their types.
///
/// `?user=NAME` in the socket's address says who is there.
#[derive(Parser)]
struct Flags {
    /// Port on 127.0.0.1; 0 lets the system choose.
    #[arg(long, default_value_t = 8000)]
    port: u16,

    /// The id of the front-end build that pages are told.
    #[arg(long, value_name = "TEXT")]
    build: Option<String>,
}

/// What the handlers share. A real application has its database here.
struct Shared;

struct Duties {
    contract: Arc<Contract<Shared>>,
    shared: Shared,
}

fn contract() -> Contract<Shared> {
    Contract::new()
        .channel::<channels::Room>()
        .channel::<channels::Plain>()
        .channel::<channels::Closed>()
        .call::<calls::Echo>()
        .call::<calls::Refuse>()
        .call::<calls::Fail>()
        .call::<calls::Wait>()
        .call::<calls::User>()
        .call::<calls::Publish>()
        .call::<calls::WhereIs>()
        .call::<calls::Message>()
        .call::<calls::Disconnect>()
        .call::<calls::Expel>()
}

impl Hooks for Duties {
    async fn authenticate(&self, request: &HttpRequest) -> Result<Identity, Refusal> {
        let user = request.query_string().strip_prefix("user=");
        Ok(user.map_or_else(Identity::anonymous, Identity::user))
    }

    async fn on_connecting(&self, socket: &Socket, _: Connecting) -> Result<Connected, Rejection> {
        self.contract.on_connecting(socket)
    }

    async fn on_subscribe(&self, socket: &Socket, asked: Subscribing) -> Result<Grant, Rejection> {
        self.contract.on_subscribe(socket, asked, &self.shared).await
    }

    async fn on_publish(&self, socket: &Socket, asked: Publishing) -> Result<Json, Rejection> {
        self.contract.on_publish(socket, asked, &self.shared).await
    }

    async fn on_call(&self, socket: &Socket, calling: Calling) -> Result<Json, Rejection> {
        self.contract.on_call(socket, calling, &self.shared).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let flags = Flags::parse();
    let contract = Arc::new(contract());
    contract.check()?;
    let listeners = listen("127.0.0.1", flags.port)?;
    println!("listening on ws://{}/connection/websocket", listeners[0].local_addr()?);
    let settings = Settings { namespaces: contract.namespaces(), build: flags.build, ..Settings::default() };
    let known = Arc::clone(&contract);
    Server::new(settings, listeners)?
        .run(Duties { contract, shared: Shared }, move || {
            let known = Arc::clone(&known);
            let fingerprints = move || {
                let known = Arc::clone(&known);
                async move { HttpResponse::Ok().json(known.fingerprints()) }
            };
            App::new()
                .route("/fingerprints", web::get().to(fingerprints))
                .route("/connection/websocket", web::to(centrifuge_socket))
        })
        .await?;
    Ok(())
}
