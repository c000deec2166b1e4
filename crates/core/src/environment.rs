//! Owns the lookup of settings by name: the process environment first, then a `.env` file. Flags and defaults
//! are left to the programs; the process environment itself is only ever read, so a key removed from the file
//! is gone with the next start.

use std::any::type_name;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::FromStr;

/// The variables that a program was started with, joined with those of its `.env` file.
///
/// A variable of the process hides the file's, unless it is empty. Process variables that are not UTF-8 are
/// left out.
///
/// In the file, the last of several lines for one name counts, as it does for Vite. `${NAME}` is replaced by
/// the value of that variable; a dollar sign that is meant literally is written `\$`.
///
/// ```
/// use duplex_core::Environment;
///
/// let environment = Environment::from_iter([("PORT".to_owned(), "3005".to_owned())]);
/// let flag: Option<u16> = None;
/// let port = flag.or(environment.parse("PORT")?).unwrap_or(80);
/// assert_eq!(port, 3005);
/// # Ok::<(), duplex_core::EnvironmentError>(())
/// ```
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Where the file is, or would be; empty for the working directory.
    folder: PathBuf,
}

/// Why a setting could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The file exists, but reading it failed.
    #[error("cannot read {path}", path = path.display())]
    Unreadable {
        /// The `.env` file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A line of the file is not `NAME=value`. The line itself is not repeated, it may hold a secret.
    #[error(
        "{path}, line {line}: expected NAME=value, with quotes closed and spaces in the value quoted",
        path = path.display()
    )]
    Malformed {
        /// The `.env` file.
        path: PathBuf,
        /// Where the faulty entry begins, counted from 1.
        line: usize,
    },

    /// A variable has a value of the wrong kind.
    #[error("{name} is {value}, but it has to be {expected}")]
    Invalid {
        /// The variable's name.
        name: String,
        /// Its value in quotes, or a note in place of a secret.
        value: String,
        /// What the program can use.
        expected: String,
    },
}

impl Environment {
    /// Reads the process environment and the file. A missing file is the same as an empty one.
    ///
    /// # Errors
    ///
    /// Fails when the file exists but cannot be read, or has a line that is not understood.
    pub fn read(env_file: &Path) -> Result<Environment, EnvironmentError> {
        let contents = match std::fs::read(env_file) {
            Ok(contents) => contents,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(EnvironmentError::Unreadable { path: env_file.to_owned(), source }),
        };
        let file = parse_file(contents)
            .map_err(|line| EnvironmentError::Malformed { path: env_file.to_owned(), line })?;
        let process = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let folder = env_file.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Environment { folder, ..merge(file, process) })
    }

    /// Gives a variable a value if it has none.
    pub fn set_default(&mut self, name: &str, value: String) {
        if self.get(name).is_none() {
            self.variables.insert(name.to_owned(), value);
        }
    }

    /// The value of a variable. An empty one counts as unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of a variable as a `T`, or nothing when it is unset or empty.
    ///
    /// # Errors
    ///
    /// Fails when the value is not a `T`. The error repeats the value, unless the name says that it is a
    /// secret.
    pub fn parse<T: FromStr>(&self, name: &str) -> Result<Option<T>, EnvironmentError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let parsed = value.trim().parse().map_err(|_| EnvironmentError::Invalid {
            name: name.to_owned(),
            value: if is_secret(name) { "set to something else".to_owned() } else { format!("`{value}`") },
            expected: expectation::<T>(),
        })?;
        Ok(Some(parsed))
    }

    /// The value of a variable as a path, or `default`. A relative one leads from the folder of the `.env` file,
    /// wherever the program is started from.
    ///
    /// ```
    /// use std::path::Path;
    /// use duplex_core::Environment;
    ///
    /// let environment = Environment::read(Path::new("/srv/shop/.env"))?;
    /// assert_eq!(environment.path("SHOP_FILE", "data/shop.db"), Path::new("/srv/shop/data/shop.db"));
    /// # Ok::<(), duplex_core::EnvironmentError>(())
    /// ```
    pub fn path(&self, name: &str, default: &str) -> PathBuf {
        self.folder.join(self.get(name).unwrap_or(default))
    }

    /// All variables whose name starts with `prefix`, in the order of their names. Empty ones are included,
    /// because they mean something to the page that asked for them.
    pub fn iter<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.variables
            .range(prefix.to_owned()..)
            .take_while(move |(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Environment {
        Environment { variables: variables.into_iter().collect(), folder: PathBuf::new() }
    }
}

/// Says how many variables there are and none of their values, which may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Environment({} variables)", self.variables.len())
    }
}

