//! Owns the built front end: what is served under which path, and how a request for it is answered. The
//! application's own routes come first and are not known here.
//!
//! A request takes these steps, and `Assets::respond` has them in this order:
//!
//! 1. The path is decoded and looked up; what is not there is 404 (`request_path`, `index`).
//! 2. A method other than GET and HEAD is 405.
//! 3. A page spelled with a slash too many or too few is redirected.
//! 4. A path that names no file gets the fallback page, if the client wants a page (`page`).
//! 5. The variant is chosen: brotli, gzip or plain (`encoding`).
//! 6. Preconditions are compared with its entity tag: 304, 412 (`conditions`).
//! 7. A range of it is cut out, if asked for: 206, 416 (`range`).
//! 8. The bytes are sent, from memory or from disk (`reply`).

mod accept;
mod asset;
mod build_id;
mod conditions;
mod content;
mod content_type;
mod encoding;
mod environment_module;
mod index;
mod page;
mod range;
mod reply;
mod request_path;
mod walk;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::dev::{ServiceRequest, ServiceResponse, fn_service};
use actix_web::http::Method;
use actix_web::{Error, Route, web};

use self::asset::Asset;
use self::conditions::Verdict;
use self::index::{Entry, Index};
use self::range::Selection;

/// What can be chosen about the assets.
#[derive(Clone, Debug)]
pub struct AssetsSettings {
    /// Files above this many bytes stay on disk and are streamed from there. 4 MiB by default: more than any
    /// script or page, less than most films.
    pub largest_in_memory: u64,

    /// The variables that pages see as `$env/dynamic/public`: those with the prefix `PUBLIC_`. None by
    /// default.
    pub public_environment: BTreeMap<String, String>,
}

impl Default for AssetsSettings {
    fn default() -> AssetsSettings {
        AssetsSettings { largest_in_memory: 4 * 1024 * 1024, public_environment: BTreeMap::new() }
    }
}

/// Why a build cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssetsError {
    /// There is no build, or one without any page.
    #[error("there is no built front end in {path}: run scripts/build-frontend.sh", path = .0.display())]
    NoBuild(PathBuf),

    /// A file or directory of the build cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A symbolic link leads out of the build, or back to a directory that contains it.
    #[error("{path} is a link out of the build or in a circle: replace it by a copy", path = .0.display())]
    StrayLink(PathBuf),

    /// A file has a name that no URL can spell.
    #[error("the name of {path} is not UTF-8: rename it", path = .0.display())]
    UnspeakableName(PathBuf),
}

/// The built front end, indexed and for the most part held in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct Assets {
    index: Arc<Index>,
}

impl Assets {
    /// Reads the build in `directory`, which is not looked at again but for the bytes of large files.
    ///
    /// # Errors
    ///
    /// Fails when there is no build, or when it has something that cannot be served safely.
    pub fn load(directory: &Path, settings: &AssetsSettings) -> Result<Assets, AssetsError> {
        Ok(Assets { index: Arc::new(Index::load(directory, settings)?) })
    }

    /// The id of the build, as its pages know it; nothing if it has none.
    pub fn build(&self) -> Option<&str> {
        self.index.build.as_deref()
    }

    /// How many files there are, compressed variants not counted.
    pub fn files(&self) -> usize {
        self.index.files
    }

    /// How many bytes of them, compressed variants counted, are held in memory.
    pub fn bytes_in_memory(&self) -> u64 {
        self.index.bytes_in_memory
    }

    /// The route that answers everything the application does not, for `App::default_service`.
    pub fn route(&self) -> Route {
        let assets = self.clone();
        web::route().service(fn_service(move |request: ServiceRequest| {
            let assets = assets.clone();
            async move { Ok::<_, Error>(assets.respond(request).await) }
        }))
    }

    async fn respond(&self, request: ServiceRequest) -> ServiceResponse {
        let asset = match self.find(&request) {
            Ok(asset) => asset,
            Err(refusal) => {
                let response = reply::refuse(refusal, request.uri());
                return request.into_response(response);
            }
        };
        let variant = asset.variant(encoding::negotiate(request.headers(), asset.encodings()));
        match conditions::evaluate(request.headers(), &variant.entity_tag) {
            Verdict::Proceed => {}
            Verdict::NotModified => return request.into_response(reply::not_modified(asset, variant)),
            Verdict::Failed => return request.into_response(reply::precondition_failed()),
        }
        match range::select(&request, variant) {
            Selection::Unsatisfiable => request.into_response(reply::range_not_satisfiable(asset, variant)),
            selection => reply::send(request, asset, variant, selection).await,
        }
    }

    /// Steps 1 to 4.
    fn find(&self, request: &ServiceRequest) -> Result<&Asset, Refusal> {
        let path = request_path::decode(request.uri().path()).ok_or(Refusal::Missing)?;
        let entry = self.index.find(&path);
        if matches!(entry, Entry::Missing) {
            return Err(Refusal::Missing);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Refusal::Method);
        }
        match entry {
            Entry::File(asset) => Ok(asset),
            Entry::Redirect => Err(Refusal::OtherAddress),
            Entry::Fallback(asset) if page::is_wanted(request.headers()) => Ok(asset),
            Entry::Fallback(_) | Entry::Missing => Err(Refusal::Missing),
        }
    }
}

/// Why a request leads to no file.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Missing,
    Method,
    /// The page is at the same path with a slash more or less.
    OtherAddress,
}
