//! The production server's own part: the built front end, served from memory. The application and the hub come from the other crates; `main` puts them together.

mod assets;
mod settings;

pub use assets::{Assets, AssetsError, AssetsSettings};
pub use settings::{Flags, Settings};