fn merge(
    mut variables: BTreeMap<String, String>,
    process: impl Iterator<Item = (String, String)>,
) -> Environment {
    for (name, value) in process {
        if !value.is_empty() || !variables.contains_key(&name) {
            variables.insert(name, value);
        }
    }
    Environment { variables, ..Environment::default() }
}

/// Parses a `.env` file, or says which line is wrong.
///
/// The iterator of `dotenvy` leaves a byte order mark in the first name and refuses a space at the very end
/// of a file without a last line break; both are seen to here.
fn parse_file(mut contents: Vec<u8>) -> Result<BTreeMap<String, String>, usize> {
    if contents.starts_with(b"\xEF\xBB\xBF") {
        contents.drain(..3);
    }
    contents.push(b'\n');
    let line = Rc::new(Cell::new(0));
    let reader = LineReader { rest: &contents, line: Rc::clone(&line) };
    dotenvy::from_read_iter(reader).collect::<Result<_, _>>().map_err(|error| match error {
        // The entry may span lines, inside quotes, and the reader is at its last one.
        dotenvy::Error::LineParse(text, _) => {
            let entry = text.strip_suffix('\n').unwrap_or(&text);
            line.get().saturating_sub(entry.matches('\n').count()).max(1)
        }
        _ => line.get(),
    })
}

/// Hands out one line at a time, so that the number of the line being parsed is known.
struct LineReader<'a> {
    rest: &'a [u8],
    line: Rc<Cell<usize>>,
}

impl Read for LineReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end =
            self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |position| position + 1);
        let length = end.min(buffer.len());
        let (piece, rest) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(piece);
        if piece.ends_with(b"\n") {
            self.line.set(self.line.get() + 1);
        }
        self.rest = rest;
        Ok(length)
    }
}

fn is_secret(name: &str) -> bool {
    ["SECRET", "PASSWORD", "TOKEN", "KEY"].iter().any(|word| name.to_ascii_uppercase().contains(word))
}

