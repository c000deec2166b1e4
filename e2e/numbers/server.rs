//! What the tests of a handover add to the application: numbers that go to and fro, and what the server knows of its
//! sockets.

use std::{process, time::Duration};

use actix_web::{HttpResponse, Responder, web};
use duplex_core::{Channel, Hub, HubError, JoinLeave, Json, Namespace, Recovery};
use serde::Deserialize;
use serde_json::json;

/// How long what is slow takes. A swap falls into it.
const SLOW: Duration = Duration::from_millis(150);

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/numbers/process", web::get().to(process))
        .route("/numbers/{channel}/{number}", web::post().to(publish));
}

pub(crate) fn options() -> Namespace {
    Namespace {
        history_size: 1000,
        recovery: Recovery::Forced,
        presence: true,
        join_leave: JoinLeave::Forced,
        ..Namespace::default()
    }
}

pub(crate) fn has(channel: &Channel) -> bool {
    channel.namespace() == Some("numbers")
}

/// The answer to a call about numbers, if it is one.
pub(crate) async fn answer(method: &str, data: &Json) -> Option<Json> {
    match method {
        "numbers.echo" => {}
        "numbers.slow" => tokio::time::sleep(SLOW).await,
        _ => return None,
    }
    Some(data.clone())
}

/// Who serves, and whom.
async fn process(hub: Hub) -> Result<impl Responder, HubError> {
    let sockets = hub.connections().await?.into_iter();
    let sockets: Vec<_> =
        sockets.map(|socket| json!({ "id": socket.id.to_string(), "peer": socket.peer })).collect();
    Ok(web::Json(json!({ "pid": process::id(), "sockets": sockets })))
}

/// A request that is still running when its server has handed everything over, and then says something.
async fn publish(path: web::Path<Place>, hub: Hub) -> Result<impl Responder, HubError> {
    tokio::time::sleep(SLOW).await;
    hub.publish(&format!("numbers:{}", path.channel), &json!({ "posted": path.number })).await?;
    Ok(HttpResponse::Ok().finish())
}

#[derive(Deserialize)]
struct Place {
    channel: String,
    number: u64,
}
