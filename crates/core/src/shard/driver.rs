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
        // Whatever the application's code does to this thread, it costs no other connection anything.
        let polled = caught(|| match task.is_to_be_parked() && task.prepare_to_park() {
            true => None,
            false => Some(task.poll(context)),
        });
        match polled {
            Ok(Some(poll)) => poll,
            Ok(None) => {
                self.0.take().into_iter().for_each(ConnectionTask::park);
                Poll::Ready(())
            }
            Err(panic) => task.lose(&panic, context),
        }
    }
}
