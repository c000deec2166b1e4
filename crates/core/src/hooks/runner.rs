//! Runs hooks: once in place, then on the application runtime; with a deadline, and with panics caught.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use actix_web::HttpRequest;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use serde::{Deserialize, Serialize};
use tokio::{runtime, sync::oneshot};

use super::{
    Calling, Connected, Connecting, Grant, HookResult, Hooks, Publishing, Reading, Refusal, Rejection,
    Socket, Subscribing,
};
use crate::{
    Ended, Identity, Json, Limits, Message,
    panics::{awaited, caught},
};

/// Runs the hooks of one application. Cheap to clone; the clones share what they learn about slow hooks.
#[derive(Clone)]
pub(crate) struct HookRunner {
    hooks: Arc<dyn ErasedHooks>,
    runtime: runtime::Handle,
    deadline: Duration,
    slow_poll: Duration,
    slow: Arc<SlowHooks>,
}

/// How far a hook came when it was started.
pub(crate) enum Progress<T> {
    /// It has ended.
    Done(Result<T, HookFailure>),
    /// It goes on on the application runtime and reports from there.
    Running(oneshot::Receiver<Result<T, HookFailure>>),
}

/// A hook did not come to an end of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookFailure {
    #[error("it panicked: {0}")]
    Panicked(String),
    #[error("it did not end within {0:?}")]
    Deadline(Duration),
    #[error("the application runtime has stopped")]
    Abandoned,
    /// In another process; why is in that one's log as well.
    #[error("{0}")]
    Elsewhere(String),
}

/// The hooks that run on behalf of an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HookName {
    Connect,
    Message,
    Disconnect,
    Connecting,
    Subscribe,
    Publish,
    Read,
    Call,
}

impl HookName {
    const COUNT: usize = Self::Call as usize + 1;

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "on_connect",
            Self::Message => "on_message",
            Self::Disconnect => "on_disconnect",
            Self::Connecting => "on_connecting",
            Self::Subscribe => "on_subscribe",
            Self::Publish => "on_publish",
            Self::Read => "on_read",
            Self::Call => "on_call",
        }
    }
}

/// The hooks that once held a thread for too long, and are spawned since.
type SlowHooks = [AtomicBool; HookName::COUNT];

type HookFuture<T> = BoxFuture<'static, T>;

impl HookRunner {
    pub(crate) fn new(hooks: impl Hooks, runtime: runtime::Handle, limits: &Limits) -> Self {
        Self {
            hooks: Arc::new(hooks),
            runtime,
            deadline: limits.hook_deadline,
            slow_poll: limits.slow_poll,
            slow: Arc::default(),
        }
    }

    /// Asks who is there. Any failure is a refusal.
    pub(crate) async fn authenticate(&self, request: &HttpRequest) -> Result<Identity, Refusal> {
        // The call itself may panic too, before there is a future: it is made inside one.
        let hook = std::pin::pin!(async { self.hooks.authenticate(request).await });
        let hook =
            Caught { future: hook, runtime: &self.runtime, slow_poll: self.slow_poll, name: "authenticate" };
        match tokio::time::timeout(self.deadline, hook).await {
            Ok(Ok(decision)) => decision,
            Ok(Err(panic)) => Err(Refusal::internal(HookFailure::Panicked(panic))),
            Err(_) => Err(Refusal::internal(HookFailure::Deadline(self.deadline))),
        }
    }

    pub(crate) fn on_connect(&self, socket: &Socket) -> Progress<HookResult> {
        let socket = socket.clone();
        self.start(HookName::Connect, |hooks| hooks.on_connect(socket))
    }

    pub(crate) fn on_message(&self, socket: &Socket, message: Message) -> Progress<HookResult> {
        let socket = socket.clone();
        self.start(HookName::Message, |hooks| hooks.on_message(socket, message))
    }

    pub(crate) fn on_disconnect(&self, socket: &Socket, ended: Ended) -> Progress<HookResult> {
        let socket = socket.clone();
        self.start(HookName::Disconnect, |hooks| hooks.on_disconnect(socket, ended))
    }

    /// Polls a hook, and what else is in its future, once; if it is not ready, or is known to be slow, it goes to the
    /// application runtime.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        name: HookName,
        hook: impl FnOnce(Arc<dyn ErasedHooks>) -> HookFuture<T>,
    ) -> Progress<T> {
        let hooks = Arc::clone(&self.hooks);
        let mut future = match caught(|| hook(hooks)) {
            Ok(future) => future,
            Err(panic) => return Progress::Done(Err(HookFailure::Panicked(panic))),
        };
        if self.slow[name as usize].load(Ordering::Relaxed) {
            return Progress::Running(self.spawn(future));
        }
        // Whatever waker the first poll registers is replaced when the runtime polls again.
        let started = Instant::now();
        let polled = poll_inside(&self.runtime, future.as_mut(), &mut Context::from_waker(Waker::noop()));
        self.notice_slowness(name, started.elapsed());
        match polled {
            Ok(Poll::Ready(result)) => Progress::Done(Ok(result)),
            Ok(Poll::Pending) => Progress::Running(self.spawn(future)),
            Err(panic) => Progress::Done(Err(HookFailure::Panicked(panic))),
        }
    }

    fn notice_slowness(&self, name: HookName, held: Duration) {
        if held > self.slow_poll && !self.slow[name as usize].swap(true, Ordering::Relaxed) {
            log::warn!(
                "hook {} held its thread for {held:?}; it runs on the application runtime from now on",
                name.as_str()
            );
        }
    }

    fn spawn<T: Send + 'static>(&self, future: HookFuture<T>) -> oneshot::Receiver<Result<T, HookFailure>> {
        let (reply, answer) = oneshot::channel();
        let deadline = self.deadline;
        self.runtime.spawn(async move {
            let ended = match tokio::time::timeout(deadline, awaited(future)).await {
                Ok(Ok(result)) => Ok(result),
                Ok(Err(panic)) => Err(HookFailure::Panicked(panic)),
                Err(_) => Err(HookFailure::Deadline(deadline)),
            };
            // The shard may be gone; then nobody is interested.
            let _ = reply.send(ended);
        });
        answer
    }
}

