//! The answer while Vite cannot be reached: for a page, one that looks again by itself.

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};

/// 502, as a page if a page was asked for.
pub(crate) fn answer(request: &HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::BadGateway();
    response.insert_header((header::CACHE_CONTROL, "no-store")).insert_header((header::RETRY_AFTER, "1"));
    if wants_page(request) {
        return response.content_type("text/html; charset=utf-8").body(PAGE);
    }
    response.content_type("text/plain; charset=utf-8").body("Vite cannot be reached; see the terminal\n")
}

fn wants_page(request: &HttpRequest) -> bool {
    let accepts_html = request
        .headers()
        .get_all(header::ACCEPT)
        .any(|value| value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("text/html")));
    accepts_html && matches!(*request.method(), Method::GET | Method::HEAD)
}

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="1">
<title>Waiting for the front end…</title>
<style>
:root { color-scheme: light dark }
body { margin: 0; padding: 12vh 1.25rem; font: 1rem/1.5 system-ui, sans-serif }
main { max-width: 44rem; margin: 0 auto }
h1 { font-size: 1.5rem }
</style>
</head>
<body>
<main>
<h1>The front end cannot be reached</h1>
<p>The application runs, but Vite, which serves its pages, does not answer. If it does not come up within some seconds,
the terminal in which <code>dev-server</code> runs says why.</p>
<p>This page looks again every second.</p>
</main>
</body>
</html>
"#;
