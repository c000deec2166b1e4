//! A panic in the application's code costs one request or one connection, wherever it comes from.

use std::{error::Error, fmt};

use actix_web::{HttpResponse, body::BoxBody, dev, middleware::Next, web};
use duplex_core::{HookResult, Message, Rejection};
use serde_json::json;

use crate::support::{Client, Plan, Request, eventually, serve};

/// An error that cannot even be shown.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("a panic on purpose")
    }
}

impl Error for Unspeakable {}

/// Something that cannot even be dropped.
#[derive(Debug)]
struct Undroppable;

impl fmt::Display for Undroppable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("undroppable")
    }
}

impl Error for Undroppable {}

impl Drop for Undroppable {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a panic on purpose");
    }
}

/// What a hook does when it is told to.
fn misbehave(how: &Message) -> HookResult {
    match how.as_bytes() {
        b"unspeakable" => Err(Box::new(Unspeakable)),
        b"undroppable" => Err(Box::new(Undroppable)),
        b"held" => {
            let _held = Undroppable;
            Ok(())
        }
        _ => Ok(()),
    }
}

#[test]
fn an_error_that_panics_ends_its_connection_and_no_other() {
    let plan = Plan::new().on_message(async |socket, message| {
        misbehave(&message)?;
        Ok(socket.send(message).await?)
    });
    serve(plan, async |server| {
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(server.open().await);
            server.connected().await;
        }
        for how in ["unspeakable", "undroppable", "held"] {
            let (mut peer, socket) = server.open_known().await;
            peer.send_text(how).await;
            peer.drain().await;
            assert_eq!(server.disconnected().await.0.id(), socket.id(), "{how}");
            for other in &mut others {
                other.echo("still here").await;
            }
        }
        eventually("their places", || server.hub.count() == 4).await;
    });
}

#[test]
fn a_rejection_whose_cause_panics_ends_its_connection_and_no_other() {
    let plan = Plan::new().everything().on_call(async |_, call| match call.method.as_str() {
        "unspeakable" => Err(Rejection::internal(Unspeakable)),
        "undroppable" => Err(Rejection::internal(Undroppable)),
        _ => Ok(call.data),
    });
    serve(plan, async |server| {
        let (mut one, mut two) = (Client::connected(server).await, Client::connected(server).await);
        for method in ["unspeakable", "undroppable"] {
            let mut client = Client::connected(server).await;
            client.ask("rpc", json!({ "method": method })).await;
            client.peer().drain().await;
            one.result("rpc", json!({ "data": 1 })).await;
            two.result("rpc", json!({ "data": 1 })).await;
        }
    });
}

async fn panic_on_purpose(
    request: dev::ServiceRequest,
    next: Next<BoxBody>,
) -> Result<dev::ServiceResponse<BoxBody>, actix_web::Error> {
    assert!(!request.query_string().contains("middleware"), "a panic on purpose");
    next.call(request).await
}

#[test]
fn a_handler_that_panics_is_answered_with_500_and_the_connection_goes_on() {
    let plan = Plan::new().routes(|config| {
        let routes = web::scope("/deep")
            .wrap(actix_web::middleware::from_fn(panic_on_purpose))
            .route("/now", web::get().to(async || -> HttpResponse { panic!("a panic on purpose") }))
            .route(
                "/later",
                web::get().to(async || -> HttpResponse {
                    tokio::task::yield_now().await;
                    panic!("a panic on purpose")
                }),
            );
        config.service(routes);
    });
    serve(plan, async |server| {
        let mut peer = server.connect().await;
        for path in ["/deep/now", "/deep/later", "/deep/now?middleware"] {
            let response = peer.ask(&Request::new(&format!("GET {path} HTTP/1.1"))).await;
            assert_eq!((response.status, response.body.as_str()), (500, "internal error\n"), "{path}");
            assert_eq!(peer.ask(&Request::new("GET /hello HTTP/1.1")).await.status, 200);
        }
    });
}

#[test]
fn an_upgrade_whose_middleware_panics_is_answered_with_500_and_leaves_no_place_taken() {
    let plan = Plan::new().authenticate(async |_| panic!("a panic on purpose"));
    serve(plan, async |server| {
        let response = server.connect().await.ask(&Request::upgrade("/socket")).await;
        assert_eq!(response.status, 500);
        eventually("the place", || server.hub.count() == 0).await;
    });
}