/// [`Hooks`] without the type of the application, so that nothing else has to be generic.
pub(crate) trait ErasedHooks: Send + Sync {
    fn authenticate<'a>(&'a self, request: &'a HttpRequest) -> LocalBoxFuture<'a, Result<Identity, Refusal>>;
    fn on_connect(self: Arc<Self>, socket: Socket) -> HookFuture<HookResult>;
    fn on_message(self: Arc<Self>, socket: Socket, message: Message) -> HookFuture<HookResult>;
    fn on_disconnect(self: Arc<Self>, socket: Socket, ended: Ended) -> HookFuture<HookResult>;
    fn on_connecting<'a>(&'a self, socket: &'a Socket, ask: Connecting) -> Decision<'a, Connected>;
    fn on_subscribe<'a>(&'a self, socket: &'a Socket, ask: Subscribing) -> Decision<'a, Grant>;
    fn on_publish<'a>(&'a self, socket: &'a Socket, ask: Publishing) -> Decision<'a, Json>;
    fn on_read<'a>(&'a self, socket: &'a Socket, ask: Reading) -> Decision<'a, ()>;
    fn on_call<'a>(&'a self, socket: &'a Socket, ask: Calling) -> Decision<'a, Json>;
}

/// What a hook says to a client's command. It is part of a larger future, which is what [`HookRunner::start`] runs.
pub(crate) type Decision<'a, T> = BoxFuture<'a, Result<T, Rejection>>;

impl<H: Hooks> ErasedHooks for H {
    fn authenticate<'a>(&'a self, request: &'a HttpRequest) -> LocalBoxFuture<'a, Result<Identity, Refusal>> {
        Box::pin(Hooks::authenticate(self, request))
    }

    fn on_connect(self: Arc<Self>, socket: Socket) -> HookFuture<HookResult> {
        Box::pin(async move { Hooks::on_connect(&*self, &socket).await })
    }

    fn on_message(self: Arc<Self>, socket: Socket, message: Message) -> HookFuture<HookResult> {
        Box::pin(async move { Hooks::on_message(&*self, &socket, message).await })
    }

    fn on_disconnect(self: Arc<Self>, socket: Socket, ended: Ended) -> HookFuture<HookResult> {
        Box::pin(async move { Hooks::on_disconnect(&*self, &socket, ended).await })
    }

    fn on_connecting<'a>(&'a self, socket: &'a Socket, ask: Connecting) -> Decision<'a, Connected> {
        Box::pin(Hooks::on_connecting(self, socket, ask))
    }

    fn on_subscribe<'a>(&'a self, socket: &'a Socket, ask: Subscribing) -> Decision<'a, Grant> {
        Box::pin(Hooks::on_subscribe(self, socket, ask))
    }

    fn on_publish<'a>(&'a self, socket: &'a Socket, ask: Publishing) -> Decision<'a, Json> {
        Box::pin(Hooks::on_publish(self, socket, ask))
    }

    fn on_read<'a>(&'a self, socket: &'a Socket, ask: Reading) -> Decision<'a, ()> {
        Box::pin(Hooks::on_read(self, socket, ask))
    }

    fn on_call<'a>(&'a self, socket: &'a Socket, ask: Calling) -> Decision<'a, Json> {
        Box::pin(Hooks::on_call(self, socket, ask))
    }
}

/// Polls a future inside the application runtime's context; a panic comes back as its text.
fn poll_inside<F: Future + ?Sized>(
    runtime: &runtime::Handle,
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Result<Poll<F::Output>, String> {
    let _inside = runtime.enter();
    caught(|| future.poll(context))
}

/// A future on a worker thread, polled inside the application runtime, with panics caught and slow polls logged.
struct Caught<'a, F> {
    future: Pin<&'a mut F>,
    runtime: &'a runtime::Handle,
    slow_poll: Duration,
    name: &'static str,
}

impl<F: Future> Future for Caught<'_, F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let started = Instant::now();
        let runtime = self.runtime;
        let polled = poll_inside(runtime, self.future.as_mut(), context);
        if started.elapsed() > self.slow_poll {
            log::warn!(
                "hook {} held its worker thread for {:?}: hooks must not block",
                self.name,
                started.elapsed()
            );
        }
        polled.map_or_else(|panic| Poll::Ready(Err(panic)), |poll| poll.map(Ok))
    }
}
