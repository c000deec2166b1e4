//! Takes apart what ts-rs has spelt, so that nobody takes a comment or a name in quotes for code.

/// A part of a type in TypeScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A comment, from `/**` to the line that ends it.
    Comment(&'a str),
    /// A text in quotes, with them.
    Quoted(&'a str),
    /// One character of everything else.
    Code(char),
}

/// The parts of a text, in order.
pub(super) fn parts(mut text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    while let Some(first) = text.chars().next() {
        let (length, part) = match first {
            '/' if text.starts_with("/**") => {
                let length = comment_length(text);
                (length, Part::Comment(&text[..length]))
            }
            '"' => {
                let length = quoted_length(text);
                (length, Part::Quoted(&text[..length]))
            }
            character => (character.len_utf8(), Part::Code(character)),
        };
        parts.push(part);
        text = &text[length..];
    }
    parts
}

/// The text without comments, with one space where there is space.
pub(super) fn without_comments(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for part in parts(text) {
        match part {
            Part::Comment(_) => {}
            Part::Quoted(quoted) => result.push_str(quoted),
            Part::Code(space) if space.is_whitespace() => {
                if !result.ends_with(' ') {
                    result.push(' ');
                }
            }
            Part::Code(character) => result.push(character),
        }
    }
    result.trim().to_owned()
}

/// ts-rs writes the end of a comment on a line of its own, and does not look at what is said before it.
fn comment_length(text: &str) -> usize {
    const END: &str = "\n */";
    text.find(END).map_or(text.len(), |at| at + END.len())
}

fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, character)| {
        let is_end = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        is_end
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_quotes_are_no_code() {
        let text = "{\n/**\n * As in src/**/*.rs, \"or\" not.\n */\na: \"/* b\" }";
        let comment = "/**\n * As in src/**/*.rs, \"or\" not.\n */";
        let parts: Vec<_> = parts(text).into_iter().filter(|part| !matches!(part, Part::Code(_))).collect();
        assert_eq!(parts, [Part::Comment(comment), Part::Quoted("\"/* b\"")]);
        assert_eq!(without_comments(text), "{ a: \"/* b\" }");
    }

    #[test]
    fn a_text_that_does_not_end_is_no_harm() {
        assert_eq!(parts("\"a"), [Part::Quoted("\"a")]);
        assert_eq!(parts("/** a"), [Part::Comment("/** a")]);
    }
}
