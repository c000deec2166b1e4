//! The production server: the application, with the built front end behind its routes. Development has the
//! same application with a proxy behind it; that fallback is the only difference.

use std::{net::TcpListener, process::ExitCode};

use clap::Parser;
use duplex_core::{Environment, Server, listen, raise_descriptor_limit};
use prod_server::{Assets, Flags, Settings};

/// What actix says of its threads, and of every request that it cannot read, is of no use to an operator.
const LOG: &str = "info,actix_server=warn,actix_http::h1::dispatcher=off";

#[tokio::main]
async fn main() -> ExitCode {
    match run(Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prod-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    let environment = Environment::read(&Flags::root().join(".env"))?;
    env_logger::Builder::new().parse_filters(environment.get("RUST_LOG").unwrap_or(LOG)).init();
    let settings = flags.settle(&environment)?;
    let assets = Assets::load(&settings.directory, &settings.assets)?;
    let descriptors = raise_descriptor_limit();
    let listeners = listen(&settings.host, settings.port)?;
    announce(&settings, &assets, descriptors, &listeners)?;
    let server = Server::new(server_settings(&settings, &environment, &assets), listeners)?;
    Ok(duplex_app::serve(server, &environment, move || assets.route()).await?)
}

/// Pages are told which build is served. A preview answers to the names of this machine only.
fn server_settings(settings: &Settings, environment: &Environment, assets: &Assets) -> duplex_core::Settings {
    let mut shared = duplex_core::Settings::from_environment(environment);
    shared.build = assets.build().map(str::to_owned);
    if settings.preview { shared.local(environment) } else { shared }
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
    if let Some(build) = assets.build() {
        log::info!("build {build}");
    }
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
