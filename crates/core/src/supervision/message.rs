//! What the supervisor and the worker say to each other. Descriptors travel beside a message, not in it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What the supervisor tells the worker.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToWorker {
    /// Serve on the listening sockets that come with this message. Always the first message.
    Serve(Serve),
    /// A newer worker is being started. The descriptor that comes with this message is a line to it: hand the open
    /// sockets over when it asks for them, and exit when everything is handed over.
    HandOver,
    /// The front-end server has moved to another address.
    FrontEnd {
        /// Where it listens now.
        address: SocketAddr,
    },
    /// A newer worker accepts connections now, and has taken nothing over: close sockets so that they come back, finish
    /// requests, exit.
    Retire,
    /// The run is over: close sockets for good, finish requests, exit.
    Stop,
}

/// What a worker has to know before it serves.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Serve {
    /// The host the supervisor was asked to listen on, as it was given.
    pub host: String,
    /// The port of the listening sockets.
    pub port: u16,
    /// Where the front-end server listens.
    pub front_end: SocketAddr,
    /// Whether the last descriptor is no listening socket but a line to the worker that serves now, whose open sockets
    /// move here.
    pub takes_over: bool,
}

/// What the worker tells the supervisor.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToSupervisor {
    /// The worker accepts connections.
    Ready {
        /// Whether the worker that served until now has handed over to this one, and therefore ends by itself.
        succeeds: bool,
    },
    /// Something went wrong between the worker that serves and this one, which therefore ends. It would serve if it did
    /// not have to take over.
    NotTakenOver {
        /// What went wrong.
        why: String,
    },
    /// Join the client's socket that comes with this message to the front-end server, and keep both joined for as
    /// long as they live, whatever happens to this worker.
    Tunnel {
        /// What the client has sent so far, to be said again to the front-end server: the request's head and the
        /// bytes that were read behind it.
        replay: Vec<u8>,
    },
}
