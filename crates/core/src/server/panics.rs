//! A panic in a handler or in middleware costs the one request.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
};

use actix_http::{Response, body::BoxBody};
use actix_web::HttpResponse;
use futures_util::FutureExt as _;

use crate::hooks::panic_text;

/// What a call returns, or the text of its panic.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| panic_text(&*panic))
}

/// What a future comes to, or the text of its panic.
pub(super) async fn awaited<F: Future>(future: F) -> Result<F::Output, String> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| panic_text(&*panic))
}

/// What went wrong inside is for the log.
pub(super) fn response(panic: &str) -> Response<BoxBody> {
    log::error!("a handler panicked: {panic}");
    HttpResponse::InternalServerError().body("internal error\n").into()
}
