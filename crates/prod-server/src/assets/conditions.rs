//! Owns the preconditions of RFC 9110 section 13 that compare entity tags. Dates are not compared and
//! `Last-Modified` is not sent: a deploy gives new dates to old content, and the tags are exact.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, IF_RANGE};

/// What the preconditions of a request come to.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Proceed,
    NotModified,
    Failed,
}

/// Compares the preconditions with our tag, in the order that the RFC gives them.
pub(super) fn evaluate(headers: &HeaderMap, entity_tag: &HeaderValue) -> Verdict {
    if headers.contains_key(IF_MATCH) && !any_matches(headers, IF_MATCH, entity_tag, strong) {
        return Verdict::Failed;
    }
    if any_matches(headers, IF_NONE_MATCH, entity_tag, weak) {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Whether a range may be cut out: there is no `If-Range`, or it names the content that we have.
pub(super) fn allow_range(headers: &HeaderMap, entity_tag: &HeaderValue) -> bool {
    headers.get(IF_RANGE).is_none_or(|value| value == entity_tag)
}

fn any_matches(
    headers: &HeaderMap,
    name: HeaderName,
    entity_tag: &HeaderValue,
    compare: fn(&[u8], &[u8]) -> bool,
) -> bool {
    let own = entity_tag.as_bytes();
    headers.get_all(name).any(|value| {
        let value = value.as_bytes().trim_ascii();
        value == b"*" || Tags(value).any(|tag| compare(tag, own))
    })
}

fn strong(theirs: &[u8], own: &[u8]) -> bool {
    theirs == own
}

/// Ours are strong, so only their mark has to go. A cache or proxy that compressed our answer will have put
/// it there.
fn weak(theirs: &[u8], own: &[u8]) -> bool {
    theirs.strip_prefix(b"W/").unwrap_or(theirs) == own
}

/// The tags of a list, quotes and mark included. A comma inside quotes belongs to the tag. It ends at the
/// first thing that is not a tag.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.0.iter().position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
        let rest = &self.0[start..];
        let quoted = rest.strip_prefix(b"W/").unwrap_or(rest).strip_prefix(b"\"")?;
        let end = rest.len() - quoted.len() + quoted.iter().position(|byte| *byte == b'"')? + 1;
        let (tag, rest) = rest.split_at(end);
        self.0 = rest;
        Some(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: HeaderValue = HeaderValue::from_static("\"abc-br\"");

    fn verdict(name: HeaderName, lines: &[&'static str]) -> Verdict {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_static(line));
        }
        evaluate(&headers, &TAG)
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let cases = [
            ("\"abc-br\"", Verdict::NotModified),
            ("W/\"abc-br\"", Verdict::NotModified),
            ("*", Verdict::NotModified),
            (" * ", Verdict::NotModified),
            ("\"x\", \"abc-br\"", Verdict::NotModified),
            ("\"x\",W/\"y\",W/\"abc-br\"", Verdict::NotModified),
            ("\"a,b\", \"abc-br\"", Verdict::NotModified),
            (",, \"abc-br\"", Verdict::NotModified),
            ("\"abc\"", Verdict::Proceed),
            ("\"abc-gz\"", Verdict::Proceed),
            ("\"abc-br\"x", Verdict::NotModified),
            ("abc-br", Verdict::Proceed),
            ("\"abc-br", Verdict::Proceed),
            ("\"x,\"abc-br\"", Verdict::Proceed),
            ("w/\"abc-br\"", Verdict::Proceed),
            ("\"*\"", Verdict::Proceed),
            ("", Verdict::Proceed),
        ];
        for (header, expected) in cases {
            assert_eq!(verdict(IF_NONE_MATCH, &[header]), expected, "{header}");
        }
        assert_eq!(verdict(IF_NONE_MATCH, &["\"x\"", "\"abc-br\""]), Verdict::NotModified);
        assert_eq!(verdict(IF_NONE_MATCH, &[]), Verdict::Proceed);
    }

    #[test]
    fn if_match_compares_strongly() {
        let cases = [
            ("\"abc-br\"", Verdict::Proceed),
            ("*", Verdict::Proceed),
            ("\"x\", \"abc-br\"", Verdict::Proceed),
            ("W/\"abc-br\"", Verdict::Failed),
            ("\"x\"", Verdict::Failed),
            ("", Verdict::Failed),
        ];
        for (header, expected) in cases {
            assert_eq!(verdict(IF_MATCH, &[header]), expected, "{header}");
        }
    }

    #[test]
    fn if_range_takes_our_exact_tag_and_no_date() {
        let cases = [
            (Some("\"abc-br\""), true),
            (None, true),
            (Some("W/\"abc-br\""), false),
            (Some("\"abc\""), false),
            (Some("Mon, 23 Nov 2026 05:30:00 GMT"), false),
        ];
        for (header, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(IF_RANGE, HeaderValue::from_static(header));
            }
            assert_eq!(allow_range(&headers, &TAG), expected, "{header:?}");
        }
    }
}
