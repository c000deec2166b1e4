//! Which web pages may open a socket, and which names this server answers to: the checks that keep other sites'
//! pages, and other names for this address, out.

use actix_http::RequestHead;
use actix_web::http::{Uri, header};

/// Who may open a socket, by the `Origin` that browsers send. CORS does not cover WebSockets, so without this check
/// any page on the web could open one with the visitor's cookies. A request without `Origin` comes from no browser,
/// and passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginPolicy {
    /// Pages of this server: the origin's host and port are those of the `Host` header.
    #[default]
    SameHost,
    /// Pages of this server, and of these origins, for instance `https://example.org`.
    Allow(Vec<String>),
    /// Every page. Only for sockets that need no cookie and give nothing away.
    Any,
}

/// Which `Host` a request may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostPolicy {
    /// Any: the proxy or the network in front decides.
    #[default]
    Any,
    /// `localhost` and names below it, IP addresses, and these names. It keeps a foreign page from reaching a server
    /// on this machine through a name that resolves to it (DNS rebinding).
    Local(Vec<String>),
}

impl OriginPolicy {
    /// Whether a request may open a socket.
    pub fn allows(&self, request: &RequestHead) -> bool {
        let mut origins = request.headers().get_all(header::ORIGIN);
        let Some(origin) = origins.next() else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        if origins.next().is_some() {
            return false;
        }
        match self {
            Self::Any => true,
            Self::SameHost => is_same_host(origin, request),
            Self::Allow(others) => {
                others.iter().any(|other| same_origin(other, origin)) || is_same_host(origin, request)
            }
        }
    }
}

impl HostPolicy {
    /// Whether a request names a host that is meant.
    pub fn allows(&self, request: &RequestHead) -> bool {
        matches!(self, Self::Any) || host_header(request).is_some_and(|host| self.allows_host(host))
    }

    /// Whether a `Host` header with this value names a host that is meant.
    pub fn allows_host(&self, host: &str) -> bool {
        let Self::Local(names) = self else { return true };
        let name = host_name(host);
        let below = |suffix: &str| name.len() > suffix.len() && has_suffix(name, suffix);
        let is_address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        is_address
            || name.eq_ignore_ascii_case("localhost")
            || below(".localhost")
            || names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The host of an origin such as `https://example.org:8443`, without its port.
pub fn origin_host(origin: &str) -> Option<String> {
    origin.parse::<Uri>().ok()?.host().map(str::to_owned)
}

/// Whether browsers could send this as an `Origin`, but for a slash at its end.
pub(crate) fn is_origin(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(authority) = authority.map(|rest| rest.trim_end_matches('/')) else { return false };
    !authority.contains(['/', '?', '#', '@']) && origin_host(text).is_some()
}

/// Origins know no case, no slash at the end, and no port that goes without saying.
fn same_origin(known: &str, origin: &str) -> bool {
    let plain = |text: &str| {
        let text = text.trim_end_matches('/').to_ascii_lowercase();
        let default_port = if text.starts_with("https:") { ":443" } else { ":80" };
        without_suffix(&text, default_port).to_owned()
    };
    plain(known) == plain(origin)
}

/// `Origin: null`, and anything without a host, is the same as no host.
fn is_same_host(origin: &str, request: &RequestHead) -> bool {
    let Some(host) = host_header(request) else { return false };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return false,
    };
    without_suffix(authority, default_port).eq_ignore_ascii_case(without_suffix(host, default_port))
}

fn host_header(request: &RequestHead) -> Option<&str> {
    request.headers().get(header::HOST)?.to_str().ok()
}

/// A host header without its port. IPv6 addresses keep their brackets.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

fn has_suffix(text: &str, suffix: &str) -> bool {
    text.get(text.len().saturating_sub(suffix.len())..).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

fn without_suffix<'a>(text: &'a str, suffix: &str) -> &'a str {
    text.strip_suffix(suffix).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(headers: &[(&str, &str)]) -> actix_http::Request {
        let add = |request: TestRequest, header: &(&str, &str)| request.append_header(*header);
        headers.iter().fold(TestRequest::get(), add).to_request()
    }

    fn allowed(policy: &OriginPolicy, headers: &[(&str, &str)]) -> bool {
        policy.allows(request(headers).head())
    }

    #[test]
    fn the_own_pages_pass_and_others_do_not() {
        for (host, origin, passes) in [
            ("localhost:3004", "http://localhost:3004", true),
            ("example.org", "https://example.org", true),
            ("example.org", "https://example.org:443", true),
            ("EXAMPLE.org:443", "https://example.org", true),
            ("localhost:3004", "http://localhost:3005", false),
            ("example.org", "https://evil.example", false),
            ("example.org", "https://example.org.evil.example", false),
            ("example.org", "null", false),
            ("example.org", "file://", false),
            ("example.org", "", false),
        ] {
            let headers = [("host", host), ("origin", origin)];
            assert_eq!(allowed(&OriginPolicy::SameHost, &headers), passes, "{origin} at {host}");
        }
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for origin in ["https://example.org", "http://localhost:3005/", "https://[::1]:8443"] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in
            ["example.org", "example.org:443", "https://", "https://example.org/app", "ftp://a.example", "*"]
        {
            assert!(!is_origin(other), "{other}");
        }
    }

    #[test]
    fn no_origin_is_no_browser() {
        assert!(allowed(&OriginPolicy::SameHost, &[("host", "example.org")]));
    }

    #[test]
    fn two_origins_are_refused() {
        let headers = [("host", "a.example"), ("origin", "http://a.example"), ("origin", "http://a.example")];
        assert!(!allowed(&OriginPolicy::SameHost, &headers));
    }

    #[test]
    fn a_listed_origin_may_say_its_port_its_slash_and_its_capitals() {
        for (known, origin) in [
            ("https://app.example:443", "https://app.example"),
            ("HTTPS://App.Example/", "https://app.example"),
            ("http://app.example:80", "http://app.example"),
            ("https://app.example:8443", "https://app.example:8443"),
        ] {
            let policy = OriginPolicy::Allow(vec![known.to_owned()]);
            assert!(allowed(&policy, &[("host", "api.example"), ("origin", origin)]), "{known}");
        }
        let policy = OriginPolicy::Allow(vec!["https://app.example:80".to_owned()]);
        assert!(!allowed(&policy, &[("host", "api.example"), ("origin", "https://app.example")]));
    }

    #[test]
    fn the_list_is_added_to_the_own_pages() {
        let policy = OriginPolicy::Allow(vec!["https://app.example/".to_owned()]);
        assert!(allowed(&policy, &[("host", "api.example"), ("origin", "https://app.example")]));
        assert!(allowed(&policy, &[("host", "api.example"), ("origin", "https://api.example")]));
        assert!(!allowed(&policy, &[("host", "api.example"), ("origin", "https://evil.example")]));
    }

    #[test]
    fn local_names_pass_and_foreign_ones_do_not() {
        let policy = HostPolicy::Local(vec!["dev.example".to_owned()]);
        for (host, passes) in [
            ("localhost:3004", true),
            ("app.localhost", true),
            ("127.0.0.1:3004", true),
            ("[::1]:3004", true),
            ("192.168.0.7", true),
            ("Dev.Example:80", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            (".localhost", false),
            ("", false),
        ] {
            assert_eq!(policy.allows(request(&[("host", host)]).head()), passes, "{host}");
        }
        assert!(!policy.allows(request(&[]).head()));
    }
}
