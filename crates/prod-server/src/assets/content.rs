//! Owns the reading of a file at start: its bytes, if it is small enough to be held, and the hash of them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use sha2::{Digest, Sha256};

use super::AssetsError;
use super::asset::{Content, Variant};
use super::encoding::Encoding;

/// How much of a large file is hashed at a time.
const BLOCK: usize = 64 * 1024;

/// How many bytes of the hash an entity tag has: enough that two contents never meet, and half the header.
const TAG_BYTES: usize = 16;

/// Reads a file, as that encoding of an asset.
pub(super) fn load(path: &Path, encoding: Encoding, largest_in_memory: u64) -> Result<Variant, AssetsError> {
    read(path, encoding, largest_in_memory)
        .map_err(|source| AssetsError::Unreadable { path: path.to_owned(), source })
}

/// Content that is not from a file.
pub(super) fn from_memory(bytes: Bytes) -> Variant {
    variant(Encoding::Identity, Sha256::new_with_prefix(&bytes), Content::Memory(bytes))
}

fn read(path: &Path, encoding: Encoding, largest_in_memory: u64) -> io::Result<Variant> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() <= largest_in_memory {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let bytes = Bytes::from(bytes);
        return Ok(variant(encoding, Sha256::new_with_prefix(&bytes), Content::Memory(bytes)));
    }
    let content =
        Content::Disk { path: path.to_owned(), length: metadata.len(), modified: metadata.modified().ok() };
    Ok(variant(encoding, hash(&mut file)?, content))
}

fn hash(file: &mut File) -> io::Result<Sha256> {
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hash),
            length => hash.update(&block[..length]),
        }
    }
}

fn variant(encoding: Encoding, hash: Sha256, content: Content) -> Variant {
    let digits: String = hash.finalize().iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let tag = match encoding.extension() {
        "" => format!("\"{digits}\""),
        extension => format!("\"{digits}-{extension}\""),
    };
    #[allow(clippy::expect_used, reason = "the tag is made of quotes, hex digits and a known ending")]
    let entity_tag = HeaderValue::try_from(tag).expect("an entity tag is a header value");
    Variant { encoding, entity_tag, content }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_stays_on_disk_and_has_the_same_tag() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("film");
        std::fs::write(&path, vec![7; 3 * BLOCK + 1]).unwrap();
        let held = load(&path, Encoding::Identity, u64::MAX).unwrap();
        let left = load(&path, Encoding::Identity, 10).unwrap();
        assert!(matches!(held.content, Content::Memory(_)));
        assert!(matches!(left.content, Content::Disk { .. }));
        assert_eq!(held.entity_tag, left.entity_tag);
        assert_eq!(held.length(), left.length());
    }

    #[test]
    fn a_tag_depends_on_content_and_encoding() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("script");
        std::fs::write(&path, "one").unwrap();
        let plain = load(&path, Encoding::Identity, 10).unwrap().entity_tag;
        let brotli = load(&path, Encoding::Brotli, 10).unwrap().entity_tag;
        std::fs::write(&path, "two").unwrap();
        let other = load(&path, Encoding::Identity, 10).unwrap().entity_tag;
        // The first half of the SHA-256 of "one".
        assert_eq!(plain, "\"7692c3ad3540bb803c020b3aee66cd88\"");
        assert_eq!(brotli, "\"7692c3ad3540bb803c020b3aee66cd88-br\"");
        assert_ne!(plain, other);
    }
}
