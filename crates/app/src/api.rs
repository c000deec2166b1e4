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
    let answer = Answer { success: true, message: "Hello world from GET handler", url: url_of(&request) };
    Ok(web::Json(answer))
}

/// The address that was called. `full_url` would panic when the headers that name the host make no URL.
fn url_of(request: &HttpRequest) -> String {
    let connection = request.connection_info();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    format!("{}://{}{path}", connection.scheme(), connection.host())
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

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_host_that_makes_no_url_is_repeated_and_panics_nobody() {
        for (host, url) in
            [("localhost:3004", "http://localhost:3004/api/test?a=b"), ("[", "http://[/api/test?a=b")]
        {
            let request =
                TestRequest::with_uri("/api/test?a=b").insert_header(("host", host)).to_http_request();
            assert_eq!(url_of(&request), url);
        }
    }
}
