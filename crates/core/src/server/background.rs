//! The application's background tasks: they run while this process owns the hub, and in one process at a time.

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

/// Makes a task.
pub(super) type Task = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// All of them. Dropped, they end.
#[derive(Default)]
pub(super) struct Background {
    tasks: Vec<Task>,
    running: Vec<JoinHandle<()>>,
}

impl Background {
    pub(super) fn add(&mut self, task: Task) {
        self.tasks.push(task);
    }

    /// Starts every task on the application runtime.
    pub(super) fn start(&mut self) {
        self.running = self.tasks.iter().map(|task| tokio::spawn(task())).collect();
    }

    /// Ends them where they wait, and returns when they have ended.
    pub(super) async fn stop(&mut self) {
        for task in self.running.drain(..) {
            task.abort();
            // One that has ended before, or panicked, has ended.
            let _ = task.await;
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.running.iter().for_each(JoinHandle::abort);
    }
}
