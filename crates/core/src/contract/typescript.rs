//! Writes Rust types down in TypeScript: those of a contract, and all that they are made of.

use std::{
    any::{TypeId, type_name},
    collections::{BTreeMap, HashSet},
    num::{NonZeroIsize, NonZeroUsize},
};

use ts_rs::{Config, TS, TypeVisitor};

use super::{
    BadContract, layout,
    parts::without_comments,
    reasons::{self, Unclear},
};

/// The types that have been met, by their names in TypeScript.
pub(super) struct Declarations {
    config: Config,
    types: BTreeMap<String, Declaration>,
    visited: HashSet<TypeId>,
    /// What is being looked at, to be named if something is wrong with it.
    within: &'static str,
    problem: Option<BadContract>,
}

struct Declaration {
    /// As ts-rs has them.
    documentation: Option<String>,
    text: String,
    /// The type's name in Rust.
    rust: &'static str,
}

/// Stands for every integer that may have more than 53 bits, and is no type in TypeScript, so that it can be found.
const LARGE_INTEGER: &str = "%large integer%";

/// Names that a declaration must not take: what is declared beside it, and what ts-rs builds with.
const TAKEN_NAMES: [&str; 4] = ["Array", "Calls", "Channels", "Record"];

impl Declarations {
    pub(super) fn new() -> Self {
        Self {
            config: Config::new().with_large_int(LARGE_INTEGER),
            types: BTreeMap::new(),
            visited: HashSet::new(),
            within: "",
            problem: None,
        }
    }

    /// Adds a type with all that it is made of, and returns how it is spelt.
    pub(super) fn add<T: TS + 'static + ?Sized>(&mut self) -> String {
        self.within = type_name::<T>();
        self.visit::<T>();
        let name = T::name(&self.config);
        if name.contains(LARGE_INTEGER) {
            self.complain(BadContract::LargeInteger(type_name::<T>().to_owned()));
        }
        name
    }

    /// The same for the error of a call.
    pub(super) fn add_error<T: TS + 'static>(&mut self) -> String {
        let name = self.add::<T>();
        let declared =
            |name: &str| self.types.get(name).map(|declaration| without_comments(&declaration.text));
        match reasons::check(&without_comments(&T::inline(&self.config)), declared) {
            Ok(()) => {}
            Err(Unclear::Untagged) => self.complain(BadContract::UntaggedError(name.clone())),
            Err(Unclear::Taken(tag)) => self.complain(BadContract::TakenError(name.clone(), tag)),
        }
        name
    }

    /// What is wrong with the types, if anything is.
    pub(super) fn problem(&self) -> Option<&BadContract> {
        self.problem.as_ref()
    }

    /// All declarations as they stand in a module.
    pub(super) fn module(&self) -> String {
        let declared = |Declaration { documentation, text, .. }: &Declaration| {
            let comment = documentation.as_ref().map(|text| layout::comment(text, 0)).unwrap_or_default();
            format!("{comment}export {}\n", layout::declaration(text))
        };
        self.types.values().map(declared).collect::<Vec<_>>().join("\n")
    }

    /// What the types are, without what is said about them.
    pub(super) fn substance(&self) -> String {
        self.types.values().map(|declaration| without_comments(&declaration.text) + "\n").collect()
    }

    fn declare<T: TS + 'static + ?Sized>(&mut self) {
        let (name, text, rust) = (T::ident(&self.config), T::decl(&self.config), type_name::<T>());
        if !layout::is_identifier(&name) || TAKEN_NAMES.contains(&name.as_str()) {
            self.complain(BadContract::BadTypeName(rust.to_owned(), name.clone()));
        }
        if text.contains(LARGE_INTEGER) {
            self.complain(BadContract::LargeInteger(rust.to_owned()));
        }
        match self.types.get(&name) {
            Some(known) if known.text != text => {
                let (first, second) = (known.rust.to_owned(), rust.to_owned());
                self.complain(BadContract::NameTaken { name, first, second });
            }
            Some(_) => {}
            None => drop(self.types.insert(name, Declaration { documentation: T::docs(), text, rust })),
        }
    }

    /// The first problem is as good as any.
    fn complain(&mut self, problem: BadContract) {
        self.problem.get_or_insert(problem);
    }
}

impl TypeVisitor for Declarations {
    /// Every Rust type is looked at once. Two may be spelt alike and be made of others all the same.
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.visited.insert(TypeId::of::<T>()) {
            return;
        }
        if is_word_sized::<T>() {
            self.complain(BadContract::LargeInteger(self.within.to_owned()));
        }
        // Only types that are derived have a declaration. The others, such as `Vec`, are spelt out where they are used,
        // and made of their generics alone.
        if T::output_path().is_some() {
            let around = std::mem::replace(&mut self.within, type_name::<T>());
            self.declare::<T>();
            T::visit_dependencies(self);
            self.within = around;
        }
        T::visit_generics(self);
    }
}

/// ts-rs takes these for small ones.
fn is_word_sized<T: 'static + ?Sized>() -> bool {
    let words = [
        TypeId::of::<usize>(),
        TypeId::of::<isize>(),
        TypeId::of::<NonZeroUsize>(),
        TypeId::of::<NonZeroIsize>(),
    ];
    words.contains(&TypeId::of::<T>())
}
