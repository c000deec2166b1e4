//! What types boil down to: a page and a server that have the same fingerprint mean the same by a call or a channel.

use sha2::{Digest as _, Sha256};

use super::typescript::Declarations;

/// Sixteen hexadecimal digits.
pub(super) struct Fingerprint(String);

impl Fingerprint {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The fingerprint of some types and of everything that they are made of, as TypeScript has it. What is said about them
/// does not count; names and the order of fields do.
pub(super) fn of(types: impl FnOnce(&mut Declarations) -> Vec<String>) -> Fingerprint {
    let mut declarations = Declarations::new();
    let spelt = types(&mut declarations).join("\n");
    let digest = Sha256::digest(format!("{spelt}\n{}", declarations.substance()));
    Fingerprint(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
