//! Owns the table from paths to files, built once at start. Whatever a path can lead to is decided here, so
//! that a request is one look into the table.
//!
//! A page has one address, the one its file has in a build of SvelteKit: `about.html` is `/about`, and
//! `about/index.html` (option `trailingSlash: 'always'`) is `/about/`. The other spelling is redirected, as
//! SvelteKit's own servers do: relative links and the client's router are made for the one address.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use actix_web::http::header::HeaderValue;

use super::asset::{Asset, Content, Variant};
use super::build_id::build_id;
use super::content_type::content_type;
use super::encoding::Encoding;
use super::request_path::segments;
use super::walk::{is_hidden, walk};
use super::{AssetsError, AssetsSettings, content, environment_module};

/// The page of the root, and the page that stands in for all that were not prerendered.
const ROOT_PAGE: &str = "index.html";
const FALLBACK_PAGE: &str = "200.html";

/// What the framework generates; what is not there is a mistake or from an older build, and never a page.
const GENERATED: &str = "_app";
/// Those of them that have a hash in the name.
const IMMUTABLE: &str = "_app/immutable/";

/// The table.
#[derive(Debug)]
pub(super) struct Index {
    places: HashMap<String, Place>,
    assets: Vec<Asset>,
    fallback: Option<Asset>,
    pub(super) build: Option<String>,
    pub(super) files: usize,
    pub(super) bytes_in_memory: u64,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    File(&'a Asset),
    /// A page, but its address has one slash less or one more at its end.
    Redirect,
    /// No file, but it could be a page that only the client knows.
    Fallback(&'a Asset),
    Missing,
}

#[derive(Debug)]
enum Place {
    Asset(usize),
    Redirect,
}

impl Index {
    pub(super) fn load(directory: &Path, settings: &AssetsSettings) -> Result<Index, AssetsError> {
        let no_build = || AssetsError::NoBuild(directory.to_owned());
        if !directory.is_dir() {
            return Err(no_build());
        }
        let mut files = walk(directory)?;
        if !files.contains_key(ROOT_PAGE) && !files.contains_key(FALLBACK_PAGE) {
            return Err(no_build());
        }
        let compressed = take_compressed(&mut files);
        let mut index = Index {
            places: HashMap::new(),
            assets: Vec::new(),
            fallback: None,
            build: build_id(&files)?,
            files: files.len(),
            bytes_in_memory: 0,
        };
        for (key, path) in &files {
            let asset = load_asset(key, path, &compressed, settings)?;
            index.add(key, asset);
        }
        for key in files.keys() {
            index.add_page(key);
        }
        Ok(index)
    }

    /// What a key, as `request_path` makes it, leads to.
    pub(super) fn find(&self, key: &str) -> Entry<'_> {
        match (self.places.get(key), &self.fallback) {
            (Some(Place::Asset(number)), _) => self.assets.get(*number).map_or(Entry::Missing, Entry::File),
            (Some(Place::Redirect), _) => Entry::Redirect,
            (None, Some(fallback)) if may_be_page(key) => Entry::Fallback(fallback),
            (None, _) => Entry::Missing,
        }
    }

    fn add(&mut self, key: &str, asset: Asset) {
        let in_memory = asset.variants().filter(|variant| matches!(variant.content, Content::Memory(_)));
        self.bytes_in_memory += in_memory.map(Variant::length).sum::<u64>();
        if key == FALLBACK_PAGE {
            self.fallback = Some(into_fallback(asset.clone()));
        }
        self.places.insert(key.to_owned(), Place::Asset(self.assets.len()));
        self.assets.push(asset);
    }

    /// Gives a page its address. A file that has that very name goes first.
    fn add_page(&mut self, key: &str) {
        let Some(Place::Asset(number)) = self.places.get(key) else { return };
        let number = *number;
        let (address, other) = match key.strip_suffix(".html") {
            Some("index") => (String::new(), None),
            Some(page) if key != FALLBACK_PAGE => match page.strip_suffix("/index") {
                Some(directory) => (format!("{directory}/"), Some(directory.to_owned())),
                None => (page.to_owned(), Some(format!("{page}/"))),
            },
            _ => return,
        };
        if !matches!(self.places.get(&address), Some(Place::Asset(_))) {
            self.places.insert(address, Place::Asset(number));
        }
        if let Some(other) = other {
            self.places.entry(other).or_insert(Place::Redirect);
        }
    }
}

/// Whether a path that names no file may be one of the client's pages. A name with a dot is a missing asset.
fn may_be_page(key: &str) -> bool {
    segments(key).next() != Some(GENERATED)
        && !segments(key).any(is_hidden)
        && segments(key).last().is_none_or(|name| !name.contains('.'))
}

/// Takes the compressed variants out: files whose name is that of another one with `.gz` or `.br` behind it.
/// A compressed file that stands alone is a file like any other.
fn take_compressed(files: &mut BTreeMap<String, PathBuf>) -> HashMap<String, PathBuf> {
    let is_variant = |key: &String| {
        let original = key.strip_suffix(".br").or(key.strip_suffix(".gz"));
        original.is_some_and(|original| files.contains_key(original))
    };
    let keys: Vec<_> = files.keys().filter(|key| is_variant(key)).cloned().collect();
    keys.into_iter().filter_map(|key| files.remove_entry(&key)).collect()
}

fn load_asset(
    key: &str,
    path: &Path,
    compressed: &HashMap<String, PathBuf>,
    settings: &AssetsSettings,
) -> Result<Asset, AssetsError> {
    if key == environment_module::KEY {
        let script = environment_module::script(&settings.public_environment);
        return Ok(assemble(key, content::from_memory(script), None, None));
    }
    let load = |path: &Path, encoding| content::load(path, encoding, settings.largest_in_memory);
    let sibling = |encoding: Encoding| {
        let path = compressed.get(&format!("{key}.{}", encoding.extension()));
        path.map(|path| load(path, encoding)).transpose()
    };
    Ok(assemble(key, load(path, Encoding::Identity)?, sibling(Encoding::Gzip)?, sibling(Encoding::Brotli)?))
}

fn assemble(key: &str, identity: Variant, gzip: Option<Variant>, brotli: Option<Variant>) -> Asset {
    let is_compressed = gzip.is_some() || brotli.is_some();
    let cache_control =
        if key.starts_with(IMMUTABLE) { "public, max-age=31536000, immutable" } else { "no-cache" };
    Asset {
        content_type: content_type(key),
        cache_control: HeaderValue::from_static(cache_control),
        vary: is_compressed.then_some(HeaderValue::from_static("accept-encoding")),
        identity,
        gzip,
        brotli,
    }
}

/// Whether a path is answered with the fallback page or with 404 depends on more headers than a file does.
fn into_fallback(asset: Asset) -> Asset {
    Asset { vary: Some(HeaderValue::from_static("accept, accept-encoding, sec-fetch-dest")), ..asset }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const FILES: [&str; 15] = [
        "index.html",
        "200.html",
        "about.html",
        "about.html.br",
        "docs/index.html",
        "docs/start.html",
        "both.html",
        "both/index.html",
        "exact",
        "exact.html",
        "_app/env.js",
        "_app/env.js.br",
        "_app/immutable/start.js",
        "_app/immutable/start.js.gz",
        "lonely.gz",
    ];

    fn index(files: &[&str]) -> Index {
        let build = tempfile::tempdir().unwrap();
        for file in files {
            let path = build.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        Index::load(build.path(), &AssetsSettings::default()).unwrap()
    }

    /// The file's text, which is its name, or what there is instead.
    fn found(index: &Index, key: &str) -> String {
        let asset = match index.find(key) {
            Entry::File(asset) => asset,
            Entry::Redirect => return "redirect".to_owned(),
            Entry::Fallback(_) => return "fallback".to_owned(),
            Entry::Missing => return "missing".to_owned(),
        };
        let Content::Memory(bytes) = &asset.identity.content else { panic!("{key} is not in memory") };
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn every_path_leads_to_one_thing() {
        let index = index(&FILES);
        let cases = [
            ("", "index.html"),
            ("index.html", "index.html"),
            ("200.html", "200.html"),
            ("about", "about.html"),
            ("about.html", "about.html"),
            ("about/", "redirect"),
            ("docs/", "docs/index.html"),
            ("docs", "redirect"),
            ("docs/start", "docs/start.html"),
            ("docs/start/", "redirect"),
            ("both", "both.html"),
            ("both/", "both/index.html"),
            ("exact", "exact"),
            ("exact.html", "exact.html"),
            ("_app/immutable/start.js", "_app/immutable/start.js"),
            ("lonely.gz", "lonely.gz"),
            ("users/7", "fallback"),
            ("users/7/", "fallback"),
            ("index", "fallback"),
            ("200", "fallback"),
            ("_application", "fallback"),
            (".well-known/change-password", "fallback"),
            ("about.html.br", "missing"),
            ("missing.js", "missing"),
            ("users/jane.doe", "missing"),
            ("users/jane.doe/", "missing"),
            ("_app", "missing"),
            ("_app/", "missing"),
            ("_app/immutable/older", "missing"),
            (".env", "missing"),
            (".git/config", "missing"),
            ("a/.hidden/b", "missing"),
        ];
        for (key, expected) in cases {
            assert_eq!(found(&index, key), expected, "/{key}");
        }
        assert_eq!(index.files, 12);
    }

    #[test]
    fn without_a_fallback_page_what_is_not_there_is_missing() {
        let index = index(&["index.html"]);
        assert_eq!(found(&index, ""), "index.html");
        assert_eq!(found(&index, "users/7"), "missing");
    }

    #[test]
    fn without_a_root_page_the_fallback_stands_in() {
        assert_eq!(found(&index(&["200.html"]), ""), "fallback");
    }

    #[test]
    fn the_environment_script_has_our_values_and_no_stale_variant() {
        let index = index(&FILES);
        assert_eq!(found(&index, "_app/env.js"), "export const env={}");
        let Entry::File(asset) = index.find("_app/env.js") else { panic!("no script") };
        assert_eq!(asset.variants().count(), 1);
        assert_eq!(asset.cache_control, "no-cache");
    }

    #[test]
    fn only_files_with_a_hash_in_their_name_are_immutable() {
        let index = index(&FILES);
        let Entry::File(script) = index.find("_app/immutable/start.js") else { panic!("no script") };
        assert_eq!(script.cache_control, "public, max-age=31536000, immutable");
        let Entry::File(page) = index.find("about") else { panic!("no page") };
        assert_eq!(page.cache_control, "no-cache");
    }

    #[test]
    fn a_directory_without_a_page_is_no_build() {
        let empty = tempfile::tempdir().unwrap();
        for directory in [empty.path().to_owned(), empty.path().join("missing")] {
            let error = Index::load(&directory, &AssetsSettings::default()).unwrap_err();
            assert!(error.to_string().ends_with(": run scripts/build-frontend.sh"), "{error}");
        }
    }
}
