//! Lays TypeScript out for people: a field to a line where one line is not enough, so that a change of one field is a
//! change of one line.

/// As long as a line may be, in bytes.
const WIDTH: usize = 100;

/// A JSDoc comment as it stands before a declaration: on one line if it has one.
pub(super) fn comment(text: &str, indent: usize) -> String {
    let inside = text.trim().trim_start_matches("/**").trim_end_matches("*/").trim();
    let lines: Vec<_> = inside.lines().map(|line| line.trim().trim_start_matches('*').trim()).collect();
    let tabs = "\t".repeat(indent);
    match lines.as_slice() {
        [line] => format!("{tabs}/** {line} */\n"),
        lines => {
            let lines: String =
                lines.iter().map(|line| format!("{tabs} * {line}").trim_end().to_owned() + "\n").collect();
            format!("{tabs}/**\n{lines}{tabs} */\n")
        }
    }
}

/// A declaration on one line, or with a line for each field.
pub(super) fn declaration(text: &str) -> String {
    let text = &without_needless_quotes(text);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace(", }", " }");
    if line.len() <= WIDTH && !line.contains("/*") { line } else { broken(text) }
}

/// serde's tags come as `"type": …`, where `type: …` is the same.
fn without_needless_quotes(text: &str) -> String {
    let (mut result, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(['"', '/']) {
        let (before, from_here) = rest.split_at(at);
        result.push_str(before);
        let (part, behind) = match from_here {
            comment if comment.starts_with("/*") => split_behind(comment, "*/"),
            slash if slash.starts_with('/') => slash.split_at(1),
            quote => quoted(quote),
        };
        let name = part.trim_matches('"');
        let is_needless = part.starts_with('"') && behind.starts_with(':') && is_identifier(name);
        result.push_str(if is_needless { name } else { part });
        rest = behind;
    }
    result + rest
}

fn is_identifier(name: &str) -> bool {
    let is_fine = |character: char| character.is_ascii_alphanumeric() || character == '_';
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.chars().all(is_fine)
}

fn broken(text: &str) -> String {
    let mut writer = Writer::default();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = match character {
            '/' if rest.starts_with("/*") => {
                let (comment, rest) = split_behind(rest, "*/");
                writer.comment(comment);
                rest
            }
            '"' => {
                let (quoted, rest) = quoted(rest);
                writer.write(quoted);
                rest
            }
            _ => {
                writer.character(character);
                &rest[character.len_utf8()..]
            }
        };
    }
    writer.text
}

fn split_behind<'a>(text: &'a str, end: &str) -> (&'a str, &'a str) {
    text.find(end).map_or((text, ""), |at| text.split_at(at + end.len()))
}

/// Splits a text that begins with a quote behind the other quote.
fn quoted(text: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, character)| {
        let is_end = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        is_end
    });
    end.map_or((text, ""), |(at, _)| text.split_at(at + 1))
}

#[derive(Default)]
struct Writer {
    text: String,
    /// Braces that are open.
    depth: usize,
    /// Other brackets that are open: a comma in them separates no fields.
    inner: usize,
    /// A field, or the end of an object, comes next, on a line of its own.
    at_line_start: bool,
}

impl Writer {
    fn character(&mut self, character: char) {
        match character {
            '{' => {
                self.write("{");
                self.depth += 1;
                self.at_line_start = true;
            }
            '}' => {
                if !self.text.trim_end().ends_with(['{', ';']) {
                    self.text.truncate(self.text.trim_end().len());
                    self.text.push(';');
                }
                self.depth = self.depth.saturating_sub(1);
                self.at_line_start = true;
                self.write("}");
            }
            ',' if self.inner == 0 && self.depth > 0 => {
                self.text.push(';');
                self.at_line_start = true;
            }
            character if character.is_whitespace() => {
                if !self.at_line_start && !self.text.ends_with(' ') {
                    self.text.push(' ');
                }
            }
            character => {
                match character {
                    '<' | '[' | '(' => self.inner += 1,
                    '>' | ']' | ')' => self.inner = self.inner.saturating_sub(1),
                    _ => {}
                }
                self.write(character.encode_utf8(&mut [0; 4]));
            }
        }
    }

    fn write(&mut self, text: &str) {
        if std::mem::take(&mut self.at_line_start) {
            self.begin_line();
            self.text.push_str(&"\t".repeat(self.depth));
        }
        self.text.push_str(text);
    }

    fn comment(&mut self, text: &str) {
        self.begin_line();
        self.text.push_str(&comment(text, self.depth));
        self.at_line_start = true;
    }

    fn begin_line(&mut self) {
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_on_its_line() {
        assert_eq!(
            declaration("type A = { a: number, b: Array<B>, };"),
            "type A = { a: number, b: Array<B> };"
        );
    }

    #[test]
    fn what_does_not_fit_gets_a_line_for_each_field() {
        let text =
            "type A = { \n/**\n * The \"first\", {of} them.\n */\na: number, \"b, c\": Map<string, B>, };";
        let lines =
            "type A = {\n\t/** The \"first\", {of} them. */\n\ta: number;\n\t\"b, c\": Map<string, B>;\n};";
        assert_eq!(declaration(text), lines);
    }

    #[test]
    fn a_union_of_objects_is_broken_in_each() {
        let long = "x".repeat(100);
        let text = format!("type A = {{ \"type\": \"a\", {long}: number, }} | {{ \"type\": \"b\" }};");
        let lines = format!("type A = {{\n\ttype: \"a\";\n\t{long}: number;\n}} | {{\n\ttype: \"b\";\n}};");
        assert_eq!(declaration(&text), lines);
    }

    #[test]
    fn a_comment_of_several_lines_keeps_them() {
        assert_eq!(
            comment("/**\n * One.\n *\n * Two.\n */\n", 1),
            "\t/**\n\t * One.\n\t *\n\t * Two.\n\t */\n"
        );
    }
}
