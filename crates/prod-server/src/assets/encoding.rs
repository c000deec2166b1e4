//! Owns content negotiation: which encoding a client gets, by RFC 9110 section 12.5.3.

use actix_web::http::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};

use super::accept::parts;

/// How the bytes of a variant are encoded. The order is our preference, the last one first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Brotli,
}

/// What a file has besides its plain variant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encodings {
    pub(super) gzip: bool,
    pub(super) brotli: bool,
}

impl Encoding {
    /// The value for `Content-Encoding`, which plain content does not have.
    pub(super) fn header_value(self) -> Option<HeaderValue> {
        match self {
            Encoding::Identity => None,
            Encoding::Gzip => Some(HeaderValue::from_static("gzip")),
            Encoding::Brotli => Some(HeaderValue::from_static("br")),
        }
    }

    /// The ending of the file that holds the variant, without its dot. It tells entity tags apart, too.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Encoding::Identity => "",
            Encoding::Gzip => "gz",
            Encoding::Brotli => "br",
        }
    }
}

/// Chooses the encoding with the highest weight, ours among equals.
///
/// Plain content is the answer to everything that cannot be met, even to `identity;q=0`: a page is of more
/// use than a
/// 406.
pub(super) fn negotiate(headers: &HeaderMap, available: Encodings) -> Encoding {
    if !available.gzip && !available.brotli {
        return Encoding::Identity;
    }
    let weights = Weights::read(headers);
    let mut candidates = [
        (weights.identity(), Encoding::Identity),
        (if available.gzip { weights.of(weights.gzip) } else { 0 }, Encoding::Gzip),
        (if available.brotli { weights.of(weights.brotli) } else { 0 }, Encoding::Brotli),
    ];
    candidates.sort_unstable();
    match candidates {
        [.., (weight, encoding)] if weight > 0 => encoding,
        _ => Encoding::Identity,
    }
}

/// What the client said about each encoding, in thousandths.
#[derive(Default)]
struct Weights {
    identity: Option<u16>,
    gzip: Option<u16>,
    brotli: Option<u16>,
    others: Option<u16>,
}

impl Weights {
    fn read(headers: &HeaderMap) -> Weights {
        let mut weights = Weights::default();
        for part in headers.get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok()).flat_map(parts) {
            let slot = match part.name {
                name if name.eq_ignore_ascii_case("identity") => &mut weights.identity,
                name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                    &mut weights.gzip
                }
                name if name.eq_ignore_ascii_case("br") => &mut weights.brotli,
                "*" => &mut weights.others,
                _ => continue,
            };
            *slot = Some(part.weight);
        }
        weights
    }

    fn of(&self, named: Option<u16>) -> u16 {
        named.or(self.others).unwrap_or(0)
    }

    /// Plain content that is not mentioned is acceptable, but anything that is mentioned is better.
    fn identity(&self) -> u16 {
        self.identity.or(self.others).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Encoding::{Brotli, Gzip, Identity};

    const BOTH: Encodings = Encodings { gzip: true, brotli: true };
    const GZIP: Encodings = Encodings { gzip: true, brotli: false };
    const NONE: Encodings = Encodings { gzip: false, brotli: false };

    #[track_caller]
    fn chosen(lines: &[&'static str], available: Encodings) -> Encoding {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        negotiate(&headers, available)
    }

    #[test]
    fn the_weights_decide_and_then_our_preference() {
        let cases = [
            ("gzip, deflate, br, zstd", Brotli),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", Brotli),
            ("br;q=0.5, gzip", Gzip),
            ("br;q=0, gzip", Gzip),
            ("br;q=0, gzip;q=0", Identity),
            ("br ; q=0.000 , GZIP ; Q=0.001", Gzip),
            ("BR", Brotli),
            ("x-gzip", Gzip),
            ("*", Brotli),
            ("*, br;q=0", Gzip),
            ("br;q=0.2, *;q=0.1", Brotli),
            ("*;q=0", Identity),
            ("*;q=0, gzip", Gzip),
            ("identity", Identity),
            ("identity, gzip;q=0.5", Identity),
            ("identity;q=0.5, gzip;q=0.5", Gzip),
            ("identity;q=0", Identity),
            ("identity;q=0, br", Brotli),
            ("", Identity),
            ("deflate, zstd", Identity),
            ("br;q=high", Identity),
            ("br;q=1.5, gzip;q=0.1", Gzip),
            (",, ,gzip,", Gzip),
            ("brotli, gzipped", Identity),
        ];
        for (header, encoding) in cases {
            assert_eq!(chosen(&[header], BOTH), encoding, "{header}");
        }
    }

    #[test]
    fn only_what_the_file_has_is_chosen() {
        assert_eq!(chosen(&["gzip, br"], GZIP), Gzip);
        assert_eq!(chosen(&["br"], GZIP), Identity);
        assert_eq!(chosen(&["gzip, br"], NONE), Identity);
        assert_eq!(chosen(&[], BOTH), Identity);
    }

    #[test]
    fn several_header_lines_are_one_list() {
        assert_eq!(chosen(&["gzip", "br"], BOTH), Brotli);
        assert_eq!(chosen(&["br;q=0", "gzip"], BOTH), Gzip);
    }
}
