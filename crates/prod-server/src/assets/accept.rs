//! Owns the grammar that `Accept` and `Accept-Encoding` share: a list of names with weights.

/// One member of such a list.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    /// In thousandths, as that is all the precision there is. One that is malformed counts as 0.
    pub(super) weight: u16,
}

/// The members of a header value, in its order. Parameters other than the weight are left out.
pub(super) fn parts(value: &str) -> impl Iterator<Item = Part<'_>> {
    value.split(',').filter_map(|member| {
        let mut fields = member.split(';').map(str::trim);
        let name = fields.next().filter(|name| !name.is_empty())?;
        let weight = fields.find_map(|field| field.strip_prefix("q=").or(field.strip_prefix("Q=")));
        Some(Part { name, weight: weight.map_or(1000, |weight| thousandths(weight).unwrap_or(0)) })
    })
}

fn thousandths(weight: &str) -> Option<u16> {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_to_three_places() {
        let cases = [
            ("1", Some(1000)),
            ("1.", Some(1000)),
            ("1.000", Some(1000)),
            ("0", Some(0)),
            ("0.5", Some(500)),
            ("0.25", Some(250)),
            ("0.001", Some(1)),
            ("0.0001", None),
            ("1.001", None),
            ("2", None),
            ("", None),
            (".5", None),
            ("-1", None),
            ("0.+1", None),
            ("0.é", None),
        ];
        for (weight, expected) in cases {
            assert_eq!(thousandths(weight), expected, "{weight}");
        }
    }

    #[test]
    fn other_parameters_and_empty_members_are_passed_over() {
        let listed: Vec<_> = parts("text/html;level=1; q=0.5,, */* ;q=x").collect();
        assert_eq!(listed, [Part { name: "text/html", weight: 500 }, Part { name: "*/*", weight: 0 }]);
    }
}