/// What a person should write for a `T`.
fn expectation<T>() -> String {
    let kind = type_name::<T>();
    match kind {
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "bool" => "`true` or `false`".to_owned(),
        "core::net::ip_addr::IpAddr" => "an IP address".to_owned(),
        "core::net::socket_addr::SocketAddr" => "an IP address with a port".to_owned(),
        _ => format!("a {}", kind.rsplit("::").next().unwrap_or(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(contents: &str) -> Environment {
        Environment { variables: parse_file(contents.into()).unwrap(), ..Environment::default() }
    }

    fn faulty_line(contents: impl Into<Vec<u8>>) -> usize {
        parse_file(contents.into()).unwrap_err()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn the_process_hides_the_file_unless_it_is_empty() {
        let contents = parse_file("PORT=1\nHOST=from-file\nONLY=file".into()).unwrap();
        let process = [pair("PORT", "2"), pair("HOST", ""), pair("NEW", "process")];
        let environment = merge(contents, process.into_iter());
        assert_eq!(environment.get("PORT"), Some("2"));
        assert_eq!(environment.get("HOST"), Some("from-file"));
        assert_eq!(environment.get("ONLY"), Some("file"));
        assert_eq!(environment.get("NEW"), Some("process"));
    }

    #[test]
    fn a_file_is_read_and_the_process_environment_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        std::fs::write(&path, "DUPLEX_ONLY_IN_THE_FILE=yes\n").unwrap();
        let environment = Environment::read(&path).unwrap();
        assert_eq!(environment.get("DUPLEX_ONLY_IN_THE_FILE"), Some("yes"));
        assert!(environment.get("PATH").is_some());
        assert!(std::env::var_os("DUPLEX_ONLY_IN_THE_FILE").is_none());
    }

    #[test]
    fn a_missing_file_is_empty_and_a_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Environment::read(&directory.path().join("missing")).is_ok());
        let error = Environment::read(directory.path()).unwrap_err();
        assert!(matches!(error, EnvironmentError::Unreadable { .. }), "{error}");
    }

    #[test]
    fn an_empty_value_is_unset_but_listed() {
        let environment = file("PUBLIC_NOTE=\nPUBLIC_A=1\nPUBLISHED=2\nPRIVATE=3");
        assert_eq!(environment.get("PUBLIC_NOTE"), None);
        assert_eq!(environment.parse::<u16>("PUBLIC_NOTE").unwrap(), None);
        let listed: Vec<_> = environment.iter("PUBLIC_").collect();
        assert_eq!(listed, [("PUBLIC_A", "1"), ("PUBLIC_NOTE", "")]);
    }

    #[test]
    fn quotes_comments_marks_and_repeated_names_are_understood() {
        let text = "\u{feff}FIRST=1\r\n# it's a comment\nexport QUOTED=\"a # b\" # note\nSINGLE='$FIRST'\n\
                    USED=${FIRST}2\nDOLLAR=\\$5\nTWICE=a\nTWICE=b\nLINES=\"x\ny\"\nLAST=end ";
        let environment = file(text);
        let expected = [
            ("FIRST", "1"),
            ("QUOTED", "a # b"),
            ("SINGLE", "$FIRST"),
            ("USED", "12"),
            ("DOLLAR", "$5"),
            ("TWICE", "b"),
            ("LINES", "x\ny"),
            ("LAST", "end"),
        ];
        for (name, value) in expected {
            assert_eq!(environment.get(name), Some(value), "{name}");
        }
    }

    #[test]
    fn an_error_names_the_line_where_the_faulty_entry_begins() {
        assert_eq!(faulty_line("no equals sign"), 1);
        assert_eq!(faulty_line("A=1\n\n# note\nB=two words\nC=3\n"), 4);
        assert_eq!(faulty_line("A=1\nB=\"never closed\nC=3\n"), 2);
        assert_eq!(faulty_line("A=\"x\ny\"\n1B=2\n"), 3);
        assert_eq!(faulty_line(b"A=1\nB=\xff\n"), 2);
    }

    #[test]
    fn a_malformed_file_is_reported_without_its_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        std::fs::write(&path, "SESSION_SECRET=one two\n").unwrap();
        let message = Environment::read(&path).unwrap_err().to_string();
        assert!(message.contains(".env, line 1: expected NAME=value"), "{message}");
        assert!(!message.contains("one"), "{message}");
    }

    #[test]
    fn a_wrong_value_is_named_unless_it_is_a_secret() {
        let environment = file("PORT=high\nTOKEN_BYTES=hunter2\nFINE=\" 7 \"");
        let message = environment.parse::<u16>("PORT").unwrap_err().to_string();
        assert_eq!(message, "PORT is `high`, but it has to be a whole number from 0 to 65535");
        let message = environment.parse::<u16>("TOKEN_BYTES").unwrap_err().to_string();
        assert!(!message.contains("hunter2"), "{message}");
        assert_eq!(environment.parse("FINE").unwrap(), Some(7_u16));
        assert!(!format!("{environment:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused_at_one_of_its_lines(
            contents in any::<Vec<u8>>(),
            text in "[A-C=\"'$\\\\{}# \n]{0,40}",
        ) {
            for contents in [contents, text.into_bytes()] {
                let lines = contents.iter().filter(|byte| **byte == b'\n').count() + 1;
                if let Err(line) = parse_file(contents) {
                    prop_assert!((1..=lines).contains(&line));
                }
            }
        }
    }
}
