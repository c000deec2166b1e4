//! The hub between two processes: it is frozen, what is in it is passed on, and it goes on where it belongs.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{Hub, StreamState, Told};
use crate::{
    Channel, ConnectionId, Ended, Epoch, Socket, Stop,
    handover::{Delivery, HandoverError, Link, Packed},
    hub::Place,
    shard::{Incoming, Letter, Newcomer, NewcomerState, Outgoing, Remains, What},
    state_file::{self, StateFileError},
};

/// What outlives a process: the streams of the channels. Connections do not.
#[derive(Debug, Serialize, Deserialize)]
struct HubState {
    saved: SystemTime,
    fresh: Epoch,
    streams: Vec<StreamState>,
}

/// How often the inboxes are emptied before nothing is left: what is in them may lead to news of who comes and goes, and news
/// leads to nothing.
const ROUNDS: usize = 2;

impl Hub {
    /// Stops everything: when it returns no verb is under way, no task of a connection runs, and all that was to be done is
    /// done. Verbs wait. End it with [`resume`](Self::resume) or [`give_away`](Self::give_away).
    ///
    /// Not cancel-safe: dropped in between, the hub stays as it is until it is resumed.
    pub(crate) async fn freeze(&self) {
        self.shared.ownership.freeze();
        self.shared.channels.let_everybody_finish();
        self.ask_shards(Letter::Park).await;
        for _ in 0..ROUNDS {
            for inbox in &self.shared.inboxes {
                inbox.empty().await;
            }
            self.ask_shards(Letter::Sync).await;
        }
    }

    /// Has all connections of a frozen hub packed, at most so many sockets together; they stay here. It ends when nobody takes
    /// them, soon after the hub goes on.
    pub(crate) fn pack(&self, to: &mpsc::Sender<Result<Packed, HandoverError>>, most_sockets: usize) {
        self.tell_shards(|| Letter::Pack { to: to.clone(), most_sockets });
    }

    /// Lets go of all connections of a hub that has been packed and is another process's. Returns what is left of those that
    /// have moved; the others are over.
    pub(crate) async fn dissolve(&self) -> Vec<Remains> {
        let mut remains: Vec<_> = self.ask_shards(Letter::Dissolve).await.into_iter().flatten().collect();
        for Remains { socket, .. } in remains.extract_if(.., |one| !one.moved) {
            log::warn!("connection {} could not move, and is closed", socket.id());
            self.lost(&socket);
        }
        remains
    }

    /// Takes connections into a hub that is frozen, or does not run yet; each goes to the shard that its id names.
    pub(crate) fn adopt(&self, delivery: Delivery) {
        let inboxes = &self.shared.inboxes;
        for (inbox, part) in inboxes.iter().zip(delivery.by_shard(inboxes.len())) {
            if part.len() > 0 {
                inbox.push(0, Letter::Adopt(part));
            }
        }
    }

    /// Waits until the shards have done what they were told.
    pub(crate) async fn sync(&self) {
        self.ask_shards(Letter::Sync).await;
    }

    /// A connection is gone in a way that no task of its own has seen.
    pub(crate) fn lost(&self, socket: &Socket) {
        if let Some(runner) = self.runner().filter(|_| socket.has_opened()) {
            // It goes on by itself.
            let _ = runner.on_disconnect(socket, Ended::Lost);
        }
    }

    /// The hub is this process's from now on, and all connections go on.
    pub(crate) fn resume(&self) {
        self.shared.ownership.keep();
        self.tell_shards(|| Letter::Resume);
    }

    /// The hub is the process's at the other end of `link` from now on: verbs and new sockets are sent there.
    pub(crate) fn give_away(&self, link: &Link) {
        self.shared.ownership.give(link.clone());
        self.tell_shards(|| Letter::Forward(link.clone()));
    }

    /// The hub is another process's that is not to be asked: verbs are refused from now on. Connections that are still here
    /// are closed before they do anything else.
    pub(crate) fn lose(&self) {
        self.shared.ownership.end();
        self.begin_draining();
        self.tell_shards(|| Letter::Drain { stop: Stop::Restart, spread: Duration::ZERO });
        self.tell_shards(|| Letter::Resume);
    }

