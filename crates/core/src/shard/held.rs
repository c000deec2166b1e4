//! What a connection gets before it may be told: it waits until `on_connect` has ended, and a client of the protocol has its
//! welcome.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::outbound::{Slow, weight};
use crate::Channel;

/// Frames in the order they came, with the channel that they are about.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Held {
    frames: Vec<(Option<Channel>, Bytes)>,
    bytes: usize,
}

impl Held {
    /// Keeps a frame if what is kept already is within `budget` bytes.
    pub(super) fn push(
        &mut self,
        frame: &Bytes,
        channel: Option<&Channel>,
        budget: usize,
    ) -> Result<(), Slow> {
        if weight(self.bytes, self.frames.len()) > budget {
            return Err(Slow);
        }
        self.bytes += frame.len();
        self.frames.push((channel.cloned(), frame.clone()));
        Ok(())
    }

    /// The subscription to a channel was taken back: whoever was never told of it gets nothing of it.
    pub(super) fn forget(&mut self, channel: &Channel) {
        self.frames.retain(|(about, _)| about.as_ref() != Some(channel));
        self.bytes = self.frames.iter().map(|(_, frame)| frame.len()).sum();
    }

    pub(super) fn into_frames(self) -> impl Iterator<Item = Bytes> {
        self.frames.into_iter().map(|(_, frame)| frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_a_forgotten_channel_goes_and_the_rest_keeps_its_order() {
        let (mut held, channel) = (Held::default(), Channel::new("news").unwrap());
        for (frame, about) in [("a", None), ("b", Some(&channel)), ("c", None)] {
            held.push(&Bytes::from_static(frame.as_bytes()), about, 1000).unwrap();
        }
        held.forget(&channel);
        assert_eq!(held.bytes, 2);
        assert_eq!(held.into_frames().collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn a_frame_is_kept_when_what_is_kept_before_it_fits() {
        let mut held = Held::default();
        assert_eq!(held.push(&Bytes::from(vec![0; 1000]), None, 10), Ok(()));
        assert_eq!(held.push(&Bytes::from_static(b"x"), None, 10), Err(Slow));
    }
}
