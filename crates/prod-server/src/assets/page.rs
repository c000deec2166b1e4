//! Owns the question whether a request wants a page, and so whether the fallback page is an answer to it.

use actix_web::http::header::{ACCEPT, HeaderMap, HeaderName};

use super::accept::parts;

/// What a browser says a request is for. It is sent to `https` and `localhost`, and cannot be set by a
/// script.
const FETCH_DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Whether the client accepts HTML.
///
/// A browser that navigates names `text/html`. One that says what a request is for and accepts just anything
/// runs a script's `fetch`, whose author would rather read "404" than parse a page as data. Without that
/// header, accepting anything is enough: that is how link previews, monitors and curl ask.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let anything_will_do = !headers.contains_key(FETCH_DESTINATION);
    let mut ranges =
        headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok()).flat_map(parts).peekable();
    if ranges.peek().is_none() {
        return anything_will_do;
    }
    // The most specific range that covers HTML decides, whatever its place in the list.
    let html = ranges.filter_map(|range| Some((specificity(range.name)?, range.weight))).max();
    html.is_some_and(|(specificity, weight)| weight > 0 && (specificity > 0 || anything_will_do))
}

fn specificity(media_range: &str) -> Option<u8> {
    match media_range {
        "*/*" => Some(0),
        range if range.eq_ignore_ascii_case("text/*") => Some(1),
        range if range.eq_ignore_ascii_case("text/html") => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn is_wanted_with(accept: Option<&'static str>, destination: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        if let Some(destination) = destination {
            headers.insert(FETCH_DESTINATION, HeaderValue::from_static(destination));
        }
        is_wanted(&headers)
    }

    #[test]
    fn those_who_accept_html_want_a_page() {
        let cases = [
            (None, true),
            (Some(""), true),
            (Some("*/*"), true),
            (Some("text/html"), true),
            (Some("Text/HTML;charset=utf-8"), true),
            (Some("text/*;q=0.1"), true),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), true),
            (Some("application/json"), false),
            (Some("application/json, text/plain"), false),
            (Some("image/avif,image/webp,image/*"), false),
            (Some("text/html;q=0, */*"), false),
            (Some("text/html;q=0"), false),
            (Some("*/*;q=0"), false),
        ];
        for (accept, expected) in cases {
            assert_eq!(is_wanted_with(accept, None), expected, "{accept:?}");
        }
    }

    #[test]
    fn a_script_that_accepts_anything_does_not_want_a_page() {
        assert!(!is_wanted_with(Some("*/*"), Some("empty")));
        assert!(!is_wanted_with(Some("*/*"), Some("script")));
        assert!(!is_wanted_with(None, Some("empty")));
        assert!(is_wanted_with(Some("text/html"), Some("empty")));
        assert!(is_wanted_with(Some("text/html,*/*;q=0.8"), Some("document")));
    }
}
