//! The service on a socket of its own, in a thread of this process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use actix_web::{App, HttpServer};
use duplex_core::listen;
use prod_server::{Assets, AssetsSettings};
use tempfile::TempDir;

use crate::build;
use crate::client::{self, Response};

/// Stops when it is dropped.
pub(crate) struct Server {
    pub(crate) build: Build,
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// A directory inside a temporary one, so that there is an outside to break out to.
pub(crate) struct Build(TempDir, std::path::PathBuf);

impl Build {
    pub(crate) fn new() -> Build {
        let outside = tempfile::tempdir().unwrap();
        let path = outside.path().join("build");
        build::write(&path);
        Build(outside, path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.1
    }

    pub(crate) fn outside(&self) -> &Path {
        self.0.path()
    }
}

impl Server {
    pub(crate) fn start() -> Server {
        let build = Build::new();
        let settings = AssetsSettings {
            largest_in_memory: build::LARGEST_IN_MEMORY,
            public_environment: BTreeMap::from([("PUBLIC_NAME".to_owned(), "Duplex".to_owned())]),
        };
        let assets = Assets::load(build.path(), &settings).unwrap();
        let listener = listen("127.0.0.1", 0).unwrap().remove(0);
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let server = HttpServer::new(move || App::new().default_service(assets.route()));
            System::new().block_on(async {
                let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Server { build, address, handle: receiver.recv().unwrap(), thread: Some(thread) }
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.send("GET", path, headers)
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        client::send(self.address, method, path, headers)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The command is sent by the call; the future only waits, and so does the thread.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
