//! A call: what a page asks of the application, with its parameters, its reply and its errors as types.

use std::{any::Any, future::Future};

use futures_util::{FutureExt as _, future::BoxFuture};
use serde::{Serialize, de::DeserializeOwned};
use ts_rs::TS;

use super::params;
use crate::{ErrorCode, Json, Rejection, Socket};

/// A call. The struct is its parameters; `A` is what the application's handlers share.
///
/// **Types.** TypeScript gets them from [ts-rs](https://docs.rs/ts-rs), which reads most of serde's attributes. It warns
/// of those that it does not know (`transparent`, `into`, `serialize_with`): say `#[ts(…)]` beside them what the page gets. It is
/// silent about two: fields that may be left out (`skip_serializing_if`) need `#[ts(optional)]` as well, and
/// `rename(serialize = "…")` goes unseen. Floats that are no numbers arrive as `null`.
///
/// ```
/// use duplex_core::{Socket, contract::{Call, Contract, Failure}};
/// use serde::{Deserialize, Serialize};
/// use ts_rs::TS;
///
/// struct Shop { stock: u32 }
///
/// /// Takes something out of the stock.
/// #[derive(Deserialize, TS)]
/// struct Buy { pieces: u32 }
///
/// #[derive(Serialize, TS)]
/// #[serde(tag = "type", rename_all = "snake_case")]
/// enum BuyError { SoldOut { left: u32 } }
///
/// impl Call<Shop> for Buy {
///     const NAME: &'static str = "shop.buy";
///     type Reply = u32;
///     type Error = BuyError;
///
///     async fn answer(self, _: &Socket, shop: &Shop) -> Result<u32, Failure<BuyError>> {
///         let left = shop.stock;
///         left.checked_sub(self.pieces).ok_or(Failure::Refused(BuyError::SoldOut { left }))
///     }
/// }
///
/// let contract = Contract::<Shop>::new().call::<Buy>();
/// # contract.check().unwrap();
/// ```
pub trait Call<A>: DeserializeOwned + TS + Send + Sized + 'static {
    /// The name that pages use, for instance `chat.send`.
    const NAME: &'static str;
    /// What the page gets.
    type Reply: Serialize + TS + Send + 'static;
    /// Why the application may refuse: an enum whose variants have a `type`, by `#[serde(tag = "type")]`; other than
    /// `malformed`, `changed`, `signed_out`, `denied`, `unreachable` and `failed`, which every call can fail with in a page.
    /// [`Never`](super::Never) if it never does.
    type Error: Serialize + TS + Send + 'static;

    /// Answers the call. It runs as [`Hooks::on_call`](crate::Hooks::on_call) does: one at a time for each connection.
    fn answer(
        self,
        socket: &Socket,
        app: &A,
    ) -> impl Future<Output = Result<Self::Reply, Failure<Self::Error>>> + Send;
}

/// Why a call has no reply.
#[derive(Debug)]
pub enum Failure<E> {
    /// The application refuses, for a reason that the page knows by its type. `?` does this with the call's own error, if
    /// it is a `std::error::Error`.
    Refused(E),
    /// Any other answer; but 400 and 409 mean something else to pages. `?` makes errors of all other kinds into error 100,
    /// whose cause is logged and not shown.
    Rejected(Rejection),
}

impl<E> From<Rejection> for Failure<E> {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl<E> From<ErrorCode> for Failure<E> {
    fn from(error: ErrorCode) -> Self {
        Self::Rejected(error.into())
    }
}

/// Of errors, that of the call itself is a refusal, and every other one a failure of the server. `Failure` itself is no
/// `std::error::Error`, which is what makes this possible.
impl<E: 'static, C: std::error::Error + Send + Sync + 'static> From<C> for Failure<E> {
    fn from(cause: C) -> Self {
        let mut cause = Some(cause);
        if let Some(error) = (&mut cause as &mut dyn Any).downcast_mut::<Option<E>>().and_then(Option::take) {
            return Self::Refused(error);
        }
        Self::Rejected(cause.map_or_else(|| ErrorCode::INTERNAL.into(), Rejection::internal))
    }
}

/// A call without its type: parameters in, reply out.
pub(super) type Answer<A> = for<'a> fn(&'a Socket, Json, &'a A) -> BoxFuture<'a, Result<Json, Rejection>>;

/// What the registry keeps of the call `C`.
pub(super) fn answer<A: Sync, C: Call<A>>() -> Answer<A> {
    |socket, data, app| {
        async move {
            let call: C = params::read(&data)?;
            match call.answer(socket, app).await {
                Ok(reply) => Ok(Json::new(&reply)?),
                Err(Failure::Rejected(rejection)) => Err(rejection),
                Err(Failure::Refused(error)) => Err(Rejection::new(REFUSED, Json::new(&error)?.as_str())),
            }
        }
        .boxed()
    }
}

/// The application has refused: the message is the reason as JSON.
const REFUSED: u16 = 400;
