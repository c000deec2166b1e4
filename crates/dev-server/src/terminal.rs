//! What the person at the terminal reads: short lines with a prefix, coloured only on a terminal that wants colours.
//! Nothing here can fail: when nobody reads any more, there is nobody to tell.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// Where lines go. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    colour: bool,
}

impl Terminal {
    /// Colours when standard error is a terminal, unless `NO_COLOR` is set to something.
    pub(crate) fn detect() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: std::io::stderr().is_terminal() && !refused }
    }

    /// Whether tools may colour what they print.
    pub(crate) fn has_colour(self) -> bool {
        self.colour
    }

    /// A line about the run itself.
    pub(crate) fn say(self, text: &str) {
        self.prefixed("dev", CYAN, text);
    }

    /// A line about something that went well and was waited for.
    pub(crate) fn success(self, text: &str) {
        let text = self.painted(GREEN, text);
        self.prefixed("dev", CYAN, &text);
    }

    /// A line about something that needs attention.
    pub(crate) fn failure(self, text: &str) {
        let text = self.painted(RED, text);
        self.prefixed("dev", CYAN, &text);
    }

    /// A line that a tool printed.
    pub(crate) fn tool(self, name: &str, text: &str) {
        self.prefixed(name, DIM, text);
    }

    /// Text that is shown as it is, such as the compiler's diagnostics. Its colours are removed where they do not
    /// belong.
    pub(crate) fn verbatim(self, text: &str) {
        if self.colour { write(text) } else { write(&without_ansi(text)) }
    }

    fn prefixed(self, name: &str, colour: &str, text: &str) {
        let prefix = self.painted(colour, &format!("[{name}]"));
        self.verbatim(&format!("{prefix} {text}\n"));
    }

    fn painted(self, colour: &str, text: &str) -> String {
        if self.colour { format!("{colour}{text}{RESET}") } else { text.to_owned() }
    }
}

const CYAN: &str = "\x1b[36m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

fn write(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Seconds with one digit, as in `0.9 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// The text without terminal escape sequences (CSI and OSC), which tools use for colours and links.
pub(crate) fn without_ansi(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\x1b' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('[') => skip_until(&mut characters, |character| ('\x40'..='\x7e').contains(&character)),
            Some(']') => skip_operating_system_command(&mut characters),
            _ => {}
        }
    }
    plain
}

fn skip_until(characters: &mut std::str::Chars<'_>, last: impl Fn(char) -> bool) {
    for character in characters {
        if last(character) {
            return;
        }
    }
}

/// Ends with BEL or with ESC and a backslash.
fn skip_operating_system_command(characters: &mut std::str::Chars<'_>) {
    while let Some(character) = characters.next() {
        if character == '\x07' {
            return;
        }
        if character == '\x1b' {
            characters.next();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_links_are_removed_and_text_is_kept() {
        let text = "\x1b[1m\x1b[38;5;9merror\x1b[0m: ünï \x1b]8;;http://x/\x1b\\E0308\x1b]8;;\x07 end";
        assert_eq!(without_ansi(text), "error: ünï E0308 end");
    }

    #[test]
    fn an_unfinished_escape_sequence_loses_nothing_before_it() {
        assert_eq!(without_ansi("kept\x1b[3"), "kept");
        assert_eq!(without_ansi("kept\x1b"), "kept");
    }
}
