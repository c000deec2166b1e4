//! JSON text that is known to be valid: checked once, shared by everybody who holds it, and written as it stands.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error as _};
use serde_json::value::{RawValue, to_raw_value};

/// A JSON value as text, without line breaks. Cloning one shares its bytes.
///
/// ```
/// use duplex_core::Json;
/// let json = Json::new(&serde_json::json!({ "text": "hello" }))?;
/// assert_eq!(json.as_str(), r#"{"text":"hello"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Writes a value down.
    ///
    /// # Errors
    /// What `value` cannot be written as JSON for, such as a map whose keys are no strings.
    pub fn new(value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        Self::one_line(to_raw_value(value)?)
    }

    /// Checks a text.
    ///
    /// # Errors
    /// The text is not one JSON value.
    pub fn parse(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        Self::one_line(RawValue::from_string(text.into())?)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Reads the value.
    ///
    /// # Errors
    /// The value is not what `T` wants.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// `null`.
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// A text, as a JSON string.
    pub(crate) fn string(text: &str) -> Self {
        serde_json::Value::from(text).into()
    }

    /// A line break in valid JSON is space between two tokens. On the wire it would end the message.
    fn one_line(value: Box<RawValue>) -> Result<Self, serde_json::Error> {
        if !value.get().contains(['\n', '\r']) {
            return Ok(Self(value.into()));
        }
        RawValue::from_string(value.get().replace(['\n', '\r'], " ")).map(|value| Self(value.into()))
    }
}

/// A value of this kind can always be written.
impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self::new(&value).unwrap_or_else(|_| Self::null())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// In JSON it is the value itself; a format that people do not read has it as a text.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.0.serialize(serializer)
        } else {
            self.as_str().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Self::one_line(Box::<RawValue>::deserialize(deserializer)?).map_err(D::Error::custom)
        } else {
            Self::parse(String::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_json_is_refused() {
        assert!(Json::parse("{\"a\":").is_err());
        assert!(Json::parse("1 2").is_err());
    }

    #[test]
    fn line_breaks_between_tokens_become_spaces() {
        let json = Json::parse("{\r\n\"a\":\n\"b\\nc\"}").unwrap();
        assert_eq!(json.as_str(), "{  \"a\": \"b\\nc\"}");
        let nested: Json = serde_json::from_str("[1,\n2]").unwrap();
        assert_eq!(nested.as_str(), "[1, 2]");
    }

    #[test]
    fn it_is_written_as_it_stands() {
        let json = Json::parse(r#"{"b":1.0,"a":10000000000000000000000}"#).unwrap();
        let outer =
            serde_json::to_string(&serde_json::json!({ "data": json.read::<serde_json::Value>().is_ok() }));
        assert_eq!(outer.unwrap(), r#"{"data":true}"#);
        assert_eq!(serde_json::to_string(&[&json]).unwrap(), format!("[{json}]"));
    }
}
