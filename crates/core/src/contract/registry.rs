//! The contract itself: which calls and kinds of channels there are. It finds the one that a client means, and knows
//! all their types.

use std::{collections::BTreeMap, sync::OnceLock};

use serde::Deserialize;
use tokio::runtime::Handle;

use super::{
    BadContract, Call, ChannelKind,
    call::{self, Answer},
    channel_kind::{self, Publish, Subscribe, name_in},
    fingerprint::{self, Fingerprint},
    typescript::Declarations,
};
use crate::{
    Calling, Connected, ErrorCode, Grant, HubError, Json, Namespace, Namespaces, Publishing, Rejection,
    Server, Socket, Subscribing, panics::caught,
};

/// The calls and kinds of channels of an application, whose handlers share an `A`. Its `on_…` methods are what the
/// [`Hooks`](crate::Hooks) of the same name hand on to it.
///
/// ```
/// use duplex_core::{
///     Calling, Connected, Connecting, Grant, Hooks, Json, Publishing, Rejection, Socket, Subscribing,
///     contract::Contract,
/// };
///
/// struct App;
///
/// struct Duties { contract: Contract<App>, app: App }
///
/// impl Hooks for Duties {
///     async fn on_connecting(&self, socket: &Socket, _: Connecting) -> Result<Connected, Rejection> {
///         self.contract.on_connecting(socket)
///     }
///
///     async fn on_subscribe(&self, socket: &Socket, asked: Subscribing) -> Result<Grant, Rejection> {
///         self.contract.on_subscribe(socket, asked, &self.app).await
///     }
///
///     async fn on_publish(&self, socket: &Socket, asked: Publishing) -> Result<Json, Rejection> {
///         self.contract.on_publish(socket, asked, &self.app).await
///     }
///
///     async fn on_call(&self, socket: &Socket, calling: Calling) -> Result<Json, Rejection> {
///         self.contract.on_call(socket, calling, &self.app).await
///     }
/// }
/// ```
pub struct Contract<A> {
    calls: BTreeMap<&'static str, CallEntry<A>>,
    kinds: BTreeMap<&'static str, KindEntry<A>>,
    twice: Vec<&'static str>,
}

struct CallEntry<A> {
    answer: Answer<A>,
    types: fn(&mut Declarations) -> CallTypes,
    fingerprint: OnceLock<Fingerprint>,
}

struct KindEntry<A> {
    subscribe: Subscribe<A>,
    publish: Publish<A>,
    types: fn(&mut Declarations) -> KindTypes,
    fingerprint: OnceLock<Fingerprint>,
    options: Namespace,
}

impl<A> CallEntry<A> {
    fn fingerprint(&self) -> &str {
        let compute = || {
            fingerprint::of(|declarations| {
                let CallTypes { params, reply, error } = (self.types)(declarations);
                vec![params, reply, error]
            })
        };
        self.fingerprint.get_or_init(compute).as_str()
    }
}

impl<A> KindEntry<A> {
    fn fingerprint(&self) -> &str {
        let compute = || {
            fingerprint::of(|declarations| {
                let KindTypes { publication, info } = (self.types)(declarations);
                vec![publication, info]
            })
        };
        self.fingerprint.get_or_init(compute).as_str()
    }
}

/// How the types of a call are spelt.
pub(super) struct CallTypes {
    pub(super) params: String,
    pub(super) reply: String,
    pub(super) error: String,
}

/// How the types of a kind of channels are spelt.
pub(super) struct KindTypes {
    pub(super) publication: String,
    pub(super) info: String,
}

impl<A> Default for Contract<A> {
    fn default() -> Self {
        Self { calls: BTreeMap::new(), kinds: BTreeMap::new(), twice: Vec::new() }
    }
}

