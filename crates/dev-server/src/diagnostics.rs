//! What cargo says in JSON, and the problem that comes out of it: the one thing the browser's overlay shows.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::terminal::without_ansi;

/// Errors whose text is shown in the browser. Nobody reads further, and the line to the overlay stays short.
const SHOWN_ERRORS: usize = 10;

/// What stands in the way of the latest sources being served.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Problem {
    /// One line.
    pub(crate) title: String,
    /// The package it is in, if it is in one.
    pub(crate) package: Option<String>,
    /// Where to look first.
    pub(crate) place: Option<Place>,
    /// Everything there is to read, without terminal colours.
    pub(crate) text: String,
}

/// A place in a source file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Problem {
    /// A problem that is not in a source file.
    pub(crate) fn general(title: impl Into<String>, text: impl AsRef<str>) -> Self {
        Self { title: title.into(), package: None, place: None, text: without_ansi(text.as_ref()) }
    }
}

/// One line of `cargo build --message-format=json`.
#[derive(Debug, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub(crate) enum CargoMessage {
    CompilerMessage {
        package_id: String,
        message: Diagnostic,
    },
    CompilerArtifact {
        target: Target,
        executable: Option<PathBuf>,
    },
    #[serde(other)]
    Other,
}

/// What was compiled.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
}

/// What the compiler says.
#[derive(Debug, Deserialize)]
pub(crate) struct Diagnostic {
    pub(crate) message: String,
    pub(crate) level: String,
    pub(crate) rendered: Option<String>,
    #[serde(default)]
    spans: Vec<Span>,
}

#[derive(Debug, Deserialize)]
struct Span {
    file_name: PathBuf,
    line_start: u32,
    column_start: u32,
    is_primary: bool,
}

/// The errors of one build.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    errors: Vec<(String, Diagnostic)>,
}

impl Errors {
    /// Takes note of a diagnostic if it is an error, other than the compiler's own count of them at the end.
    pub(crate) fn note(&mut self, package_id: &str, diagnostic: Diagnostic) {
        let is_count = diagnostic.spans.is_empty() && diagnostic.message.starts_with("aborting due to");
        if diagnostic.level.starts_with("error") && !is_count {
            self.errors.push((package_name(package_id).to_owned(), diagnostic));
        }
    }

    /// The problem these errors are. `said` is what cargo printed apart from them: the only thing there is when a
    /// manifest is wrong.
    pub(crate) fn into_problem(self, root: &Path, said: &str) -> Problem {
        let Some((package, first)) = self.errors.first() else {
            return Problem::general("cargo build failed", said);
        };
        let place = first.spans.iter().find(|span| span.is_primary).map(|span| Place {
            file: root.join(&span.file_name),
            line: span.line_start,
            column: span.column_start,
        });
        let count = self.errors.len();
        let title = match count {
            1 => first.message.clone(),
            _ => format!("{} (and {} more)", first.message, count - 1),
        };
        let shown = self.errors.iter().take(SHOWN_ERRORS);
        let text = shown.map(|(_, error)| without_ansi(error.rendered.as_deref().unwrap_or(&error.message)));
        let mut text = text.collect::<Vec<_>>().join("\n");
        if count > SHOWN_ERRORS {
            text.push_str(&format!("\n… and {} more in the terminal\n", count - SHOWN_ERRORS));
        }
        Problem { title, package: Some(package.clone()), place, text }
    }
}

/// `path+file:///…/crates/app#duplex-app@0.1.0` is `duplex-app`; the name is left out where it is the folder's.
fn package_name(package_id: &str) -> &str {
    let (source, fragment) = package_id.rsplit_once('#').unwrap_or((package_id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None => source.rsplit('/').next().unwrap_or(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiler_message(level: &str, message: &str, line: u32) -> CargoMessage {
        let spans = match line {
            0 => serde_json::json!([]),
            _ => serde_json::json!([{
                "file_name": "crates/app/src/api.rs", "line_start": line, "column_start": 5, "is_primary": true
            }]),
        };
        let json = serde_json::json!({
            "reason": "compiler-message",
            "package_id": "path+file:///srv/shop/crates/app#duplex-app@0.1.0",
            "message": { "message": message, "level": level, "spans": spans,
                         "rendered": format!("\u{1b}[31m{level}\u{1b}[0m: {message}\n") },
        });
        serde_json::from_str(&json.to_string()).unwrap()
    }

    fn errors(messages: impl IntoIterator<Item = CargoMessage>) -> Errors {
        let mut errors = Errors::default();
        for message in messages {
            if let CargoMessage::CompilerMessage { package_id, message } = message {
                errors.note(&package_id, message);
            }
        }
        errors
    }

    #[test]
    fn the_first_error_gives_title_package_and_place() {
        let errors = errors([
            compiler_message("warning", "unused", 1),
            compiler_message("error", "mismatched types", 7),
            compiler_message("error", "aborting due to 1 previous error", 0),
        ]);
        let problem = errors.into_problem(Path::new("/srv/shop"), "");
        assert_eq!(problem.title, "mismatched types");
        assert_eq!(problem.package.as_deref(), Some("duplex-app"));
        assert_eq!(problem.text, "error: mismatched types\n");
        let place = problem.place.unwrap();
        assert_eq!(
            (place.file.to_str(), place.line, place.column),
            (Some("/srv/shop/crates/app/src/api.rs"), 7, 5)
        );
    }

    #[test]
    fn many_errors_are_counted_and_the_text_is_cut() {
        let problem = errors((1..=25).map(|line| compiler_message("error", "no", line)))
            .into_problem(Path::new("/"), "");
        assert_eq!(problem.title, "no (and 24 more)");
        assert_eq!(problem.text.matches("error: no").count(), SHOWN_ERRORS);
        assert!(problem.text.contains("and 15 more"));
    }

    #[test]
    fn a_wrong_manifest_is_told_in_cargos_words() {
        let problem = Errors::default().into_problem(Path::new("/"), "error: failed to parse manifest\n");
        assert_eq!((problem.title.as_str(), problem.place), ("cargo build failed", None));
        assert!(problem.text.contains("failed to parse manifest"));
    }

    #[test]
    fn package_names_come_out_of_either_form_of_identifier() {
        assert_eq!(package_name("path+file:///x/crates/app#duplex-app@0.1.0"), "duplex-app");
        assert_eq!(package_name("path+file:///x/crates/dev-worker#0.1.0"), "dev-worker");
    }

    #[test]
    fn unknown_messages_are_read_over() {
        let message = serde_json::from_str(r#"{"reason":"build-script-executed","package_id":"x"}"#).unwrap();
        assert!(matches!(message, CargoMessage::Other));
    }
}
