//! Who is signed in: a signed cookie that holds the user's name, so there is nothing to store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::HttpRequest;
use cookie::{Cookie, CookieJar, Key, SameSite};
use duplex_core::{Environment, Identity};
use serde::{Deserialize, Serialize};

const COOKIE: &str = "session";
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The least that a secret has to have, in bytes, so that it cannot be guessed.
const MIN_SECRET_BYTES: usize = 32;

/// Makes and checks session cookies.
pub(crate) struct Sessions {
    key: Key,
    secure: bool,
}

/// What a cookie says.
#[derive(Serialize, Deserialize)]
pub(crate) struct Session {
    /// Who is signed in.
    pub(crate) user: String,
    /// Seconds since 1970.
    expires: u64,
}

impl Session {
    /// Until when: a socket that is opened with the cookie does not live longer than the cookie is good for.
    pub(crate) fn expires(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.expires)
    }
}

impl Sessions {
    /// Signs with `SESSION_SECRET`; cookies are `Secure` when `ORIGIN` is https.
    pub(crate) fn from_environment(environment: &Environment) -> Self {
        let secure = environment.get("ORIGIN").is_some_and(is_https);
        Self { key: key(environment.get("SESSION_SECRET")), secure }
    }

    /// The session that a request's cookie stands for, if it is genuine and has not expired.
    pub(crate) fn find(&self, request: &HttpRequest) -> Option<Session> {
        let mut jar = CookieJar::new();
        jar.add_original(request.cookie(COOKIE)?);
        let cookie = jar.signed(&self.key).get(COOKIE)?;
        let session: Session = serde_json::from_str(cookie.value()).ok()?;
        (session.expires > seconds_since_1970()).then_some(session)
    }

    /// Who a socket is that a request asks for, and for how long.
    pub(crate) fn identity(&self, request: &HttpRequest) -> Identity {
        self.find(request).map_or_else(Identity::anonymous, |session| {
            let expires = session.expires();
            Identity::user(session.user).with_expiry(expires)
        })
    }

    /// The cookie that signs a user in.
    pub(crate) fn cookie(&self, user: &str) -> Cookie<'static> {
        let session = Session { user: user.to_owned(), expires: seconds_since_1970() + LIFETIME.as_secs() };
        let max_age = cookie::time::Duration::seconds(LIFETIME.as_secs().try_into().unwrap_or(i64::MAX));
        let mut jar = CookieJar::new();
        jar.signed_mut(&self.key).add(self.build(serde_json::json!(session).to_string(), max_age));
        let signed = jar.get(COOKIE).and_then(encoded);
        signed.unwrap_or_else(|| self.removal())
    }

    /// The cookie that signs out.
    pub(crate) fn removal(&self) -> Cookie<'static> {
        self.build(String::new(), cookie::time::Duration::ZERO)
    }

    fn build(&self, value: String, max_age: cookie::time::Duration) -> Cookie<'static> {
        Cookie::build(COOKIE, value)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.secure)
            .max_age(max_age)
            .finish()
    }
}

/// A name may have characters that end a cookie's value or mean something in it; requests are decoded when read.
fn encoded(cookie: &Cookie<'_>) -> Option<Cookie<'static>> {
    Cookie::parse(cookie.encoded().to_string()).ok()
}

/// Schemes know no case (RFC 3986 section 3.1).
fn is_https(origin: &str) -> bool {
    origin.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

fn key(secret: Option<&str>) -> Key {
    match secret {
        Some(secret) if secret.len() >= MIN_SECRET_BYTES => Key::derive_from(secret.as_bytes()),
        Some(_) => {
            log::warn!(
                "SESSION_SECRET is shorter than {MIN_SECRET_BYTES} bytes and not used; a random one is"
            );
            Key::generate()
        }
        None => {
            log::warn!("SESSION_SECRET is not set: sign-ins will not survive a restart of this process");
            Key::generate()
        }
    }
}

fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn sessions() -> Sessions {
        Sessions { key: key(Some("a secret of thirty-two bytes, or a few more")), secure: false }
    }

    /// Sends a cookie back as a browser does: what is before the attributes, unchanged.
    fn user(sessions: &Sessions, cookie: Cookie<'static>) -> Option<String> {
        let header = ("cookie", cookie.stripped().to_string());
        let request = TestRequest::get().insert_header(header).to_http_request();
        sessions.find(&request).map(|session| session.user)
    }

    #[test]
    fn a_cookie_names_its_user_to_whoever_has_the_same_secret() {
        assert_eq!(user(&sessions(), sessions().cookie("ada")).as_deref(), Some("ada"));
    }

    #[test]
    fn a_socket_is_whoever_the_cookie_says_and_as_long_as_it_says() {
        let nobody = sessions().identity(&TestRequest::get().to_http_request());
        assert_eq!((nobody.user_id(), nobody.expires()), (None, None));

        let cookie = ("cookie", sessions().cookie("ada").stripped().to_string());
        let ada = sessions().identity(&TestRequest::get().insert_header(cookie).to_http_request());
        assert_eq!(ada.user_id(), Some("ada"));
        let left = ada.expires().unwrap().duration_since(SystemTime::now()).unwrap();
        assert!(left > LIFETIME - Duration::from_secs(60) && left <= LIFETIME, "{left:?}");
    }

    #[test]
    fn a_name_can_neither_break_its_cookie_nor_add_attributes_to_it() {
        for name in ["a; Domain=example.org; Max-Age=1", "50%41", "\"a\", b=c", "Zoë", "日本"] {
            let header = sessions().cookie(name).to_string();
            assert!(!header.contains("example.org;") && header.is_ascii(), "{header}");
            let back = Cookie::parse(header).unwrap();
            assert_eq!((back.domain(), user(&sessions(), back.clone()).as_deref()), (None, Some(name)));
        }
    }

    #[test]
    fn cookies_are_secure_when_the_origin_is() {
        for (origin, secure) in
            [("https://a.example", true), ("HTTPS://a.example", true), ("http://a", false)]
        {
            let environment = Environment::from_iter([("ORIGIN".to_owned(), origin.to_owned())]);
            assert_eq!(Sessions::from_environment(&environment).secure, secure, "{origin}");
        }
    }

    #[test]
    fn a_changed_cookie_names_nobody() {
        let mut cookie = sessions().cookie("ada");
        let forged = cookie.value().replace("ada", "eve");
        cookie.set_value(forged);
        assert_eq!(user(&sessions(), cookie), None);
    }

    #[test]
    fn another_secret_makes_other_cookies() {
        let other = Sessions { key: Key::generate(), secure: false };
        assert_eq!(user(&sessions(), other.cookie("ada")), None);
    }

    #[test]
    fn a_cookie_is_out_of_reach_for_scripts_and_other_sites() {
        let cookie = Sessions { key: Key::generate(), secure: true }.cookie("ada");
        assert_eq!(cookie.http_only(), Some(true));
        assert_eq!(cookie.same_site(), Some(SameSite::Lax));
        assert_eq!(cookie.secure(), Some(true));
    }
}
