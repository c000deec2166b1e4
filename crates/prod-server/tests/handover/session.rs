//! Cookies as the application makes them, with any end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cookie::{Cookie, CookieJar, Key};
use serde_json::json;

use crate::site::SECRET;

/// The `Cookie` header of somebody who is signed in for so long.
pub(crate) fn cookie(user: &str, left: Duration) -> String {
    let expires = (SystemTime::now() + left).duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut jar = CookieJar::new();
    let session = json!({ "user": user, "expires": expires }).to_string();
    jar.signed_mut(&Key::derive_from(SECRET.as_bytes())).add(Cookie::new("session", session));
    jar.get("session").unwrap().encoded().to_string()
}

/// Of somebody who is signed in for longer than any test runs.
pub(crate) fn of(user: &str) -> String {
    cookie(user, Duration::from_secs(3600))
}