impl<A: Send + Sync + 'static> Contract<A> {
    /// A contract with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a call.
    #[must_use]
    pub fn call<C: Call<A>>(mut self) -> Self {
        let entry = CallEntry {
            answer: call::answer::<A, C>(),
            types: call_types::<A, C>,
            fingerprint: OnceLock::new(),
        };
        if self.calls.insert(C::NAME, entry).is_some() {
            self.twice.push(C::NAME);
        }
        self
    }

    /// Adds a kind of channels.
    #[must_use]
    pub fn channel<K: ChannelKind<A>>(mut self) -> Self {
        let entry = KindEntry {
            subscribe: channel_kind::subscribe::<A, K>(),
            publish: channel_kind::publish::<A, K>(),
            types: kind_types::<A, K>,
            fingerprint: OnceLock::new(),
            options: K::options(),
        };
        if self.kinds.insert(K::NAMESPACE, entry).is_some() {
            self.twice.push(K::NAMESPACE);
        }
        self
    }

    /// Checks that names are unique and that pages can hold every type. To be asked once, at the start.
    ///
    /// # Errors
    /// See [`BadContract`].
    pub fn check(&self) -> Result<(), BadContract> {
        if let Some(name) = self.twice.first() {
            return Err(BadContract::Twice((*name).to_owned()));
        }
        if let Some(name) = self.calls.keys().chain(self.kinds.keys()).find(|name| !is_name(name)) {
            return Err(BadContract::BadName((*name).to_owned()));
        }
        // Where ts-rs cannot spell a type, it panics.
        let spelt = caught(|| {
            let mut declarations = Declarations::new();
            self.call_types(&mut declarations);
            self.kind_types(&mut declarations);
            declarations.problem().cloned()
        });
        match spelt {
            Ok(None) => Ok(()),
            Ok(Some(problem)) => Err(problem),
            Err(panic) => Err(BadContract::Unspellable(panic)),
        }
    }

    /// The namespaces of all kinds of channels, for [`Settings::namespaces`](crate::Settings).
    pub fn namespaces(&self) -> Namespaces {
        self.kinds
            .iter()
            .fold(Namespaces::default(), |all, (name, kind)| all.with(*name, kind.options.clone()))
    }

    /// The fingerprints of the types: of calls by their names, of kinds of channels by their namespaces with a colon.
    pub fn fingerprints(&self) -> BTreeMap<String, &str> {
        let calls = self.calls.iter().map(|(name, call)| ((*name).to_owned(), call.fingerprint()));
        let kinds = self.kinds.iter().map(|(name, kind)| (format!("{name}:"), kind.fingerprint()));
        calls.chain(kinds).collect()
    }

    /// Looks, when this process takes over from another one, which kinds of channels have other types here. Pages that are
    /// subscribed to such channels have to ask again, and learn in the answer that they are out of date ([`CHANGED`]). To be
    /// called in the application runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn carry(&self, server: Server) -> Server {
        let (hub, runtime) = (server.hub(), Handle::current());
        let kinds =
            || self.kinds.iter().map(|(name, kind)| ((*name).to_owned(), kind.fingerprint().to_owned()));
        let (here, now) = (kinds().collect::<BTreeMap<_, _>>(), kinds().collect::<BTreeMap<_, _>>());
        let compare = move |before: BTreeMap<String, String>| {
            for (namespace, types) in before {
                if now.get(&namespace) == Some(&types) {
                    continue;
                }
                let hub = hub.clone();
                // The hub is not this process's yet: the verb waits for that, as often as it has to.
                runtime.spawn(async move {
                    let told = loop {
                        match hub.renew(&namespace).await {
                            Err(HubError::Unsettled(_)) => {}
                            told => break told,
                        }
                    };
                    if let Err(error) = told {
                        log::error!(
                            "pages are not told that the types of `{namespace}:` have changed: {error}"
                        );
                    }
                });
            }
        };
        server.carry("contract", move || here.clone(), compare)
    }

    /// Tells a page which build of the front end this server serves, [`Settings::build`](crate::Settings), and which user
    /// it is to the server: the cookies of the handshake may be others than when the page last asked.
    ///
    /// # Errors
    /// Never; the type is the hook's.
    pub fn on_connecting(&self, socket: &Socket) -> Result<Connected, Rejection> {
        let build = socket.hub().settings().build.as_deref();
        let user = socket.identity().user_id();
        Ok(Connected { data: Some(serde_json::json!({ "build": build, "user": user }).into()) })
    }

    /// Asks the channel's kind. Pages say along with the subscription which fingerprint they know its types by, as in
    /// `{"types":"0123456789abcdef"}`; what no page has generated may leave that out.
    ///
    /// # Errors
    /// What [`ChannelKind::on_subscribe`] says; 102 for a channel that none knows, [`CHANGED`] for one whose types have
    /// changed since the page was built.
    pub async fn on_subscribe(
        &self,
        socket: &Socket,
        asked: Subscribing,
        app: &A,
    ) -> Result<Grant, Rejection> {
        let (namespace, name) = name_in(&asked.channel);
        let kind = self.kind(namespace)?;
        let known = asked.data.and_then(|data| data.read::<KnownTypes>().ok());
        if known.is_some_and(|known| known.types != kind.fingerprint()) {
            return Err(changed("this channel"));
        }
        (kind.subscribe)(name, socket, app).await
    }

    /// Reads the publication and asks the channel's kind.
    ///
    /// # Errors
    /// What [`ChannelKind::on_publish`] says; 103 if the client is not subscribed, 107 if what it wants to publish is
    /// of another type, 102 for a channel that no kind knows.
    pub async fn on_publish(&self, socket: &Socket, asked: Publishing, app: &A) -> Result<Json, Rejection> {
        let (namespace, name) = name_in(&asked.channel);
        let kind = self.kind(namespace)?;
        if !asked.subscribed {
            return Err(ErrorCode::PERMISSION_DENIED.into());
        }
        (kind.publish)(name, asked.data, socket, app).await
    }

    /// Reads the parameters and answers the call. Pages name it together with the fingerprint of its types, as in
    /// `chat.send@0123456789abcdef`; what no page has generated may leave that out.
    ///
    /// # Errors
    /// What [`Call::answer`] says: a refusal is error 400, with the reason as JSON in its message. 104 for a call that
    /// is not there, 107 for parameters of another type, [`CHANGED`] for a call whose types have changed since the page
    /// was built.
    pub async fn on_call(&self, socket: &Socket, calling: Calling, app: &A) -> Result<Json, Rejection> {
        let (name, known) = match calling.method.split_once('@') {
            Some((name, fingerprint)) => (name, Some(fingerprint)),
            None => (calling.method.as_str(), None),
        };
        let call = self.calls.get(name).ok_or(ErrorCode::METHOD_NOT_FOUND)?;
        if known.is_some_and(|known| known != call.fingerprint()) {
            return Err(changed("this call"));
        }
        (call.answer)(socket, calling.data, app).await
    }

    fn kind(&self, namespace: &str) -> Result<&KindEntry<A>, Rejection> {
        self.kinds.get(namespace).ok_or_else(|| ErrorCode::UNKNOWN_CHANNEL.into())
    }

    pub(super) fn call_types(&self, declarations: &mut Declarations) -> Vec<(&'static str, CallTypes)> {
        self.calls.iter().map(|(name, call)| (*name, (call.types)(declarations))).collect()
    }

    pub(super) fn kind_types(&self, declarations: &mut Declarations) -> Vec<(&'static str, KindTypes)> {
        self.kinds.iter().map(|(name, kind)| (*name, (kind.types)(declarations))).collect()
    }
}

/// The types of a call or a channel are not those that the page knows.
pub const CHANGED: u16 = 409;

fn changed(what: &str) -> Rejection {
    Rejection::new(CHANGED, format!("{what} has changed: load the page again"))
}

/// What a page sends along with a subscription.
#[derive(Deserialize)]
struct KnownTypes {
    types: String,
}

fn call_types<A, C: Call<A>>(declarations: &mut Declarations) -> CallTypes {
    CallTypes {
        params: declarations.add::<C>(),
        reply: declarations.add::<C::Reply>(),
        error: declarations.add_error::<C::Error>(),
    }
}

fn kind_types<A, K: ChannelKind<A>>(declarations: &mut Declarations) -> KindTypes {
    KindTypes { publication: declarations.add::<K::Publication>(), info: declarations.add::<K::Info>() }
}

fn is_name(name: &str) -> bool {
    let is_fine = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    !name.is_empty() && name.chars().all(is_fine)
}
