//! Messages on their way. Each is kept and then published by a task of its own, so that none is left between the two
//! when whoever waits for it is gone.

use std::{sync::Arc, time::Duration};

use duplex_core::{
    Hub, HubError,
    contract::{ChannelKind as _, SafeInteger},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use super::{ChatError, Draft, Message, RoomChannel, Store};

/// Messages that may be on their way. One takes some milliseconds, and everybody sends slowly; so there are many only
/// while the database or the hub takes nothing, and then it is for the senders to wait. With all copies of their texts they take
/// some 25 MB at most.
const PLACES: usize = 1000;

/// How long a sender waits for a message of theirs: not quite the 5 s after which a page gives a call up, so that they
/// hear something in any case.
const PATIENCE: Duration = Duration::from_millis(4500);

/// Keeps and publishes messages. Cheap to clone; the clones share their places.
#[derive(Clone)]
pub(super) struct Deliveries {
    store: Store,
    hub: Hub,
    /// The application runtime, whose tasks go on until the server has ended; those of a worker end with the worker.
    runtime: Handle,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Deliveries {
    /// It has to be called in the application runtime, as everything else that is set up in `serve`.
    pub(super) fn new(store: Store, hub: Hub) -> Self {
        let (runtime, places) = (Handle::current(), Arc::new(Semaphore::new(PLACES)));
        Self { store, hub, runtime, places, patience: PATIENCE }
    }

    /// Keeps a message and publishes it, or the one that is there already with the same nonce; nothing, if the nonce is
    /// that of another message. Dropped or [`Late`](ChatError::Late), it goes on all the same.
    ///
    /// # Errors
    /// See [`ChatError`]. After each but [`Crowded`](ChatError::Crowded), the message may have been kept.
    pub(super) async fn deliver(
        &self,
        draft: Draft,
        sent: SafeInteger,
    ) -> Result<Option<Message>, ChatError> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(ChatError::Crowded);
        };
        let (reply, answer) = oneshot::channel();
        let this = self.clone();
        self.runtime.spawn(async move {
            let delivered = this.keep_and_publish(&draft, sent, place).await;
            if let Err(Err(error)) = reply.send(delivered) {
                log::error!("a message whose sender had gone was not delivered: {error}");
            }
        });
        match timeout(self.patience, answer).await {
            Ok(delivered) => delivered.map_err(|_| ChatError::Lost)?,
            Err(_) => Err(ChatError::Late(self.patience)),
        }
    }

    async fn keep_and_publish(
        &self,
        draft: &Draft,
        sent: SafeInteger,
        _place: OwnedSemaphorePermit,
    ) -> Result<Option<Message>, ChatError> {
        let Some(message) = self.store.add(draft, sent).await? else { return Ok(None) };
        self.publish(&message).await?;
        Ok(Some(message))
    }

    /// Tries as long as the hub lives: what is kept is heard. The hub waits for room itself, so there is no pause between
    /// the attempts. When it has stopped nobody is there to hear, and whoever comes to the next server reads it there.
    async fn publish(&self, message: &Message) -> Result<(), HubError> {
        let channel = RoomChannel(message.room.clone());
        let mut said = false;
        loop {
            match channel.publish(&self.hub, message).await {
                Err(HubError::Overloaded(_)) if said => {}
                Err(error @ HubError::Overloaded(_)) => {
                    log::warn!("message {} has to wait: {error}", message.id.get());
                    said = true;
                }
                published => return published.map(drop),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use duplex_core::HistoryQuery;
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;
    use crate::{
        chat::Author,
        database::DatabaseFile,
        testing::{BusyHub, DEADLINE},
    };

    /// Messages to a hub that has no room for them until it is started.
    struct Scene {
        _folder: tempfile::TempDir,
        busy: BusyHub,
        deliveries: Deliveries,
    }

    impl Scene {
        async fn set() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = DatabaseFile::open(&folder.path().join("test.sqlite")).await.unwrap();
            let busy = BusyHub::listening_to("chat:lobby").await;
            let deliveries = Deliveries::new(Store::new(file.migrate().await.unwrap()), busy.hub());
            Self { _folder: folder, busy, deliveries }
        }

        /// Lets the hub make room, waits until nothing is on its way, and returns what was published.
        async fn published(self) -> Vec<Message> {
            let hub = self.busy.start();
            let _all = timeout(DEADLINE, self.deliveries.places.acquire_many(PLACES as u32)).await.unwrap();
            let history = hub.history("chat:lobby", &HistoryQuery::default()).await.unwrap();
            history.publications.iter().map(|publication| publication.data.read().unwrap()).collect()
        }
    }

    fn draft() -> Draft {
        Draft {
            room: "lobby".parse().unwrap(),
            author: Author::User("ada".to_owned()),
            peer: None,
            text: "hello".parse().unwrap(),
            nonce: Some(Uuid::new_v4()),
        }
    }

    fn now() -> SafeInteger {
        7.into()
    }

    #[tokio::test]
    async fn a_message_arrives_though_its_sender_has_gone() {
        let scene = Scene::set().await;
        let draft = draft();
        assert!(scene.deliveries.deliver(draft.clone(), now()).now_or_never().is_none());
        let published = scene.published().await;
        assert_eq!(published.iter().map(|message| message.nonce).collect::<Vec<_>>(), [draft.nonce]);
    }

    #[tokio::test]
    async fn who_waits_long_is_told_and_the_message_arrives_all_the_same() {
        let mut scene = Scene::set().await;
        scene.deliveries.patience = Duration::from_millis(100);
        let late = scene.deliveries.deliver(draft(), now()).await.unwrap_err();
        assert!(matches!(late, ChatError::Late(_)), "{late}");
        assert_eq!(scene.published().await.len(), 1);
    }

    #[tokio::test]
    async fn who_is_patient_learns_what_the_message_has_become() {
        let scene = Scene::set().await;
        let deliveries = scene.deliveries.clone();
        // Longer than the hub waits for room.
        let mut delivering = tokio::spawn(async move { deliveries.deliver(draft(), now()).await });
        assert!(timeout(10 * BusyHub::PATIENCE, &mut delivering).await.is_err(), "it has given up");
        let published = scene.published().await;
        assert_eq!(delivering.await.unwrap().unwrap(), published.into_iter().next());
    }

    #[tokio::test]
    async fn there_is_an_end_to_how_many_are_on_their_way() {
        let scene = Scene::set().await;
        for _ in 0..PLACES {
            assert!(scene.deliveries.deliver(draft(), now()).now_or_never().is_none());
        }
        let crowded = scene.deliveries.deliver(draft(), now()).await.unwrap_err();
        assert!(matches!(crowded, ChatError::Crowded), "{crowded}");
        let deliveries = scene.deliveries.clone();
        // Of this channel the hub keeps a hundred.
        assert_eq!(scene.published().await.len(), 100);
        assert_eq!(deliveries.places.available_permits(), PLACES);
    }

    #[tokio::test]
    async fn nothing_is_on_its_way_when_the_hub_has_stopped() {
        let Scene { _folder, busy, deliveries } = Scene::set().await;
        drop(busy);
        let stopped = deliveries.deliver(draft(), now()).await.unwrap_err();
        assert!(matches!(stopped, ChatError::Hub(HubError::Stopped)), "{stopped}");
        assert_eq!(deliveries.places.available_permits(), PLACES);
    }
}
