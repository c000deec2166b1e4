//! Runs hooks: once in place, then on the application runtime; with a deadline, and with panics caught.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
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
use tokio::{runtime, sync::oneshot};

use super::{HookResult, Hooks, Refusal, Socket};
use crate::{Ended, Identity, Limits, Message};

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
pub(crate) enum Progress {
    /// It has ended.
    Done(Result<(), HookFailure>),
    /// It goes on on the application runtime and reports from there.
    Running(oneshot::Receiver<Result<(), HookFailure>>),
}

/// A hook did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookFailure {
    #[error("{0}")]
    Failed(super::HookError),
    #[error("it panicked: {0}")]
    Panicked(String),
    #[error("it did not end within {0:?}")]
    Deadline(Duration),
}

/// The hooks that once held a thread for too long, and are spawned since.
#[derive(Default)]
struct SlowHooks {
    on_connect: AtomicBool,
    on_message: AtomicBool,
    on_disconnect: AtomicBool,
}

type HookFuture = BoxFuture<'static, HookResult>;

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

    pub(crate) fn on_connect(&self, socket: &Socket) -> Progress {
        let (hooks, socket) = (Arc::clone(&self.hooks), socket.clone());
        self.start("on_connect", &self.slow.on_connect, move || hooks.on_connect(socket))
    }

    pub(crate) fn on_message(&self, socket: &Socket, message: Message) -> Progress {
        let (hooks, socket) = (Arc::clone(&self.hooks), socket.clone());
        self.start("on_message", &self.slow.on_message, move || hooks.on_message(socket, message))
    }

    pub(crate) fn on_disconnect(&self, socket: &Socket, ended: Ended) -> Progress {
        let (hooks, socket) = (Arc::clone(&self.hooks), socket.clone());
        self.start("on_disconnect", &self.slow.on_disconnect, move || hooks.on_disconnect(socket, ended))
    }

    /// Polls a hook once; if it is not ready, or is known to be slow, it goes to the application runtime.
    fn start(&self, name: &'static str, slow: &AtomicBool, hook: impl FnOnce() -> HookFuture) -> Progress {
        let mut future = match catch_unwind(AssertUnwindSafe(hook)) {
            Ok(future) => future,
            Err(panic) => return Progress::Done(Err(HookFailure::Panicked(panic_text(&*panic)))),
        };
        if slow.load(Ordering::Relaxed) {
            return Progress::Running(self.spawn(future));
        }
        // Whatever waker the first poll registers is replaced when the runtime polls again.
        let started = Instant::now();
        let polled = poll_inside(&self.runtime, future.as_mut(), &mut Context::from_waker(Waker::noop()));
        self.notice_slowness(name, slow, started.elapsed());
        match polled {
            Ok(Poll::Ready(result)) => Progress::Done(result.map_err(HookFailure::Failed)),
            Ok(Poll::Pending) => Progress::Running(self.spawn(future)),
            Err(panic) => Progress::Done(Err(HookFailure::Panicked(panic))),
        }
    }

    fn notice_slowness(&self, name: &str, slow: &AtomicBool, held: Duration) {
        if held > self.slow_poll && !slow.swap(true, Ordering::Relaxed) {
            log::warn!(
                "hook {name} held its thread for {held:?}; it runs on the application runtime from now on"
            );
        }
    }

    fn spawn(&self, future: HookFuture) -> oneshot::Receiver<Result<(), HookFailure>> {
        let (reply, answer) = oneshot::channel();
        let deadline = self.deadline;
        self.runtime.spawn(async move {
            let ended = match tokio::time::timeout(deadline, CatchPanic(future)).await {
                Ok(Ok(result)) => result.map_err(HookFailure::Failed),
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
trait ErasedHooks: Send + Sync {
    fn authenticate<'a>(&'a self, request: &'a HttpRequest) -> LocalBoxFuture<'a, Result<Identity, Refusal>>;
    fn on_connect(self: Arc<Self>, socket: Socket) -> HookFuture;
    fn on_message(self: Arc<Self>, socket: Socket, message: Message) -> HookFuture;
    fn on_disconnect(self: Arc<Self>, socket: Socket, ended: Ended) -> HookFuture;
}

impl<H: Hooks> ErasedHooks for H {
    fn authenticate<'a>(&'a self, request: &'a HttpRequest) -> LocalBoxFuture<'a, Result<Identity, Refusal>> {
        Box::pin(Hooks::authenticate(self, request))
    }

    fn on_connect(self: Arc<Self>, socket: Socket) -> HookFuture {
        Box::pin(async move { Hooks::on_connect(&*self, &socket).await })
    }

    fn on_message(self: Arc<Self>, socket: Socket, message: Message) -> HookFuture {
        Box::pin(async move { Hooks::on_message(&*self, &socket, message).await })
    }

    fn on_disconnect(self: Arc<Self>, socket: Socket, ended: Ended) -> HookFuture {
        Box::pin(async move { Hooks::on_disconnect(&*self, &socket, ended).await })
    }
}

/// Polls a future inside the application runtime's context; a panic comes back as its text.
fn poll_inside<F: Future + ?Sized>(
    runtime: &runtime::Handle,
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Result<Poll<F::Output>, String> {
    let _inside = runtime.enter();
    catch_unwind(AssertUnwindSafe(|| future.poll(context))).map_err(|panic| panic_text(&*panic))
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

/// A spawned hook whose panic is a value.
struct CatchPanic(HookFuture);

impl Future for CatchPanic {
    type Output = Result<HookResult, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic_text(&*panic))),
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
