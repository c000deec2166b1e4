//! A server that runs: until it is told to stop, or another process has taken over.

use std::{future::Future, io, path::PathBuf, pin::Pin, sync::Arc, thread, time::Duration};

use actix_server::ServerHandle;
use tokio::{
    runtime,
    sync::oneshot,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{background::Background, gate::Gate, stop::Stop, succession::Succession};
use crate::{
    Hub, Settings,
    handover::{Given, GivingFailed, Greeted, HandoverError, Intent, Luggage, give},
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
        server: actix_server::Server,
        mut stop: Stopping,
        mut succession: Succession,
    ) -> io::Result<()> {
        let mut serving = tokio::spawn(server);
        self.background.start();
        loop {
            let ending = tokio::select! {
                stop = &mut stop => Ending::Stop(stop),
                // The server has ended by itself, which only an error makes it do.
                ended = &mut serving => return result(ended),
                greeted = succession.next() => match greeted.intent {
                    Intent::Replace => Ending::Stop(Stop::Restart),
                    Intent::TakeOver => self.hand_over(greeted, &mut stop).await,
                },
            };
            match ending {
                Ending::Over => break,
                Ending::Kept => {}
                Ending::Stop(stop) => {
                    self.drain(stop).await;
                    break;
                }
            }
        }
        result(serving.await)
    }

    /// Hands everything over to another process. Whatever goes wrong before it has everything leaves this one as it was.
    async fn hand_over(&mut self, greeted: Greeted, stop: &mut Stopping) -> Ending {
        let process = greeted.process;
        log::info!("process {process} takes over");
        self.background.stop().await;
        self.handle.pause().await;
        let (given, stopped) = self.give(greeted, stop).await;
        let ending = match given {
            Ok(given) => {
                let (sockets, took) = (given.sockets, given.took);
                log::info!("{sockets} sockets have moved to process {process} in {took:.1?}");
                self.follow(given, process).await
            }
            Err(GivingFailed::Kept(error)) => {
                log::error!("process {process} could not take over, and this one goes on: {error}");
                Ending::Kept
            }
            Err(GivingFailed::Lost(error)) => {
                log::error!("process {process} has taken over and cannot be spoken to: {error}");
                Ending::Stop(Stop::Restart)
            }
        };
        if matches!(ending, Ending::Kept) {
            self.handle.resume().await;
            self.background.start();
        }
        match (ending, stopped) {
            (Ending::Kept, Some(stop)) => Ending::Stop(stop),
            (ending, _) => ending,
        }
    }

    /// Gives everything away, in a thread that may block. A stop meanwhile ends the attempt.
    async fn give(
        &self,
        greeted: Greeted,
        stop: &mut Stopping,
    ) -> (Result<Given, GivingFailed>, Option<Stop>) {
        let line = greeted.conversation();
        let (hub, luggage) = (self.hub.clone(), Arc::clone(&self.luggage));
        let runtime = runtime::Handle::current();
        let (report, mut given) = oneshot::channel();
        let give = move || drop(report.send(give(greeted, &hub, &luggage, &runtime)));
        if let Err(error) = thread::Builder::new().name("handover".to_owned()).spawn(give) {
            return (Err(GivingFailed::Kept(error.into())), None);
        }
        // The thread reports, unless it has panicked: then nobody knows what is whose.
        let lost = |_| GivingFailed::Lost(HandoverError::HungUp);
        tokio::select! {
            given = &mut given => {
                line.go_on();
                (given.map_err(lost).and_then(|given| given), None)
            }
            stop = stop => {
                drop(line);
                (given.await.map_err(lost).and_then(|given| given), Some(stop))
            }
        }
    }

    /// The hub is another process's. What still runs here is finished, unless that one is gone before it accepts
    /// connections: then everybody can come back to this one.
    async fn follow(&self, given: Given, process: u32) -> Ending {
        let Given { link, started, works, .. } = given;
        match timeout(START_PATIENCE, started).await {
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
                return Ending::Kept;
            }
        }
        self.gate.leave();
        let mut reports = JoinSet::new();
        for (socket, work) in works {
            let link = link.clone();
            reports.spawn(async move { link.report(socket, work).await });
        }
        let deadline = self.settings.drain_deadline;
        let hooks = async {
            if timeout(deadline, async { while reports.join_next().await.is_some() {} }).await.is_err() {
                log::warn!("hooks still run after {deadline:?}; they are given up");
            }
        };
        tokio::join!(self.finish_requests(), hooks);
        // Sockets that came in late are on their way.
        let _ = timeout(deadline, self.hub.everybody_gone()).await;
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
        self.background.stop().await;
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
