//! The opening handshake of RFC 6455 section 4.2, strictly: which requests may become a WebSocket, and the answer.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        Method, StatusCode, Version,
        header::{self, HeaderName, HeaderValue},
    },
};

/// Why a request cannot become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Section 4.1: the method must be GET.
    #[error("a WebSocket opens with GET")]
    Method,
    /// Section 4.1: at least HTTP/1.1.
    #[error("a WebSocket needs HTTP/1.1")]
    HttpVersion,
    /// The upgrade is not asked for, or to something else.
    #[error("this address speaks WebSocket: send `Connection: Upgrade` and `Upgrade: websocket`")]
    NoUpgrade,
    /// Section 4.4: another version of the protocol.
    #[error("this server speaks WebSocket version 13")]
    Version,
    /// Section 4.2.1: exactly one key of 16 bytes in base64.
    #[error("exactly one Sec-WebSocket-Key of 16 bytes in base64 is needed")]
    Key,
    /// A body would be taken for frames.
    #[error("a request that opens a WebSocket has no body")]
    Body,
}

impl HandshakeError {
    /// The answer: 405, 426 or 400, with the headers these ask for.
    pub fn response(self) -> HttpResponse {
        let mut response = match self {
            Self::Method => with_header(StatusCode::METHOD_NOT_ALLOWED, header::ALLOW, "GET"),
            Self::NoUpgrade | Self::HttpVersion => {
                with_header(StatusCode::UPGRADE_REQUIRED, header::UPGRADE, "websocket")
            }
            Self::Version => with_header(StatusCode::UPGRADE_REQUIRED, header::SEC_WEBSOCKET_VERSION, "13"),
            Self::Key | Self::Body => HttpResponse::BadRequest(),
        };
        response.content_type("text/plain; charset=utf-8").body(format!("{self}\n"))
    }
}

/// Checks a request, and computes what its answer proves.
///
/// # Errors
/// The first rule of the RFC that the request breaks.
pub(crate) fn check(request: &HttpRequest) -> Result<HeaderValue, HandshakeError> {
    if *request.method() != Method::GET {
        return Err(HandshakeError::Method);
    }
    if request.version() < Version::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    if !asks_for_websocket(request) || !has_token(request, &header::CONNECTION, "upgrade") {
        return Err(HandshakeError::NoUpgrade);
    }
    if has_body(request) {
        return Err(HandshakeError::Body);
    }
    if only(request, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version.as_bytes() != b"13") {
        return Err(HandshakeError::Version);
    }
    let key = only(request, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
    let accept = actix_http::ws::hash_key(key.ok_or(HandshakeError::Key)?.as_bytes());
    HeaderValue::from_bytes(&accept).map_err(|_| HandshakeError::Key)
}

/// The answer 101 to a request whose key gave `accept`.
pub(crate) fn accept(accept: HeaderValue) -> HttpResponse {
    HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS)
        .upgrade("websocket")
        .insert_header((header::SEC_WEBSOCKET_ACCEPT, accept))
        .finish()
}

/// The WebSocket subprotocols that a client offers, in the order of its preference.
pub(crate) fn subprotocols(request: &HttpRequest) -> Vec<String> {
    let values = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let lists = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    lists.map(|offer| offer.trim().to_owned()).filter(|offer| !offer.is_empty()).collect()
}

/// Whether a request says that a body follows.
pub(crate) fn has_body(request: &HttpRequest) -> bool {
    let length = request.headers().get(header::CONTENT_LENGTH);
    request.headers().contains_key(header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length.as_bytes() != b"0")
}

fn with_header(status: StatusCode, name: HeaderName, value: &'static str) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((name, value));
    response
}

/// Lists of tokens may be split over several headers (RFC 9110 section 5.3); tokens know no case here.
fn has_token(request: &HttpRequest, name: &HeaderName, token: &str) -> bool {
    let values = request.headers().get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// actix gives the bytes behind a request away only when a whole header says `websocket`. In a list with other
/// protocols the answer would be a promise that cannot be kept, and every client that speaks WebSocket asks for it alone.
fn asks_for_websocket(request: &HttpRequest) -> bool {
    let mut values = request.headers().get_all(header::UPGRADE);
    values.any(|value| value.to_str().is_ok_and(|value| value.trim().eq_ignore_ascii_case("websocket")))
}

fn only<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = request.headers().get_all(name);
    values.next().filter(|_| values.next().is_none())
}

/// 16 bytes in base64 are 22 characters and two signs of padding (RFC 4648 section 4).
fn is_key(key: &[u8]) -> bool {
    let digits =
        |bytes: &[u8]| bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    key.strip_suffix(b"==").is_some_and(|bytes| bytes.len() == 22 && digits(bytes))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// The example of RFC 6455 section 1.3.
    fn request() -> TestRequest {
        TestRequest::get()
            .insert_header((header::CONNECTION, "keep-alive, Upgrade"))
            .insert_header((header::UPGRADE, "WebSocket"))
            .insert_header((header::SEC_WEBSOCKET_VERSION, "13"))
            .insert_header((header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="))
    }

    fn check(request: TestRequest) -> Result<HeaderValue, HandshakeError> {
        super::check(&request.to_http_request())
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        assert_eq!(check(request()).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_broken_rule_is_named() {
        let key = header::SEC_WEBSOCKET_KEY;
        for (broken, error) in [
            (request().method(Method::POST), HandshakeError::Method),
            (request().version(Version::HTTP_10), HandshakeError::HttpVersion),
            (request().insert_header((header::UPGRADE, "notwebsocket")), HandshakeError::NoUpgrade),
            (request().insert_header((header::UPGRADE, "h2c, websocket")), HandshakeError::NoUpgrade),
            (request().insert_header((header::CONNECTION, "keep-alive")), HandshakeError::NoUpgrade),
            (request().insert_header((header::CONTENT_LENGTH, "3")), HandshakeError::Body),
            (request().insert_header((header::TRANSFER_ENCODING, "chunked")), HandshakeError::Body),
            (request().insert_header((header::SEC_WEBSOCKET_VERSION, "8")), HandshakeError::Version),
            (request().append_header((header::SEC_WEBSOCKET_VERSION, "8")), HandshakeError::Version),
            (request().append_header((key.clone(), "dGhlIHNhbXBsZSBub25jZQ==")), HandshakeError::Key),
            (request().insert_header((key.clone(), "")), HandshakeError::Key),
            (request().insert_header((key.clone(), "dGhlIHNhbXBsZSBub25jZQ")), HandshakeError::Key),
            (request().insert_header((key, "dGhlIHNhbXBsZSBub25jZQ!==")), HandshakeError::Key),
        ] {
            assert_eq!(check(broken), Err(error));
        }
    }
}
