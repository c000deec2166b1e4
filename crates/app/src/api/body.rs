//! The JSON body of a request, as a type. What does not fit is refused in words that name the field.

use std::{future::Future, pin::Pin};

use actix_web::{
    Error, FromRequest, HttpRequest,
    dev::Payload,
    error::JsonPayloadError,
    http::StatusCode,
    web::{Json, JsonConfig},
};
use duplex_core::contract::read_json;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::ApiError;

/// The largest body. A text of 2000 characters takes up to 24 000 bytes, if each is written as two `\u` escapes; the rest
/// is for what else there is.
const MAX_BYTES: usize = 32 * 1024;

/// A body that was sent as JSON and is a `T`.
///
/// Anything else than JSON is refused with 415 or 400, more than 32 KiB with 413, and JSON that is no `T` with 422.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest for Body<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let json = Json::<Box<RawValue>>::from_request(request, payload);
        Box::pin(async move {
            let body = read_json(json.await?.get());
            Ok(Self(body.map_err(|misfit| ApiError::invalid(misfit.to_string()))?))
        })
    }
}

/// How bodies are read; for the scope of the handlers.
pub(super) fn config() -> JsonConfig {
    JsonConfig::default().limit(MAX_BYTES).error_handler(|error, _| refusal(&error).into())
}

fn refusal(error: &JsonPayloadError) -> ApiError {
    match error {
        JsonPayloadError::ContentType => ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has to be JSON, and the header content-type application/json",
        ),
        JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {MAX_BYTES} bytes"))
        }
        JsonPayloadError::Deserialize(error) => {
            ApiError::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
        }
        _ => ApiError::new(StatusCode::BAD_REQUEST, "the body cannot be read"),
    }
}
