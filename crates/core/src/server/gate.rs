//! What stands before the App, for every request: the check of the host, and the signs of a server that is leaving.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actix_http::{ConnectionType, RequestHead, Response, body::BoxBody};
use actix_web::{HttpResponse, http::StatusCode};

use super::origin::HostPolicy;

/// Shared by all workers.
#[derive(Clone)]
pub(crate) struct Gate {
    hosts: Arc<HostPolicy>,
    leaving: Arc<AtomicBool>,
}

impl Gate {
    pub(crate) fn new(hosts: HostPolicy) -> Self {
        Self { hosts: Arc::new(hosts), leaving: Arc::default() }
    }

    /// From now on every answer says that it is the last one on its connection.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// The answer to a request that must not reach the App.
    pub(crate) fn refuse(&self, request: &RequestHead) -> Option<Response<BoxBody>> {
        if self.hosts.allows(request) {
            return None;
        }
        let body =
            "this server is local: it answers to localhost, IP addresses and the host of ORIGIN only\n";
        Some(HttpResponse::Forbidden().content_type("text/plain; charset=utf-8").body(body).into())
    }

    /// Marks an answer on its way out.
    pub(crate) fn mark(&self, response: &mut Response<BoxBody>) {
        if self.leaving.load(Ordering::Acquire) && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
    }
}
