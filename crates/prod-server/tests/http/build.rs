//! A small build, as SvelteKit and the build script leave it.

use std::fs;
use std::path::Path;

pub(crate) const SCRIPT: &[u8] = b"console.log('a script of forty-two bytes');";
/// Nothing here decodes these, so that any bytes will do: the server has to pass them on as they are.
pub(crate) const SCRIPT_GZIP: &[u8] = b"\x1f\x8bgzip";
pub(crate) const SCRIPT_BROTLI: &[u8] = b"\x00brotli";

/// Larger than what the tests let the server hold in memory, and than a block that it reads at a time.
pub(crate) const LARGEST_IN_MEMORY: u64 = 1024;

pub(crate) fn film() -> Vec<u8> {
    (0..200_000_u32).map(|number| (number % 251) as u8).collect()
}

/// Writes it into a directory.
pub(crate) fn write(directory: &Path) {
    let files: [(&str, &[u8]); 17] = [
        ("index.html", b"the root page"),
        ("200.html", b"the fallback page"),
        ("about.html", b"the about page"),
        ("docs/index.html", b"the docs page"),
        ("café.html", b"the coffee page"),
        ("robots.txt", b"User-agent: *"),
        ("_app/env.js", b"export const env={\"PUBLIC_NAME\":\"of the build\"}"),
        ("_app/env.js.br", b"brotli of the build"),
        ("_app/immutable/start.js", SCRIPT),
        ("_app/immutable/start.js.gz", SCRIPT_GZIP),
        ("_app/immutable/start.js.br", SCRIPT_BROTLI),
        ("lonely.gz", b"alone"),
        ("film.mp4", &film()),
        (".env", b"SESSION_SECRET=secret"),
        (".git/config", b"secret"),
        ("docs/.htpasswd", b"secret"),
        (".well-known/security.txt", b"Contact: us"),
    ];
    for (name, content) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}
