//! The page that a browser sees until the application is up: what is being done, what stands in the way. It refreshes
//! itself and goes as soon as there is something better to see.

use std::fmt::Write as _;
use std::time::Instant;

use duplex_core::HostPolicy;

use crate::state::{Status, Step, StepState};

/// A response for a caller that came too early. Only browsers that ask for a page get one, and only by a name that this
/// server goes by: what the compiler says is nothing for other sites.
pub(crate) fn response(head: &[u8], hosts: &HostPolicy, status: &Status, now: Instant) -> Vec<u8> {
    let request = Request::read(head, hosts);
    let (kind, body) = match request.wants_page {
        true => ("text/html; charset=utf-8", page(status, now)),
        false => {
            ("text/plain; charset=utf-8", "The application is starting; try again in a moment.\n".to_owned())
        }
    };
    let mut response = format!(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nX-Duplex: waiting\r\nCache-Control: no-store\r\n\
         Connection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    if !request.is_head {
        response.extend_from_slice(body.as_bytes());
    }
    response
}

/// As much of a request as matters here. Anything unreadable is no page.
struct Request {
    is_head: bool,
    wants_page: bool,
}

impl Request {
    fn read(head: &[u8], hosts: &HostPolicy) -> Self {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let method = lines.next().and_then(|line| line.split(' ').next()).unwrap_or_default();
        let mut accepts_html = false;
        let mut is_meant = *hosts == HostPolicy::Any;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("accept") {
                accepts_html |= value.to_ascii_lowercase().contains("text/html");
            } else if name.eq_ignore_ascii_case("host") {
                is_meant = hosts.allows_host(value.trim());
            }
        }
        let wants_page = accepts_html && is_meant && matches!(method, "GET" | "HEAD");
        Self { is_head: method == "HEAD", wants_page }
    }
}

fn page(status: &Status, now: Instant) -> String {
    let mut main = String::new();
    for step in &status.steps {
        main.push_str(&item(step, now));
    }
    let problem = status.problem.as_ref().map_or_else(String::new, |problem| {
        format!("<h2>{}</h2><pre tabindex=\"0\">{}</pre>", escape(&problem.title), escape(&problem.text))
    });
    TEMPLATE.replace("{steps}", &main).replace("{problem}", &problem)
}

fn item(step: &Step, now: Instant) -> String {
    let (class, text) = match &step.state {
        StepState::Waiting => ("waiting", "waiting".to_owned()),
        StepState::Working { since, doing } => {
            ("working", working(now.duration_since(*since).as_secs(), doing))
        }
        StepState::Done => ("done", "done".to_owned()),
        StepState::Failed => ("failed", "failed".to_owned()),
    };
    format!("<li class=\"{class}\"><b>{}</b> <span>{}</span></li>", step.name, escape(&text))
}

fn working(seconds: u64, doing: &str) -> String {
    let mut text = "in progress".to_owned();
    if seconds > 0 {
        let _ = write!(text, ", {seconds} s");
    }
    if !doing.is_empty() {
        let _ = write!(text, ": {doing}");
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const TEMPLATE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Starting…</title>
<noscript><meta http-equiv="refresh" content="2"></noscript>
<style>
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6573; --paper: #fbfbfa; --line: #d9dce1; --good: #1a7f4b; --bad: #b3261e; --busy: #b3500b }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --soft: #a2abb8; --paper: #15181d; --line: #2e343d; --good: #5fd39a; --bad: #ff8a80; --busy: #ffab66 } }
body { margin: 0; padding: 12vh 1.25rem 2rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { max-width: 44rem; margin: 0 auto }
h1 { font-size: 1.5rem; margin: 0 0 1rem }
h2 { font-size: 1rem; color: var(--bad); overflow-wrap: anywhere }
ul { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line) }
li { display: flex; flex-wrap: wrap; gap: 0 1rem; justify-content: space-between; padding: .5rem 0; border-bottom: 1px solid var(--line) }
li span { color: var(--soft); overflow-wrap: anywhere }
li.done span { color: var(--good) } li.failed span { color: var(--bad) } li.working span { color: var(--busy) }
pre { padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; overflow-x: auto; font: .8125rem/1.5 ui-monospace, monospace }
p { color: var(--soft) }
</style>
</head>
<body>
<main>
<h1>The application is starting</h1>
<ul>{steps}</ul>
{problem}
<p>This page goes away by itself.</p>
</main>
<script>
const look = async () => {
  try {
    const answer = await fetch(location.href, { headers: { accept: 'text/html' }, cache: 'no-store' });
    if (answer.headers.get('x-duplex') !== 'waiting') return location.reload();
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main');
    const main = document.querySelector('main');
    if (main.innerHTML !== fresh.innerHTML) main.replaceWith(fresh);
  } catch { /* the server is being restarted; look again */ }
  setTimeout(look, 500);
};
setTimeout(look, 500);
</script>
</body>
</html>
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Problem;

    fn answer(head: &str, status: &Status) -> String {
        String::from_utf8(response(head.as_bytes(), &HostPolicy::default(), status, Instant::now())).unwrap()
    }

    #[test]
    fn a_browser_gets_a_page_and_everything_else_a_line_of_text_both_503() {
        let status = Status::default();
        let page = answer("GET / HTTP/1.1\r\nHost: x\r\naccept: text/html,*/*\r\n\r\n", &status);
        assert!(page.starts_with("HTTP/1.1 503 ") && page.contains("<!doctype html>"));
        for head in [
            "GET /api HTTP/1.1\r\nAccept: */*\r\n\r\n",
            "POST / HTTP/1.1\r\nAccept: text/html\r\n\r\n",
            "nonsense",
        ] {
            let text = answer(head, &status);
            assert!(text.contains("Retry-After: 1\r\n") && !text.contains("<html"), "{head}");
        }
    }

    #[test]
    fn what_the_compiler_says_is_not_for_other_names_of_this_server() {
        let hosts = HostPolicy::Local(vec!["dev.example".to_owned()]);
        for (host, is_shown) in
            [("localhost:3004", true), ("dev.example", true), ("rebound.example", false), ("", false)]
        {
            let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n");
            let answer = response(head.as_bytes(), &hosts, &Status::default(), Instant::now());
            assert_eq!(String::from_utf8(answer).unwrap().contains("<html"), is_shown, "{host}");
        }
        let without_host = b"GET / HTTP/1.1\r\nAccept: text/html\r\n\r\n";
        let answer = response(without_host, &hosts, &Status::default(), Instant::now());
        assert!(!String::from_utf8(answer).unwrap().contains("<html"));
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let text = answer("HEAD / HTTP/1.1\r\nAccept: text/html\r\n\r\n", &Status::default());
        assert!(text.ends_with("\r\n\r\n"));
    }

    #[test]
    fn compiler_output_is_shown_as_text_and_not_as_markup() {
        let problem = Some(Problem::general("expected `Vec<u8>`", "<script>alert(1)</script>"));
        let page =
            answer("GET / HTTP/1.1\r\nAccept: text/html\r\n\r\n", &Status { problem, ..Status::default() });
        assert!(page.contains("expected `Vec&lt;u8&gt;`") && page.contains("&lt;script&gt;alert(1)"));
    }

    #[test]
    fn the_announced_length_is_the_length_of_the_body() {
        let text = answer("GET / HTTP/1.1\r\nAccept: text/html\r\n\r\n", &Status::default());
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len()))
                || head.ends_with(&body.len().to_string())
        );
    }
}
