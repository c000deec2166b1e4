//! Upgrade requests that no route of the application takes are Vite's. The supervisor gets the socket, with everything
//! the client has said, and joins it to Vite: there it outlives this worker.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use duplex_core::Takeover;

use crate::supervisor::Supervisor;

/// Whether the server can give this request's socket away: then it wants to be a WebSocket.
pub(crate) fn is_wanted(request: &HttpRequest) -> bool {
    // Without `Connection: Upgrade` Vite would go on speaking HTTP, past this server's checks.
    let mut upgrades = request.headers().get_all(header::UPGRADE);
    request.head().upgrade()
        && upgrades
            .any(|value| value.to_str().is_ok_and(|value| value.trim().eq_ignore_ascii_case("websocket")))
}

/// Answers with the promise of the socket, or refuses a request whose body would be taken for frames.
pub(crate) fn answer(request: &HttpRequest, supervisor: Supervisor) -> HttpResponse {
    let headers = request.headers();
    if headers.contains_key(header::TRANSFER_ENCODING) || headers.contains_key(header::CONTENT_LENGTH) {
        return HttpResponse::BadRequest().body("a request that opens a WebSocket has no body\n");
    }
    let head = head_of(request);
    let mut response = HttpResponse::SwitchingProtocols().finish();
    Takeover::raw(move |taken| supervisor.hand_over(taken.stream, replay(head, &taken.early)))
        .attach(&mut response);
    response
}

fn replay(mut head: Vec<u8>, early: &Bytes) -> Vec<u8> {
    head.extend_from_slice(early);
    head
}

/// The head as the client sent it, but for the case of header names, which means nothing.
fn head_of(request: &HttpRequest) -> Vec<u8> {
    let mut head = format!("{} {} {:?}\r\n", request.method(), request.uri(), request.version()).into_bytes();
    for (name, value) in request.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_head_is_said_again_with_its_query_and_repeated_headers() {
        let request = TestRequest::with_uri("/?token=a%20b")
            .append_header(("host", "localhost:3004"))
            .append_header(("sec-websocket-protocol", "vite-hmr"))
            .append_header(("cookie", "a=1"))
            .append_header(("cookie", "b=2"))
            .to_http_request();
        let head = String::from_utf8(replay(head_of(&request), &Bytes::from_static(b"early"))).unwrap();
        assert!(head.starts_with("GET /?token=a%20b HTTP/1.1\r\n"), "{head}");
        assert!(head.ends_with("\r\n\r\nearly"), "{head}");
        for line in ["host: localhost:3004", "sec-websocket-protocol: vite-hmr", "cookie: a=1", "cookie: b=2"]
        {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
        }
    }

    #[test]
    fn only_a_request_for_a_websocket_is_an_upgrade() {
        let request = |connection, upgrade| {
            let request = TestRequest::get().append_header(("connection", connection));
            request.append_header(("upgrade", upgrade)).to_http_request()
        };
        for upgrade in ["websocket", "WebSocket"] {
            assert!(is_wanted(&request("keep-alive, Upgrade", upgrade)));
            assert!(!is_wanted(&request("keep-alive", upgrade)));
        }
        assert!(!is_wanted(&request("upgrade", "h2c")) && !is_wanted(&request("upgrade", "notwebsocket")));
        assert!(!is_wanted(&TestRequest::get().to_http_request()));
    }
}
