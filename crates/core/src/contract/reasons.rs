//! What the errors of calls have to look like: objects that a page tells apart by their `type`, beside those that its
//! layer makes of everything else that can go wrong.

/// The types that the front end's layer gives to what every call can fail with.
const TAKEN: [&str; 6] = ["malformed", "changed", "signed_out", "denied", "unreachable", "failed"];

/// Why an error cannot be told apart from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// It is something else than objects that begin with a `type`.
    Untagged,
    /// One of its types has a meaning already.
    Taken(String),
}

/// Looks at the error of a call as it is spelt in TypeScript, without comments. `declared` knows the declarations of
/// the types that it names.
pub(super) fn check(spelling: &str, declared: impl Fn(&str) -> Option<String> + Copy) -> Result<(), Unclear> {
    if spelling == "never" {
        return Ok(());
    }
    for member in members(spelling) {
        let tag = member.strip_prefix("{ \"type\": \"").and_then(|rest| rest.split_once('"'));
        match tag {
            Some((tag, _)) if TAKEN.contains(&tag) => return Err(Unclear::Taken(tag.to_owned())),
            Some(_) => {}
            None => {
                let declaration = declared(member).ok_or(Unclear::Untagged)?;
                let (_, spelling) = declaration.split_once(" = ").ok_or(Unclear::Untagged)?;
                check(spelling.trim_end_matches(';'), declared)?;
            }
        }
    }
    Ok(())
}

/// The members of a union.
fn members(spelling: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut begin, mut members) = (0_usize, false, 0, Vec::new());
    for (at, character) in spelling.char_indices() {
        match character {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' | '[' | '(' | '<' => depth += 1,
            '}' | ']' | ')' | '>' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                members.push(spelling[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    members.push(spelling[begin..].trim());
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(name: &str) -> Option<String> {
        match name {
            "Fine" => Some("type Fine = { \"type\": \"fine\" };".to_owned()),
            "Bad" => Some("type Bad = string;".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn errors_are_objects_with_a_type_or_never_happen() {
        for fine in [
            "never",
            "{ \"type\": \"empty\" }",
            "{ \"type\": \"too_long\", limit: number, } | { \"type\": \"a | b\" } & { of: Array<A | B> }",
            "Fine | { \"type\": \"empty\" }",
        ] {
            assert_eq!(check(fine, declared), Ok(()), "{fine}");
        }
        for bad in
            ["string", "null", "{ code: number, }", "{ \"type\": \"a\" } | \"b\"", "Fine | Bad", "Unknown"]
        {
            assert_eq!(check(bad, declared), Err(Unclear::Untagged), "{bad}");
        }
    }

    #[test]
    fn types_that_have_a_meaning_are_taken() {
        let taken = check("{ \"type\": \"empty\" } | { \"type\": \"denied\", why: string, }", declared);
        assert_eq!(taken, Err(Unclear::Taken("denied".to_owned())));
    }

    #[test]
    fn the_front_end_knows_the_types_that_are_taken() {
        let layer = concat!(env!("CARGO_MANIFEST_DIR"), "/../../frontend/src/lib/duplex/call-error.ts");
        let layer = std::fs::read_to_string(layer).unwrap();
        let (_, union) = layer.split_once("export type Failure =").unwrap();
        let (union, _) = union.split_once(";\n\n").unwrap();
        let theirs: Vec<_> =
            union.split("type: '").skip(1).filter_map(|rest| Some(rest.split_once('\'')?.0)).collect();
        let sorted = |mut types: Vec<&str>| {
            types.sort_unstable();
            types.join(" ")
        };
        assert_eq!(sorted(theirs), sorted(TAKEN.to_vec()));
    }
}
