//! The hub: the verbs the rest of the program speaks, carried to the shards in order. What a shard does with them is
//! the shard's business.

mod census;
mod channels;
mod content;
mod error;
mod handle;
mod inbox;
mod moving;
mod ownership;
mod post;
mod read;
mod stream;
mod told;
mod verb;

pub(crate) use self::{
    census::{Census, Place},
    channels::Channels,
    handle::Unstarted,
    inbox::{Inbox, InboxReader, inbox},
    ownership::Ownership,
    post::{Joining, Missing},
    stream::{ReadLimits, STREAMS_VERSION, StreamState},
    told::Told,
};
pub use self::{
    content::Content,
    error::{HubError, HubStartError},
    handle::Hub,
    read::PresenceStats,
    stream::{History, HistoryQuery},
    verb::{Target, Verb},
};
