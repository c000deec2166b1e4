//! What a contract refuses to be, and what it looks like in TypeScript.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::*;
use crate::{Namespace, Position, Socket};

struct App;

/// Declares a call of `App` that nobody makes.
macro_rules! call {
    ($params:ident, $name:literal, $reply:ty, $error:ty) => {
        impl Call<App> for $params {
            const NAME: &'static str = $name;
            type Reply = $reply;
            type Error = $error;

            async fn answer(self, _: &Socket, _: &App) -> Result<$reply, Failure<$error>> {
                Err(crate::ErrorCode::NOT_AVAILABLE.into())
            }
        }
    };
}

/// Orders something.
#[derive(Deserialize, TS)]
#[expect(dead_code, reason = "only its type is of interest")]
struct Order {
    /// How many.
    pieces: u32,
    to: Address,
}

#[derive(Clone, Serialize, Deserialize, TS)]
struct Address {
    street: String,
    floor: Option<i32>,
}

#[derive(Serialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(dead_code, reason = "only its type is of interest")]
enum OrderError {
    SoldOut { left: u32 },
    Closed,
}

#[derive(Serialize, TS)]
struct Receipt {
    number: SafeInteger,
    position: Option<Position>,
    lines: Vec<Line>,
}

#[derive(Serialize, TS)]
struct Line {
    text: String,
}

call!(Order, "shop.order", Receipt, OrderError);

#[derive(Deserialize, TS)]
struct Addresses;

call!(Addresses, "shop.addresses", Vec<Address>, Never);

struct News;

impl ChannelKind<App> for News {
    const NAMESPACE: &'static str = "news";
    type Publication = Address;
    type Info = ();

    fn options() -> Namespace {
        Namespace { history_size: 7, ..Namespace::default() }
    }

    fn parse(_: &str) -> Option<Self> {
        Some(Self)
    }

    fn name(&self) -> &'static str {
        "all"
    }
}

fn shop() -> Contract<App> {
    Contract::new().call::<Order>().call::<Addresses>().channel::<News>()
}

const TYPES: &str = "\
// Written by the server from its Rust types: change those, not this file.

export type Address = { street: string, floor: number | null };

export type Addresses = null;

export type Line = { text: string };

/** Orders something. */
export type Order = {
\t/** How many. */
\tpieces: number;
\tto: Address;
};

