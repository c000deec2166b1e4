//! A server that runs: until it is told to stop, or another process has taken over.

use std::{future::Future, io, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use actix_server::ServerHandle;
use tokio::{
    runtime,
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{background::Background, gate::Gate, stop::Stop, succession::Succession};
use crate::{
    Hub, Settings,
    blocking::in_thread,
    handover::{
        Ahead, Given, GivingFailed, Greeted, HandoverError, Intent, Luggage, explain, give, give_streams,
        send_ahead,
    },
    shard::Remains,
};

/// How long the process that has taken over may take until it accepts connections.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// A stop that is waited for.
pub(super) type Stopping = Pin<Box<dyn Future<Output = Stop> + Send>>;

/// A server that runs, with all it needs to end well.
pub(super) struct Running {
    pub(super) handle: ServerHandle,
    pub(super) hub: Hub,
    pub(super) gate: Gate,
    pub(super) settings: Settings,
    pub(super) background: Background,
    pub(super) luggage: Arc<Luggage>,
    pub(super) state_file: Option<PathBuf>,
    /// Fails when the process before this one has nothing more to ask.
    pub(super) before: Option<oneshot::Receiver<()>>,
}

/// How an attempt to hand over has ended.
enum Ending {
    /// The other process has everything, and this one is done.
    Over,
    /// Everything is still here.
    Kept,
    /// Everything is still here, and is to be stopped.
    Stop(Stop),
}

impl Running {
    /// Serves until `stop` resolves, or another process has taken over, and the server has let go of everything.
    pub(super) async fn serve(
        mut self,
        mut serving: JoinHandle<io::Result<()>>,
        mut stop: Stopping,
        mut succession: Succession,
    ) -> io::Result<()> {
        self.background.start();
        loop {
            let ending = tokio::select! {
                stop = &mut stop => Ending::Stop(stop),
                // The server has ended by itself, which only an error makes it do.
                ended = &mut serving => return result(ended),
                greeted = succession.next() => match greeted.intent {
                    Intent::Replace => Ending::Stop(Stop::Restart),
                    Intent::TakeOver | Intent::TakeStreams => {
                        self.hand_over(greeted, &mut succession, &mut stop).await
                    }
                },
            };
            match ending {
                Ending::Over => break,
                Ending::Kept => {}
                Ending::Stop(stop) => {
                    succession.end();
                    self.drain(stop).await;
                    break;
                }
            }
        }
        result(serving.await)
    }

    /// Hands everything over to another process. Whatever goes wrong before it has everything leaves this one as it was.
    async fn hand_over(
        &mut self,
        greeted: Greeted,
        succession: &mut Succession,
        stop: &mut Stopping,
    ) -> Ending {
        let process = greeted.process;
        log::info!("process {process} takes over");
        // What channels keep may be much, and nobody has to wait for it.
        let ahead = tokio::select! {
            ahead = self.send_ahead(greeted) => ahead,
            // The line ends with what is being sent.
            stop = stop => return Ending::Stop(stop),
        };
        let ahead = match ahead {
            Ok(ahead) => ahead,
            Err(error) => {
                log::error!(
                    "process {process} could not take over, and this one goes on: {}",
                    explain(&error)
                );
                return Ending::Kept;
            }
        };
        if let Err(error) = self.background.stop().await {
            log::error!("process {process} cannot take over, and this one goes on: {}", explain(&error));
            self.background.start();
            return Ending::Kept;
        }
        self.handle.pause().await;
        let takes_over = ahead.takes_over();
        let ending = match self.give(ahead).await {
            Ok(None) => {
                log::warn!(
                    "process {process} has another state version: it has what channels keep, and no socket"
                );
                Ending::Stop(Stop::Restart)
            }
            Ok(Some(given)) => {
                let Given { sockets, took, .. } = given;
                log::info!("{sockets} sockets have moved to process {process} in {took:.1?}");
                self.follow(given, process, succession).await
            }
            Err(GivingFailed::Kept(error)) => {
                log::error!(
                    "process {process} could not take over, and this one goes on: {}",
                    explain(&error)
                );
                Ending::Kept
            }
            Err(GivingFailed::Lost(error)) => {
                log::error!("process {process} has taken over and cannot be spoken to: {}", explain(&error));
                if takes_over {
                    self.hub.dissolve().await;
                }
                self.hub.lose();
                Ending::Stop(Stop::Restart)
            }
        };
        if matches!(ending, Ending::Kept) {
            self.handle.resume().await;
            self.background.start();
        }
        ending
    }

    /// Sends what can be sent while everything goes on, in a thread that may block.
    async fn send_ahead(&self, greeted: Greeted) -> Result<Ahead, HandoverError> {
        let hub = self.hub.clone();
        match in_thread("handover-ahead", move || send_ahead(greeted, &hub)).await {
            Ok(Some(sent)) => sent,
            // It has panicked.
            Ok(None) => Err(HandoverError::HungUp),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives everything away, in a thread that may block. A stop waits until that has ended one way or the other, which is
    /// soon: nobody could say in between whose the sockets are.
    async fn give(&self, ahead: Ahead) -> Result<Option<Given>, GivingFailed> {
        let (hub, luggage) = (self.hub.clone(), Arc::clone(&self.luggage));
        let runtime = runtime::Handle::current();
        let give = move || match ahead.takes_over() {
            true => give(ahead, &hub, luggage, &runtime).map(Some),
            false => give_streams(ahead, &hub, &runtime).map(|()| None),
        };
        match in_thread("handover", give).await {
            Ok(Some(given)) => given,
            // It has panicked, and nobody knows what is whose.
            Ok(None) => Err(GivingFailed::Lost(HandoverError::HungUp)),
            Err(error) => Err(GivingFailed::Kept(error.into())),
        }
    }

    /// The hub is another process's. What still runs here is finished, unless that one is gone before it accepts
    /// connections: then everybody can come back to this one.
    async fn follow(&mut self, given: Given, process: u32, succession: &mut Succession) -> Ending {
        let Given { link, started, .. } = given;
        let (mut reports, mut sockets) = (JoinSet::new(), Vec::new());
        let let_go = async {
            for Remains { socket, work, .. } in self.hub.dissolve().await {
                if let Some(work) = work {
                    let (link, socket) = (link.clone(), socket.clone());
                    reports.spawn(async move { link.report(socket, work).await });
                }
                sockets.push(socket);
            }
        };
        let ((), started) = tokio::join!(let_go, timeout(START_PATIENCE, started));
        match started {
            Ok(Ok(())) => {}
            // It must not come back to life beside this one.
            lost => {
                let how = if lost.is_err() { "does not accept connections" } else { "is gone" };
                if !link.end_process().await {
                    log::error!("process {process} has taken over and {how}; this one ends");
                    return Ending::Stop(Stop::Restart);
                }
                log::error!("process {process} has taken over and {how}; this one starts over");
                self.hub.start_over();
                self.hub.resume();
                sockets.iter().for_each(|socket| self.hub.lost(socket));
                return Ending::Kept;
            }
        }
        succession.end();
        self.gate.leave();
        let deadline = self.settings.drain_deadline;
        let hooks = async {
            if timeout(deadline, async { while reports.join_next().await.is_some() {} }).await.is_err() {
                log::warn!("hooks still run after {deadline:?}; they are given up");
            }
        };
        tokio::join!(self.finish_requests(), hooks);
        // Sockets that came in late are on their way, and the process before this one may still have something to ask of
        // the hub, which goes on from here.
        let rest = async {
            self.hub.everybody_gone().await;
            if let Some(before) = self.before.take() {
                let _ = before.await;
            }
        };
        let _ = timeout(deadline, rest).await;
        link.finish().await;
        self.hub.end_shards();
        Ending::Over
    }

    async fn drain(&mut self, stop: Stop) {
        log::info!("stopping: {} sockets to close", self.hub.count());
        self.handle.pause().await;
        self.gate.leave();
        // Sockets are not the HTTP server's any more, so both end side by side and share the deadline.
        tokio::join!(self.hub.drain(stop), self.finish_requests());
        if let Err(error) = self.background.stop().await {
            log::warn!("{error}");
        }
        self.hub.end_shards();
        // After a restart another process goes on without it, and what it said in between would be missing.
        if let Some(path) = self.state_file.as_ref().filter(|_| stop == Stop::Shutdown) {
            self.hub.save(path);
        }
    }

    async fn finish_requests(&self) {
        sleep(self.settings.drain_grace).await;
        let deadline = self.settings.drain_deadline;
        if timeout(deadline, self.handle.stop(true)).await.is_err() {
            log::warn!("requests still run after {deadline:?}; they are cut off");
            self.handle.stop(false).await;
        }
    }
}

fn result(ended: Result<io::Result<()>, tokio::task::JoinError>) -> io::Result<()> {
    ended.unwrap_or_else(|error| Err(io::Error::other(error)))
}
