//! What a call's types boil down to: a page and a server that have the same fingerprint mean the same by the call.

use sha2::{Digest as _, Sha256};

use super::{registry::CallTypes, typescript::Declarations};

/// Sixteen hexadecimal digits.
pub(super) struct Fingerprint(String);

impl Fingerprint {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The fingerprint of everything that the types of a call are made of. What is said about them does not count.
pub(super) fn of(types: fn(&mut Declarations) -> CallTypes) -> Fingerprint {
    let mut declarations = Declarations::new();
    let CallTypes { params, reply, error } = types(&mut declarations);
    let text = format!("{params}\n{reply}\n{error}\n{}", declarations.substance());
    let digest = Sha256::digest(text);
    Fingerprint(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
