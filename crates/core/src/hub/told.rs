//! What another process has been told of the streams while this one still served, so that only what has changed since then
//! is left to be said when everybody waits.

use std::collections::HashMap;

use super::stream::StreamState;
use crate::{Channel, Epoch, Position};

/// How far another process knows the streams.
#[derive(Default)]
pub(crate) struct Told {
    streams: HashMap<Channel, Position>,
    fresh: Option<Epoch>,
}

impl Told {
    /// It is told what the epoch of new streams is; false if it knows.
    pub(crate) fn tell_fresh(&mut self, fresh: Epoch) -> bool {
        self.fresh.replace(fresh) != Some(fresh)
    }

    /// It is told of a stream.
    pub(crate) fn tell(&mut self, state: &StreamState) {
        self.streams.insert(state.channel.clone(), state.position());
    }

    /// What it has yet to be told of a stream that is there: nothing, what is `behind` an offset, or everything. Asked once for
    /// each.
    pub(super) fn rest(
        &mut self,
        channel: &Channel,
        now: Position,
        behind: impl FnOnce(u64) -> StreamState,
    ) -> Option<StreamState> {
        match self.streams.remove(channel) {
            Some(then) if then == now => None,
            Some(then) if then.epoch == now.epoch => Some(behind(then.offset)),
            _ => Some(behind(0)),
        }
    }

    /// The streams that it knows, and that are not there any more, when it has been told the rest of all others.
    pub(crate) fn gone(self) -> Vec<Channel> {
        self.streams.into_keys().collect()
    }
}
