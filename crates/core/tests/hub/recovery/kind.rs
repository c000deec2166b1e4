//! The channels of a case, each of another kind, and the namespaces behind them.

use std::time::Duration;

use duplex_core::{Namespace, Namespaces, Recovery};

/// How long a publication is kept where it is not kept at all: that is over when the clock has moved.
const NO_TIME: Duration = Duration::from_nanos(1);

/// What kind of channel it is. A case has one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// Keeps more than a client may recover.
    Large,
    /// Keeps less than a client may recover.
    Middle,
    /// Keeps very little.
    Tiny,
    /// Keeps its position, and nothing else.
    Fleeting,
    /// Keeps what no client gets.
    Kept,
    /// Keeps nothing.
    Plain,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Large, Self::Middle, Self::Tiny, Self::Fleeting, Self::Kept, Self::Plain];

    /// The namespaces of all kinds.
    pub(super) fn namespaces() -> Namespaces {
        let add =
            |namespaces: Namespaces, kind: Self| namespaces.with(kind.namespace_name(), kind.namespace());
        Self::ALL.into_iter().fold(Namespaces::default(), add)
    }

    pub(super) fn namespace(self) -> Namespace {
        let (history_size, recovery) = match self {
            Self::Large => (24, Recovery::Forced),
            Self::Middle => (9, Recovery::On),
            Self::Tiny => (4, Recovery::Forced),
            Self::Fleeting => (32, Recovery::Forced),
            Self::Kept => (32, Recovery::Off),
            Self::Plain => (0, Recovery::Off),
        };
        let namespace = Namespace { history_size, recovery, ..Namespace::default() };
        if self.is_fleeting() { Namespace { history_ttl: NO_TIME, ..namespace } } else { namespace }
    }

    /// The name of this kind's channel in a case.
    pub(super) fn channel(self, case: u64) -> String {
        format!("{}:{case}", self.namespace_name())
    }

    /// Whether its publications have offsets.
    pub(super) fn keeps_history(self) -> bool {
        self.namespace().history_size > 0
    }

    /// Whether its publications are kept for no time. All others are kept for longer than a case takes.
    pub(super) fn is_fleeting(self) -> bool {
        self == Self::Fleeting
    }

    fn namespace_name(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::Middle => "middle",
            Self::Tiny => "tiny",
            Self::Fleeting => "fleeting",
            Self::Kept => "kept",
            Self::Plain => "plain",
        }
    }
}
