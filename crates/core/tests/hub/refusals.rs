//! Who is not let in, and what they are told.

use std::{io, time::Duration};

use actix_web::{
    HttpMessage, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::{Next, from_fn},
    web,
};
use duplex_core::{HostPolicy, Identity, OriginPolicy, Refusal, Stop, raw_socket};

use crate::support::{Plan, Request, Response, eventually, serve, within};

/// The answer to a request that the hub must not hear of.
#[track_caller]
fn refusal(plan: Plan, request: Request) -> Response {
    let mut answer = None;
    serve(plan, async |server| {
        let mut peer = server.connect().await;
        answer = Some(peer.ask(&request).await);
        assert_eq!(server.hub.count(), 0, "a refused socket has no place");
        assert!(!server.has_seen_a_connection().await, "a refused socket has no on_connect");
    });
    answer.unwrap()
}

#[track_caller]
fn assert_refused(plan: Plan, request: Request, status: u16) {
    let response = refusal(plan, request);
    assert_eq!(response.status, status, "{}", response.body);
    assert!(!response.body.is_empty(), "a refusal says why");
}

fn upgrade() -> Request {
    Request::upgrade("/socket")
}

#[test]
fn a_good_request_is_let_in_with_the_proof_of_the_rfc() {
    serve(Plan::new(), async |server| {
        let mut peer = server.connect().await;
        let response = peer.ask(&upgrade()).await;
        assert_eq!(response.status, 101);
        assert_eq!(response.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        peer.echo("hello").await;
    });
}

#[test]
fn a_foreign_origin_is_403() {
    assert_refused(Plan::new(), upgrade().add("Origin", "https://evil.example"), 403);
}

#[test]
fn origin_null_is_403() {
    assert_refused(Plan::new(), upgrade().add("Origin", "null"), 403);
}

#[test]
fn two_origins_are_403() {
    let own = "http://localhost";
    assert_refused(Plan::new(), upgrade().add("Origin", own).add("Origin", own), 403);
}

#[test]
fn the_own_origin_and_an_absent_one_are_let_in() {
    serve(Plan::new(), async |server| {
        server.open_as(&upgrade()).await.echo("from no browser").await;
        server.open_as(&upgrade().add("Origin", "http://localhost")).await.echo("from the own page").await;
    });
}

#[test]
fn an_origin_of_the_list_is_let_in() {
    let origins = OriginPolicy::Allow(vec!["https://app.example".to_owned()]);
    serve(Plan::new().settings(|settings| settings.origins = origins), async |server| {
        server.open_as(&upgrade().add("Origin", "https://app.example")).await.echo("hello").await;
    });
}

#[test]
fn a_foreign_host_is_403_for_every_request_to_a_local_server() {
    let local = || Plan::new().settings(|settings| settings.hosts = HostPolicy::Local(Vec::new()));
    assert_refused(local(), upgrade().set("Host", "evil.example"), 403);
    assert_refused(local(), Request::new("GET /hello HTTP/1.1").set("Host", "evil.example"), 403);
    assert_refused(local(), Request::new("GET /missing HTTP/1.1").set("Host", "evil.example"), 403);
    serve(local(), async |server| {
        server.open().await.echo("hello").await;
        let hello = server.connect().await.ask(&Request::new("GET /hello HTTP/1.1")).await;
        assert_eq!(hello.status, 200);
    });
}

#[test]
fn no_key_is_400() {
    assert_refused(Plan::new(), upgrade().without("Sec-WebSocket-Key"), 400);
}

#[test]
fn two_keys_are_400() {
    assert_refused(Plan::new(), upgrade().add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), 400);
}

#[test]
fn a_key_that_is_not_16_bytes_is_400() {
    for key in ["", "c2hvcnQ=", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ!="] {
        assert_refused(Plan::new(), upgrade().set("Sec-WebSocket-Key", key), 400);
    }
}

#[test]
fn another_version_is_426_and_names_13() {
    for request in [
        upgrade().set("Sec-WebSocket-Version", "8"),
        upgrade().without("Sec-WebSocket-Version"),
        upgrade().add("Sec-WebSocket-Version", "8"),
    ] {
        let response = refusal(Plan::new(), request);
        assert_eq!(response.status, 426);
        assert_eq!(response.header("sec-websocket-version"), Some("13"));
    }
}

#[test]
fn http_1_0_is_426() {
    assert_refused(Plan::new(), upgrade().line("GET /socket HTTP/1.0"), 426);
}

#[test]
fn post_is_405() {
    let response = refusal(Plan::new(), upgrade().line("POST /socket HTTP/1.1"));
    assert_eq!(response.status, 405);
    assert_eq!(response.header("allow"), Some("GET"));
}

#[test]
fn a_chunked_body_is_400() {
    let request = upgrade().add("Transfer-Encoding", "chunked").body("3\r\nabc\r\n0\r\n\r\n");
    assert_refused(Plan::new(), request, 400);
}

#[test]
fn a_body_with_a_length_is_400() {
    assert_refused(Plan::new(), upgrade().add("Content-Length", "3").body("abc"), 400);
}

