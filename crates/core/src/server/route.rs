//! The routes of sockets: ordinary handlers, behind the application's middleware, that let a socket in or say why not.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};

use super::{
    handshake,
    takeover::{CanTakeOver, Takeover},
};
use crate::{
    ConnectionId, Hub, Refusal,
    centrifuge::SUBPROTOCOL,
    hub::Place,
    portable,
    shard::{Dialect, Incoming, Newcomer},
};

/// The handler of a raw WebSocket. Register it for every method, so that a wrong one gets a clear answer:
/// `.route("/websocket", web::to(raw_socket))`.
///
/// 1. The request is checked against RFC 6455 (400, 405, 426) and the [`OriginPolicy`](crate::OriginPolicy) (403).
/// 2. A hub that is full or draining refuses (503).
/// 3. The `authenticate` hook decides; its refusal has the status and body it chose.
/// 4. The answer is 101, and the socket goes to its shard.
///
/// It works below [`Server`](crate::Server), which gives the socket away, and below a plain
/// [`HttpServer`](actix_web::HttpServer), where an actix worker goes on carrying the bytes.
pub async fn raw_socket(request: HttpRequest, hub: Hub, payload: web::Payload) -> HttpResponse {
    match admit(&request, &hub).await {
        Ok((admitted, accept)) => open(&request, payload, Dialect::Raw, admitted, accept),
        Err(refusal) => refusal,
    }
}

/// The handler of a socket that speaks the Centrifuge client protocol, in JSON: the SDKs of Centrifugo connect to it. They
/// expect it here: `.route("/connection/websocket", web::to(centrifuge_socket))`.
///
/// It does the same as [`raw_socket`]. A client that wants to speak another WebSocket subprotocol than `centrifuge-json`,
/// or none, is refused (400).
pub async fn centrifuge_socket(request: HttpRequest, hub: Hub, payload: web::Payload) -> HttpResponse {
    let offers = handshake::subprotocols(&request);
    let json = offers.iter().any(|offer| offer == SUBPROTOCOL);
    if !offers.is_empty() && !json {
        let reason = format!("this address speaks {SUBPROTOCOL}, and not {}", offers.join(", "));
        return Refusal::new(StatusCode::BAD_REQUEST, reason).into_response();
    }
    let mut response = match admit(&request, &hub).await {
        Ok((admitted, accept)) => open(&request, payload, Dialect::Centrifuge, admitted, accept),
        Err(refusal) => refusal,
    };
    if json && response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let chosen = header::HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, chosen);
    }
    response
}

/// A socket that may come in; what is missing is the byte stream.
struct Admitted {
    id: ConnectionId,
    identity: crate::Identity,
    place: Place,
    hub: Hub,
}

async fn admit(request: &HttpRequest, hub: &Hub) -> Result<(Admitted, header::HeaderValue), HttpResponse> {
    let accept = handshake::check(request).map_err(handshake::HandshakeError::response)?;
    if !hub.settings().origins.allows(request.head()) {
        let refusal = Refusal::forbidden("pages of this origin may not open a socket here");
        return Err(refusal.into_response());
    }
    // First the place, then the question: a drain that begins in between waits for this socket.
    let place = hub.enter().filter(|_| !hub.is_draining()).ok_or_else(unavailable)?;
    let runner = hub.runner().ok_or_else(unavailable)?;
    let identity = runner.authenticate(request).await.map_err(Refusal::into_response)?;
    let id = ConnectionId::new(u8::try_from(place.shard()).unwrap_or(u8::MAX));
    Ok((Admitted { id, identity, place, hub: hub.clone() }, accept))
}

fn open(
    request: &HttpRequest,
    payload: web::Payload,
    dialect: Dialect,
    admitted: Admitted,
    accept: header::HeaderValue,
) -> HttpResponse {
    let peer = request.peer_addr();
    let Admitted { id, identity, place, hub } = admitted;
    let join = move |transport, early| {
        hub.clone().accept(Newcomer { id, dialect, identity, peer, hub, place, transport, early });
    };
    if request.extensions().get::<CanTakeOver>().is_none() {
        return portable::open(request, payload, |pipe| join(Incoming::Portable(pipe), bytes::Bytes::new()));
    }
    let mut response = handshake::accept(accept);
    Takeover::after_head(move |taken| join(Incoming::Tcp(taken.stream), taken.early)).attach(&mut response);
    response
}

/// 503: come back later. A browser's socket does so by itself when the page's code retries.
fn unavailable() -> HttpResponse {
    HttpResponse::build(StatusCode::SERVICE_UNAVAILABLE)
        .insert_header((header::RETRY_AFTER, "1"))
        .content_type("text/plain; charset=utf-8")
        .body("no room for another socket now\n")
}
