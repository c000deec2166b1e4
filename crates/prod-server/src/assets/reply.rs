//! Owns the responses: their status, headers and bytes. What a request gets is decided elsewhere.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use actix_files::NamedFile;
use actix_web::body::None as NoBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_MATCH, IF_RANGE, LOCATION, RANGE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{StatusCode, Uri};
use actix_web::web::{self, Bytes};
use actix_web::{HttpResponse, HttpResponseBuilder};

use super::Refusal;
use super::asset::{Asset, Content, Variant};
use super::range::Selection;

const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");
/// A path that is missing for a script can be the fallback page for a browser.
const PAGE_VARY: HeaderValue = HeaderValue::from_static("accept, sec-fetch-dest");

pub(super) fn refuse(refusal: Refusal, uri: &Uri) -> HttpResponse {
    match refusal {
        Refusal::Missing => not_found(),
        Refusal::Method => method_not_allowed(),
        Refusal::OtherAddress => redirect(uri),
    }
}

fn not_found() -> HttpResponse {
    note(StatusCode::NOT_FOUND).insert_header((VARY, PAGE_VARY)).body("Not found\n")
}

fn method_not_allowed() -> HttpResponse {
    note(StatusCode::METHOD_NOT_ALLOWED)
        .insert_header((ALLOW, HeaderValue::from_static("GET, HEAD")))
        .body("Only GET and HEAD are answered here\n")
}

pub(super) fn precondition_failed() -> HttpResponse {
    note(StatusCode::PRECONDITION_FAILED).body("The file is another one now\n")
}

/// To the same path with a slash more or less. Caches have to ask again, since the next build may turn it
/// around.
fn redirect(uri: &Uri) -> HttpResponse {
    let path = match uri.path() {
        path if path.ends_with('/') => path.trim_end_matches('/').to_owned(),
        path => format!("{path}/"),
    };
    let location = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    note(StatusCode::PERMANENT_REDIRECT).insert_header((LOCATION, location)).finish()
}

pub(super) fn not_modified(asset: &Asset, variant: &Variant) -> HttpResponse {
    let mut response =
        HttpResponse::new(StatusCode::NOT_MODIFIED).set_body(NoBody::new()).map_into_boxed_body();
    insert_cache_headers(response.headers_mut(), asset, variant);
    response
}

pub(super) fn range_not_satisfiable(asset: &Asset, variant: &Variant) -> HttpResponse {
    let mut response = note(StatusCode::RANGE_NOT_SATISFIABLE)
        .insert_header((CONTENT_RANGE, format!("bytes */{}", variant.length())))
        .body("The file is shorter than that\n");
    insert(response.headers_mut(), VARY, asset.vary.as_ref());
    response
}

/// The content itself. A selection that cannot be satisfied is not for here, and counts as the whole.
pub(super) async fn send(
    request: ServiceRequest,
    asset: &Asset,
    variant: &Variant,
    selection: Selection,
) -> ServiceResponse {
    let mut response = match &variant.content {
        Content::Memory(bytes) => request.into_response(from_memory(bytes, selection)),
        Content::Disk { path, length, modified } => match open(path, *length, *modified).await {
            Ok(file) => from_disk(request, file, &selection),
            Err(error) => {
                log::error!("cannot serve {}: {error}", path.display());
                return request.into_response(gone());
            }
        },
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, asset.content_type.clone());
    headers.insert(ACCEPT_RANGES, BYTES);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFFING);
    insert(headers, CONTENT_ENCODING, variant.encoding.header_value().as_ref());
    insert_cache_headers(headers, asset, variant);
    response
}

/// Shares the bytes with all other responses; the connection makes the only copy.
fn from_memory(bytes: &Bytes, selection: Selection) -> HttpResponse {
    match selection {
        Selection::Part(range) => {
            let part = slice(bytes, &range);
            HttpResponse::PartialContent()
                .insert_header((
                    CONTENT_RANGE,
                    format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len()),
                ))
                .body(part)
        }
        Selection::Whole | Selection::Unsatisfiable => HttpResponse::Ok().body(bytes.clone()),
    }
}

/// `Selection::Part` lies inside the content, which is in memory, so its bounds fit.
fn slice(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let bound = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(bound(range.start)..bound(range.end))
}

/// Lets `NamedFile` send the file or the range of it.
///
/// It would compare the conditions with a tag of its own, made of inode and time. They have been decided with
/// ours, so they are taken off the request first. The router has just changed the request in the same way,
/// which it cannot do either while anyone else holds it.
fn from_disk(mut request: ServiceRequest, file: NamedFile, selection: &Selection) -> ServiceResponse {
    let is_part = matches!(selection, Selection::Part(_));
    for (name, decided) in [(IF_MATCH, true), (IF_RANGE, true), (RANGE, !is_part)] {
        if decided && request.headers().contains_key(&name) {
            request.headers_mut().remove(name);
        }
    }
    let file = file.use_etag(false).use_last_modified(false).disable_content_disposition();
    let response = file.into_response(request.request());
    request.into_response(response)
}

/// Opens a file off the worker thread, if it is still the one that the tag was made for.
async fn open(path: &Path, length: u64, modified: Option<SystemTime>) -> io::Result<NamedFile> {
    let path = path.to_owned();
    let opened = web::block(move || {
        let file = File::open(&path)?;
        let metadata = file.metadata()?;
        if metadata.len() != length || metadata.modified().ok() != modified {
            return Err(io::Error::other("it has changed since the start; restart the server after a build"));
        }
        NamedFile::from_file(file, path)
    });
    opened.await.map_err(io::Error::other)?
}

fn gone() -> HttpResponse {
    note(StatusCode::SERVICE_UNAVAILABLE).body("The server is being updated\n")
}

/// A short answer for a person, never to be cached without asking.
fn note(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CONTENT_TYPE, PLAIN_TEXT))
        .insert_header((CACHE_CONTROL, NO_CACHE))
        .insert_header((X_CONTENT_TYPE_OPTIONS, NO_SNIFFING));
    response
}

fn insert_cache_headers(headers: &mut HeaderMap, asset: &Asset, variant: &Variant) {
    headers.insert(ETAG, variant.entity_tag.clone());
    headers.insert(CACHE_CONTROL, asset.cache_control.clone());
    insert(headers, VARY, asset.vary.as_ref());
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<&HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value.clone());
    }
}
