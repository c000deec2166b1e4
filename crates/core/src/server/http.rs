//! The HTTP side, as actix-http has it: the App behind the gate, once for plain requests and once for upgrades.

use std::{io, net::TcpListener, rc::Rc, time::Duration};

use actix_http::{Extensions, HttpService, Request, Response, body::BoxBody};
use actix_server::{ServerBuilder, ServerHandle};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_factory, fn_service,
    map_config,
};
use actix_web::{App, Error, HttpResponse, body::MessageBody, dev::AppConfig};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    task::{JoinError, JoinHandle},
};

use super::{AppEntry, gate::Gate, upgrade};
use crate::{Hub, Settings, panics};

/// A peer that acknowledges nothing for this long is gone, whatever its state says.
#[cfg(target_os = "linux")]
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);

/// A silent TCP connection is probed after this long; heartbeats usually find out earlier.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// actix-http acts on a clock that it reads twice a second; below a second this timeout may never fire.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts the server, and returns when it accepts connections.
pub(super) async fn start(
    server: actix_server::Server,
) -> io::Result<(JoinHandle<io::Result<()>>, ServerHandle)> {
    let handle = server.handle();
    let mut serving = tokio::spawn(server);
    tokio::select! {
        // It is answered when all workers and the thread that accepts have begun; a server that could not is gone by then.
        () = handle.resume() => {}
        ended = &mut serving => return Err(ended_early(ended)),
    }
    if serving.is_finished() {
        return Err(ended_early(serving.await));
    }
    Ok((serving, handle))
}

fn ended_early(ended: Result<io::Result<()>, JoinError>) -> io::Error {
    match ended {
        Ok(Ok(())) => io::Error::other("the HTTP server has ended before it began"),
        Ok(Err(error)) => error,
        Err(error) => io::Error::other(error),
    }
}

/// Serves the App on all of these sockets.
pub(super) fn listen<T, B>(
    mut builder: ServerBuilder,
    listeners: Vec<TcpListener>,
    settings: &Settings,
    hub: &Hub,
    gate: &Gate,
    app: impl Fn() -> App<T> + Clone + Send + 'static,
) -> io::Result<ServerBuilder>
where
    T: AppEntry<B>,
    B: MessageBody + 'static,
{
    let leaving = builder.graceful_shutdown_signal();
    for listener in listeners {
        let (app, hub, gate, leaving) = (app.clone(), hub.clone(), gate.clone(), leaving.clone());
        let (keep_alive, head_timeout) = (settings.keep_alive, settings.head_timeout);
        builder = builder.listen("duplex", listener, move || {
            let plain = entry(&app, &hub, &gate).map(upgrade::break_no_promise);
            let for_upgrades = (app.clone(), hub.clone(), gate.clone());
            let upgrade = fn_factory(move || {
                let (app, hub, gate) = &for_upgrades;
                let service = entry(app, hub, gate).new_service(());
                async move {
                    let app = Rc::new(service.await?);
                    Ok::<_, ()>(fn_service(move |request| upgrade::serve(Rc::clone(&app), request)))
                }
            });
            let leaving = leaving.clone();
            HttpService::build()
                .keep_alive(keep_alive)
                .client_request_timeout(head_timeout)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .tcp_nodelay(true)
                .graceful_shutdown_signal(move || {
                    let leaving = leaving.clone();
                    async move { leaving.notified().await }
                })
                .on_connect_ext(|stream: &TcpStream, _: &mut Extensions| guard(stream))
                .upgrade(upgrade)
                .finish(plain)
                .tcp()
        })?;
    }
    Ok(builder)
}

/// The App behind the gate, as a factory that actix-http can use.
pub(super) fn entry<T, B, F>(
    app: &F,
    hub: &Hub,
    gate: &Gate,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Response<BoxBody>,
    Error = Error,
    InitError = (),
    Service: Service<Request, Response = Response<BoxBody>, Error = Error, Future: 'static>,
>
+ 'static
+ use<T, B, F>
where
    T: AppEntry<B>,
    B: MessageBody + 'static,
    F: Fn() -> App<T>,
{
    let gate = gate.clone();
    let app = app().app_data(hub.clone()).into_factory();
    apply_fn_factory(map_config(app, |()| AppConfig::default()), move |request: Request, app| {
        let gate = gate.clone();
        let answer = match gate.refuse(request.head()) {
            Some(refusal) => Err(refusal),
            None => Ok(panics::caught(|| app.call(request))),
        };
        async move {
            let mut response = match answer {
                Ok(Ok(answer)) => match panics::awaited(answer).await {
                    Ok(answer) => Response::from(answer?.map_into_boxed_body()),
                    Err(panic) => panicked(&panic),
                },
                Ok(Err(panic)) => panicked(&panic),
                Err(refusal) => refusal,
            };
            gate.mark(&mut response);
            Ok(response)
        }
    })
}

/// Makes the kernel notice peers that are gone.
fn guard(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let keepalive = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE));
    #[cfg(target_os = "linux")]
    let keepalive = keepalive.and(socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT)));
    if let Err(error) = keepalive {
        log::debug!("cannot set TCP timeouts: {error}");
    }
}

/// The answer to a request whose handler or middleware panicked: what went wrong inside is for the log.
fn panicked(panic: &str) -> Response<BoxBody> {
    log::error!("a handler panicked: {panic}");
    HttpResponse::InternalServerError().body("internal error\n").into()
}
