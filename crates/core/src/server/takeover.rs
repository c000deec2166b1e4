//! The ticket by which a handler takes the raw socket away from the HTTP server.

use std::{cell::Cell, fmt};

use actix_web::HttpResponse;
use bytes::Bytes;

/// A socket that left the HTTP server.
#[derive(Debug)]
pub struct TakenSocket {
    /// The socket, in non-blocking mode, tied to no runtime.
    pub stream: std::net::TcpStream,
    /// What the client sent behind the head of its request.
    pub early: Bytes,
}

/// A handler puts this into the extensions of its answer to an upgrade request, by [`attach`](Self::attach). If the
/// answer is still a 101 when it has passed all middleware, the socket goes to the function; otherwise the answer is
/// sent like any other and the function is dropped.
///
/// The function runs on a worker thread and must not block; what it keeps of the socket must not live on that worker.
pub struct Takeover {
    send_head: bool,
    take: Box<dyn FnOnce(TakenSocket)>,
}

/// The mark of requests whose socket can be taken over.
#[derive(Clone, Copy)]
pub(crate) struct CanTakeOver;

/// Extensions want a type that is `'static`; the cell is what lets it be taken out of a shared reference.
struct Attached(Cell<Option<Takeover>>);

impl Takeover {
    /// The socket is taken after the head of the 101 has been written to it.
    pub fn after_head(take: impl FnOnce(TakenSocket) + 'static) -> Self {
        Self { send_head: true, take: Box::new(take) }
    }

    /// The socket is taken before anything is written to it; whoever gets it answers the request.
    pub fn raw(take: impl FnOnce(TakenSocket) + 'static) -> Self {
        Self { send_head: false, take: Box::new(take) }
    }

    /// Puts the ticket on an answer.
    pub fn attach(self, response: &mut HttpResponse) {
        response.extensions_mut().insert(Attached(Cell::new(Some(self))));
    }

    /// Takes the ticket off an answer, if there is one.
    pub(crate) fn detach(extensions: &mut actix_http::Extensions) -> Option<Self> {
        extensions.remove::<Attached>().and_then(|attached| attached.0.take())
    }

    pub(crate) fn sends_head(&self) -> bool {
        self.send_head
    }

    pub(crate) fn take(self, socket: TakenSocket) {
        (self.take)(socket);
    }
}

impl fmt::Debug for Takeover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Takeover").field("send_head", &self.send_head).finish_non_exhaustive()
    }
}
