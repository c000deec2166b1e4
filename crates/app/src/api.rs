//! The HTTP handlers below `/api`. Any of them can push to browsers: it takes the [`Hub`] as a parameter.

mod body;
mod error;
mod messages;
mod session;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use actix_web::{HttpRequest, HttpResponse, Responder, web};
use duplex_core::{Hub, HubError};
use httpdate::fmt_http_date;
use serde::Serialize;

/// Registers the handlers.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(body::config())
        .app_data(messages::query_config())
        .route("/test", web::get().to(test))
        .service(
            web::resource("/session")
                .route(web::get().to(session::current))
                .route(web::post().to(session::sign_in))
                .route(web::delete().to(session::sign_out)),
        )
        .service(
            web::resource("/rooms/{room}/messages")
                .route(web::get().to(messages::list))
                .route(web::post().to(messages::post)),
        )
        .default_service(web::to(unknown));
}

/// 200 while the server takes sockets, 503 while it stops: what a load balancer asks for.
pub(crate) async fn health(hub: Hub) -> HttpResponse {
    if hub.is_draining() {
        return HttpResponse::ServiceUnavailable().body("stopping\n");
    }
    HttpResponse::Ok().body("ok\n")
}

#[derive(Serialize)]
struct Answer {
    success: bool,
    message: &'static str,
    url: String,
}

/// Answers the request, and tells every open socket about it.
async fn test(request: HttpRequest, hub: Hub) -> Result<impl Responder, HubError> {
    let time = fmt_http_date(SystemTime::now());
    hub.send_all(format!("Hello from the GET handler at {time}")).await?;
    let answer = Answer { success: true, message: "Hello world from GET handler", url: url_of(&request) };
    Ok(web::Json(answer))
}

/// The address that was called. `full_url` would panic when the headers that name the host make no URL.
fn url_of(request: &HttpRequest) -> String {
    let connection = request.connection_info();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    format!("{}://{}{path}", connection.scheme(), connection.host())
}

/// Without it, a mistyped call would get the page of the fallback.
async fn unknown() -> HttpResponse {
    HttpResponse::NotFound().json(serde_json::json!({ "error": "there is no such call" }))
}
