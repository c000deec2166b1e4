//! The answer to a socket that is not let in.

use std::fmt;

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};

/// Why an upgrade is refused: a status and a body for the client. Errors of other kinds turn into a 500 whose cause
/// is logged and not shown.
///
/// ```
/// use duplex_core::Refusal;
/// async fn authenticate(token: Option<&str>) -> Result<u64, Refusal> {
///     let token = token.ok_or_else(|| Refusal::unauthorized("sign in first"))?;
///     Ok(token.parse()?) // a number that cannot be parsed is a 500 here
/// }
/// ```
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    body: String,
    cause: Option<crate::HookError>,
}

impl Refusal {
    /// A refusal with a status and a body. A status below 400 would let a browser believe in success, so it counts
    /// as 403.
    pub fn new(status: StatusCode, body: impl Into<String>) -> Self {
        let refuses = status.is_client_error() || status.is_server_error();
        let status = if refuses { status } else { StatusCode::FORBIDDEN };
        Self { status, body: body.into(), cause: None }
    }

    /// 401: nobody has said who they are.
    pub fn unauthorized(body: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, body)
    }

    /// 403: known, and not allowed.
    pub fn forbidden(body: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, body)
    }

    /// 500 with a cause for the log.
    pub(crate) fn internal(cause: impl Into<crate::HookError>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error") }
    }

    /// The status that the client gets.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Writes the cause, if there is one, to the log, and makes the answer.
    pub(crate) fn into_response(self) -> HttpResponse {
        if let Some(cause) = &self.cause {
            log::error!("a socket is refused with {}: {cause}", self.status.as_u16());
        }
        HttpResponse::build(self.status)
            .insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(format!("{}\n", self.body))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.status, self.body)
    }
}

/// `Refusal` itself is no `std::error::Error`, which is what makes this possible.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_status_cannot_refuse() {
        assert_eq!(Refusal::new(StatusCode::OK, "").status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn an_error_becomes_500_and_is_not_shown() {
        let refusal = Refusal::from(std::io::Error::other("the password is swordfish"));
        assert_eq!(refusal.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!refusal.to_string().contains("swordfish"));
    }
}
