//! The production server: the application, with the built front end behind its routes. Development has the
//! same application with a proxy behind it; that fallback is the only difference.

mod handover;
mod reload;
mod service_manager;

use std::{future::ready, net::TcpListener, process::ExitCode};

use clap::Parser;
use duplex_core::{
    Environment, Server, Stop, check_state_file,
    handover::{Rendezvous, Successors},
    raise_descriptor_limit,
};
use prod_server::{Assets, Flags, Settings};

use crate::{handover::Place, reload::Reload, service_manager::ServiceManager};

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
    let reload = Reload::prepare()?;
    let environment = Environment::read(&Flags::root().join(".env"))?;
    env_logger::Builder::new().parse_filters(environment.get("RUST_LOG").unwrap_or(LOG)).init();
    let settings = flags.settle(&environment)?;
    let assets = Assets::load(&settings.directory, &settings.assets)?;
    let descriptors = raise_descriptor_limit();
    let rendezvous = settings.handover.as_deref().map(Rendezvous::at).transpose()?;
    settings.state_file.as_deref().map(check_state_file).transpose()?;
    // From here on there may be another process that waits for this one.
    let mut predecessor = rendezvous.as_ref().map(handover::greet).transpose()?.flatten();
    let listeners = handover::listeners(&settings, predecessor.as_mut())?;
    announce(&settings, &assets, descriptors, &listeners)?;
    if settings.open && predecessor.is_none() {
        // The sockets are bound, so the browser's first call waits.
        open_browser(&listeners)?;
    }
    let manager = ServiceManager::new(&listeners);
    let mut server = Server::new(server_settings(&settings, &environment, &assets), listeners)?;
    if let Some(file) = &settings.state_file {
        server = server.state_file(file);
    }
    if let Some(predecessor) = predecessor {
        server = server.take_over(predecessor)?;
    }
    let (server, place) = make_known(server, rendezvous, &manager);
    tokio::select! {
        served = duplex_app::serve(server, &environment, move || assets.route()) => Ok(served?),
        never = reload.run(place, manager) => match never {},
    }
}

/// The next process finds this one, and the service manager hears of it, while it serves.
fn make_known(
    mut server: Server,
    rendezvous: Option<Rendezvous>,
    manager: &ServiceManager,
) -> (Server, Option<Place>) {
    let place = rendezvous.map(|rendezvous| {
        let (sender, successors) = Successors::channel();
        (Place::new(rendezvous, sender), successors)
    });
    let (place, successors) = place.unzip();
    if let Some(successors) = successors {
        server = server.hand_over_to(successors);
    }
    let (serving, stopping, there) = (manager.clone(), manager.clone(), place.clone());
    // It is made anew if another process could not take over after all. That one may have made itself known.
    let server = server.background(move || {
        if there.as_ref().is_none_or(Place::take) {
            serving.serves();
        }
        ready(())
    });
    let server = server.stop_on(async move {
        let stop = Stop::signalled().await;
        stopping.stops();
        stop
    });
    (server, place)
}

/// Pages are told which build is served. A preview answers to the names of this machine only.
fn server_settings(settings: &Settings, environment: &Environment, assets: &Assets) -> duplex_core::Settings {
    let mut shared = duplex_core::Settings::from_environment(environment);
    shared.build = assets.build().map(str::to_owned);
    if settings.preview { shared.local(environment) } else { shared }
}

/// Says what runs and where.
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
