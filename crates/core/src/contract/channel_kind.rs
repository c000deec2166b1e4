//! A kind of channels: all those of one namespace, with the types of what is published to them.

use std::{future::Future, future::ready, time::SystemTime};

use futures_util::{FutureExt as _, future::BoxFuture};
use serde::{Serialize, de::DeserializeOwned};
use ts_rs::TS;

use super::params;
use crate::{Channel, ErrorCode, Grant, Hub, HubError, Json, Namespace, Position, Rejection, Socket};

/// A kind of channels: those whose names are [`NAMESPACE`](Self::NAMESPACE), a colon, and what [`parse`](Self::parse)
/// understands. A value of the type is one channel; `A` is what the application's handlers share.
///
/// ```
/// use duplex_core::{Hub, HubError, Namespace, Rejection, Socket, contract::{ChannelKind, Contract, Terms}};
/// use serde::{Deserialize, Serialize};
/// use ts_rs::TS;
///
/// struct Market;
///
/// /// The price of a share: `price:ACME`.
/// struct Price(String);
///
/// #[derive(Serialize, Deserialize, TS)]
/// struct Quote { cents: u32 }
///
/// impl ChannelKind<Market> for Price {
///     const NAMESPACE: &'static str = "price";
///     type Publication = Quote;
///     type Info = ();
///
///     fn options() -> Namespace {
///         Namespace { history_size: 1, ..Namespace::default() }
///     }
///
///     fn parse(name: &str) -> Option<Self> {
///         (name.len() <= 8).then(|| Self(name.to_owned()))
///     }
///
///     fn name(&self) -> &str {
///         &self.0
///     }
///
///     async fn on_subscribe(&self, _: &Socket, _: &Market) -> Result<Terms<()>, Rejection> {
///         Ok(Terms::default())
///     }
/// }
///
/// async fn quote(hub: Hub) -> Result<(), HubError> {
///     Price("ACME".to_owned()).publish(&hub, &Quote { cents: 4200 }).await?;
///     Ok(())
/// }
///
/// let contract = Contract::<Market>::new().channel::<Price>();
/// # contract.check().unwrap();
/// ```
pub trait ChannelKind<A>: Send + Sync + Sized + 'static {
    /// The part of the names before the colon.
    const NAMESPACE: &'static str;
    /// What is published to such a channel, by whomever.
    type Publication: Serialize + DeserializeOwned + TS + Send + Sync + 'static;
    /// What others see of a subscriber, beside its identity. `()` for nothing.
    type Info: Serialize + TS + Send + 'static;

    /// What these channels can do.
    fn options() -> Namespace;

    /// The channel with this name, which comes without the namespace and the colon; nothing if there is no such one. A
    /// channel has one name only: [`name`](Self::name) has to give it back as it was, or clients cannot enter.
    fn parse(name: &str) -> Option<Self>;

    /// The channel's name, without the namespace and the colon: what [`parse`](Self::parse) understands.
    fn name(&self) -> &str;

    /// A client asks for a subscription; also when it comes back. By default nobody may.
    fn on_subscribe(
        &self,
        socket: &Socket,
        app: &A,
    ) -> impl Future<Output = Result<Terms<Self::Info>, Rejection>> + Send {
        let _ = (socket, app);
        ready(Err(ErrorCode::PERMISSION_DENIED.into()))
    }

    /// A subscriber asks to publish. What is returned is published. By default nobody may, and who is not subscribed
    /// never may.
    fn on_publish(
        &self,
        publication: Self::Publication,
        socket: &Socket,
        app: &A,
    ) -> impl Future<Output = Result<Self::Publication, Rejection>> + Send {
        let _ = (publication, socket, app);
        ready(Err(ErrorCode::PERMISSION_DENIED.into()))
    }

    /// The whole name, for instance `chat:lobby`.
    fn channel(&self) -> String {
        format!("{}:{}", Self::NAMESPACE, self.name())
    }

    /// Publishes to the channel: see [`Hub::publish`].
    ///
    /// # Errors
    /// See [`HubError`].
    fn publish(
        &self,
        hub: &Hub,
        publication: &Self::Publication,
    ) -> impl Future<Output = Result<Option<Position>, HubError>> + Send {
        async move { hub.publish(&self.channel(), publication).await }
    }
}

/// The terms of a subscription.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms<I> {
    /// What others see of the subscriber, beside its identity.
    pub info: I,
    /// When the subscription ends. The client asks for a new one then. Default: never.
    pub expires: Option<SystemTime>,
}

/// `on_subscribe` without its type. The name is the part behind the colon.
pub(super) type Subscribe<A> =
    for<'a> fn(&'a str, &'a Socket, &'a A) -> BoxFuture<'a, Result<Grant, Rejection>>;

/// `on_publish` without its type. The name is the part behind the colon.
pub(super) type Publish<A> =
    for<'a> fn(&'a str, Json, &'a Socket, &'a A) -> BoxFuture<'a, Result<Json, Rejection>>;

pub(super) fn subscribe<A: Sync, K: ChannelKind<A>>() -> Subscribe<A> {
    |name, socket, app| {
        async move {
            let terms = parse::<A, K>(name)?.on_subscribe(socket, app).await?;
            let info = Json::new(&terms.info)?;
            Ok(Grant {
                info: (info != Json::null()).then_some(info),
                expires: terms.expires,
                ..Grant::default()
            })
        }
        .boxed()
    }
}

pub(super) fn publish<A: Sync, K: ChannelKind<A>>() -> Publish<A> {
    |name, data, socket, app| {
        async move {
            let channel = parse::<A, K>(name)?;
            let publication = params::read(&data)?;
            Ok(Json::new(&channel.on_publish(publication, socket, app).await?)?)
        }
        .boxed()
    }
}

fn parse<A, K: ChannelKind<A>>(name: &str) -> Result<K, Rejection> {
    // A name that the kind takes for another one is no channel: the client would be in one that nobody publishes to.
    let channel = K::parse(name).filter(|channel| channel.name() == name);
    channel.ok_or_else(|| ErrorCode::UNKNOWN_CHANNEL.into())
}

/// The part of a channel's name that its kind understands.
pub(super) fn name_in(channel: &Channel) -> (&str, &str) {
    channel.as_str().split_once(':').unwrap_or((channel.as_str(), ""))
}
