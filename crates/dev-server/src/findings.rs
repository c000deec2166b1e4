//! What svelte-check says in its machine-readable output, and the findings of one of its rounds.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use crate::diagnostics::Place;

/// Findings that are listed. They rarely have more than one cause, and the next save brings a new list.
const LISTED: usize = 20;

/// The errors of one round.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Findings(Vec<Finding>);

/// One error.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Finding {
    place: Place,
    message: String,
}

impl Findings {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps those in files of which this is true.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&Path) -> bool) {
        self.0.retain(|finding| is_wanted(&finding.place.file));
    }

    /// Errors that exist in number only, for decisions about them.
    #[cfg(test)]
    pub(crate) fn imagined(number: usize) -> Self {
        let place = Place { file: "imagined.ts".into(), line: 1, column: 1 };
        Self(vec![Finding { place, message: String::new() }; number])
    }

    /// The lines to print.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.0.iter().take(LISTED).flat_map(Finding::lines).collect();
        if let Some(more) = self.0.len().checked_sub(LISTED).filter(|more| *more > 0) {
            lines.push(format!("and {more} more"));
        }
        lines
    }
}

/// How many there are, as in `3 errors in 2 files`.
impl fmt::Display for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: BTreeSet<_> = self.0.iter().map(|finding| &finding.place.file).collect();
        write!(formatter, "{} in {}", count(self.0.len(), "error"), count(files.len(), "file"))
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

impl Finding {
    /// The compiler explains itself in further lines, which it indents.
    fn lines(&self) -> Vec<String> {
        let Place { file, line, column } = &self.place;
        format!("{}:{line}:{column}: {}", file.display(), self.message).lines().map(str::to_owned).collect()
    }
}

/// Puts the lines of a run together to rounds. A round is printed when it is over, all at once: that it starts, its
/// findings, and their number.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    current: Vec<Finding>,
}

/// What one line, with those before it, amounts to.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Said {
    /// A round is over.
    Round(Findings),
    /// Something that is meant for people.
    Words(String),
}

impl Rounds {
    /// Takes in one line of standard output. Files are told relative to `folder` and understood as lying in it.
    pub(crate) fn read(&mut self, line: &str, folder: &Path) -> Option<Said> {
        match Record::of(line) {
            Some(Record::Start) => self.current.clear(),
            Some(Record::Found(diagnostic)) => self.current.extend(diagnostic.into_error(folder)),
            Some(Record::Completed) => {
                return Some(Said::Round(Findings(std::mem::take(&mut self.current))));
            }
            Some(Record::Failure(words)) => return Some(Said::Words(words)),
            None => return Some(Said::Words(line.to_owned())),
        }
        None
    }
}

/// A line of the output: the time in milliseconds, and one of these.
enum Record {
    Start,
    Found(Diagnostic),
    Completed,
    Failure(String),
}

