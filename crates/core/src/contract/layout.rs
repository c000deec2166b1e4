//! Lays TypeScript out for people: a field to a line where one line is not enough, so that a change of one field is a
//! change of one line.

use super::parts::{Part, parts};

/// As long as a line may be, in bytes.
const WIDTH: usize = 100;

/// A comment as it stands before a declaration: on one line if it has one.
pub(super) fn comment(text: &str, indent: usize) -> String {
    let inside = text.trim();
    let inside = inside.strip_prefix("/**").unwrap_or(inside);
    // What is said may end a comment, but not this one.
    let inside = inside.strip_suffix("*/").unwrap_or(inside).replace("*/", "*\\/");
    let lines = inside.trim().lines().map(str::trim);
    let lines: Vec<_> = lines.map(|line| line.strip_prefix('*').unwrap_or(line).trim()).collect();
    let tabs = "\t".repeat(indent);
    match lines.as_slice() {
        [line] => format!("{tabs}/** {line} */\n"),
        lines => {
            let line = |line: &&str| format!("{tabs} * {line}").trim_end().to_owned() + "\n";
            format!("{tabs}/**\n{}{tabs} */\n", lines.iter().map(line).collect::<String>())
        }
    }
}

/// A declaration on one line, or with a line for each field.
pub(super) fn declaration(text: &str) -> String {
    let parts = parts(text);
    let line = write(&parts, false);
    let is_documented = parts.iter().any(|part| matches!(part, Part::Comment(_)));
    if line.len() <= WIDTH && !is_documented { line } else { write(&parts, true) }
}

fn write(parts: &[Part<'_>], in_lines: bool) -> String {
    let mut writer = Writer { in_lines, text: String::new(), open: Vec::new(), at_line_start: false };
    for (place, part) in parts.iter().enumerate() {
        match *part {
            Part::Comment(text) => writer.comment(text),
            Part::Quoted(quoted) => {
                // serde's tags come as `"type": …`, where `type: …` is the same.
                let name = quoted.trim_matches('"');
                let is_key = parts.get(place + 1) == Some(&Part::Code(':'));
                writer.write(if is_key && is_identifier(name) { name } else { quoted });
            }
            Part::Code(character) => writer.character(character),
        }
    }
    writer.text
}

/// Whether it can be the name of a type, or of a field without quotes.
pub(super) fn is_identifier(name: &str) -> bool {
    let is_fine = |character: char| character.is_ascii_alphanumeric() || character == '_';
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.chars().all(is_fine)
}

struct Writer {
    /// Whether each field gets a line.
    in_lines: bool,
    text: String,
    /// The brackets that are open: a comma separates fields in the innermost braces only.
    open: Vec<char>,
    /// A field, or the end of an object, comes next, on a line of its own.
    at_line_start: bool,
}

impl Writer {
    fn character(&mut self, character: char) {
        match character {
            '{' => {
                self.write("{");
                self.open.push('{');
                self.at_line_start = self.in_lines;
            }
            '}' => {
                self.end_last_field();
                self.open.pop();
                self.at_line_start = self.in_lines;
                self.write("}");
            }
            ',' if self.in_lines && self.open.last() == Some(&'{') => {
                self.text.push(';');
                self.at_line_start = true;
            }
            space if space.is_whitespace() => {
                if !self.at_line_start && !self.text.ends_with(' ') {
                    self.text.push(' ');
                }
            }
            character => {
                match character {
                    '<' | '[' | '(' => self.open.push(character),
                    '>' | ']' | ')' => drop(self.open.pop()),
                    _ => {}
                }
                self.write(character.encode_utf8(&mut [0; 4]));
            }
        }
    }

    /// The last field has what all have where each has a line, and nothing behind it where all are on one.
    fn end_last_field(&mut self) {
        let end = self.text.trim_end().trim_end_matches(',').len();
        if self.in_lines {
            self.text.truncate(end);
            if !self.text.ends_with(['{', ';']) {
                self.text.push(';');
            }
        } else if self.text[end..].contains(',') {
            self.text.truncate(end);
            self.text.push(' ');
        }
    }

    fn write(&mut self, text: &str) {
        if std::mem::take(&mut self.at_line_start) {
            self.begin_line();
            self.text.push_str(&"\t".repeat(self.depth()));
        }
        self.text.push_str(text);
    }

    fn comment(&mut self, text: &str) {
        self.begin_line();
        self.text.push_str(&comment(text, self.depth()));
        self.at_line_start = true;
    }

    fn depth(&self) -> usize {
        self.open.iter().filter(|bracket| **bracket == '{').count()
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
        assert_eq!(declaration("type A = \"two  spaces, }\";"), "type A = \"two  spaces, }\";");
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
    fn objects_in_other_brackets_keep_their_shape() {
        let long = "x".repeat(100);
        let text = format!("type A = {{ a: Array<{{ {long}: B<C, D>, e: [F, G], }}>, }} & ({{ h: I, }});");
        let lines = format!(
            "type A = {{\n\ta: Array<{{\n\t\t{long}: B<C, D>;\n\t\te: [F, G];\n\t}}>;\n}} & ({{\n\th: I;\n}});"
        );
        assert_eq!(declaration(&text), lines);
    }

    #[test]
    fn a_comment_of_several_lines_keeps_them() {
        assert_eq!(
            comment("/**\n * One.\n *\n * Two.\n */\n", 1),
            "\t/**\n\t * One.\n\t *\n\t * Two.\n\t */\n"
        );
    }

    #[test]
    fn nothing_that_is_said_ends_its_comment() {
        assert_eq!(comment("/**\n * As in src/**/*.rs\n */\n", 0), "/** As in src/**\\/*.rs */\n");
        assert_eq!(comment("/**\n * **\n */\n", 0), "/** ** */\n");
    }
}
