//! The fallback in development: what the application does not take goes to Vite, unchanged but for the headers that
//! belong to one connection. Bodies stream both ways.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::http::uri::{PathAndQuery, Uri};
use actix_web::{HttpRequest, HttpResponse, Route, web};
use awc::error::{PayloadError, SendRequestError};
use awc::{Client, ClientRequest, ClientResponse, Connector};
use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::watch;

use crate::supervisor::Supervisor;
use crate::{tunnel, unavailable};

/// Vite's server closes a connection that was idle for five seconds, so one that was idle for longer than this is not
/// used again: a request must not be sent just as its connection is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(2);

/// Vite's server is on this machine: it accepts at once or not at all.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Makes the fallback's route for each thread that serves.
#[derive(Clone)]
pub(crate) struct Proxy {
    front_end: watch::Receiver<SocketAddr>,
    supervisor: Supervisor,
}

impl Proxy {
    pub(crate) fn new(front_end: watch::Receiver<SocketAddr>, supervisor: Supervisor) -> Self {
        Self { front_end, supervisor }
    }

    /// The route. Its client, and the connections that it keeps, belong to the thread that calls this.
    pub(crate) fn route(&self) -> Route {
        let (proxy, client) = (self.clone(), client());
        web::to(move |request: HttpRequest, payload: web::Payload| {
            let (proxy, client) = (proxy.clone(), client.clone());
            async move { proxy.answer(&client, &request, payload).await }
        })
    }

    async fn answer(&self, client: &Client, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
        if tunnel::is_wanted(request) {
            return tunnel::answer(request, self.supervisor.clone());
        }
        let front_end = *self.front_end.borrow();
        let Some(address) = address(front_end, request.uri()) else {
            return HttpResponse::BadRequest().body("this address cannot be passed on\n");
        };
        match send(onward(client, request, address), request.headers(), payload).await {
            Ok(response) => back(response),
            Err(error) => {
                log::debug!("{} {}: {error}", request.method(), request.uri());
                unavailable::answer(request)
            }
        }
    }
}

fn client() -> Client {
    let connector = Connector::new().timeout(CONNECT_LIMIT).conn_keep_alive(IDLE_LIMIT).limit(0);
    Client::builder().connector(connector).disable_timeout().disable_redirects().no_default_headers().finish()
}

fn address(front_end: SocketAddr, uri: &Uri) -> Option<Uri> {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    Uri::builder().scheme("http").authority(front_end.to_string()).path_and_query(path).build().ok()
}

fn onward(client: &Client, request: &HttpRequest, address: Uri) -> ClientRequest {
    let mut onward = client.request(request.method().clone(), address).no_decompress();
    for (name, value) in passed_on(request.headers()) {
        onward.headers_mut().append(name.clone(), value.clone());
    }
    onward
}

/// What awc's responses are made of.
trait Body: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static {}

impl<T: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static> Body for T {}

/// Sends with the body as it was announced: with its length, in chunks, or none.
async fn send(
    onward: ClientRequest,
    headers: &HeaderMap,
    payload: web::Payload,
) -> Result<ClientResponse<impl Body + use<>>, SendRequestError> {
    match length(headers) {
        Some(0) => onward.send().await,
        Some(length) => onward.send_body(SizedStream::new(length, payload)).await,
        None if headers.contains_key(header::TRANSFER_ENCODING) => onward.send_stream(payload).await,
        None => onward.send().await,
    }
}

fn back(response: ClientResponse<impl Body>) -> HttpResponse {
    let mut back = HttpResponse::build(response.status());
    for (name, value) in passed_on(response.headers()) {
        back.append_header((name.clone(), value.clone()));
    }
    match length(response.headers()) {
        Some(length) => back.body(SizedStream::new(length, response)),
        None if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) => {
            back.finish()
        }
        // In chunks: Node ends no answer by the end of its connection.
        None => back.streaming(response),
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// The headers that are about the message and not about the connection it came on. The length is said by the body.
fn passed_on(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &header::HeaderValue)> {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(|name| name.trim().to_ascii_lowercase()))
        .collect();
    headers
        .iter()
        .filter(move |(name, _)| !OF_CONNECTION.contains(name) && !named.iter().any(|n| n == name.as_str()))
}

const OF_CONNECTION: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
