//! What the tests of several modules need: hubs that have the contract's channels.

use std::{net::TcpListener, time::Duration};

use actix_web::App;
use duplex_core::{Hooks, Hub, Limits, Server, Settings};

use crate::contract;

/// Longer than anything takes here, so that what never comes fails the test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

struct NoHooks;

impl Hooks for NoHooks {}

fn settings() -> Settings {
    Settings { namespaces: contract().namespaces(), shards: 1, ..Settings::default() }
}

/// A hub that runs.
pub(crate) fn hub() -> Hub {
    Hub::start(settings(), NoHooks).unwrap()
}

/// A hub that takes nothing, as its one inbox is full and not emptied, until it is started. Dropped, it has stopped.
pub(crate) struct BusyHub(Server);

impl BusyHub {
    /// How long its verbs wait for room.
    pub(crate) const PATIENCE: Duration = Duration::from_millis(10);

    /// What fills the inbox is a subscription to `channel`; without one, its publications would need no room.
    pub(crate) async fn listening_to(channel: &str) -> Self {
        let limits = Limits { inbox_bytes: 1, inbox_deadline: Self::PATIENCE, ..Limits::default() };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::new(Settings { limits, ..settings() }, vec![listener]).unwrap();
        let server = server.stop_on(std::future::pending());
        server.hub().subscribe_user("ada", channel).await.unwrap();
        Self(server)
    }

    pub(crate) fn hub(&self) -> Hub {
        self.0.hub()
    }

    /// Makes room. It ends with the runtime.
    pub(crate) fn start(self) -> Hub {
        let hub = self.hub();
        tokio::spawn(self.0.run(NoHooks, App::new));
        hub
    }
}
