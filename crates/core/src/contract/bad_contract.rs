//! Why a contract cannot be kept: what is wrong with its names, or with its types.

/// A contract that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadContract {
    /// Two calls, or two kinds of channels, have this name.
    #[error("the contract has {0} twice")]
    Twice(String),
    /// A name has characters that mean something else, or none.
    #[error("{0:?} cannot be the name of a call or a namespace: use letters, digits, '.', '_' and '-'")]
    BadName(String),
    /// Two Rust types have the same name in TypeScript.
    #[error(
        "{first} and {second} are both called {name} in TypeScript: rename one, or say #[ts(rename = \"…\")]"
    )]
    NameTaken {
        /// The name.
        name: String,
        /// One type, as Rust names it.
        first: String,
        /// The other.
        second: String,
    },
    /// TypeScript has no such name for a type, or the contract's file uses it already.
    #[error("{0} cannot be called {1:?} in TypeScript: say #[ts(rename = \"…\")]")]
    BadTypeName(String, String),
    /// A type has an integer of 64 or more bits, which JavaScript would round, or one of the machine's size.
    #[error("{0} has an integer that JavaScript cannot hold: use SafeInteger, or one of at most 32 bits")]
    LargeInteger(String),
    /// Pages could not tell what the error of a call is.
    #[error("{0} cannot be the error of a call: make it an enum with #[serde(tag = \"type\")], or Never")]
    UntaggedError(String),
    /// An error of a call has a `type` that means something else to pages.
    #[error("{0} has the type {1:?}, which pages know as a failure of another kind: choose another name")]
    TakenError(String, String),
    /// A type cannot be written down; the text is what ts-rs says.
    #[error("the types of the contract cannot be written down: {0}")]
    Unspellable(String),
}
