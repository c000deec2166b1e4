//! What the errors of calls have to look like: objects that a page tells apart by their `type`, beside those that its
//! layer makes of everything else that can go wrong.

/// The types that the front end's layer gives to what every call can fail with.
const TAKEN: [&str; 6] = ["malformed", "changed", "signed_out", "denied", "unreachable", "failed"];

/// Why an error cannot be told apart from others.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// It is something else than objects that begin with a `type`.
    Untagged,
    /// One of its types has a meaning already.
    Taken(String),
}

/// Looks at the error of a call as it is spelt in TypeScript, without comments.
pub(super) fn check(spelling: &str) -> Result<(), Unclear> {
    if spelling == "never" {
        return Ok(());
    }
    for object in members(spelling) {
        let tag = object.strip_prefix("{ \"type\": \"").and_then(|rest| rest.split_once('"'));
        match tag {
            None => return Err(Unclear::Untagged),
            Some((tag, _)) if TAKEN.contains(&tag) => return Err(Unclear::Taken(tag.to_owned())),
            Some(_) => {}
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

    #[test]
    fn errors_are_objects_with_a_type_or_never_happen() {
        for fine in [
            "never",
            "{ \"type\": \"empty\" }",
            "{ \"type\": \"too_long\", limit: number, } | { \"type\": \"a | b\" } & { of: Array<A | B> }",
        ] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for bad in ["string", "null", "{ code: number, }", "{ \"type\": \"a\" } | \"b\"", "\"a\" | \"b\""] {
            assert_eq!(check(bad), Err(Unclear::Untagged), "{bad}");
        }
    }

    #[test]
    fn types_that_have_a_meaning_are_taken() {
        let taken = check("{ \"type\": \"empty\" } | { \"type\": \"denied\", why: string, }");
        assert_eq!(taken, Err(Unclear::Taken("denied".to_owned())));
    }
}
