//! The processes that want to take over from this server: they are greeted one at a time, and the latest counts.

use std::{io, net::TcpListener};

use tokio::sync::mpsc;

use crate::{
    Hub,
    handover::{Conversation, Greeted, Successors},
};

/// Whoever asks to take over.
pub(super) struct Succession {
    successors: Option<Successors>,
    listeners: Vec<TcpListener>,
    hub: Hub,
    ready: (mpsc::Sender<Greeted>, mpsc::Receiver<Greeted>),
    /// With the one that is being greeted. A later one takes its place: it may hang, and somebody wants a newer one.
    conversation: Option<Conversation>,
}

impl Succession {
    pub(super) fn new(
        successors: Option<Successors>,
        listeners: &[TcpListener],
        hub: Hub,
    ) -> io::Result<Self> {
        let listeners = if successors.is_some() { clone_all(listeners)? } else { Vec::new() };
        Ok(Self { successors, listeners, hub, ready: mpsc::channel(1), conversation: None })
    }

    /// The next process that is ready to take over. Cancel-safe.
    pub(super) async fn next(&mut self) -> Greeted {
        loop {
            let line = tokio::select! {
                Some(greeted) = self.ready.1.recv() => {
                    self.conversation.take().into_iter().for_each(Conversation::go_on);
                    return greeted;
                }
                line = next_line(&mut self.successors) => line,
            };
            // The one before is hung up on.
            self.conversation = None;
            let greeting = clone_all(&self.listeners).map_err(Into::into).and_then(|listeners| {
                Greeted::greet(line, listeners, self.hub.clone(), self.ready.0.clone())
            });
            match greeting {
                Ok(conversation) => self.conversation = Some(conversation),
                Err(error) => log::warn!("a process that wants to take over cannot be spoken to: {error}"),
            }
        }
    }
}

async fn next_line(successors: &mut Option<Successors>) -> std::os::unix::net::UnixStream {
    let Some(some) = successors else { return std::future::pending().await };
    match some.next().await {
        Some(line) => line,
        None => std::future::pending().await,
    }
}

fn clone_all(listeners: &[TcpListener]) -> io::Result<Vec<TcpListener>> {
    listeners.iter().map(TcpListener::try_clone).collect()
}
