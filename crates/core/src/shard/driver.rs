//! Runs a connection's task on its shard: until it has ended, or is to be parked; and keeps its panics to itself.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::task::ConnectionTask;
use crate::panics::caught;

/// Runs a task. It ends when the connection is gone and its last hook has ended, or when the task is parked.
pub(super) struct Driver(Option<ConnectionTask>);

impl Driver {
    pub(super) fn new(task: ConnectionTask) -> Self {
        Self(Some(task))
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(task) = &mut self.0 else { return Poll::Ready(()) };
        match caught(|| task.is_to_be_parked() && task.prepare_to_park()) {
            Ok(false) => {}
            Ok(true) => {
                self.0.take().into_iter().for_each(ConnectionTask::park);
                return Poll::Ready(());
            }
            Err(panic) => return task.lose(&panic, context),
        }
        // Whatever the application's code does to this thread, it costs no other connection anything.
        let polled = caught(|| task.poll(context));
        polled.unwrap_or_else(|panic| task.lose(&panic, context))
    }
}
