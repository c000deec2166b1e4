//! The production server: the application, with the built front end behind its routes. Development has the
//! same application with a proxy behind it; that fallback is the only difference.

use std::net::TcpListener;
use std::process::ExitCode;

use actix_web::{App, HttpServer};
use anyhow::Context;
use clap::Parser;
use duplex_core::Environment;
use prod_server::{Assets, Flags, Settings, listen, raise_descriptor_limit};

fn main() -> ExitCode {
    match run(Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prod-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> anyhow::Result<()> {
    let environment = Environment::read(&Flags::root().join(".env"))?;
    env_logger::Builder::new().parse_filters(environment.get("RUST_LOG").unwrap_or("info")).init();
    let settings = flags.settle(&environment)?;
    let assets = Assets::load(&settings.directory, &settings.assets)?;
    let descriptors = raise_descriptor_limit();
    let listeners = listen(&settings.host, settings.port)?;
    announce(&settings, &assets, descriptors, &listeners)?;
    actix_web::rt::System::new().block_on(serve(assets, listeners)).context("the server failed")
}

async fn serve(assets: Assets, listeners: Vec<TcpListener>) -> std::io::Result<()> {
    let mut server = HttpServer::new(move || App::new().default_service(assets.route())).tcp_nodelay(true);
    for listener in listeners {
        server = server.listen(listener)?;
    }
    server.run().await
}

/// Says what runs and where, and opens it if asked to: the sockets are bound, so the browser's first call
/// waits.
fn announce(
    settings: &Settings,
    assets: &Assets,
    descriptors: Option<u64>,
    listeners: &[TcpListener],
) -> anyhow::Result<()> {
    let mode = if settings.preview { "preview, for this machine only" } else { "production" };
    log::info!("{mode}: {}", settings.directory.display());
    log::info!("{} files, {} KiB in memory", assets.files(), assets.bytes_in_memory().div_ceil(1024));
    match descriptors {
        Some(limit) => log::info!("at most {limit} open descriptors"),
        None => log::info!("no limit on open descriptors"),
    }
    for listener in listeners {
        log::info!("listening on http://{}", listener.local_addr()?);
    }
    if settings.open {
        open_browser(listeners)?;
    }
    Ok(())
}

fn open_browser(listeners: &[TcpListener]) -> anyhow::Result<()> {
    let Some(listener) = listeners.first() else { return Ok(()) };
    let address = listener.local_addr()?;
    let is_local = address.ip().is_unspecified() || address.ip().is_loopback();
    let url =
        if is_local { format!("http://localhost:{}", address.port()) } else { format!("http://{address}") };
    if let Err(error) = open::that_detached(&url) {
        log::warn!("cannot open a browser, please go to {url} yourself: {error}");
    }
    Ok(())
}
