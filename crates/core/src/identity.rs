//! Who is behind a connection, as the `authenticate` hook said it: plain data that can travel with the connection.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::Json;

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
    info: Option<Json>,
    /// Seconds since 1970.
    expires: Option<u64>,
}

impl Identity {
    pub(crate) const NOBODY: Self = Self { user: None, info: None, expires: None };

    /// Nobody in particular: accepted, but without a user.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A known user. Several connections may share one user: tabs, devices. An empty name is nobody's: the connection is
    /// anonymous.
    pub fn user(id: impl Into<String>) -> Self {
        Self { user: Some(id.into().into_boxed_str()).filter(|id| !id.is_empty()), ..Self::NOBODY }
    }

    /// Adds data about the user: hooks and handlers have it at hand, and others in a channel see it.
    pub fn with_info(mut self, info: impl Into<Json>) -> Self {
        self.info = Some(info.into());
        self
    }

    /// Lets the connection live until then, to the second. Whoever is let in again after that has a new connection;
    /// [`Hub::refresh`](crate::Hub::refresh) extends the time of one that is open.
    pub fn with_expiry(mut self, expires: SystemTime) -> Self {
        self.expires = Some(expires.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()));
        self
    }

    /// The user, or `None` for an anonymous connection.
    pub fn user_id(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// What [`with_info`](Self::with_info) added.
    pub fn info(&self) -> Option<&Json> {
        self.info.as_ref()
    }

    /// When the time that [`with_expiry`](Self::with_expiry) gave is over.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
    }
}
