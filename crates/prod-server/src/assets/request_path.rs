//! Owns the way from the path of a request line to a key of the index: percent-decoding, once, and the
//! refusal of spellings that have no place in a URL of a file. Files are looked up by exact key and never
//! opened by path, so nothing here has to keep anyone out of the file system.

use std::borrow::Cow;

/// The key of a path, without the slash in front, or nothing if no file can be meant.
///
/// Refused are wrong escapes, bytes that are not UTF-8, NUL, escaped slashes, backslashes, empty segments,
/// and the segments `.` and `..`.
pub(super) fn decode(path: &str) -> Option<Cow<'_, str>> {
    let path = path.strip_prefix('/')?;
    let decoded = if path.contains('%') { Cow::Owned(unescape(path)?) } else { Cow::Borrowed(path) };
    let is_sound = !decoded.contains(['\0', '\\']) && segments(&decoded).all(|segment| !is_improper(segment));
    is_sound.then_some(decoded)
}

/// The segments of a key; a slash at the end does not begin another one.
pub(super) fn segments(key: &str) -> impl Iterator<Item = &str> {
    let is_root = key.is_empty();
    key.strip_suffix('/').unwrap_or(key).split('/').filter(move |_| !is_root)
}

fn is_improper(segment: &str) -> bool {
    matches!(segment, "" | "." | "..")
}

fn unescape(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => match hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)? {
                // It would read as a separator from here on, although it was sent as part of a name.
                b'/' => return None,
                unescaped => unescaped,
            },
            plain => plain,
        };
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_paths_are_decoded_once() {
        let cases = [
            ("/", ""),
            ("/about", "about"),
            ("/about/", "about/"),
            ("/a/b.js", "a/b.js"),
            ("/caf%C3%A9", "café"),
            ("/a%20b", "a b"),
            ("/100%25", "100%"),
            ("/%252e%252e", "%2e%2e"),
            ("/..a/b..", "..a/b.."),
        ];
        for (path, key) in cases {
            assert_eq!(decode(path).as_deref(), Some(key), "{path}");
        }
    }

    #[test]
    fn spellings_without_a_file_behind_them_are_refused() {
        let refused = [
            "",
            "*",
            "about",
            "//",
            "//evil.example",
            "/a//b",
            "/..",
            "/../a",
            "/a/../b",
            "/a/..",
            "/a/../",
            "/./a",
            "/%2e%2e/a",
            "/a/%2E%2e",
            "/a%2fb",
            "/a%2Fb",
            "/..%2f..%2fetc",
            "/a%5cb",
            "/a\\b",
            "/a%00b",
            "/%",
            "/%4",
            "/%zz",
            "/%+1",
            "/%ff",
            "/%C3",
        ];
        for path in refused {
            assert_eq!(decode(path), None, "{path}");
        }
    }
}
