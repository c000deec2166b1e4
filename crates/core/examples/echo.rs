//! Sends every text and binary message back: `cargo run --release -p duplex-core --example echo -- --port 9001`.

use actix_web::{App, web};
use clap::Parser;
use duplex_core::{HookResult, Hooks, Limits, Message, Server, Settings, Socket, listen, raw_socket};

/// A raw WebSocket at `/` that sends back what it gets.
#[derive(Parser)]
struct Flags {
    /// Port on 127.0.0.1; 0 lets the system choose.
    #[arg(long, default_value_t = 9001)]
    port: u16,

    /// The largest message that is accepted, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_message_bytes)]
    max_message: usize,
}

struct Echo;

impl Hooks for Echo {
    async fn on_message(&self, socket: &Socket, message: Message) -> HookResult {
        Ok(socket.send(message).await?)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flags = Flags::parse();
    let listeners = listen("127.0.0.1", flags.port)?;
    println!("listening on ws://{}", listeners[0].local_addr()?);
    let limits = Limits { max_message_bytes: flags.max_message, ..Limits::default() };
    let server = Server::new(Settings { limits, ..Settings::default() }, listeners)?;
    server.run(Echo, || App::new().route("/", web::to(raw_socket))).await?;
    Ok(())
}
