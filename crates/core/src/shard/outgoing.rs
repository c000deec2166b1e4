//! What goes out to many: encoded once for each way to speak, by whoever needs it first.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::{
    Channel, ClientInfo, Json, Message, Publication,
    centrifuge::Push,
    codec::{self, Opcode},
    hub::Content,
};

/// Bytes that are joined into one piece at most. One write carries about as much; beyond it a copy gains nothing.
const JOIN_BYTES: usize = 64 * 1024;

/// How a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Dialect {
    /// A raw WebSocket: messages as they are.
    Raw,
    /// The Centrifuge client protocol, in JSON.
    Centrifuge,
}

/// Something that any number of connections get, and its frames.
pub(crate) struct Outgoing {
    what: What,
    raw: OnceLock<Option<Bytes>>,
    centrifuge: OnceLock<Option<Bytes>>,
}

/// What it is.
pub(crate) enum What {
    Publication {
        channel: Channel,
        publication: Publication,
    },
    Content(Content),
    Join {
        channel: Channel,
        info: Arc<ClientInfo>,
    },
    Leave {
        channel: Channel,
        info: Arc<ClientInfo>,
    },
    /// Another build of the front end is served from now on.
    Build(String),
}

impl Outgoing {
    pub(crate) fn new(what: What) -> Arc<Self> {
        Arc::new(Self { what, raw: OnceLock::new(), centrifuge: OnceLock::new() })
    }

    /// The frame for connections that speak so; nothing if it cannot be said that way.
    pub(crate) fn frame(&self, dialect: Dialect) -> Option<&Bytes> {
        match dialect {
            Dialect::Raw => self.raw.get_or_init(|| self.what.raw()).as_ref(),
            Dialect::Centrifuge => self.centrifuge.get_or_init(|| self.what.centrifuge()).as_ref(),
        }
    }
}

impl What {
    fn raw(&self) -> Option<Bytes> {
        let text = |json: &Json| codec::encode(Opcode::Text, json.as_str().as_bytes());
        match self {
            Self::Publication { publication, .. } => Some(text(&publication.data)),
            Self::Content(Content::Message(message)) => Some(message.encode()),
            Self::Content(Content::Json(json)) => Some(text(json)),
            // Without the protocol there are no words for it.
            Self::Join { .. } | Self::Leave { .. } | Self::Build(_) => None,
        }
    }

    fn centrifuge(&self) -> Option<Bytes> {
        let message = |data: &Json| Push::Message { data }.frame(None);
        match self {
            Self::Publication { channel, publication } => Some(Push::Pub(publication).frame(Some(channel))),
            Self::Content(Content::Message(Message::Text(text))) => Some(message(&Json::string(text))),
            Self::Content(Content::Message(Message::Binary(_))) => None,
            Self::Content(Content::Json(json)) => Some(message(json)),
            Self::Join { channel, info } => Some(Push::Join { info }.frame(Some(channel))),
            Self::Build(build) => Some(message(&serde_json::json!({ "duplex": { "build": build } }).into())),
            Self::Leave { channel, info } => Some(Push::Leave { info }.frame(Some(channel))),
        }
    }
}

/// Frames that go out in one piece, as far as that is worth a copy. A single frame is passed on as it is.
pub(super) fn join<'a>(frames: impl Iterator<Item = &'a Bytes>) -> impl Iterator<Item = Bytes> {
    let mut frames = frames.peekable();
    std::iter::from_fn(move || {
        let first = frames.next()?;
        let fits = |joined: usize, next: &&Bytes| joined + next.len() <= JOIN_BYTES;
        let Some(second) = frames.next_if(|next| fits(first.len(), next)) else { return Some(first.clone()) };
        let mut joined = BytesMut::with_capacity(2 * (first.len() + second.len()));
        joined.extend_from_slice(first);
        joined.extend_from_slice(second);
        while let Some(next) = frames.next_if(|next| fits(joined.len(), next)) {
            joined.extend_from_slice(next);
        }
        Some(joined.freeze())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_joined_as_far_as_it_is_worth_a_copy() {
        let frames =
            [10, 20, JOIN_BYTES - 30, 1, JOIN_BYTES + 1, 5].map(|length| Bytes::from(vec![b'x'; length]));
        let lengths: Vec<_> = join(frames.iter()).map(|piece| piece.len()).collect();
        assert_eq!(lengths, [JOIN_BYTES, 1, JOIN_BYTES + 1, 5]);
    }

    #[test]
    fn a_single_frame_is_not_copied() {
        let frame = Bytes::from(vec![b'x'; 100]);
        let piece = join([&frame].into_iter()).next().unwrap();
        assert_eq!(piece.as_ptr(), frame.as_ptr());
    }
}
