//! Owns what is known of one file: its variants and the header values that go with it, all made at start so
//! that a request only clones them.

use std::path::PathBuf;
use std::time::SystemTime;

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;

use super::encoding::{Encoding, Encodings};

/// One file of the build.
#[derive(Clone, Debug)]
pub(super) struct Asset {
    pub(super) content_type: HeaderValue,
    pub(super) cache_control: HeaderValue,
    /// On every variant, the plain one included: a cache must not give a plain answer to those who could have
    /// less.
    pub(super) vary: Option<HeaderValue>,
    pub(super) identity: Variant,
    pub(super) gzip: Option<Variant>,
    pub(super) brotli: Option<Variant>,
}

/// One encoding of a file.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub(super) encoding: Encoding,
    /// Made from the content, so it is the same on every server and after every deploy that leaves the file
    /// alone.
    pub(super) entity_tag: HeaderValue,
    pub(super) content: Content,
}

/// Where the bytes are.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Memory(Bytes),
    /// The length and time of change tell whether it is still the file whose hash was taken.
    Disk {
        path: PathBuf,
        length: u64,
        modified: Option<SystemTime>,
    },
}

impl Asset {
    pub(super) fn encodings(&self) -> Encodings {
        Encodings { gzip: self.gzip.is_some(), brotli: self.brotli.is_some() }
    }

    /// The variant in that encoding, or the plain one if there is none.
    pub(super) fn variant(&self, encoding: Encoding) -> &Variant {
        let variant = match encoding {
            Encoding::Brotli => self.brotli.as_ref(),
            Encoding::Gzip => self.gzip.as_ref(),
            Encoding::Identity => None,
        };
        variant.unwrap_or(&self.identity)
    }

    pub(super) fn variants(&self) -> impl Iterator<Item = &Variant> {
        [Some(&self.identity), self.gzip.as_ref(), self.brotli.as_ref()].into_iter().flatten()
    }
}

impl Variant {
    pub(super) fn length(&self) -> u64 {
        match &self.content {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::Disk { length, .. } => *length,
        }
    }
}
