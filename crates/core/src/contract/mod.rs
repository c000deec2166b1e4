//! What pages and the server say to each other, written down once. A [`Contract`] registers calls and kinds of channels
//! by their Rust types; it answers for them in the hooks, and writes the same types down in TypeScript.

mod bad_contract;
mod call;
mod channel_kind;
mod export;
mod fingerprint;
mod layout;
mod params;
mod parts;
mod reasons;
mod registry;
mod safe_integer;
#[cfg(test)]
mod tests;
mod typescript;
mod vocabulary;

pub use self::{
    bad_contract::BadContract,
    call::{Call, Failure},
    channel_kind::{ChannelKind, Terms},
    export::ExportError,
    params::{Misfit, read_json},
    registry::{CHANGED, Contract},
    safe_integer::{MAX_SAFE_INTEGER, SafeInteger, UnsafeInteger},
    vocabulary::Never,
};