impl Record {
    fn of(line: &str) -> Option<Self> {
        let (time, record) = line.split_once(' ')?;
        time.parse::<u64>().ok()?;
        if record.starts_with('{') {
            return serde_json::from_str(record).ok().map(Self::Found);
        }
        match record.split_once(' ')? {
            ("START", _) => Some(Self::Start),
            ("COMPLETED", _) => Some(Self::Completed),
            ("FAILURE", words) => serde_json::from_str(words).ok().map(Self::Failure),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Diagnostic {
    #[serde(rename = "type")]
    severity: String,
    filename: String,
    start: Position,
    message: String,
}

/// Counted from 0.
#[derive(Deserialize)]
struct Position {
    line: u32,
    character: u32,
}

impl Diagnostic {
    fn into_error(self, folder: &Path) -> Option<Finding> {
        let Position { line, character } = self.start;
        let file = folder.join(self.filename);
        let place = Place { file, line: line.saturating_add(1), column: character.saturating_add(1) };
        (self.severity == "ERROR").then_some(Finding { place, message: self.message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A round of svelte-check 4.7.8 with everything on, after a field was renamed.
    const BROKEN: &str = r#"1795645277446 START "/srv/shop/frontend"
1795645277448 {"type":"ERROR","filename":"src/lib/use.ts","start":{"line":2,"character":16},"end":{"line":2,"character":20},"message":"Property 'text' does not exist on type 'Message'.","code":2339}
1795645277448 {"type":"ERROR","filename":"src/lib/use.ts","start":{"line":6,"character":13},"end":{"line":6,"character":14},"message":"Type '(m: { id: number; nope: string; }) => void' is not assignable to type '(m: Message) => void'.\n  Types of parameters 'm' and 'm' are incompatible.\n    Property 'nope' is missing in type 'Message' but required in type '{ id: number; nope: string; }'.","code":2322}
1795645277448 {"type":"WARNING","filename":"src/routes/Broken.svelte","start":{"line":9,"character":1},"end":{"line":9,"character":8},"message":"Unused CSS selector \".unused\"\nhttps://svelte.dev/e/css_unused_selector","code":"css_unused_selector","codeDescription":{"href":"https://svelte.dev/docs/svelte/compiler-warnings#css_unused_selector"},"source":"svelte"}
1795645277448 {"type":"ERROR","filename":"src/routes/Broken.svelte","start":{"line":6,"character":22},"end":{"line":6,"character":26},"message":"Property 'text' does not exist on type 'Message'.","code":2339,"source":"ts"}
1795645277448 COMPLETED 497 FILES 3 ERRORS 1 WARNINGS 2 FILES_WITH_PROBLEMS"#;

    const CLEAN: &str = r#"1795645078993 START "/srv/shop/frontend"
1795645078994 COMPLETED 494 FILES 0 ERRORS 0 WARNINGS 0 FILES_WITH_PROBLEMS"#;

    /// What is said when the file that the settings extend is not there yet.
    const WITHOUT_SETTINGS: &str = r#"1795645305157 START "/srv/shop/frontend"
1795645305157 {"type":"ERROR","filename":"tsconfig.json","start":{"line":0,"character":0},"end":{"line":0,"character":0},"message":"Cannot read file '/srv/shop/frontend/.svelte-kit/tsconfig.json'.","code":5083}
1795645305157 COMPLETED 1 FILES 1 ERRORS 0 WARNINGS 1 FILES_WITH_PROBLEMS"#;

    fn read(lines: &str) -> Vec<Said> {
        let mut rounds = Rounds::default();
        lines.lines().filter_map(|line| rounds.read(line, Path::new("frontend"))).collect()
    }

    #[track_caller]
    fn round(lines: &str) -> Findings {
        match <[Said; 1]>::try_from(read(lines)) {
            Ok([Said::Round(findings)]) => findings,
            other => panic!("not one round: {other:?}"),
        }
    }

    #[test]
    fn errors_are_told_with_places_as_editors_count_them_and_warnings_are_not() {
        let findings = round(BROKEN);
        assert_eq!(findings.to_string(), "3 errors in 2 files");
        assert_eq!(
            findings.lines(),
            [
                "frontend/src/lib/use.ts:3:17: Property 'text' does not exist on type 'Message'.",
                "frontend/src/lib/use.ts:7:14: Type '(m: { id: number; nope: string; }) => void' is not assignable to type '(m: Message) => void'.",
                "  Types of parameters 'm' and 'm' are incompatible.",
                "    Property 'nope' is missing in type 'Message' but required in type '{ id: number; nope: string; }'.",
                "frontend/src/routes/Broken.svelte:7:23: Property 'text' does not exist on type 'Message'.",
            ]
        );
    }

    #[test]
    fn rounds_follow_each_other_and_each_has_its_own_findings() {
        let said = read(&[BROKEN, CLEAN, WITHOUT_SETTINGS].join("\n"));
        let counts: Vec<_> = said
            .iter()
            .map(|said| match said {
                Said::Round(findings) => findings.to_string(),
                Said::Words(words) => words.clone(),
            })
            .collect();
        assert_eq!(counts, ["3 errors in 2 files", "0 errors in 0 files", "1 error in 1 file"]);
        assert!(round(CLEAN).is_empty());
    }

    #[test]
    fn failures_and_what_is_not_of_the_format_are_words() {
        let said = read("1590680328921 FAILURE \"Connection closed\"\na plugin says hello\n");
        let words = ["Connection closed", "a plugin says hello"].map(|words| Said::Words(words.to_owned()));
        assert_eq!(said, words);
    }

    #[test]
    fn findings_in_files_that_are_not_wanted_do_not_count() {
        let mut findings = round(BROKEN);
        findings.retain(|file| file != Path::new("frontend/src/lib/use.ts"));
        assert_eq!(findings.to_string(), "1 error in 1 file");
    }

    #[test]
    fn a_long_list_is_cut_and_the_rest_counted() {
        let [start, finding, .., end] = BROKEN.lines().collect::<Vec<_>>()[..] else { panic!("a round") };
        let lines: Vec<_> =
            std::iter::once(start).chain(std::iter::repeat_n(finding, 25)).chain([end]).collect();
        let findings = round(&lines.join("\n"));
        assert_eq!(findings.to_string(), "25 errors in 1 file");
        assert_eq!(findings.lines().len(), LISTED + 1);
        assert_eq!(findings.lines().last().map(String::as_str), Some("and 5 more"));
    }
}
