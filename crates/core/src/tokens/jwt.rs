//! How the signature of a token is checked, and what of it besides.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, errors::ErrorKind};

use super::{BadKey, BadToken, Claims};

/// Keys, each for the algorithm it is for: a token cannot choose another one for it.
#[derive(Clone, Default)]
pub(super) struct Keys {
    keys: Vec<Arc<Key>>,
    pub(super) audience: Option<String>,
    pub(super) issuer: Option<String>,
}

struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Keys {
    pub(super) fn add_secret(&mut self, secret: &[u8]) {
        self.add(Algorithm::HS256, DecodingKey::from_secret(secret));
    }

    pub(super) fn add_elliptic(&mut self, pem: &str) -> Result<(), BadKey> {
        let key = DecodingKey::from_ec_pem(pem.as_bytes());
        self.add(Algorithm::ES256, key.map_err(|error| BadKey::new("ES256", &error))?);
        Ok(())
    }

    pub(super) fn add_rsa(&mut self, pem: &str) -> Result<(), BadKey> {
        let key = DecodingKey::from_rsa_pem(pem.as_bytes());
        self.add(Algorithm::RS256, key.map_err(|error| BadKey::new("RS256", &error))?);
        Ok(())
    }

    /// The claims of a token that one of the keys has signed.
    pub(super) fn verify(&self, token: &str) -> Result<Claims, BadToken> {
        let invalid = |error: jsonwebtoken::errors::Error| match error.kind() {
            ErrorKind::ExpiredSignature => BadToken::Expired,
            _ => BadToken::Invalid(error.to_string()),
        };
        let header = decode_header(token).map_err(invalid)?;
        if header.crit.is_some() {
            // Whoever does not know what it asks for must refuse the token (RFC 7515 section 4.1.11).
            return Err(BadToken::Invalid("its header asks for an extension".to_owned()));
        }
        let algorithm = header.alg;
        let validation = self.validation(algorithm);
        let mut refusal = BadToken::Invalid(format!("there is no key for {algorithm:?}"));
        for key in self.keys.iter().filter(|key| key.algorithm == algorithm) {
            match decode::<Claims>(token, &key.key, &validation) {
                // The end is the first moment that a token is not good for any more (RFC 7519 section 4.1.4).
                Ok(token) if token.claims.has_ended() => refusal = BadToken::Expired,
                Ok(token) => return Ok(token.claims),
                Err(error) => refusal = invalid(error),
            }
            // The signature is right: another key would not make the token younger.
            if refusal == BadToken::Expired {
                break;
            }
        }
        Err(refusal)
    }

    fn add(&mut self, algorithm: Algorithm, key: DecodingKey) {
        self.keys.push(Arc::new(Key { algorithm, key }));
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        // Whoever makes a token without an end wants none.
        validation.required_spec_claims.clear();
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.validate_aud = self.audience.is_some();
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        validation
    }
}

impl BadKey {
    fn new(algorithm: &'static str, error: &jsonwebtoken::errors::Error) -> Self {
        Self { algorithm, reason: error.to_string() }
    }
}
