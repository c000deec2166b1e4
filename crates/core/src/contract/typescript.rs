//! Writes Rust types down in TypeScript: those of a contract, and all that they are made of.

use std::collections::BTreeMap;

use ts_rs::{Config, TS, TypeVisitor};

use super::{
    layout,
    reasons::{self, Unclear},
};

/// The types that have been met, by their names in TypeScript.
pub(super) struct Declarations {
    config: Config,
    types: BTreeMap<String, Declaration>,
    problems: Vec<TypeProblem>,
}

struct Declaration {
    /// A JSDoc comment, or nothing.
    documentation: String,
    text: String,
}

/// A type that pages could not use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TypeProblem {
    /// Two types have this name.
    NameTaken(String),
    /// This type has an integer that JavaScript cannot hold.
    LargeInteger(String),
    /// What is said about this type would end its comment too early.
    Comment(String),
    /// This error of a call is something else than objects with a `type`.
    Untagged(String),
    /// This error of a call has a `type` that has a meaning already.
    Taken(String, String),
}

/// Stands for every 64-bit integer, and is no type in TypeScript, so that it can be found.
const LARGE_INTEGER: &str = "%large integer%";

impl Declarations {
    pub(super) fn new() -> Self {
        let config = Config::new().with_large_int(LARGE_INTEGER);
        Self { config, types: BTreeMap::new(), problems: Vec::new() }
    }

    /// Adds a type with all that it is made of, and returns how it is spelt.
    pub(super) fn add<T: TS + 'static + ?Sized>(&mut self) -> String {
        self.visit::<T>();
        let name = T::name(&self.config);
        if name.contains(LARGE_INTEGER) {
            self.problems.push(TypeProblem::LargeInteger(std::any::type_name::<T>().to_owned()));
        }
        name
    }

    /// The same for the error of a call.
    pub(super) fn add_error<T: TS + 'static>(&mut self) -> String {
        let name = self.add::<T>();
        match reasons::check(&without_comments(&T::inline(&self.config))) {
            Ok(()) => {}
            Err(Unclear::Untagged) => self.problems.push(TypeProblem::Untagged(name.clone())),
            Err(Unclear::Taken(tag)) => self.problems.push(TypeProblem::Taken(name.clone(), tag)),
        }
        name
    }

    /// What is wrong with the types, if anything is.
    pub(super) fn problem(&self) -> Option<&TypeProblem> {
        self.problems.first()
    }

    /// All declarations as they stand in a module.
    pub(super) fn module(&self) -> String {
        let declared = |Declaration { documentation, text }: &Declaration| {
            format!("{documentation}export {}\n", layout::declaration(text))
        };
        self.types.values().map(declared).collect::<Vec<_>>().join("\n")
    }

    /// What the types are, without what is said about them.
    pub(super) fn substance(&self) -> String {
        self.types.values().map(|declaration| without_comments(&declaration.text)).collect()
    }

    /// True if the type is new, so that what it is made of has to be looked at.
    fn declare<T: TS + 'static + ?Sized>(&mut self) -> bool {
        let (name, text) = (T::ident(&self.config), T::decl(&self.config));
        if let Some(known) = self.types.get(&name) {
            if known.text != text {
                self.problems.push(TypeProblem::NameTaken(name));
            }
            return false;
        }
        if text.contains(LARGE_INTEGER) {
            self.problems.push(TypeProblem::LargeInteger(name.clone()));
        }
        if [T::docs().as_deref(), Some(&text)].into_iter().flatten().any(has_stray_end) {
            self.problems.push(TypeProblem::Comment(name.clone()));
        }
        let documentation = T::docs().map(|text| layout::comment(&text, 0)).unwrap_or_default();
        self.types.insert(name, Declaration { documentation, text });
        true
    }
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Only types that are derived have a declaration. The others, such as `Vec`, are spelt out where they are used,
        // and made of their generics alone.
        if T::output_path().is_some() && self.declare::<T>() {
            T::visit_dependencies(self);
        }
        T::visit_generics(self);
    }
}

/// Whether a comment ends within what it says.
fn has_stray_end(text: &str) -> bool {
    text.matches("/*").count() != text.matches("*/").count()
}

/// Comments are the only place where `/*` can stand in a declaration, but for names in quotes, which have none.
fn without_comments(text: &str) -> String {
    let mut parts = text.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    let code = parts.map(|part| part.split_once("*/").map_or("", |(_, code)| code));
    std::iter::once(first.as_str()).chain(code).flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}