export type OrderError = { type: \"sold_out\", left: number } | { type: \"closed\" };

export type Position = {
\t/** The life of the stream. */
\tepoch: string;
\t/** The offset of the last publication seen; 0 before the first. Offsets grow by 1. */
\toffset: number;
};

export type Receipt = { number: number, position: Position | null, lines: Array<Line> };

/** What a page may ask of the server, by name. */
export interface Calls {
\t'shop.addresses': { params: Addresses; reply: Array<Address>; error: never };
\t'shop.order': { params: Order; reply: Receipt; error: OrderError };
}

/** What is published to channels, and what others see of their subscribers, by name. */
export interface Channels {
\t[channel: `news:${string}`]: { publication: Address; info: null };
}
";

#[test]
fn the_types_of_a_contract_are_written_with_all_that_they_are_made_of() {
    let directory = tempfile::tempdir().unwrap();
    let files = shop().export(directory.path()).unwrap();
    assert_eq!(files, ["types.ts", "fingerprints.ts"].map(|name| directory.path().join(name)));
    let types = fs::read_to_string(&files[0]).unwrap();
    // The comment of the position is core's own, and may be worded anew.
    assert_eq!(without_position(&types), without_position(TYPES));
    let fingerprints = fs::read_to_string(&files[1]).unwrap();
    for (name, fingerprint) in shop().fingerprints() {
        assert!(fingerprints.contains(&format!("\t'{name}': '{fingerprint}',\n")), "{fingerprints}");
    }
}

fn without_position(types: &str) -> String {
    let is_other = |part: &&str| !part.contains("export type Position");
    types.split("\n\n").filter(is_other).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn generic_and_recursive_types_are_written_once() {
    #[derive(Serialize, TS)]
    struct Listing<T> {
        items: Vec<T>,
    }
    #[derive(Serialize, TS)]
    struct Tree {
        value: (u8, Option<Line>),
        children: Vec<Tree>,
    }
    #[derive(Deserialize, TS)]
    struct Trees;
    call!(Trees, "trees", Listing<Tree>, Never);
    #[derive(Deserialize, TS)]
    struct Lines;
    call!(Lines, "lines", Listing<Line>, Never);

    let directory = tempfile::tempdir().unwrap();
    Contract::new().call::<Trees>().call::<Lines>().export(directory.path()).unwrap();
    let types = fs::read_to_string(directory.path().join("types.ts")).unwrap();
    for line in [
        "export type Listing<T> = { items: Array<T> };\n",
        "export type Tree = { value: [number, Line | null], children: Array<Tree> };\n",
        "export type Line = { text: string };\n",
        "\t'trees': { params: Trees; reply: Listing<Tree>; error: never };\n",
        "\t'lines': { params: Lines; reply: Listing<Line>; error: never };\n",
    ] {
        assert_eq!(types.matches(line).count(), 1, "{line}{types}");
    }
}

#[test]
fn only_files_that_have_changed_are_written_and_no_drafts_are_left() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("src/contract");
    assert_eq!(shop().export(&place).unwrap().len(), 2);
    assert_eq!(shop().export(&place).unwrap(), Vec::<std::path::PathBuf>::new());
    fs::write(place.join("types.ts"), "edited by hand").unwrap();
    assert_eq!(shop().export(&place).unwrap(), [place.join("types.ts")]);
    assert_eq!(names_in(&place), ["fingerprints.ts", "types.ts"]);
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("taken"), "").unwrap();
    let error = shop().export(&directory.path().join("taken")).unwrap_err();
    assert!(error.to_string().contains("taken/types.ts"), "{error}");
}

#[test]
fn a_contract_has_the_namespaces_of_its_channels() {
    let namespaces = shop().namespaces();
    let expected = crate::Namespaces::default().with("news", News::options());
    assert_eq!(namespaces, expected);
}

#[test]
fn a_name_may_be_there_once() {
    let contract = shop().call::<Order>();
    assert_eq!(contract.check(), Err(BadContract::Twice("shop.order".to_owned())));
    let contract = shop().channel::<News>();
    assert_eq!(contract.check(), Err(BadContract::Twice("news".to_owned())));
    assert!(contract.export(tempfile::tempdir().unwrap().path()).is_err());
}

#[test]
fn a_name_with_other_characters_is_refused() {
    #[derive(Deserialize, TS)]
    struct Odd;
    call!(Odd, "shop@odd", (), Never);
    let contract = shop().call::<Odd>();
    assert_eq!(contract.check(), Err(BadContract::BadName("shop@odd".to_owned())));
}

#[test]
fn two_types_of_one_name_are_refused() {
    mod other {
        use super::*;

        #[derive(Serialize, TS)]
        pub(super) struct Line {
            pub(super) number: u8,
        }
    }
    #[derive(Deserialize, TS)]
    struct Last;
    call!(Last, "shop.last", other::Line, Never);
    let contract = shop().call::<Last>();
    let error = contract.check().unwrap_err();
    assert!(matches!(&error, BadContract::NameTaken { name, .. } if name == "Line"), "{error}");
    assert!(error.to_string().contains("other::Line and "), "{error}");
}

#[test]
fn integers_that_javascript_would_round_are_refused_wherever_they_hide() {
    #[derive(Serialize, TS)]
    struct Deep {
        map: std::collections::HashMap<String, Option<Vec<u64>>>,
    }
    #[derive(Deserialize, TS)]
    struct Inside;
    call!(Inside, "shop.inside", Vec<Deep>, Never);
    #[derive(Deserialize, TS)]
    struct Bare;
    call!(Bare, "shop.bare", Vec<i64>, Never);

    let inside = Contract::new().call::<Inside>().check();
    assert!(inside.unwrap_err().to_string().contains("::Deep has an integer"));
    let bare = Contract::new().call::<Bare>().check().unwrap_err();
    assert!(bare.to_string().contains("SafeInteger"), "{bare}");
}

