//! The HTTP handlers below `/api`. Any of them can push to browsers: it takes the [`Hub`] as a parameter.

use std::time::SystemTime;

use actix_web::{HttpRequest, HttpResponse, Responder, web};
use duplex_core::{Hub, HubError};
use httpdate::fmt_http_date;
use serde::{Deserialize, Serialize};

use crate::session::Sessions;

/// Registers the handlers.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route("/test", web::get().to(test)).service(
        web::resource("/session")
            .route(web::get().to(current_session))
            .route(web::post().to(sign_in))
            .route(web::delete().to(sign_out)),
    );
    config.default_service(web::to(unknown));
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
    let answer = Answer {
        success: true,
        message: "Hello world from GET handler",
        url: request.full_url().to_string(),
    };
    Ok(web::Json(answer))
}

#[derive(Serialize)]
struct CurrentSession {
    user: Option<String>,
}

async fn current_session(request: HttpRequest, sessions: web::Data<Sessions>) -> impl Responder {
    web::Json(CurrentSession { user: sessions.user(&request) })
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
}

/// Signs a visitor in under the name they give. A real application would ask for a proof here.
async fn sign_in(form: web::Json<SignIn>, sessions: web::Data<Sessions>) -> HttpResponse {
    let name = form.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        let reason = format!("a name has 1 to {MAX_NAME_CHARS} characters");
        return HttpResponse::UnprocessableEntity().json(serde_json::json!({ "error": reason }));
    }
    HttpResponse::Ok().cookie(sessions.cookie(name)).json(CurrentSession { user: Some(name.to_owned()) })
}

const MAX_NAME_CHARS: usize = 64;

async fn sign_out(sessions: web::Data<Sessions>) -> HttpResponse {
    HttpResponse::NoContent().cookie(sessions.removal()).finish()
}

/// Without it, a mistyped call would get the page of the fallback.
async fn unknown() -> HttpResponse {
    HttpResponse::NotFound().json(serde_json::json!({ "error": "there is no such call" }))
}
