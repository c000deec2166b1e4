//! The processes that want to take over from this server: they are greeted one at a time, and the latest counts.

use std::{io, net::TcpListener, os::unix::net::UnixStream};

use tokio::sync::mpsc;

use crate::{
    Hub,
    blocking::start_thread,
    handover::{Conversation, Greeted, Successors, explain, turn_away},
};

/// Whoever asks to take over.
pub(super) struct Succession {
    successors: Option<Successors>,
    listeners: Vec<TcpListener>,
    hub: Hub,
    ready: (mpsc::Sender<Greeted>, mpsc::Receiver<Greeted>),
    /// With the one that is being greeted. A later one takes its place: it may hang, and somebody wants a newer one.
    conversation: Option<Conversation>,
    /// How many there were.
    conversations: u64,
}

impl Succession {
    pub(super) fn new(
        successors: Option<Successors>,
        listeners: &[TcpListener],
        hub: Hub,
    ) -> io::Result<Self> {
        let listeners = if successors.is_some() { clone_all(listeners)? } else { Vec::new() };
        let (ready, conversation) = (mpsc::channel(1), None);
        Ok(Self { successors, listeners, hub, ready, conversation, conversations: 0 })
    }

    /// The next process that is ready to take over. Cancel-safe.
    pub(super) async fn next(&mut self) -> Greeted {
        loop {
            tokio::select! {
                biased;
                Some(greeted) = self.ready.1.recv() => {
                    // A later one may have come in between, or it may have lost patience.
                    let latest = self.conversation.take_if(|latest| latest.number == greeted.number);
                    if let Some(conversation) = latest && greeted.is_there() {
                        conversation.go_on();
                        return greeted;
                    }
                }
                line = next_line(&mut self.successors) => self.greet(line),
            }
        }
    }

    fn greet(&mut self, line: UnixStream) {
        // The one before is hung up on.
        self.conversation = None;
        self.conversations += 1;
        let number = self.conversations;
        let greeting = clone_all(&self.listeners).map_err(Into::into).and_then(|listeners| {
            Greeted::greet(number, line, listeners, self.hub.clone(), self.ready.0.clone())
        });
        match greeting {
            Ok(conversation) => self.conversation = Some(conversation),
            Err(error) => {
                log::warn!("a process that wants to take over cannot be spoken to: {}", explain(&error))
            }
        }
    }

    /// Nothing is handed over any more: whoever comes from now on is told so.
    pub(super) fn end(&mut self) {
        self.conversation = None;
        let Some(mut successors) = self.successors.take() else { return };
        tokio::spawn(async move {
            while let Some(line) = successors.next().await {
                if let Err(error) = start_thread("successor", move || turn_away(line)) {
                    log::warn!("a process that wants to take over is hung up on: {error}");
                }
            }
        });
    }
}

async fn next_line(successors: &mut Option<Successors>) -> UnixStream {
    let Some(some) = successors else { return std::future::pending().await };
    match some.next().await {
        Some(line) => line,
        None => std::future::pending().await,
    }
}

fn clone_all(listeners: &[TcpListener]) -> io::Result<Vec<TcpListener>> {
    listeners.iter().map(TcpListener::try_clone).collect()
}