#[test]
fn a_length_of_zero_is_no_body() {
    serve(Plan::new(), async |server| {
        server.open_as(&upgrade().add("Content-Length", "0")).await.echo("hello").await;
    });
}

#[test]
fn an_upgrade_to_something_else_is_426() {
    let response = refusal(Plan::new(), upgrade().set("Upgrade", "notwebsocket"));
    assert_eq!(response.status, 426);
    assert_eq!(response.header("upgrade"), Some("websocket"));
}

#[test]
fn a_list_of_upgrades_is_426_because_its_bytes_would_not_be_given_away() {
    assert_refused(Plan::new(), upgrade().set("Upgrade", "h2c, websocket"), 426);
}

#[test]
fn a_connection_header_without_upgrade_is_426() {
    assert_refused(Plan::new(), upgrade().set("Connection", "keep-alive"), 426);
    assert_refused(Plan::new(), upgrade().without("Connection"), 426);
}

#[test]
fn a_plain_request_to_the_socket_is_426() {
    assert_refused(Plan::new(), Request::new("GET /socket HTTP/1.1"), 426);
}

#[test]
fn a_refusal_of_the_hook_is_sent_as_it_is() {
    let plan = Plan::new().authenticate(async |_| Err(Refusal::unauthorized("sign in first")));
    let response = refusal(plan, upgrade());
    assert_eq!((response.status, response.body.as_str()), (401, "sign in first\n"));
    assert_eq!(response.header("connection"), Some("close"));
}

#[test]
fn an_error_of_authenticate_is_500_and_keeps_its_cause_to_itself() {
    let plan = Plan::new().authenticate(async |_| Err(io::Error::other("the password is swordfish").into()));
    let response = refusal(plan, upgrade());
    assert_eq!((response.status, response.body.as_str()), (500, "internal error\n"));
}

#[test]
fn a_panic_of_authenticate_is_500_and_the_server_lives_on() {
    let plan = Plan::new().authenticate(async |request| match request.query_string() {
        "panic" => panic!("a panic on purpose"),
        _ => Ok(Identity::anonymous()),
    });
    serve(plan, async |server| {
        let response = server.connect().await.ask(&Request::upgrade("/socket?panic")).await;
        assert_eq!((response.status, response.body.as_str()), (500, "internal error\n"));
        assert_eq!(server.hub.count(), 0);
        server.open().await.echo("hello").await;
    });
}

#[test]
fn a_panic_of_authenticate_after_a_wait_is_500() {
    let plan = Plan::new().authenticate(async |_| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        panic!("a panic on purpose")
    });
    assert_refused(plan, upgrade(), 500);
}

#[test]
fn authenticate_past_its_deadline_is_500() {
    let plan = Plan::new().limits(|limits| limits.hook_deadline = Duration::from_millis(50));
    assert_refused(plan.authenticate(async |_| std::future::pending().await), upgrade(), 500);
}

#[test]
fn a_route_that_does_not_exist_is_404() {
    let response = refusal(Plan::new(), Request::upgrade("/missing"));
    assert_eq!(response.status, 404);
    assert_eq!(response.header("connection"), Some("close"));
}

async fn replace(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let response = next.call(request).await?;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    Ok(response.into_response(HttpResponse::PaymentRequired().body("pay first")))
}

async fn restate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let mut response = next.call(request).await?;
    *response.response_mut().head_mut() = actix_http::ResponseHead::new(StatusCode::PAYMENT_REQUIRED);
    Ok(response)
}

fn with_middleware() -> Plan {
    Plan::new().limits(|limits| limits.max_connections = 1).routes(|config| {
        let guarded = |path: &str| web::resource(path.to_owned());
        config.service(guarded("/replaced").wrap(from_fn(replace)).route(web::to(raw_socket)));
        config.service(guarded("/restated").wrap(from_fn(restate)).route(web::to(raw_socket)));
    })
}

#[test]
fn middleware_that_refuses_after_the_route_has_its_way() {
    let response = refusal(with_middleware(), Request::upgrade("/replaced"));
    assert_eq!((response.status, response.body.as_str()), (402, "pay first"));
}

#[test]
fn a_place_is_given_back_when_middleware_refuses_after_the_route() {
    serve(with_middleware(), async |server| {
        for path in ["/replaced", "/restated"] {
            let mut peer = server.connect().await;
            assert_eq!(peer.ask(&Request::upgrade(path)).await.status, 402);
            // The refused peer has not hung up yet.
            let mut admitted = server.open().await;
            admitted.echo("hello").await;
            admitted.close(1000).await;
            server.ended().await;
            eventually("the place of the closed socket", || server.hub.count() == 0).await;
        }
    });
}

#[test]
fn an_error_of_middleware_before_the_route_is_its_answer() {
    let plan = Plan::new().routes(|config| {
        let refuse = from_fn(async |_: ServiceRequest, _: Next<actix_web::body::BoxBody>| {
            Err::<ServiceResponse, _>(actix_web::error::ErrorImATeapot("no coffee"))
        });
        config.service(web::resource("/guarded").wrap(refuse).route(web::to(raw_socket)));
    });
    let response = refusal(plan, Request::upgrade("/guarded"));
    assert_eq!((response.status, response.body.as_str()), (418, "no coffee"));
}

