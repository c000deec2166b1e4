//! Who is behind a connection, as the `authenticate` hook said it: plain data that can travel with the connection.

use serde::{Deserialize, Serialize};

/// The identity of a connection. It does not change while the connection lives.
///
/// ```
/// use duplex_core::Identity;
/// let identity = Identity::user("ada").with_info(serde_json::json!({ "name": "Ada Lovelace" }));
/// assert_eq!(identity.user_id(), Some("ada"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    user: Option<Box<str>>,
    info: Option<Box<serde_json::Value>>,
}

impl Identity {
    /// Nobody in particular: accepted, but without a user.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A known user. Several connections may share one user: tabs, devices.
    pub fn user(id: impl Into<String>) -> Self {
        Self { user: Some(id.into().into_boxed_str()), info: None }
    }

    /// Adds data about the user that hooks and handlers want at hand.
    pub fn with_info(mut self, info: serde_json::Value) -> Self {
        self.info = Some(Box::new(info));
        self
    }

    /// The user, or `None` for an anonymous connection.
    pub fn user_id(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// What [`with_info`](Self::with_info) added.
    pub fn info(&self) -> Option<&serde_json::Value> {
        self.info.as_deref()
    }
}
