//! The part of Centrifugo's HTTP API that tests of clients need: what a backend does while its clients are connected.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::{
    HttpResponse, dev::ServiceRequest, error::ErrorUnauthorized, guard, middleware::Next,
    middleware::from_fn, web,
};
use duplex_core::{
    CloseCode, CloseFrame, DisconnectCode, HistoryQuery, Hub, HubError, Json, Position, Publication, Since,
};
use serde::{Deserialize, Serialize};

const KEY: &str = "test-api-key";

/// Registers the calls.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let calls = web::scope("")
        .guard(guard::Post())
        .wrap(from_fn(check_key))
        .route("/publish", web::to(publish))
        .route("/history", web::to(history))
        .route("/subscribe", web::to(subscribe))
        .route("/unsubscribe", web::to(unsubscribe))
        .route("/disconnect", web::to(disconnect))
        .route("/refresh", web::to(refresh));
    config.service(calls);
}

async fn check_key(
    request: ServiceRequest,
    next: Next<impl actix_web::body::MessageBody>,
) -> Result<actix_web::dev::ServiceResponse<impl actix_web::body::MessageBody>, actix_web::Error> {
    let key = request.headers().get("X-API-Key");
    if key.is_none_or(|key| key.as_bytes() != KEY.as_bytes()) {
        return Err(ErrorUnauthorized("the header X-API-Key is missing or wrong"));
    }
    next.call(request).await
}

/// The answer of this API: a result, or an error with a code.
fn answer<T: Serialize>(result: Result<T, HubError>) -> HttpResponse {
    match result {
        Ok(result) => HttpResponse::Ok().json(serde_json::json!({ "result": result })),
        Err(error) => {
            let code = match &error {
                HubError::Channel(_) => 107,
                HubError::NoHistory(_) | HubError::NoPresence(_) => 108,
                HubError::Unrecoverable => 112,
                _ => 100,
            };
            HttpResponse::Ok()
                .json(serde_json::json!({ "error": { "code": code, "message": error.to_string() } }))
        }
    }
}

#[derive(Deserialize)]
struct Publish {
    channel: String,
    data: Json,
}

#[derive(Serialize)]
struct Stream {
    #[serde(skip_serializing_if = "Option::is_none")]
    publications: Option<Vec<Publication>>,
    offset: u64,
    epoch: String,
}

impl Stream {
    fn new(position: Option<Position>, publications: Option<Vec<Publication>>) -> Self {
        let since = position.map(Since::from).unwrap_or_default();
        Self { publications, offset: since.offset, epoch: since.epoch }
    }
}

async fn publish(hub: Hub, call: web::Json<Publish>) -> HttpResponse {
    let published = hub.publish(&call.channel, &call.data).await;
    answer(published.map(|position| Stream::new(position, None)))
}

#[derive(Deserialize)]
struct History {
    channel: String,
    #[serde(default)]
    limit: i32,
    since: Option<Since>,
    #[serde(default)]
    reverse: bool,
}

async fn history(hub: Hub, call: web::Json<History>) -> HttpResponse {
    let History { channel, limit, since, reverse } = call.into_inner();
    let query = HistoryQuery { since, limit: usize::try_from(limit).ok(), reverse };
    let history = hub.history(&channel, &query).await;
    answer(history.map(|history| Stream::new(Some(history.top), Some(history.publications))))
}

#[derive(Deserialize)]
struct Membership {
    user: String,
    channel: String,
}

#[derive(Serialize)]
struct Empty {}

async fn subscribe(hub: Hub, call: web::Json<Membership>) -> HttpResponse {
    answer(hub.subscribe_user(&call.user, &call.channel).await.map(|()| Empty {}))
}

async fn unsubscribe(hub: Hub, call: web::Json<Membership>) -> HttpResponse {
    answer(hub.unsubscribe_user(&call.user, &call.channel).await.map(|()| Empty {}))
}

#[derive(Deserialize)]
struct Disconnect {
    user: String,
    disconnect: Option<Close>,
}

#[derive(Deserialize)]
struct Close {
    code: u16,
    #[serde(default)]
    reason: String,
}

async fn disconnect(hub: Hub, call: web::Json<Disconnect>) -> HttpResponse {
    let Disconnect { user, disconnect } = call.into_inner();
    let close = match disconnect {
        Some(Close { code, reason }) => CloseCode::new(code).map(|code| CloseFrame::new(code, reason)),
        None => Some(DisconnectCode::FORCE_NO_RECONNECT.into()),
    };
    match close {
        Some(close) => answer(hub.disconnect_user(&user, close).await.map(|()| Empty {})),
        None => HttpResponse::BadRequest().body("this is no code for a close frame\n"),
    }
}

#[derive(Deserialize)]
struct Refresh {
    user: String,
    #[serde(default)]
    expired: bool,
    /// Seconds since 1970.
    expire_at: Option<u64>,
}

async fn refresh(hub: Hub, call: web::Json<Refresh>) -> HttpResponse {
    let at = call.expire_at.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    let expires = if call.expired { Some(SystemTime::now()) } else { at };
    answer(hub.refresh_user(&call.user, expires).await.map(|()| Empty {}))
}