#[test]
fn a_head_that_is_too_large_is_refused_and_the_server_stays_well() {
    serve(Plan::new(), async |server| {
        let mut peer = server.connect().await;
        let request = upgrade().add("Cookie", &"c".repeat(200_000));
        // The server may hang up before it has all of it.
        let _ = peer.try_send(&request.bytes()).await;
        let answer = String::from_utf8(peer.drain().await).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert_eq!(server.hub.count(), 0);
        server.open().await.echo("hello").await;
    });
}

#[test]
fn too_many_header_lines_are_refused_and_the_server_stays_well() {
    serve(Plan::new(), async |server| {
        let mut peer = server.connect().await;
        let request = (0..200).fold(upgrade(), |request, n| request.add(&format!("X-{n}"), "x"));
        let response = peer.ask(&request).await;
        assert!((400..500).contains(&response.status), "{response:?}");
        server.open().await.echo("hello").await;
    });
}

#[test]
fn beyond_the_limit_of_connections_is_503_until_somebody_leaves() {
    serve(Plan::new().limits(|limits| limits.max_connections = 2), async |server| {
        let (mut first, _second) = (server.open().await, server.open().await);
        let response = server.connect().await.ask(&upgrade()).await;
        assert_eq!(response.status, 503);
        assert!(response.header("retry-after").is_some());
        assert_eq!(server.hub.count(), 2);
        first.close(1000).await;
        server.ended().await;
        eventually("the place of the closed socket", || server.hub.count() == 1).await;
        server.open().await.echo("hello").await;
    });
}

#[test]
fn a_refused_socket_gives_its_place_back() {
    let plan = Plan::new().limits(|limits| limits.max_connections = 1).authenticate(async |request| {
        match request.query_string() {
            "no" => Err(Refusal::forbidden("no")),
            _ => Ok(Identity::anonymous()),
        }
    });
    serve(plan, async |server| {
        for _ in 0..5 {
            let response = server.connect().await.ask(&Request::upgrade("/socket?no")).await;
            assert_eq!(response.status, 403);
        }
        server.open().await.echo("hello").await;
    });
}

#[test]
fn a_socket_that_asks_while_the_server_drains_is_503() {
    let plan = Plan::new().settings(|settings| settings.drain_grace = Duration::from_millis(500));
    serve(plan, async |server| {
        let mut open = server.open().await;
        // A connection that exists already: new ones are not accepted any more.
        let mut late = server.connect().await;
        assert_eq!(late.ask(&Request::new("GET /hello HTTP/1.1")).await.status, 200);
        server.stop(Stop::Shutdown).await;
        open.expect_close(1001).await;
        assert_eq!(late.ask(&upgrade()).await.status, 503);
        drop((open, late));
        server.stopped().await;
    });
}

#[test]
fn a_refused_peer_that_goes_on_sending_gets_the_whole_answer() {
    let plan = Plan::new().authenticate(async |_| Err(Refusal::forbidden("x".repeat(100_000))));
    serve(plan, async |server| {
        let mut peer = server.connect().await;
        let mut bytes = upgrade().bytes();
        bytes.extend(vec![0; 100_000]);
        peer.send(bytes).await;
        let response = peer.response().await;
        assert_eq!((response.status, response.body.len()), (403, 100_001));
        peer.end_writing().await;
        peer.expect_end().await;
    });
}

#[test]
fn authenticate_sees_cookies_app_data_and_what_middleware_left() {
    struct Secret(&'static str);
    struct Session(&'static str);
    let plan = Plan::new().authenticate(async |request| {
        let cookie = request.cookie("session").map(|cookie| cookie.value().to_owned()).unwrap_or_default();
        let secret = request.app_data::<web::Data<Secret>>().map_or("", |secret| secret.0);
        let session = request.extensions().get::<Session>().map_or("", |session| session.0);
        Ok(Identity::user(format!("{cookie} {secret} {session}")))
    });
    let plan = plan.routes(|config| {
        let leave = from_fn(async |request: ServiceRequest, next: Next<actix_web::body::BoxBody>| {
            request.extensions_mut().insert(Session("from-middleware"));
            next.call(request).await
        });
        let resource = web::resource("/seen").wrap(leave).route(web::to(raw_socket));
        config.app_data(web::Data::new(Secret("from-app-data"))).service(resource);
    });
    serve(plan, async |server| {
        let _peer = server.open_as(&Request::upgrade("/seen").add("Cookie", "session=from-cookie")).await;
        let socket = server.connected().await;
        assert_eq!(socket.identity().user_id(), Some("from-cookie from-app-data from-middleware"));
    });
}

#[test]
fn the_peer_of_a_socket_is_the_other_end_of_its_connection() {
    serve(Plan::new(), async |server| {
        let peer = server.open().await;
        let local = peer.into_stream().local_addr().unwrap();
        assert_eq!(server.connected().await.peer(), Some(local));
        assert_eq!(within("the end", server.ended()).await, duplex_core::Ended::Lost);
    });
}
