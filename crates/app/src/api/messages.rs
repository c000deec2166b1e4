//! The messages of a room over HTTP: for scripts, and for whoever has no socket.

use actix_web::{HttpRequest, HttpResponse, Responder, http::StatusCode, web};
use duplex_core::contract::SafeInteger;
use serde::Deserialize;
use uuid::Uuid;

use super::{body::Body, error::ApiError};
use crate::{
    Application,
    chat::{Author, Draft, RoomName, SendError},
    session::Sessions,
};

/// What is to be said, and by whom.
#[derive(Deserialize)]
pub(super) struct Post {
    text: String,
    /// Needed without a session. With one the author is who is signed in.
    author: Option<String>,
    /// The same for a message that is sent again.
    nonce: Option<Uuid>,
}

#[derive(Deserialize)]
pub(super) struct Range {
    before: Option<String>,
}

/// How queries are read; for the scope of the handlers.
pub(super) fn query_config() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|error, _| ApiError::invalid(error.to_string()).into())
}

/// Says something in a room: 201 with the message. One that is sent again gets the same answer again.
pub(super) async fn post(
    request: HttpRequest,
    room: web::Path<String>,
    post: Body<Post>,
    sessions: web::Data<Sessions>,
    app: web::Data<Application>,
) -> Result<impl Responder, ApiError> {
    let Body(Post { text, author, nonce }) = post;
    let draft = Draft {
        room: named(room)?,
        author: by(&request, author, &sessions)?,
        peer: request.peer_addr().map(|peer| peer.ip()),
        text: text.parse().map_err(SendError::from)?,
        nonce,
    };
    Ok(HttpResponse::Created().json(app.chat.send(draft).await??))
}

/// The newest messages of a room, or the newest before the one with an id. As in a socket, reading takes a session.
pub(super) async fn list(
    request: HttpRequest,
    room: web::Path<String>,
    range: web::Query<Range>,
    sessions: web::Data<Sessions>,
    app: web::Data<Application>,
) -> Result<impl Responder, ApiError> {
    if sessions.find(&request).is_none() {
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "sign in first"));
    }
    let page = app.chat.page(&named(room)?, range.id()?).await?;
    Ok(web::Json(page))
}

impl Range {
    fn id(&self) -> Result<Option<SafeInteger>, ApiError> {
        let read = |before: &String| SafeInteger::try_from(before.parse::<i64>().ok()?).ok();
        let Some(before) = &self.before else { return Ok(None) };
        read(before).map(Some).ok_or_else(|| ApiError::invalid("before: it has to be the id of a message"))
    }
}

fn named(room: web::Path<String>) -> Result<RoomName, SendError> {
    Ok(room.into_inner().try_into()?)
}

/// The author is who is signed in. A request that names somebody else means to be somebody else, and is refused rather
/// than signed with a name that it did not ask for.
fn by(request: &HttpRequest, author: Option<String>, sessions: &Sessions) -> Result<Author, ApiError> {
    let session = sessions.find(request);
    match (session, author) {
        (Some(session), author) => match author.filter(|author| *author != session.user) {
            None => Ok(Author::User(session.user)),
            Some(_) => Err(ApiError::invalid("author: leave it out, or sign out first")),
        },
        (None, Some(author)) => {
            let name = author.parse().map_err(|bad| ApiError::invalid(format!("author: {bad}")))?;
            Ok(Author::Outside(name))
        }
        (None, None) => Err(ApiError::invalid("author: say who you are, or sign in first")),
    }
}
