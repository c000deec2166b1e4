//! Owns ranges: which part of a variant a request asks for, by RFC 9110 section 14. One range is answered
//! with that part; several in one request are answered with the whole, as the RFC allows.

use std::ops::Range;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::RANGE;

use super::asset::Variant;
use super::conditions;

/// What to send of a variant.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Selection {
    Whole,
    /// Never empty, and inside the content.
    Part(Range<u64>),
    Unsatisfiable,
}

/// What a request asks for.
pub(super) fn select(request: &ServiceRequest, variant: &Variant) -> Selection {
    match request.headers().get(RANGE).map(|value| value.to_str()) {
        Some(Ok(value))
            if request.method() == Method::GET
                && conditions::allow_range(request.headers(), &variant.entity_tag) =>
        {
            parse(value, variant.length())
        }
        _ => Selection::Whole,
    }
}

/// Units other than bytes and malformed values are to be ignored, which means the whole.
fn parse(value: &str, length: u64) -> Selection {
    let range = value.split_once('=').filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"));
    let Some((first, last)) = range.and_then(|(_, range)| range.trim().split_once('-')) else {
        return Selection::Whole;
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Selection::Whole,
        (Some(first), Some(last)) => part(first, last.saturating_add(1).min(length)),
        (Some(first), None) if last.is_empty() => part(first, length),
        (None, Some(suffix)) if first.is_empty() => part(length.saturating_sub(suffix), length),
        _ => Selection::Whole,
    }
}

fn part(start: u64, end: u64) -> Selection {
    if start < end { Selection::Part(start..end) } else { Selection::Unsatisfiable }
}

/// A number that is too large for us is as good as the largest: nothing we have is that long.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Selection::{Part, Unsatisfiable, Whole};

    #[test]
    fn one_range_is_cut_out_and_anything_odd_is_the_whole() {
        let cases = [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-9", Part(0..10)),
            ("bytes=2-4", Part(2..5)),
            ("bytes=2-", Part(2..10)),
            ("bytes=9-99", Part(9..10)),
            ("bytes=-3", Part(7..10)),
            ("bytes=-99", Part(0..10)),
            ("BYTES= 1-2 ", Part(1..3)),
            ("bytes=0-99999999999999999999999", Part(0..10)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-12", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=4-2", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
            ("bytes=a-b", Whole),
            ("bytes=1-+2", Whole),
            ("bytes=1-x", Whole),
            ("lines=1-2", Whole),
        ];
        for (value, expected) in cases {
            assert_eq!(parse(value, 10), expected, "{value}");
        }
    }

    #[test]
    fn nothing_can_be_cut_out_of_an_empty_file() {
        assert_eq!(parse("bytes=0-", 0), Unsatisfiable);
        assert_eq!(parse("bytes=-1", 0), Unsatisfiable);
    }
}
