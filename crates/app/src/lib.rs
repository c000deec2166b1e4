//! The application: what a user of Duplex edits. [`serve`] puts it together; both servers call it, and differ only in
//! the fallback they pass. The sockets' side is in `hooks` and `contract`, the HTTP side in `api`, what both do in `chat`.

mod api;
mod chat;
mod contract;
mod database;
mod error;
mod hooks;
mod name;
mod pace;
mod session;
#[cfg(test)]
mod testing;

use actix_web::{App, Route, web};
use duplex_core::{Environment, Server, centrifuge_socket, raw_socket};

use crate::{
    chat::{Chat, Store},
    database::DatabaseFile,
    hooks::Demo,
    pace::Pace,
    session::Sessions,
};
pub use crate::{contract::contract, database::DatabaseError, error::AppError};

/// What hooks, calls and HTTP handlers share. Pools and clients belong here.
pub struct Application {
    pub(crate) chat: Chat,
    pub(crate) pace: Pace,
}

/// Runs the application on a server. `fallback` makes the route for whatever the application's own routes do not
/// take: the development server's proxy to Vite, or the production server's built assets.
///
/// This is the place to open pools and clients and to start background tasks: it runs on the application runtime,
/// where hooks and handlers can use them. `server.hub()` is theirs to push to browsers with.
///
/// # Errors
/// See [`AppError`].
pub async fn serve(
    server: Server,
    environment: &Environment,
    fallback: impl Fn() -> Route + Clone + Send + 'static,
) -> Result<(), AppError> {
    let sessions = web::Data::new(Sessions::from_environment(environment));
    let contract = contract();
    contract.check()?;
    let file = DatabaseFile::from_environment(environment).await?;
    let server = server.configure(|settings| settings.namespaces = contract.namespaces())?;
    // The last step before the start: a server that cannot start must leave the database to the one that runs.
    let database = file.migrate().await?;
    let server = contract.carry(server);
    let pace = Pace::new();
    let (counted, counting) = (pace.clone(), pace.clone());
    let server = server.carry("pace", move || counted.taken(), move |taken| counting.take_over(taken));
    let chat = Chat::new(Store::new(database.clone()), server.hub(), pace.clone());
    let app = web::Data::new(Application { chat, pace });
    let hooks = Demo::new(sessions.clone().into_inner(), contract, app.clone().into_inner());
    let served = server
        .run(hooks, move || {
            App::new()
                .app_data(sessions.clone())
                .app_data(app.clone())
                .service(web::scope("/api").configure(api::routes))
                .route("/websocket", web::to(raw_socket))
                .route("/connection/websocket", web::to(centrifuge_socket))
                .route("/healthz", web::get().to(api::health))
                .default_service(fallback())
        })
        .await;
    database.close().await;
    Ok(served?)
}
