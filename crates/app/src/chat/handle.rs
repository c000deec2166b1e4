//! The chat's handle: the verbs that hooks, calls and HTTP handlers have for it.

use std::time::{SystemTime, UNIX_EPOCH};

use duplex_core::{
    Hub, Position,
    contract::{ChannelKind as _, SafeInteger},
};
use serde::Serialize;
use ts_rs::TS;

use super::{
    ChatError, Draft, Message, Page, Room, RoomChannel, RoomName, SendError, Store, delivery::Deliveries,
};
use crate::pace::Pace;

/// The chat. Cheap to clone; the clones are one chat.
///
/// While one process takes over from another, both have the database, and together one hub. Where they cannot hand over,
/// because their state versions differ, each publishes to its own sockets for a moment: a page that comes from one to the
/// other finds in the database what was said until then, and what the last requests of the old process say when it opens
/// the room once more.
#[derive(Clone)]
pub(crate) struct Chat {
    store: Store,
    hub: Hub,
    deliveries: Deliveries,
    pace: Pace,
}

/// A room as somebody finds it who comes in.
#[derive(Clone, Debug, Serialize, TS)]
pub(crate) struct OpenedRoom {
    /// The newest messages, the oldest first.
    pub(crate) messages: Vec<Message>,
    /// Whether there are messages before these.
    pub(crate) earlier: bool,
    /// A position in the room's channel: what is published behind it may be missing here, and nothing else is.
    pub(crate) position: Position,
}

impl Chat {
    /// To be called in the application runtime.
    pub(crate) fn new(store: Store, hub: Hub, pace: Pace) -> Self {
        let deliveries = Deliveries::new(store.clone(), hub.clone());
        Self { store, hub, deliveries, pace }
    }

    /// Says something in a room: it is kept, and then published to the room's channel, also if whoever waits for that is
    /// gone. The reply comes when both is done.
    ///
    /// What has been sent before with the same nonce is the message that is there already, and is published again: the
    /// first attempt may have ended between the two, with its process. Whoever gets a message twice knows it by its id.
    /// And whoever puts them in a row goes by the id, too: of two that are sent at once, the later may be published first.
    ///
    /// # Errors
    /// The outer error is a failure, after which the message may have been kept and may yet be published, so that it
    /// should be sent again with the same nonce. The inner one is [`SendError::TooFast`] or [`SendError::NonceTaken`].
    pub(crate) async fn send(&self, draft: Draft) -> Result<Result<Message, SendError>, ChatError> {
        if let Err(wait) = self.pace.message(draft.visitor()) {
            return Ok(Err(SendError::too_fast(wait)));
        }
        let message = self.deliveries.deliver(draft, now()).await?;
        Ok(message.ok_or(SendError::NonceTaken))
    }

    /// What somebody finds who comes into a room.
    ///
    /// # Errors
    /// See [`ChatError`].
    pub(crate) async fn open(&self, room: &RoomName) -> Result<OpenedRoom, ChatError> {
        // The position comes first. A message that is kept in between is in the page, and comes once more behind the
        // position; the other way round, it would be in neither.
        let position = self.hub.position(&RoomChannel(room.clone()).channel()).await?;
        let Page { messages, earlier } = self.store.page(room, None).await?;
        Ok(OpenedRoom { messages, earlier, position })
    }

    /// The newest messages of a room, or the newest before the one with an id.
    ///
    /// # Errors
    /// See [`ChatError`].
    pub(crate) async fn page(&self, room: &RoomName, before: Option<SafeInteger>) -> Result<Page, ChatError> {
        Ok(self.store.page(room, before).await?)
    }

    /// The rooms in which something was said last, the latest first.
    ///
    /// # Errors
    /// See [`ChatError`].
    pub(crate) async fn rooms(&self) -> Result<Vec<Room>, ChatError> {
        Ok(self.store.rooms().await?)
    }
}

