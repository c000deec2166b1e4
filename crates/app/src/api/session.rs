//! Signing in and out. A socket goes on being whoever its request was, so a change of user ends the sockets of the user
//! that was: they come back at once, as whoever their cookies then say.

use actix_web::{HttpRequest, HttpResponse, Responder, rt, web};
use duplex_core::{DisconnectCode, Hub, HubError};
use serde::{Deserialize, Serialize};

use super::{body::Body, error::ApiError};
use crate::{Application, name::Name, session::Sessions};

#[derive(Serialize)]
struct CurrentSession {
    user: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SignIn {
    name: String,
}

/// Who the visitor is.
pub(super) async fn current(request: HttpRequest, sessions: web::Data<Sessions>) -> impl Responder {
    web::Json(CurrentSession { user: sessions.find(&request).map(|session| session.user) })
}

/// Signs a visitor in under the name they give. A real application would ask for a proof here.
pub(super) async fn sign_in(
    request: HttpRequest,
    form: Body<SignIn>,
    sessions: web::Data<Sessions>,
    app: web::Data<Application>,
    hub: Hub,
) -> Result<impl Responder, ApiError> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    app.pace.sign_in(peer).map_err(|wait| ApiError::too_fast("too many sign-ins", wait))?;
    let name: Name = form.0.name.parse().map_err(|bad| ApiError::invalid(format!("name: {bad}")))?;
    let before = sessions.find(&request).map(|session| session.user);
    if let Some(before) = before.filter(|before| before != name.as_str()) {
        renew_sockets(hub, before);
    }
    let cookie = sessions.cookie(name.as_str());
    Ok(HttpResponse::Ok().cookie(cookie).json(CurrentSession { user: Some(name.into()) }))
}

/// Signs out. The user's other devices stay signed in, and are connected anew.
pub(super) async fn sign_out(
    request: HttpRequest,
    sessions: web::Data<Sessions>,
    hub: Hub,
) -> impl Responder {
    if let Some(session) = sessions.find(&request) {
        renew_sockets(hub, session.user);
    }
    HttpResponse::NoContent().cookie(sessions.removal()).finish()
}

/// Has all sockets of a user opened anew, behind the answer to the present request: a browser that came back before it
/// has the answer would bring the old cookie. The task gets its turn on this thread when the answer has been written.
fn renew_sockets(hub: Hub, user: String) {
    rt::spawn(async move {
        if let Err(error) = end_sockets(&hub, &user).await {
            log::error!("sockets of a user who has signed out stay open: {error}");
        }
    });
}

/// Closes them however long it takes: nobody would ask again. The hub gives up after a wait of its own, so there is no
/// pause between the attempts; and when it has stopped, they are closed.
pub(super) async fn end_sockets(hub: &Hub, user: &str) -> Result<(), HubError> {
    loop {
        match hub.disconnect_user(user, DisconnectCode::FORCE_RECONNECT).await {
            Err(error @ HubError::Overloaded(_)) => {
                log::warn!("sockets of a user who has signed out are still open: {error}");
            }
            Ok(()) | Err(HubError::Stopped) => return Ok(()),
            failed => return failed,
        }
    }
}
