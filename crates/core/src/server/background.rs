//! The application's background tasks: they run while this process owns the hub, and in one process at a time.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::handover::HandoverError;

/// How long tasks may take to their next await.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes a task.
type Make = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// All of them. Dropped, they end.
#[derive(Default)]
pub(super) struct Background {
    tasks: Vec<Task>,
}

struct Task {
    make: Make,
    running: Option<JoinHandle<()>>,
}

impl Background {
    pub(super) fn add(&mut self, make: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) {
        self.tasks.push(Task { make: Arc::new(make), running: None });
    }

    /// Starts every task on the application runtime. One that has not ended since it was stopped has to do so first.
    pub(super) fn start(&mut self) {
        for task in &mut self.tasks {
            let (make, before) = (Arc::clone(&task.make), task.running.take());
            task.running = Some(tokio::spawn(async move {
                if let Some(before) = before {
                    // However it has ended.
                    let _ = before.await;
                }
                make().await;
            }));
        }
    }

    /// Ends them where they wait, and returns when they have ended.
    ///
    /// # Errors
    /// One of them blocks its thread, and has not ended. It will, where it next waits.
    pub(super) async fn stop(&mut self) -> Result<(), HandoverError> {
        let running = || self.tasks.iter().filter_map(|task| task.running.as_ref());
        running().for_each(JoinHandle::abort);
        let deadline = Instant::now() + PATIENCE;
        for task in &mut self.tasks {
            let Some(running) = &mut task.running else { continue };
            // One that has ended before, or panicked, has ended.
            let _ = timeout_at(deadline, running).await.map_err(|_| HandoverError::Blocked(PATIENCE))?;
            task.running = None;
        }
        Ok(())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.tasks.iter().filter_map(|task| task.running.as_ref()).for_each(JoinHandle::abort);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_task_that_blocks_is_not_made_anew_before_it_has_ended() {
        let gate = Arc::new((Mutex::new(true), Condvar::new()));
        let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let begun = Arc::new(Semaphore::new(0));
        let mut background = Background::default();
        let (hold, count, peak, tell) = (gate.clone(), at_once.clone(), most.clone(), begun.clone());
        background.add(move || {
            let (hold, count, peak, tell) = (hold.clone(), count.clone(), peak.clone(), tell.clone());
            Box::pin(async move {
                peak.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tell.add_permits(1);
                drop(hold.1.wait_while(hold.0.lock().unwrap(), |blocked| *blocked));
                count.fetch_sub(1, Ordering::SeqCst);
                std::future::pending().await
            })
        });
        background.start();
        begun.acquire().await.unwrap().forget();
        assert!(matches!(background.stop().await, Err(HandoverError::Blocked(_))));
        background.start();
        *gate.0.lock().unwrap() = false;
        gate.1.notify_all();
        begun.acquire().await.unwrap().forget();
        assert!(background.stop().await.is_ok());
        assert_eq!(most.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_task_that_panics_takes_nobody_along_however_often_it_is_made() {
        let mut background = Background::default();
        background.add(|| panic!("a panic on purpose"));
        for _ in 0..3 {
            background.start();
            assert!(background.stop().await.is_ok());
        }
    }
}