    /// Everything that channels keep, in parts.
    pub(crate) fn stream_states(&self) -> impl Iterator<Item = Vec<StreamState>> + '_ {
        self.shared.channels.states()
    }

    /// What another process does not know of it, in parts.
    pub(crate) fn stream_changes<'a>(
        &'a self,
        told: &'a mut Told,
    ) -> impl Iterator<Item = Vec<StreamState>> + 'a {
        self.shared.channels.changes(told)
    }

    /// Another process has forgotten these streams.
    pub(crate) fn forget_streams(&self, channels: &[Channel]) {
        self.shared.channels.forget(channels);
    }

    pub(crate) fn fresh_epoch(&self) -> Epoch {
        self.shared.channels.fresh_epoch()
    }

    /// New streams have the epoch that those of another process would have had.
    pub(crate) fn begin_with(&self, fresh: Epoch) {
        self.shared.channels.begin_with(fresh);
    }

    /// Goes on with what another process has kept.
    pub(crate) fn go_on_with(&self, streams: Vec<StreamState>) {
        self.shared.channels.go_on_with(streams);
    }

    /// Gives all streams a new life: another process may have gone on with the old one, and is gone.
    pub(crate) fn start_over(&self) {
        self.shared.channels.start_over();
    }

    /// A place for a connection that has been let in by another process, whatever the limit.
    pub(crate) fn place_for(&self, id: ConnectionId) -> Place {
        self.shared.census.move_in(id.shard(self.shared.inboxes.len()))
    }

    /// Takes in a socket that another process has let in.
    pub(crate) fn accept_from_elsewhere(&self, state: NewcomerState, stream: std::net::TcpStream) {
        let NewcomerState { id, dialect, identity, peer, early } = state;
        let (place, transport) = (self.place_for(id), Incoming::Tcp(stream));
        let hub = self.clone();
        self.accept(Newcomer { id, dialect, identity, peer, hub, place, transport, early });
    }

    /// Tells the clients of the protocol which build of the front end is served from now on.
    pub(crate) fn announce_build(&self, build: &str) {
        let outgoing = Outgoing::new(What::Build(build.to_owned()));
        self.tell_shards(|| Letter::Send { to: super::Target::All, outgoing: outgoing.clone() });
    }

    /// Goes on with what an earlier process has left in a file, and consumes it.
    ///
    /// # Errors
    /// The file is there and cannot be removed: then it must not be used.
    pub(crate) fn load(&self, path: &Path) -> Result<(), StateFileError> {
        let Some(HubState { saved, fresh, mut streams }) = state_file::take::<HubState>(path)? else {
            return Ok(());
        };
        // A clock that was set back counts as no time.
        let age = saved.elapsed().unwrap_or_default();
        streams.iter_mut().for_each(|stream| stream.age(age));
        log::info!("{} channels go on from {}", streams.len(), path.display());
        self.begin_with(fresh);
        self.go_on_with(streams);
        Ok(())
    }

    /// Leaves what channels keep in a file, for the next process. Nothing may be published any more.
    pub(crate) fn save(&self, path: &Path) {
        self.shared.channels.let_everybody_finish();
        let streams: Vec<_> = self.stream_states().flatten().collect();
        let state = HubState { saved: SystemTime::now(), fresh: self.fresh_epoch(), streams };
        match state_file::write(path, &state) {
            Ok(()) => log::info!("{} channels are kept in {}", state.streams.len(), path.display()),
            Err(error) => log::error!("what channels keep is lost: {error}"),
        }
    }

    /// Waits until no connection is left. Cancel-safe.
    pub(crate) async fn everybody_gone(&self) {
        self.shared.census.empty().await;
    }

    /// Asks every shard; one that is gone does not answer.
    async fn ask_shards<T>(&self, letter: impl Fn(oneshot::Sender<T>) -> Letter) -> Vec<T> {
        let answers: Vec<_> = self
            .shared
            .inboxes
            .iter()
            .map(|inbox| {
                let (reply, answer) = oneshot::channel();
                inbox.push(0, letter(reply));
                answer
            })
            .collect();
        let mut all = Vec::new();
        for answer in answers {
            all.extend(answer.await.ok());
        }
        all
    }
}