#[test]
fn documentation_cannot_end_its_comment() {
    /// As in src/**/*.rs
    #[derive(Deserialize, TS)]
    struct Glob {
        /// A pattern such as `/*`, or **/
        #[expect(dead_code, reason = "never asked")]
        pattern: String,
    }
    call!(Glob, "shop.glob", (), Never);
    let directory = tempfile::tempdir().unwrap();
    Contract::new().call::<Glob>().export(directory.path()).unwrap();
    let types = fs::read_to_string(directory.path().join("types.ts")).unwrap();
    let expected = "/** As in src/**\\/*.rs */\n\
        export type Glob = {\n\t/** A pattern such as `/*`, or **\\/ */\n\tpattern: string;\n};\n";
    assert!(types.contains(expected), "{types}");
}

#[test]
fn types_that_are_spelt_alike_are_told_apart_by_what_they_are_made_of() {
    mod one {
        use super::*;

        #[derive(Serialize, TS)]
        pub(super) struct Entry {
            pub(super) part: Part,
        }

        #[derive(Serialize, TS)]
        pub(super) struct Part {
            pub(super) text: String,
        }
    }
    mod two {
        use super::*;

        #[derive(Serialize, TS)]
        pub(super) struct Entry {
            pub(super) part: Part,
        }

        #[derive(Serialize, TS)]
        pub(super) struct Part {
            pub(super) number: u8,
        }
    }
    #[derive(Deserialize, TS)]
    struct First;
    call!(First, "first", one::Entry, Never);
    #[derive(Deserialize, TS)]
    struct Second;
    call!(Second, "second", two::Entry, Never);
    let error = Contract::new().call::<First>().call::<Second>().check().unwrap_err();
    assert!(matches!(&error, BadContract::NameTaken { name, .. } if name == "Part"), "{error}");
}

#[test]
fn names_that_mean_something_else_in_typescript_are_refused() {
    #[derive(Deserialize, TS)]
    struct Calls;
    call!(Calls, "calls", (), Never);
    #[derive(Deserialize, TS)]
    #[ts(rename = "my-type")]
    struct Dashed;
    call!(Dashed, "dashed", (), Never);
    for error in [Contract::new().call::<Calls>().check(), Contract::new().call::<Dashed>().check()] {
        assert!(matches!(error, Err(BadContract::BadTypeName(..))), "{error:?}");
    }
}

#[test]
fn integers_of_the_machines_size_are_refused() {
    #[derive(Serialize, TS)]
    struct Counted {
        lines: Vec<usize>,
    }
    #[derive(Deserialize, TS)]
    struct Count;
    call!(Count, "count", Counted, Never);
    let error = Contract::new().call::<Count>().check().unwrap_err();
    assert!(error.to_string().contains("::Counted has an integer"), "{error}");
}

#[test]
fn what_ts_rs_cannot_spell_is_an_error_and_no_panic() {
    #[derive(Serialize, TS)]
    struct Paging {
        page: u32,
    }
    #[derive(Serialize, TS)]
    struct Listing {
        #[serde(flatten)]
        paging: Option<Paging>,
    }
    #[derive(Deserialize, TS)]
    struct List;
    call!(List, "list", Listing, Never);
    let error = Contract::new().call::<List>().check().unwrap_err();
    assert!(matches!(error, BadContract::Unspellable(_)), "{error}");
}

