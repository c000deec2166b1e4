//! A piece of long-running work that can be asked to stop and then takes its time to stop properly.

use std::convert::Infallible;
use std::future::Future;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The handle. Dropping it asks the work to stop without waiting for that.
pub(crate) struct Task {
    stop: oneshot::Sender<Infallible>,
    done: JoinHandle<()>,
}

/// The work's side of the handle.
pub(crate) struct StopSignal {
    stop: oneshot::Receiver<Infallible>,
    requested: bool,
}

impl Task {
    /// Starts the work on the current runtime.
    pub(crate) fn spawn<F: Future<Output = ()> + 'static + Send>(work: impl FnOnce(StopSignal) -> F) -> Self {
        let (stop, signal) = oneshot::channel();
        Self { stop, done: tokio::spawn(work(StopSignal { stop: signal, requested: false })) }
    }

    /// Asks the work to stop and waits until it has.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        let _ = self.done.await;
    }

    /// Waits until the work has ended by itself.
    pub(crate) async fn join(self) {
        let _ = self.done.await;
    }
}

impl StopSignal {
    /// Waits until the handle asks to stop. Cancel-safe, and may be called again.
    pub(crate) async fn requested(&mut self) {
        if !self.requested {
            let _ = (&mut self.stop).await;
            self.requested = true;
        }
    }
}