/// Milliseconds since 1970; 1970 itself by a clock that has never been set.
fn now() -> SafeInteger {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).ok().and_then(|time| time.try_into().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use duplex_core::{HistoryQuery, Json};
    use uuid::Uuid;

    use super::*;
    use crate::{
        chat::{Author, store::PAGE},
        database::DatabaseFile,
        testing,
    };

    struct Scene {
        _folder: tempfile::TempDir,
        chat: Chat,
    }

    impl Scene {
        async fn set() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = DatabaseFile::open(&folder.path().join("test.sqlite")).await.unwrap();
            let store = Store::new(file.migrate().await.unwrap());
            let chat = Chat::new(store, testing::hub(), Pace::new());
            Self { _folder: folder, chat }
        }

        /// What has been published to the lobby behind an offset, as JSON.
        async fn published(&self, behind: u64) -> Vec<Json> {
            let history = self.chat.hub.history("chat:lobby", &HistoryQuery::default()).await.unwrap();
            let publications = history.publications.into_iter();
            publications.filter(|one| one.offset > behind).map(|one| one.data).collect()
        }
    }

    fn lobby() -> RoomName {
        "lobby".parse().unwrap()
    }

    fn draft(user: &str, text: &str) -> Draft {
        let author = Author::User(user.to_owned());
        let (text, nonce) = (text.parse().unwrap(), Some(Uuid::new_v4()));
        Draft { room: lobby(), author, peer: None, text, nonce }
    }

    #[tokio::test]
    async fn what_is_said_is_kept_and_published() {
        let scene = Scene::set().await;
        let before = now();
        let message = scene.chat.send(draft("ada", "hello")).await.unwrap().unwrap();
        assert!((before..=now()).contains(&message.sent));
        assert_eq!(scene.published(0).await, [Json::new(&message).unwrap()]);
        assert_eq!(scene.chat.page(&lobby(), None).await.unwrap().messages, [message]);
    }

    #[tokio::test]
    async fn what_is_sent_again_is_published_again_as_the_same_message() {
        let scene = Scene::set().await;
        let draft = draft("ada", "hello");
        // An attempt that ended between the two.
        let kept = scene.chat.store.add(&draft, now()).await.unwrap().unwrap();
        let message = scene.chat.send(draft.clone()).await.unwrap().unwrap();
        assert_eq!(message, kept);
        assert_eq!(scene.chat.send(draft).await.unwrap().unwrap(), kept);
        assert_eq!(scene.published(0).await, vec![Json::new(&kept).unwrap(); 2]);
        assert_eq!(scene.chat.page(&lobby(), None).await.unwrap().messages.len(), 1);
    }

    #[tokio::test]
    async fn a_taken_nonce_is_refused_and_nothing_published() {
        let scene = Scene::set().await;
        let first = draft("ada", "hello");
        scene.chat.send(first.clone()).await.unwrap().unwrap();
        let other = Draft { author: Author::User("bob".to_owned()), ..first };
        assert_eq!(scene.chat.send(other).await.unwrap(), Err(SendError::NonceTaken));
        assert_eq!(scene.published(0).await.len(), 1);
    }

    #[tokio::test]
    async fn who_sends_without_a_pause_is_stopped_and_nobody_else_is() {
        let scene = Scene::set().await;
        let mut refusal = None;
        for _ in 0..PAGE {
            refusal = refusal.or(scene.chat.send(draft("ada", "hello")).await.unwrap().err());
        }
        let Some(SendError::TooFast { wait }) = refusal else { panic!("refused with {refusal:?}") };
        assert!((1..=1000).contains(&wait), "{wait}");
        let kept = scene.chat.page(&lobby(), None).await.unwrap().messages.len();
        assert!((5..PAGE).contains(&kept), "{kept}");
        assert_eq!(scene.published(0).await.len(), kept);
        scene.chat.clone().send(draft("bob", "hello")).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_room_is_opened_at_a_position_of_its_channel() {
        let scene = Scene::set().await;
        let empty = scene.chat.open(&lobby()).await.unwrap();
        assert_eq!((empty.messages.len(), empty.earlier, empty.position.offset), (0, false, 0));
        let message = scene.chat.send(draft("ada", "hello")).await.unwrap().unwrap();
        let opened = scene.chat.open(&lobby()).await.unwrap();
        assert_eq!((opened.messages, opened.position.offset), (vec![message], 1));
        assert_eq!(opened.position.epoch, empty.position.epoch);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_comes_in_while_others_talk_misses_nothing() {
        let scene = Scene::set().await;
        let talking: Vec<_> = (0..10)
            .map(|user| {
                let chat = scene.chat.clone();
                tokio::spawn(async move {
                    for _ in 0..5 {
                        chat.send(draft(&format!("user-{user}"), "hello")).await.unwrap().unwrap();
                    }
                })
            })
            .collect();
        let mut opened = Vec::new();
        while !talking.iter().all(tokio::task::JoinHandle::is_finished) {
            opened.push(scene.chat.open(&lobby()).await.unwrap());
        }
        let everything: HashSet<_> = ids(&scene.chat.page(&lobby(), None).await.unwrap().messages).collect();
        assert_eq!(everything.len(), PAGE);
        for OpenedRoom { messages, position, .. } in opened {
            let live = scene.published(position.offset).await;
            let live: Vec<Message> = live.iter().map(|data| data.read().unwrap()).collect();
            assert_eq!(ids(&messages).chain(ids(&live)).collect::<HashSet<_>>(), everything);
        }
    }

    fn ids(messages: &[Message]) -> impl Iterator<Item = SafeInteger> {
        messages.iter().map(|message| message.id)
    }
}
