//! What the application itself carries over: its own memory, by name.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::wire::{read, write};
use crate::{panics::caught, supervision::LineError};

type Export = Box<dyn Fn() -> Result<Vec<u8>, LineError> + Send + Sync>;
type Import = Box<dyn Fn(&[u8]) -> Result<(), LineError> + Send + Sync>;

/// Everything that the application carries over. What cannot be written down, or is not understood, is left behind: it
/// costs the handover nothing.
#[derive(Default)]
pub(crate) struct Luggage(HashMap<String, (Export, Import)>);

impl Luggage {
    pub(crate) fn add<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        export: impl Fn() -> T + Send + Sync + 'static,
        import: impl Fn(T) + Send + Sync + 'static,
    ) {
        let export: Export = Box::new(move || {
            let mut bytes = Vec::new();
            write(&mut bytes, &export()).map(|()| bytes)
        });
        let import: Import = Box::new(move |bytes| read(bytes).map(&import));
        self.0.insert(name.to_owned(), (export, import));
    }

    /// Calls the application's code: it may block.
    pub(super) fn pack(&self) -> Vec<(String, Bytes)> {
        let pack = |(name, (export, _)): (&String, &(Export, Import))| {
            let packed = settle(name, export)?;
            Some((name.clone(), packed.into()))
        };
        self.0.iter().filter_map(pack).collect()
    }

    pub(super) fn unpack(&self, name: &str, bytes: &[u8]) {
        match self.0.get(name) {
            Some((_, import)) => drop(settle(name, || import(bytes))),
            None => log::info!("`{name}` of the process before is not known here, and is left behind"),
        }
    }
}

fn settle<T>(name: &str, act: impl FnOnce() -> Result<T, LineError>) -> Option<T> {
    let result = caught(act).and_then(|done| done.map_err(|error| error.to_string()));
    result.inspect_err(|error| log::error!("`{name}` of the application is not carried over: {error}")).ok()
}
