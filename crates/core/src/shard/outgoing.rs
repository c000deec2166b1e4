//! What goes out to many: encoded once for each way to speak, by whoever needs it first.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::{
    Channel, ClientInfo, Json, Message, Publication,
    centrifuge::Push,
    codec::{self, Opcode},
    hub::Content,
};

/// How a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    Publication { channel: Channel, publication: Publication },
    Content(Content),
    Join { channel: Channel, info: Arc<ClientInfo> },
    Leave { channel: Channel, info: Arc<ClientInfo> },
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
            Self::Join { .. } | Self::Leave { .. } => None,
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
            Self::Leave { channel, info } => Some(Push::Leave { info }.frame(Some(channel))),
        }
    }
}
