//! Reads what a client has sent into the type it has to be, and says which part does not fit.

use serde::de::DeserializeOwned;

use crate::{ErrorCode, Json, Rejection};

/// JSON that is not what was expected. The text names the field that does not fit, for instance
/// `to[1].street: invalid type: integer `5`, expected a string`, and repeats no more than the beginning of what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(String);

/// Reads a JSON text, as the parameters of calls are read: for HTTP handlers that answer as well.
///
/// # Errors
/// See [`Misfit`].
pub fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, Misfit> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let (path, problem) = (shortened(error.path().to_string()), shortened(without_place(error.inner())));
        // The root has no name; what is missing there is named by the problem.
        Misfit(if path == "." { problem } else { format!("{path}: {problem}") })
    })
}

/// Error 107 for whatever does not fit.
pub(super) fn read<T: DeserializeOwned>(data: &Json) -> Result<T, Rejection> {
    read_json(data.as_str()).map_err(|Misfit(text)| Rejection::new(ErrorCode::BAD_REQUEST.code, text))
}

/// What the client has sent is in it, and need not be sent back as a whole.
fn shortened(mut text: String) -> String {
    const MAX_BYTES: usize = 200;
    if text.len() > MAX_BYTES {
        text.truncate(text.floor_char_boundary(MAX_BYTES));
        text.push('…');
    }
    text
}

/// Line and column mean nothing to somebody who has sent an object.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Order {
        pieces: u32,
        to: Vec<Address>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Address {
        street: String,
    }

    fn problem(data: serde_json::Value) -> String {
        read::<Order>(&data.into()).unwrap_err().to_string()
    }

    #[test]
    fn the_field_that_does_not_fit_is_named() {
        assert_eq!(
            problem(json!({ "pieces": "two", "to": [] })),
            "error 107: pieces: invalid type: string \"two\", expected u32"
        );
        assert_eq!(
            problem(json!({ "pieces": 1, "to": [{ "street": "Elm" }, { "street": 5 }] })),
            "error 107: to[1].street: invalid type: integer `5`, expected a string"
        );
        assert_eq!(problem(json!({ "pieces": 1, "to": [{}] })), "error 107: to[0]: missing field `street`");
    }

    #[test]
    fn a_field_that_is_missing_is_named() {
        assert_eq!(problem(json!({ "to": [] })), "error 107: missing field `pieces`");
        assert_eq!(problem(json!(null)), "error 107: invalid type: null, expected struct Order");
    }

    #[test]
    fn a_number_that_is_out_of_range_is_refused() {
        let message = problem(json!({ "pieces": 5_000_000_000_u64, "to": [] }));
        assert_eq!(message, "error 107: pieces: invalid value: integer `5000000000`, expected u32");
    }

    #[test]
    fn what_was_sent_is_not_sent_back_as_a_whole() {
        let message = problem(json!({ "pieces": "ä".repeat(100_000), "to": [] }));
        assert!(message.len() < 300 && message.ends_with('…'), "{message}");
    }

    #[test]
    fn a_call_without_parameters_takes_null() {
        #[derive(Deserialize)]
        struct Nothing;
        assert!(read::<Nothing>(&Json::null()).is_ok());
    }
}
