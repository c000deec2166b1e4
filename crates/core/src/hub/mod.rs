//! The hub: the verbs the rest of the program speaks, carried to the shards in order. What a shard does with them is
//! the shard's business.

mod audience;
mod census;
mod error;
mod handle;
mod inbox;
mod post;
mod verb;

pub(crate) use self::{
    audience::Audience,
    census::{Census, Place},
    handle::Unstarted,
    inbox::{Inbox, InboxReader, inbox},
};
pub use self::{
    error::{HubError, HubStartError},
    handle::Hub,
    verb::{Target, Verb},
};
