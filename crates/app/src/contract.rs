//! What pages and this application say to each other. A call is a struct with its handler, a kind of channels a struct
//! with its namespace; each is registered by one line here, and the front end knows its types.

use duplex_core::contract::Contract;

use crate::{
    Application,
    chat::{EarlierMessages, ListRooms, OpenRoom, RoomChannel, SendMessage, TypingChannel},
};

/// The contract. `dev-worker --export-types DIR` writes it down in TypeScript.
pub fn contract() -> Contract<Application> {
    Contract::new()
        .channel::<RoomChannel>()
        .channel::<TypingChannel>()
        .call::<SendMessage>()
        .call::<OpenRoom>()
        .call::<EarlierMessages>()
        .call::<ListRooms>()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_front_end_has_the_types_of_this_contract() {
        let committed = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../frontend/src/lib/contract"));
        let present = tempfile::tempdir().unwrap();
        for file in contract().export(present.path()).unwrap() {
            let name = file.file_name().unwrap();
            let [present, committed] =
                [&file, &committed.join(name)].map(|path| std::fs::read_to_string(path).unwrap_or_default());
            assert!(
                present == committed,
                "{} is not what the Rust types say. Run\n\n    \
                 cargo run -p dev-worker -- --export-types frontend/src/lib/contract\n\n\
                 and commit what it writes. It should be:\n{present}",
                name.display()
            );
        }
    }
}
