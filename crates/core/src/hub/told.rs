//! What another process has been told of the streams while this one still served, so that only what has changed since then
//! is left to be said when everybody waits.

use std::{collections::HashMap, time::Instant};

use super::stream::StreamState;
use crate::{Channel, Position};

/// How far another process knows the streams.
#[derive(Default)]
pub(crate) struct Told(HashMap<Channel, (Position, Instant)>);

impl Told {
    /// It is told of a stream.
    pub(crate) fn tell(&mut self, state: &StreamState) {
        self.0.insert(state.channel.clone(), (state.position(), Instant::now()));
    }

    /// What it has yet to be told of a stream that is there, and was last used at `used`: nothing, what is `behind` an offset,
    /// or everything. Asked once for each.
    pub(super) fn rest(
        &mut self,
        channel: &Channel,
        now: Position,
        used: Instant,
        behind: impl FnOnce(u64) -> StreamState,
    ) -> Option<StreamState> {
        match self.0.remove(channel) {
            Some((then, told)) if then == now && used < told => None,
            Some((then, _)) if then.epoch == now.epoch => Some(behind(then.offset)),
            _ => Some(behind(0)),
        }
    }

    /// The streams that it knows, and that are not there any more, when it has been told the rest of all others.
    pub(crate) fn gone(self) -> Vec<Channel> {
        self.0.into_keys().collect()
    }
}
