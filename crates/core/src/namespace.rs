//! What channels can do: options that all channels of a namespace share.

use std::{collections::BTreeMap, time::Duration};

use crate::Channel;

/// The options of a namespace. The default keeps nothing and shows nobody.
///
/// ```
/// use std::time::Duration;
/// use duplex_core::{Namespace, Recovery};
/// let chat = Namespace {
///     history_size: 100,
///     history_ttl: Duration::from_secs(300),
///     recovery: Recovery::Forced,
///     presence: true,
///     ..Namespace::default()
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Publications that a channel keeps; the oldest goes first. Each may be as large as a message, so where clients
    /// publish, this and [`Limits::max_message_bytes`](crate::Limits) bound what a channel costs. Default 0: none.
    pub history_size: usize,
    /// How long a publication is kept. Default 5 minutes.
    pub history_ttl: Duration,
    /// How long an idle channel remembers its epoch and its last offset, counted from its last publication or
    /// subscription. Default 30 days.
    pub meta_ttl: Duration,
    /// Whether clients get what they missed while they were away. Needs a history. Default off.
    pub recovery: Recovery,
    /// Whether the channel knows who is in it. Default no.
    pub presence: bool,
    /// Whether subscribers are told who comes and goes. Default off.
    pub join_leave: JoinLeave,
}

/// Whether clients get what they missed while they were away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// Nobody.
    #[default]
    Off,
    /// Whoever asks for it when subscribing.
    On,
    /// Everybody.
    Forced,
}

/// Whether subscribers are told who comes and goes. They learn it at most once: a shard that has no room for the news
/// does without, and says so in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JoinLeave {
    /// Nobody.
    #[default]
    Off,
    /// Whoever asks for it when subscribing.
    On,
    /// Everybody.
    Forced,
}

/// The namespaces of an application. Clients may use channels of these only; the server itself may use any, and one
/// without a namespace of its own keeps nothing and shows nobody.
///
/// ```
/// use duplex_core::{Namespace, Namespaces};
/// let namespaces = Namespaces::default()
///     .with("chat", Namespace { presence: true, ..Namespace::default() })
///     .without_namespace(Namespace::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    named: BTreeMap<String, Namespace>,
    unnamed: Option<Namespace>,
    plain: Namespace,
}

/// A namespace that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadNamespace {
    /// No channel can be in it.
    #[error("`{0}` is no name for a namespace: it must have at least one character, and no colon")]
    Name(String),
    /// It is to recover what it does not keep.
    #[error("namespace `{0}` has recovery without a history: set history_size and history_ttl")]
    RecoveryWithoutHistory(String),
    /// It would forget positions before the publications they are about.
    #[error("namespace `{0}` has a meta_ttl shorter than its history_ttl")]
    MetaBeforeHistory(String),
}

impl Namespaces {
    /// Adds a namespace, or replaces the one of this name: `chat` is for the channels whose names begin with `chat:`.
    pub fn with(mut self, name: impl Into<String>, namespace: Namespace) -> Self {
        self.named.insert(name.into(), namespace);
        self
    }

    /// Lets clients use channels whose names have no colon, with these options.
    pub fn without_namespace(mut self, namespace: Namespace) -> Self {
        self.unnamed = Some(namespace);
        self
    }

    /// The namespace that a client finds a channel in.
    pub(crate) fn of(&self, channel: &Channel) -> Option<&Namespace> {
        match channel.namespace() {
            Some(name) => self.named.get(name),
            None => self.unnamed.as_ref(),
        }
    }

    /// The options of any channel, also of one that only the server may use.
    pub(crate) fn options(&self, channel: &Channel) -> &Namespace {
        self.of(channel).unwrap_or(&self.plain)
    }

    /// Checks that all of them make sense.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), BadNamespace> {
        let nameless = |name: &&String| name.is_empty() || name.contains(':');
        if let Some(name) = self.named.keys().find(nameless) {
            return Err(BadNamespace::Name(name.clone()));
        }
        let unnamed = self.unnamed.iter().map(|namespace| ("", namespace));
        let named = self.named.iter().map(|(name, namespace)| (name.as_str(), namespace));
        named.chain(unnamed).try_for_each(|(name, namespace)| namespace.check(name))
    }
}

impl Namespace {
    /// Whether its channels have a stream, and so positions.
    pub(crate) fn keeps_history(&self) -> bool {
        self.history_size > 0 && !self.history_ttl.is_zero()
    }

    fn check(&self, name: &str) -> Result<(), BadNamespace> {
        if self.recovery != Recovery::Off && !self.keeps_history() {
            return Err(BadNamespace::RecoveryWithoutHistory(name.to_owned()));
        }
        if self.keeps_history() && self.meta_ttl < self.history_ttl {
            return Err(BadNamespace::MetaBeforeHistory(name.to_owned()));
        }
        Ok(())
    }
}

impl Recovery {
    /// Whether a client that asks (or not) has it.
    pub(crate) fn applies(self, asked: bool) -> bool {
        self == Self::Forced || self == Self::On && asked
    }
}

impl JoinLeave {
    /// Whether anybody may have it.
    pub(crate) fn exists(self) -> bool {
        self != Self::Off
    }

    /// Whether a client that asks (or not) has it.
    pub(crate) fn applies(self, asked: bool) -> bool {
        self == Self::Forced || self == Self::On && asked
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self {
            history_size: 0,
            history_ttl: Duration::from_secs(5 * 60),
            meta_ttl: Duration::from_secs(30 * 24 * 60 * 60),
            recovery: Recovery::Off,
            presence: false,
            join_leave: JoinLeave::Off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(name: &str) -> Channel {
        Channel::new(name).unwrap()
    }

    #[test]
    fn a_client_finds_only_channels_of_known_namespaces() {
        let namespaces = Namespaces::default().with("chat", Namespace::default());
        assert!(namespaces.of(&channel("chat:lobby")).is_some());
        for name in ["lobby", "news:today", ":lobby"] {
            assert_eq!(namespaces.of(&channel(name)), None, "{name}");
        }
        assert!(namespaces.without_namespace(Namespace::default()).of(&channel("lobby")).is_some());
    }

    #[test]
    fn recovery_needs_something_to_recover_from() {
        let recovering = Namespace { recovery: Recovery::On, ..Namespace::default() };
        let refused = Namespaces::default().with("chat", recovering.clone()).check();
        assert_eq!(refused, Err(BadNamespace::RecoveryWithoutHistory("chat".to_owned())));
        let kept = Namespace { history_size: 1, ..recovering };
        assert_eq!(Namespaces::default().without_namespace(kept).check(), Ok(()));
    }

    #[test]
    fn a_name_that_no_channel_can_have_is_refused() {
        for name in ["", "a:b"] {
            let refused = Namespaces::default().with(name, Namespace::default()).check();
            assert_eq!(refused, Err(BadNamespace::Name(name.to_owned())));
        }
    }
}