#[test]
fn an_error_of_the_call_itself_is_a_refusal_and_every_other_one_a_failure() {
    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("there is too much")]
    struct TooMuch;
    fn refused() -> Result<(), Failure<TooMuch>> {
        Err(TooMuch)?
    }
    fn failed() -> Result<(), Failure<TooMuch>> {
        Err(std::io::Error::other("the disk is full"))?
    }
    assert!(matches!(refused(), Err(Failure::Refused(TooMuch))));
    let Err(Failure::Rejected(rejection)) = failed() else { panic!("a failure was taken for a refusal") };
    assert_eq!(rejection.to_string(), "error 100: internal server error");
}

#[test]
fn an_error_that_pages_could_not_tell_is_refused() {
    #[derive(Serialize, TS)]
    #[expect(dead_code, reason = "only its type is of interest")]
    enum Untagged {
        Empty,
    }
    #[derive(Deserialize, TS)]
    struct Guess;
    call!(Guess, "shop.guess", (), Untagged);
    #[derive(Serialize, TS)]
    #[serde(tag = "type", rename_all = "snake_case")]
    #[expect(dead_code, reason = "only its type is of interest")]
    enum Confusing {
        /// Not allowed.
        Denied { why: String },
    }
    #[derive(Deserialize, TS)]
    struct Confuse;
    call!(Confuse, "shop.confuse", (), Confusing);

    let untagged = Contract::new().call::<Guess>().check();
    assert_eq!(untagged, Err(BadContract::UntaggedError("Untagged".to_owned())));
    let taken = Contract::new().call::<Confuse>().check();
    assert_eq!(taken, Err(BadContract::TakenError("Confusing".to_owned(), "denied".to_owned())));
}

/// The fingerprint of a call whose reply is `Reply`.
macro_rules! fingerprint {
    ($reply:ty) => {{
        #[derive(Deserialize, TS)]
        struct Ask;
        call!(Ask, "ask", $reply, Never);
        let contract = Contract::<App>::new().call::<Ask>();
        contract.fingerprints()["ask"].to_owned()
    }};
}

#[test]
fn a_fingerprint_changes_with_every_type_that_is_reached_and_not_with_words_about_it() {
    mod one {
        use super::*;

        #[derive(Serialize, TS)]
        pub(super) struct Answer {
            pub(super) parts: Vec<Part>,
        }

        #[derive(Serialize, TS)]
        pub(super) struct Part {
            pub(super) text: String,
        }
    }
    mod documented {
        use super::*;

        /// An answer.
        #[derive(Serialize, TS)]
        pub(super) struct Answer {
            /// Its parts.
            pub(super) parts: Vec<Part>,
        }

        #[derive(Serialize, TS)]
        pub(super) struct Part {
            /// What it says.
            ///
            /// In two paragraphs.
            pub(super) text: String,
        }
    }
    mod deeper {
        use super::*;

        #[derive(Serialize, TS)]
        pub(super) struct Answer {
            pub(super) parts: Vec<Part>,
        }

        #[derive(Serialize, TS)]
        pub(super) struct Part {
            pub(super) words: String,
        }
    }
    #[derive(Deserialize, TS)]
    struct Ask;
    call!(Ask, "ask", one::Answer, Never);
    #[derive(Deserialize, TS)]
    #[ts(rename = "Ask")]
    #[expect(dead_code, reason = "only its type is of interest")]
    struct AskMore {
        of: String,
    }
    call!(AskMore, "ask", one::Answer, Never);
    #[derive(Deserialize, TS)]
    #[ts(rename = "Ask")]
    struct AskInVain;
    call!(AskInVain, "ask", one::Answer, OrderError);
    let before = Contract::<App>::new().call::<Ask>().fingerprints()["ask"].to_owned();
    for other in [Contract::new().call::<AskMore>(), Contract::new().call::<AskInVain>()] {
        assert_ne!(other.fingerprints()["ask"], before);
    }
    let before = fingerprint!(one::Answer);
    assert_eq!(before, fingerprint!(documented::Answer));
    assert_ne!(before, fingerprint!(deeper::Answer));
    assert_ne!(before, fingerprint!(Vec<one::Answer>));
    assert_eq!(before.len(), 16);
}
