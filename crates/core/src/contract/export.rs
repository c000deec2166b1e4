//! Writes the contract's types into the front end, and touches only what has changed: Vite reacts to every file that is
//! written.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use super::{BadContract, Contract, typescript::Declarations};

const TYPES: &str = "types.ts";
const FINGERPRINTS: &str = "fingerprints.ts";

const HEADER: &str = "// Written by the server from its Rust types: change those, not this file.\n";

/// Why the types could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The contract is not fit to be written.
    #[error(transparent)]
    Contract(#[from] BadContract),
    /// A file could not be read or written.
    #[error("cannot write {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl<A: Send + Sync + 'static> Contract<A> {
    /// Writes the types and fingerprints into `directory`, which is made if it is not there. Returns the files that
    /// were not like this before; each is replaced at once.
    ///
    /// # Errors
    /// See [`ExportError`].
    pub fn export(&self, directory: &Path) -> Result<Vec<PathBuf>, ExportError> {
        self.check()?;
        let files = [(TYPES, self.types_module()), (FINGERPRINTS, self.fingerprints_module())];
        let mut written = Vec::new();
        for (name, text) in files {
            let path = directory.join(name);
            match write_if_changed(&path, &text) {
                Ok(true) => written.push(path),
                Ok(false) => {}
                Err(source) => return Err(ExportError::File { path, source }),
            }
        }
        Ok(written)
    }

    /// `types.ts`.
    fn types_module(&self) -> String {
        let mut declarations = Declarations::new();
        let (calls, kinds) = (self.call_types(&mut declarations), self.kind_types(&mut declarations));
        let mut text = format!("{HEADER}\n{}", declarations.module());
        text.push_str("\n/** What a page may ask of the server, by name. */\nexport interface Calls {\n");
        for (name, types) in calls {
            let (params, reply, error) = (types.params, types.reply, types.error);
            let _ = writeln!(text, "\t'{name}': {{ params: {params}; reply: {reply}; error: {error} }};");
        }
        text.push_str(
            "}\n\n/** What is published to channels, and what others see of their subscribers, by name. */\n",
        );
        text.push_str("export interface Channels {\n");
        for (namespace, types) in kinds {
            let (publication, info) = (types.publication, types.info);
            let _ = writeln!(
                text,
                "\t[channel: `{namespace}:${{string}}`]: {{ publication: {publication}; info: {info} }};"
            );
        }
        text.push_str("}\n");
        text
    }

    /// `fingerprints.ts`.
    fn fingerprints_module(&self) -> String {
        let mut text = format!(
            "{HEADER}\n/** What the types of each call, and of each kind of channels, boil down to: the server answers a page only if it means the same. */\n"
        );
        text.push_str("export const fingerprints: Readonly<Record<string, string>> = {\n");
        for (name, fingerprint) in self.fingerprints() {
            let _ = writeln!(text, "\t'{name}': '{fingerprint}',");
        }
        text.push_str("};\n");
        text
    }
}

/// True if it had to be written.
fn write_if_changed(path: &Path, text: &str) -> io::Result<bool> {
    match fs::read(path) {
        Ok(present) if present == text.as_bytes() => return Ok(false),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    // Beside the file, so that nobody ever reads half of it. One that a killed program has left is written over.
    let draft = path.with_extension("ts.tmp");
    fs::write(&draft, text).and_then(|()| fs::rename(&draft, path)).inspect_err(|_| {
        let _ = fs::remove_file(&draft);
    })?;
    Ok(true)
}
