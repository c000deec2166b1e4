//! Owns the choice of `Content-Type`, which is by file name. The table is `mime_guess`'s, but for the endings
//! that it gets wrong on the web.

use actix_web::http::header::HeaderValue;

/// The type for a file name. Text is UTF-8: it is what SvelteKit and its tools write.
pub(super) fn content_type(name: &str) -> HeaderValue {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
        // RFC 9239 has one name for scripts, whatever the ending.
        "js" | "mjs" | "cjs" => HeaderValue::from_static("text/javascript; charset=utf-8"),
        // Source maps are JSON, and `.ts` is a script before it is a film.
        "map" => HeaderValue::from_static("application/json"),
        "ts" => HeaderValue::from_static("text/plain; charset=utf-8"),
        _ => guess(name),
    }
}

fn guess(name: &str) -> HeaderValue {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    let text = match guess.type_().as_str() {
        "text" => format!("{guess}; charset=utf-8"),
        _ => guess.to_string(),
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endings_of_a_build_have_their_types() {
        let cases = [
            ("200.html", "text/html; charset=utf-8"),
            ("_app/immutable/entry/start.Dy3x.js", "text/javascript; charset=utf-8"),
            ("worker.mjs", "text/javascript; charset=utf-8"),
            ("app.CSS", "text/css; charset=utf-8"),
            ("app.js.map", "application/json"),
            ("_app/version.json", "application/json"),
            ("site.webmanifest", "application/manifest+json"),
            ("icon.svg", "image/svg+xml"),
            ("favicon.ico", "image/x-icon"),
            ("photo.avif", "image/avif"),
            ("font.woff2", "font/woff2"),
            ("code.wasm", "application/wasm"),
            ("robots.txt", "text/plain; charset=utf-8"),
            ("feed.xml", "text/xml; charset=utf-8"),
            ("example.ts", "text/plain; charset=utf-8"),
            ("LICENSE", "application/octet-stream"),
            ("data.unheard-of", "application/octet-stream"),
        ];
        for (name, expected) in cases {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }
}
