//! What the browser's overlay is told: a line of JSON on Vite's standard input, which the plugin in
//! `frontend/vite-plugin-duplex.ts` reads and passes on to the pages.

use serde::Serialize;

use crate::diagnostics::Problem;

#[derive(Serialize)]
#[serde(tag = "event", content = "data")]
enum Message<'a> {
    #[serde(rename = "duplex:error")]
    Error(&'a Problem),
    #[serde(rename = "duplex:ok")]
    Ok,
}

/// The line that makes every page show the problem, or nothing if there is none.
pub(crate) fn line(problem: Option<&Problem>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&problem.map_or(Message::Ok, Message::Error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_that_names_its_event() {
        let line = line(Some(&Problem::general("two\nlines", "three\nlines\n"))).unwrap();
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["event"], "duplex:error");
        assert_eq!(value["data"]["title"], "two\nlines");
    }

    #[test]
    fn no_problem_is_ok() {
        assert_eq!(line(None).unwrap(), r#"{"event":"duplex:ok"}"#);
    }
}
