//! The production server's own part: the built front end, served from memory, and the sockets it listens on.
//! The application and the hub come from the other crates; `main` puts them together.

mod assets;
mod descriptors;
mod listen;
mod settings;

pub use assets::{Assets, AssetsError, AssetsSettings};
pub use descriptors::raise_descriptor_limit;
pub use listen::{ListenError, listen, listen_on_next_free};
pub use settings::{Flags, Settings};
