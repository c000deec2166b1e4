//! A running application, with its database in a folder of its own.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use actix_web::{HttpResponse, web};
use duplex_app::AppError;
use duplex_core::{Environment, Server, Settings, Stop};
use tokio::{sync::oneshot, task::JoinHandle};

/// Keeps sign-ins valid over a restart.
const SECRET: &str = "only for tests, and known to everyone who reads them";

/// Where a database is, that several servers may use after each other or together.
pub(crate) struct Place(tempfile::TempDir);

/// A server. It ends with its runtime, or when it is stopped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<Stop>,
    end: JoinHandle<Result<(), AppError>>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder().join("data/test.sqlite")
    }

    pub(crate) async fn start(&self) -> Running {
        let (server, address) = server();
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let server = server
            .stop_on(async { stopped.await.unwrap_or(Stop::Shutdown) })
            .on_ready(|| ready.send(()).unwrap_or(()));
        let environment = self.environment();
        let end = tokio::spawn(async move { serve(server, &environment).await });
        is_ready.await.unwrap();
        Running { address, stop, end }
    }

    pub(crate) fn environment(&self) -> Environment {
        let database = self.database().display().to_string();
        let variables = [("DATABASE_FILE", database), ("SESSION_SECRET", SECRET.to_owned())];
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.send(Stop::Shutdown).unwrap();
        self.end.await.unwrap().unwrap();
    }
}

/// A server that does not serve yet.
pub(crate) fn server() -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings { shards: 2, workers: 2, ..Settings::default() };
    (Server::new(settings, vec![listener]).unwrap(), address)
}

pub(crate) async fn serve(server: Server, environment: &Environment) -> Result<(), AppError> {
    duplex_app::serve(server, environment, || web::to(HttpResponse::NotFound)).await
}
