//! Handlers that take the raw socket away from the HTTP server.

use std::io::{Read, Write};

use actix_web::{
    HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::{Next, from_fn},
    web,
};
use duplex_core::{TakenSocket, Takeover};
use tokio::sync::mpsc;

use crate::support::{Plan, Request, serve, within};

fn switching(takeover: Takeover) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::SWITCHING_PROTOCOLS);
    takeover.attach(&mut response);
    response
}

/// Sends back the early bytes in capitals, and then what it reads, until the end.
fn converse(taken: TakenSocket) {
    std::thread::spawn(move || {
        let mut stream = taken.stream;
        stream.set_nonblocking(false).unwrap();
        stream.write_all(&taken.early.to_ascii_uppercase()).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        stream.write_all(&rest.to_ascii_uppercase()).unwrap();
    });
}

fn plan() -> Plan {
    Plan::new().routes(|config| {
        config.route("/raw", web::get().to(async || switching(Takeover::raw(converse))));
        config.route("/after-head", web::get().to(async || switching(Takeover::after_head(converse))));
    })
}

#[test]
fn a_raw_takeover_gets_the_early_bytes_and_the_socket_with_nothing_written() {
    serve(plan(), async |server| {
        let mut peer = server.connect().await;
        peer.send([Request::upgrade("/raw").bytes(), b"early ".to_vec()].concat()).await;
        peer.send(b"late").await;
        peer.end_writing().await;
        assert_eq!(peer.drain().await, b"EARLY LATE");
    });
}

#[test]
fn a_takeover_after_the_head_gets_the_socket_behind_the_101() {
    serve(plan(), async |server| {
        let mut peer = server.connect().await;
        peer.send([Request::upgrade("/after-head").bytes(), b"early".to_vec()].concat()).await;
        assert_eq!(peer.response().await.status, 101);
        peer.end_writing().await;
        assert_eq!(peer.drain().await, b"EARLY");
    });
}

#[test]
fn a_101_without_a_ticket_is_500() {
    let plan = Plan::new().routes(|config| {
        let promise = async || HttpResponse::new(StatusCode::SWITCHING_PROTOCOLS);
        config.route("/promise", web::get().to(promise));
    });
    serve(plan, async |server| {
        let mut peer = server.connect().await;
        assert_eq!(peer.ask(&Request::upgrade("/promise")).await.status, 500);
        peer.end_writing().await;
        peer.expect_end().await;
    });
}

#[test]
fn middleware_that_replaces_the_101_drops_the_ticket() {
    struct Dropped(mpsc::UnboundedSender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    async fn replace(
        request: ServiceRequest,
        next: Next<impl MessageBody + 'static>,
    ) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
        let response = next.call(request).await?;
        Ok(response.into_response(HttpResponse::Conflict().body("no")))
    }
    let (dropped, mut noticed) = mpsc::unbounded_channel();
    let plan = Plan::new().routes(move |config| {
        let dropped = dropped.clone();
        let take = web::get().to(move || {
            let ticket = Dropped(dropped.clone());
            let takeover = Takeover::raw(move |_| drop((ticket, unreachable_takeover())));
            async move { switching(takeover) }
        });
        config.service(web::resource("/replaced").wrap(from_fn(replace)).route(take));
    });
    serve(plan, async |server| {
        let mut peer = server.connect().await;
        let response = peer.ask(&Request::upgrade("/replaced")).await;
        assert_eq!((response.status, response.body.as_str()), (409, "no"));
        within("the end of the ticket", noticed.recv()).await.unwrap();
    });
}

fn unreachable_takeover() {
    panic!("the socket must not be taken");
}
