//! Drives the real service over real sockets, with a build in a temporary directory, and the real program
//! where its start and end are the point.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod build;
mod client;
mod handover;
mod page;
mod program;
mod running;
mod server;
mod service;
mod site;
mod state_file;

use client::Response;
use server::Server;

const PAGE: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
const BROTLI: (&str, &str) = ("Accept-Encoding", "gzip, deflate, br, zstd");
const GZIP: (&str, &str) = ("Accept-Encoding", "gzip");

const SCRIPT: &str = "/_app/immutable/start.js";

#[track_caller]
fn assert_is_fallback(response: &Response) {
    assert_eq!(response.status, 200);
    assert_eq!(response.text(), "the fallback page");
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(response.header("cache-control"), Some("no-cache"));
}

#[track_caller]
fn assert_is_missing(response: &Response) {
    assert_eq!(response.status, 404, "{}", response.text());
    assert_eq!(response.text(), "Not found\n");
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.header("cache-control"), Some("no-cache"));
}

#[test]
fn each_variant_has_its_bytes_its_tag_and_the_same_headers() {
    let server = Server::start();
    let cases = [
        (None, None, build::SCRIPT),
        (Some(GZIP), Some("gzip"), build::SCRIPT_GZIP),
        (Some(BROTLI), Some("br"), build::SCRIPT_BROTLI),
    ];
    let mut tags = Vec::new();
    for (accept, encoding, bytes) in cases {
        let response = server.get(SCRIPT, accept.as_slice());
        assert_eq!(response.status, 200);
        assert_eq!(response.body, bytes);
        assert_eq!(response.header("content-encoding"), encoding);
        assert_eq!(response.header("content-length"), Some(bytes.len().to_string().as_str()));
        assert_eq!(response.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(response.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(response.header("vary"), Some("accept-encoding"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(response.header("accept-ranges"), Some("bytes"));
        let tag = response.tag();
        assert!(tag.starts_with('"'), "{tag} is not strong");
        assert!(!tags.contains(&tag), "{tag} is used twice");
        tags.push(tag);
    }
}

#[test]
fn a_file_without_variants_does_not_vary() {
    let server = Server::start();
    let response = server.get("/robots.txt", &[BROTLI]);
    assert_eq!(response.body, b"User-agent: *");
    assert_eq!(response.header("vary"), None);
    assert_eq!(response.header("content-encoding"), None);
}

#[test]
fn a_refused_plain_variant_is_sent_rather_than_406() {
    let server = Server::start();
    let response = server.get("/robots.txt", &[("Accept-Encoding", "identity;q=0, *;q=0")]);
    assert_eq!((response.status, response.text()), (200, "User-agent: *"));
}

#[test]
fn a_client_that_has_the_variant_gets_304_without_a_body() {
    let server = Server::start();
    let tag = server.get(SCRIPT, &[BROTLI]).tag();
    for condition in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        for method in ["GET", "HEAD"] {
            let response = server.send(method, SCRIPT, &[BROTLI, ("If-None-Match", &condition)]);
            assert_eq!(response.status, 304, "{condition}");
            assert_eq!(response.body, b"");
            assert_eq!(response.tag(), tag);
            assert_eq!(response.header("cache-control"), Some("public, max-age=31536000, immutable"));
            assert_eq!(response.header("vary"), Some("accept-encoding"));
            assert_eq!(response.header("content-length"), None);
            assert_eq!(response.header("transfer-encoding"), None);
        }
    }
    let response = server.get(SCRIPT, &[GZIP, ("If-None-Match", &tag)]);
    assert_eq!(response.body, build::SCRIPT_GZIP);
}

#[test]
fn a_failed_precondition_is_412() {
    let server = Server::start();
    assert_eq!(server.get(SCRIPT, &[("If-Match", "\"other\"")]).status, 412);
    let tag = server.get(SCRIPT, &[]).tag();
    assert_eq!(server.get(SCRIPT, &[("If-Match", &tag)]).status, 200);
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let server = Server::start();
    for path in ["/", "/about", SCRIPT, "/film.mp4", "/missing.js", "/users/7"] {
        let get = server.get(path, &[BROTLI, PAGE]);
        let head = server.send("HEAD", path, &[BROTLI, PAGE]);
        assert_eq!(head.body, b"", "{path}");
        assert_eq!(head.status, get.status);
        assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()), "{path}");
        for name in ["content-type", "content-encoding", "etag", "vary", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
    }
}

#[test]
fn prerendered_pages_have_one_address_and_redirect_from_the_other() {
    let server = Server::start();
    for (path, text) in [("/", "the root page"), ("/about", "the about page"), ("/docs/", "the docs page")] {
        let response = server.get(path, &[]);
        assert_eq!((response.status, response.text()), (200, text), "{path}");
        assert_eq!(response.header("cache-control"), Some("no-cache"));
        assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    }
    let cases = [
        ("/about/", "/about"),
        ("/about/?a=1&b", "/about?a=1&b"),
        ("/docs", "/docs/"),
        ("/caf%C3%A9/", "/caf%C3%A9"),
    ];
    for (path, location) in cases {
        let response = server.get(path, &[]);
        assert_eq!((response.status, response.header("location")), (308, Some(location)), "{path}");
        assert_eq!(response.header("cache-control"), Some("no-cache"));
    }
    assert_eq!(server.get("/caf%C3%A9", &[]).text(), "the coffee page");
}

#[test]
fn a_redirect_never_leads_to_another_host() {
    let server = Server::start();
    for path in [
        "//about/",
        "///about/",
        "//evil.example/",
        "/\\about/",
        "/%2fabout/",
        "//evil.example/..",
        "/about//",
    ] {
        let response = server.get(path, &[PAGE]);
        assert!(!response.is_redirect(), "{path}");
    }
}

#[test]
fn a_query_does_not_change_the_file() {
    let server = Server::start();
    assert_eq!(server.get("/about?from=/../x", &[]).text(), "the about page");
    assert_eq!(server.get("/?about", &[]).text(), "the root page");
}

#[test]
fn a_path_that_only_the_client_knows_is_the_fallback_page() {
    let server = Server::start();
    for path in ["/users/7", "/users/7/", "/users/7?tab=1", "/index"] {
        assert_is_fallback(&server.get(path, &[PAGE]));
    }
    let response = server.get("/users/7", &[("Accept", "*/*")]);
    assert_is_fallback(&response);
    assert_eq!(response.header("vary"), Some("accept, accept-encoding, sec-fetch-dest"));
}

#[test]
fn the_fallback_page_is_only_for_those_who_want_a_page() {
    let server = Server::start();
    assert_is_missing(&server.get("/users/7", &[("Accept", "application/json")]));
    assert_is_missing(&server.get("/users/7", &[("Accept", "*/*"), ("Sec-Fetch-Dest", "empty")]));
    assert_is_missing(&server.get("/users/7", &[("Accept", "text/html;q=0, */*")]));
}

#[test]
fn a_missing_asset_is_404_not_the_page() {
    let server = Server::start();
    let paths = [
        "/missing.js",
        "/images/missing.png",
        "/users/jane.doe",
        "/_app/immutable/older.js",
        "/_app/immutable/older",
        "/_app/",
        "/_app",
        "/%5fapp/older",
    ];
    for path in paths {
        assert_is_missing(&server.get(path, &[PAGE]));
    }
}

#[test]
fn hidden_files_do_not_exist() {
    let server = Server::start();
    for path in ["/.env", "/.git/config", "/%2eenv", "/docs/.htpasswd", "/.git/", "/.git"] {
        assert_is_missing(&server.get(path, &[PAGE]));
    }
    assert_eq!(server.get("/.well-known/security.txt", &[]).text(), "Contact: us");
}

#[test]
fn compressed_siblings_are_no_files_of_their_own() {
    let server = Server::start();
    assert_is_missing(&server.get("/_app/immutable/start.js.br", &[]));
    let response = server.get("/lonely.gz", &[]);
    assert_eq!((response.text(), response.header("content-encoding")), ("alone", None));
}

#[test]
fn nothing_outside_the_build_can_be_reached() {
    let server = Server::start();
    std::fs::write(server.build.outside().join("outside.txt"), "secret").unwrap();
    let paths = [
        "/../outside.txt",
        "/..%2foutside.txt",
        "/%2e%2e/outside.txt",
        "/%2e%2e%2foutside.txt",
        "/%252e%252e/outside.txt",
        "/docs/../../outside.txt",
        "/docs/..%2f..%2foutside.txt",
        "/..\\outside.txt",
        "/..%5coutside.txt",
        "/..;/outside.txt",
        "/.%00./outside.txt",
        "/about%00.txt",
        "/%c0%ae%c0%ae/outside.txt",
        "//outside.txt",
        "/docs//../../outside.txt",
        "/../../../../../../../../etc/passwd",
        "/etc/passwd",
        "/proc/self/environ",
    ];
    for path in paths {
        let response = server.get(path, &[("Accept", "text/plain")]);
        assert!(matches!(response.status, 400 | 404), "{path}: {}", response.status);
        assert!(!response.text().contains("secret"), "{path}");
    }
    let response = server.get("/docs/../about", &[PAGE]);
    assert_is_missing(&response);
}

#[test]
fn other_methods_are_405_where_there_is_something_to_get() {
    let server = Server::start();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        for path in ["/", "/about", "/docs", SCRIPT, "/users/7", "/film.mp4"] {
            let response = server.send(method, path, &[("Content-Length", "0")]);
            assert_eq!(
                (response.status, response.header("allow")),
                (405, Some("GET, HEAD")),
                "{method} {path}"
            );
        }
    }
    assert_is_missing(&server.send("POST", "/missing.js", &[("Content-Length", "0")]));
}

#[test]
fn the_environment_script_has_the_values_of_this_server() {
    let server = Server::start();
    let response = server.get("/_app/env.js", &[BROTLI]);
    assert_eq!(response.text(), r#"export const env={"PUBLIC_NAME":"Duplex"}"#);
    assert_eq!(response.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(response.header("cache-control"), Some("no-cache"));
    assert_eq!(response.header("content-encoding"), None);
}

#[test]
fn ranges_are_the_same_from_memory_and_from_disk() {
    let server = Server::start();
    for (path, content) in [("/film.mp4", build::film()), (SCRIPT, build::SCRIPT.to_vec())] {
        let length = content.len();
        let (first, last) = (length / 2, length / 2 + 9);
        let tag = server.get(path, &[]).tag();
        let range = format!("bytes={first}-{last}");
        let part = server.get(path, &[("Range", &range)]);
        assert_eq!(part.status, 206, "{path}");
        assert_eq!(part.body, content[first..=last]);
        assert_eq!(part.header("content-range"), Some(format!("bytes {first}-{last}/{length}").as_str()));
        assert_eq!(part.header("content-length"), Some("10"));
        assert_eq!(part.tag(), tag);
        assert_eq!(server.get(path, &[("Range", "bytes=-4")]).body, content[length - 4..]);
        assert_eq!(server.get(path, &[("Range", &range), ("If-Range", &tag)]).status, 206);
        assert_eq!(server.get(path, &[("Range", &range), ("If-Match", &tag)]).status, 206);

        for headers in [
            &[("Range", range.as_str()), ("If-Range", "\"other\"")][..],
            &[("Range", range.as_str()), ("If-Range", "Mon, 23 Nov 2026 05:30:00 GMT")],
            &[("Range", "bytes=0-1,3-4")],
            &[("Range", "lines=0-1")],
        ] {
            let whole = server.get(path, headers);
            assert_eq!((whole.status, whole.body.len()), (200, length), "{path}: {headers:?}");
        }

        let beyond = server.get(path, &[("Range", "bytes=99999999-")]);
        assert_eq!(beyond.status, 416);
        assert_eq!(beyond.header("content-range"), Some(format!("bytes */{length}").as_str()));
    }
}

#[test]
fn a_large_file_comes_from_disk_with_our_headers() {
    let server = Server::start();
    let response = server.get("/film.mp4", &[]);
    assert_eq!(response.body, build::film());
    assert_eq!(response.header("content-type"), Some("video/mp4"));
    assert_eq!(response.header("cache-control"), Some("no-cache"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("content-disposition"), None);
    assert_eq!(response.header("last-modified"), None);
    let unchanged = server.get("/film.mp4", &[("If-None-Match", &response.tag())]);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
}

#[test]
fn a_large_file_that_changed_is_not_sent_under_the_old_tag() {
    let server = Server::start();
    assert_eq!(server.get("/film.mp4", &[]).status, 200);
    std::fs::write(server.build.path().join("film.mp4"), "another film").unwrap();
    let response = server.get("/film.mp4", &[]);
    assert_eq!((response.status, response.header("etag")), (503, None));
    assert_eq!(response.header("cache-control"), Some("no-cache"));
}

#[test]
fn small_files_are_served_after_the_build_is_gone() {
    let server = Server::start();
    std::fs::remove_dir_all(server.build.path()).unwrap();
    assert_eq!(server.get("/about", &[]).text(), "the about page");
}
