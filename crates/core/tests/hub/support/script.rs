//! Hooks that do what a test says, and write down what they saw.

use std::future::Future;

use actix_web::HttpRequest;
use duplex_core::{
    Calling, Connected, Connecting, Ended, ErrorCode, Grant, HookResult, Hooks, Identity, Json, Message,
    Publishing, Reading, Refusal, Rejection, Socket, Subscribing,
};
use futures_util::future::{BoxFuture, LocalBoxFuture};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

type Authenticate =
    Box<dyn Fn(HttpRequest) -> LocalBoxFuture<'static, Result<Identity, Refusal>> + Send + Sync>;
type OnConnect = Box<dyn Fn(Socket) -> BoxFuture<'static, HookResult> + Send + Sync>;
type OnMessage = Box<dyn Fn(Socket, Message) -> BoxFuture<'static, HookResult> + Send + Sync>;
type OnDisconnect = Box<dyn Fn(Socket, Ended) -> BoxFuture<'static, HookResult> + Send + Sync>;

/// What a client of the protocol may do.
pub(super) type Decide<Ask, T> =
    Box<dyn Fn(Socket, Ask) -> BoxFuture<'static, Result<T, Rejection>> + Send + Sync>;

/// The hooks of a test. By default everybody may come in, and messages come back; clients of the protocol may do what the
/// library lets them do by default.
pub(super) struct Script {
    pub(super) authenticate: Authenticate,
    pub(super) on_connect: OnConnect,
    pub(super) on_message: OnMessage,
    pub(super) on_disconnect: OnDisconnect,
    pub(super) on_connecting: Decide<Connecting, Connected>,
    pub(super) on_subscribe: Decide<Subscribing, Grant>,
    pub(super) on_publish: Decide<Publishing, Json>,
    pub(super) on_read: Option<Decide<Reading, ()>>,
    pub(super) on_call: Decide<Calling, Json>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            authenticate: Box::new(|_| Box::pin(async { Ok(Identity::anonymous()) })),
            on_connect: Box::new(|_| Box::pin(async { Ok(()) })),
            on_message: on_message(|socket, message| async move { Ok(socket.send(message).await?) }),
            on_disconnect: Box::new(|_, _| Box::pin(async { Ok(()) })),
            on_connecting: decide(|_, _| async { Ok(Connected::default()) }),
            on_subscribe: decide(|_, _| async { Err(ErrorCode::PERMISSION_DENIED.into()) }),
            on_publish: decide(|_, _| async { Err(ErrorCode::PERMISSION_DENIED.into()) }),
            on_read: None,
            on_call: decide(|_, _| async { Err(ErrorCode::NOT_AVAILABLE.into()) }),
        }
    }
}

pub(super) fn authenticate<F>(hook: impl Fn(HttpRequest) -> F + Send + Sync + 'static) -> Authenticate
where
    F: Future<Output = Result<Identity, Refusal>> + 'static,
{
    Box::new(move |request| Box::pin(hook(request)))
}

pub(super) fn on_connect<F>(hook: impl Fn(Socket) -> F + Send + Sync + 'static) -> OnConnect
where
    F: Future<Output = HookResult> + Send + 'static,
{
    Box::new(move |socket| Box::pin(hook(socket)))
}

pub(super) fn on_message<F>(hook: impl Fn(Socket, Message) -> F + Send + Sync + 'static) -> OnMessage
where
    F: Future<Output = HookResult> + Send + 'static,
{
    Box::new(move |socket, message| Box::pin(hook(socket, message)))
}

pub(super) fn on_disconnect<F>(hook: impl Fn(Socket, Ended) -> F + Send + Sync + 'static) -> OnDisconnect
where
    F: Future<Output = HookResult> + Send + 'static,
{
    Box::new(move |socket, ended| Box::pin(hook(socket, ended)))
}

pub(super) fn decide<Ask, T, F>(hook: impl Fn(Socket, Ask) -> F + Send + Sync + 'static) -> Decide<Ask, T>
where
    F: Future<Output = Result<T, Rejection>> + Send + 'static,
{
    Box::new(move |socket, ask| Box::pin(hook(socket, ask)))
}

/// The hooks that leave what a client may do to the library.
struct Silent;

impl Hooks for Silent {}

/// Runs a script, and writes down which hooks began.
pub(super) struct Scripted {
    script: Script,
    connected: UnboundedSender<Socket>,
    messages: UnboundedSender<Message>,
    disconnected: UnboundedSender<(Socket, Ended)>,
}

/// What the hooks saw, in order.
pub(super) struct Diary {
    pub(super) connected: UnboundedReceiver<Socket>,
    pub(super) messages: UnboundedReceiver<Message>,
    pub(super) disconnected: UnboundedReceiver<(Socket, Ended)>,
}

impl Scripted {
    pub(super) fn new(script: Script) -> (Self, Diary) {
        let (connected, connected_reader) = unbounded_channel();
        let (messages, messages_reader) = unbounded_channel();
        let (disconnected, disconnected_reader) = unbounded_channel();
        let diary = Diary {
            connected: connected_reader,
            messages: messages_reader,
            disconnected: disconnected_reader,
        };
        (Self { script, connected, messages, disconnected }, diary)
    }
}

impl Hooks for Scripted {
    async fn authenticate(&self, request: &HttpRequest) -> Result<Identity, Refusal> {
        (self.script.authenticate)(request.clone()).await
    }

    // A test that has seen enough has no reader any more.
    async fn on_connect(&self, socket: &Socket) -> HookResult {
        let _ = self.connected.send(socket.clone());
        (self.script.on_connect)(socket.clone()).await
    }

    async fn on_message(&self, socket: &Socket, message: Message) -> HookResult {
        let _ = self.messages.send(message.clone());
        (self.script.on_message)(socket.clone(), message).await
    }

    async fn on_disconnect(&self, socket: &Socket, ended: Ended) -> HookResult {
        let _ = self.disconnected.send((socket.clone(), ended.clone()));
        (self.script.on_disconnect)(socket.clone(), ended).await
    }

    async fn on_connecting(&self, socket: &Socket, connecting: Connecting) -> Result<Connected, Rejection> {
        (self.script.on_connecting)(socket.clone(), connecting).await
    }

    async fn on_subscribe(&self, socket: &Socket, subscribing: Subscribing) -> Result<Grant, Rejection> {
        (self.script.on_subscribe)(socket.clone(), subscribing).await
    }

    async fn on_publish(&self, socket: &Socket, publishing: Publishing) -> Result<Json, Rejection> {
        (self.script.on_publish)(socket.clone(), publishing).await
    }

    async fn on_read(&self, socket: &Socket, reading: Reading) -> Result<(), Rejection> {
        match &self.script.on_read {
            Some(hook) => hook(socket.clone(), reading).await,
            None => Silent.on_read(socket, reading).await,
        }
    }

    async fn on_call(&self, socket: &Socket, calling: Calling) -> Result<Json, Rejection> {
        (self.script.on_call)(socket.clone(), calling).await
    }
}
