//! Tokens: who a client of the protocol is, or what it may subscribe to, written and signed by somebody else. What is in
//! them is here; how signatures are checked is in `jwt`, which the feature `tokens` brings.

#[cfg(feature = "tokens")]
mod jwt;

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;

use crate::{Channel, DisconnectCode, ErrorCode, Identity, Json, Rejection, Socket};

/// The keys that make a client's JSON Web Tokens (RFC 7519) genuine. Without any, every token is refused.
///
/// A **connection token** names the user in `sub`; without one the client is anonymous. It may have an end in `exp`,
/// data about the user in `info`, and `channels` to subscribe the client to. A **subscription token** has the same `sub`,
/// and the `channel`; it may have `exp`, and `info` for others in the channel to see. A token whose `nbf` lies ahead is
/// not valid yet.
#[derive(Clone, Default)]
pub struct TokenKeys {
    #[cfg(feature = "tokens")]
    keys: jwt::Keys,
}

/// A text that is no key, or not one of its kind.
#[derive(Debug, thiserror::Error)]
#[error("not a public key for {algorithm} in PEM: {reason}")]
pub struct BadKey {
    algorithm: &'static str,
    reason: String,
}

/// What a connection token says.
pub(crate) struct ConnectionToken {
    pub(crate) identity: Identity,
    pub(crate) channels: Vec<Channel>,
}

/// What a subscription token says.
pub(crate) struct SubscriptionToken {
    pub(crate) expires: Option<SystemTime>,
    pub(crate) info: Option<Json>,
}

/// What may stand in a token.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims {
    sub: String,
    /// Seconds since 1970, which may have a fraction.
    exp: Option<f64>,
    info: Option<Json>,
    channels: Vec<Channel>,
    channel: String,
}

#[cfg(feature = "tokens")]
impl Claims {
    fn has_ended(&self) -> bool {
        time(self.exp).is_some_and(|end| end <= SystemTime::now())
    }
}

/// Why a token does not count.
#[derive(Debug, PartialEq, Eq)]
enum BadToken {
    #[cfg_attr(not(feature = "tokens"), expect(dead_code, reason = "only a key finds out"))]
    Expired,
    Invalid(String),
}

#[cfg(feature = "tokens")]
impl TokenKeys {
    /// Accepts tokens that are signed with a secret that both sides know: HS256.
    pub fn hs256(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.keys.add_secret(secret.as_ref());
        self
    }

    /// Accepts tokens that are signed with the private half of an elliptic curve key: ES256. `pem` is the public half.
    ///
    /// # Errors
    /// [`BadKey`] when it is not such a key.
    pub fn es256(mut self, pem: &str) -> Result<Self, BadKey> {
        self.keys.add_elliptic(pem)?;
        Ok(self)
    }

    /// Accepts tokens that are signed with the private half of an RSA key: RS256. `pem` is the public half.
    ///
    /// # Errors
    /// [`BadKey`] when it is not such a key.
    pub fn rs256(mut self, pem: &str) -> Result<Self, BadKey> {
        self.keys.add_rsa(pem)?;
        Ok(self)
    }

    /// Accepts only tokens that are made for this audience: one of their `aud`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.keys.audience = Some(audience.into());
        self
    }

    /// Accepts only tokens that this issuer made: their `iss`.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.keys.issuer = Some(issuer.into());
        self
    }

    fn verify(&self, token: &str) -> Result<Claims, BadToken> {
        self.keys.verify(token)
    }
}

impl TokenKeys {
    #[cfg(not(feature = "tokens"))]
    fn verify(&self, _: &str) -> Result<Claims, BadToken> {
        Err(BadToken::Invalid("the feature `tokens` of duplex-core is off".to_owned()))
    }

    /// The claims of a genuine token, if they fit; otherwise it is for something else.
    fn verify_for(
        &self,
        token: &str,
        else_for: &str,
        fits: impl FnOnce(&Claims) -> bool,
    ) -> Result<Claims, BadToken> {
        let claims = self.verify(token)?;
        if fits(&claims) { Ok(claims) } else { Err(BadToken::Invalid(format!("it is for {else_for}"))) }
    }

    /// Reads a connection token.
    ///
    /// # Errors
    /// 109 for a genuine one that has expired, disconnect 3500 for anything else.
    pub(crate) fn connection(&self, token: &str) -> Result<ConnectionToken, Rejection> {
        let claims = self.verify_for(token, "a subscription", |claims| claims.channel.is_empty());
        let claims = claims.map_err(|bad| match bad {
            BadToken::Expired => ErrorCode::TOKEN_EXPIRED.into(),
            BadToken::Invalid(reason) => {
                log::debug!("a connection token is refused: {reason:?}");
                Rejection::disconnect(DisconnectCode::INVALID_TOKEN)
            }
        })?;
        let identity = claims.info.into_iter().fold(Identity::user(claims.sub), Identity::with_info);
        let identity = time(claims.exp).into_iter().fold(identity, Identity::with_expiry);
        Ok(ConnectionToken { identity, channels: claims.channels })
    }

    /// Reads a token for a subscription of this connection to this channel.
    ///
    /// # Errors
    /// 109 for a genuine one that has expired, 103 for anything else.
    pub(crate) fn subscription(
        &self,
        token: &str,
        socket: &Socket,
        channel: &Channel,
    ) -> Result<SubscriptionToken, Rejection> {
        let user = socket.identity().user_id().unwrap_or_default();
        let fits = |claims: &Claims| claims.sub == user && claims.channel == channel.as_str();
        let claims = self.verify_for(token, "another user or channel", fits);
        let claims = claims.map_err(|bad| match bad {
            BadToken::Expired => ErrorCode::TOKEN_EXPIRED,
            BadToken::Invalid(reason) => {
                log::debug!(
                    "a token of connection {} is refused for {:?}: {reason:?}",
                    socket.id(),
                    channel.as_str()
                );
                ErrorCode::PERMISSION_DENIED
            }
        })?;
        Ok(SubscriptionToken { expires: time(claims.exp), info: claims.info })
    }
}

/// Keys are not shown.
impl fmt::Debug for TokenKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenKeys").finish_non_exhaustive()
    }
}

/// A time that cannot be written down is as good as never.
fn time(seconds: Option<f64>) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds?.max(0.0)).ok()?)
}
