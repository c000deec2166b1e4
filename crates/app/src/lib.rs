//! The application: what a user of Duplex edits. [`serve`] puts it together; both servers call it, and differ only in
//! the fallback they pass. The sockets' side is in `hooks`, the HTTP side in `api`.

mod api;
mod hooks;
mod session;

use actix_web::{App, Route, web};
use duplex_core::{Environment, ServeError, Server, centrifuge_socket, raw_socket};

use crate::{hooks::Demo, session::Sessions};

/// Runs the application on a server. `fallback` makes the route for whatever the application's own routes do not
/// take: the development server's proxy to Vite, or the production server's built assets.
///
/// This is the place to open pools and clients and to start background tasks: it runs on the application runtime,
/// where hooks and handlers can use them. `server.hub()` is theirs to push to browsers with.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(
    server: Server,
    environment: &Environment,
    fallback: impl Fn() -> Route + Clone + Send + 'static,
) -> Result<(), ServeError> {
    let sessions = web::Data::new(Sessions::from_environment(environment));
    let demo = Demo::new(sessions.clone().into_inner());
    server
        .configure(|settings| settings.namespaces = hooks::namespaces())?
        .run(demo, move || {
            App::new()
                .app_data(sessions.clone())
                .service(web::scope("/api").configure(api::routes))
                .route("/websocket", web::to(raw_socket))
                .route("/connection/websocket", web::to(centrifuge_socket))
                .route("/healthz", web::get().to(api::health))
                .default_service(fallback())
        })
        .await
}
