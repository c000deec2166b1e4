//! The portable driver: a socket below a plain `HttpServer`, which does not give it away. `actix-ws` does the
//! handshake and writes; what the client sends goes through our own codec on the shard, by a pipe.
//!
//! What it cannot do: actix ends TCP its own way, after its `client_disconnect_timeout`, and it has no limit on the time
//! of a write, so a peer that reads nothing keeps its TCP connection until the kernel gives it up.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev, web,
};
use bytes::{Buf, Bytes};
use bytestring::ByteString;
use futures_util::{StreamExt, future::BoxFuture};
use tokio::sync::mpsc::{self, error::TryRecvError};

use crate::codec::{self, Opcode};

/// Chunks that may be on their way in each direction; a chunk is what one read or one write has.
const CHUNKS: usize = 8;

/// Answers an upgrade request. When the answer has passed all middleware and is being sent, the bytes are carried, and
/// the shard's end of the pipe goes to `join`; if it is replaced on its way, nothing happens.
pub(crate) fn open(
    request: &HttpRequest,
    payload: web::Payload,
    join: impl FnOnce(Pipe) + 'static,
) -> HttpResponse {
    // The real payload is ours; actix-ws gets an empty one, and with it nothing to decode.
    let empty = web::Payload::from_request(request, &mut dev::Payload::None).into_inner();
    let (response, session, _) = match empty.and_then(|empty| actix_ws::handle(request, empty)) {
        Ok(handled) => handled,
        Err(error) => return HttpResponse::from_error(error),
    };
    let begin = move || {
        let (to_shard, from_worker) = mpsc::channel(CHUNKS);
        let (to_worker, from_shard) = mpsc::channel(CHUNKS);
        actix_web::rt::spawn(carry_in(payload, to_shard));
        actix_web::rt::spawn(carry_out(from_shard, session));
        join(Pipe::new(from_worker, to_worker));
    };
    response.map_body(|_, body| Opening { body, begin: Some(Box::new(begin)) }.boxed())
}

/// The body of a 101: the frames to the client. The first look at it is the sign that the answer is on its way.
struct Opening {
    body: BoxBody,
    begin: Option<Box<dyn FnOnce()>>,
}

impl MessageBody for Opening {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(begin) = self.begin.take() {
            begin();
        }
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// The shard's end: reads what the worker received, and gives it whole frames to write.
pub(crate) struct Pipe {
    incoming: RefCell<mpsc::Receiver<Bytes>>,
    unread: RefCell<Bytes>,
    outgoing: RefCell<Option<mpsc::Sender<Bytes>>>,
    room: RefCell<Option<BoxFuture<'static, ()>>>,
}

impl Pipe {
    fn new(incoming: mpsc::Receiver<Bytes>, outgoing: mpsc::Sender<Bytes>) -> Self {
        Self {
            incoming: RefCell::new(incoming),
            unread: RefCell::default(),
            outgoing: RefCell::new(Some(outgoing)),
            room: RefCell::default(),
        }
    }

    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut unread = self.unread.borrow_mut();
        if unread.is_empty()
            && let Some(chunk) = std::task::ready!(self.incoming.borrow_mut().poll_recv(context))
        {
            *unread = chunk;
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut unread = self.unread.borrow_mut();
        if unread.is_empty() {
            match self.incoming.borrow_mut().try_recv() {
                Ok(chunk) => *unread = chunk,
                Err(TryRecvError::Empty) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(TryRecvError::Disconnected) => return Ok(0),
            }
        }
        let taken = unread.len().min(buffer.len());
        unread.copy_to_slice(&mut buffer[..taken]);
        Ok(taken)
    }

    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(sender) = self.outgoing.borrow().clone() else { return Poll::Ready(Ok(())) };
        let mut room = self.room.borrow_mut();
        let waiting = room.get_or_insert_with(|| Box::pin(async move { drop(sender.reserve().await) }));
        std::task::ready!(waiting.as_mut().poll(context));
        *room = None;
        Poll::Ready(Ok(()))
    }

    /// Takes the first slice whole or not at all, so that frames stay whole.
    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let outgoing = self.outgoing.borrow();
        let sender = outgoing.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        let Some(first) = slices.first() else { return Ok(0) };
        match sender.try_send(Bytes::copy_from_slice(first)) {
            Ok(()) => Ok(first.len()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(io::ErrorKind::WouldBlock.into()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    pub(crate) fn end_writing(&self) {
        self.outgoing.take();
    }
}

/// Ends with the client's stream, or when the shard has let the connection go.
async fn carry_in(mut payload: web::Payload, to_shard: mpsc::Sender<Bytes>) {
    loop {
        let chunk = tokio::select! {
            chunk = payload.next() => chunk,
            () = to_shard.closed() => return,
        };
        let Some(Ok(chunk)) = chunk else { return };
        if to_shard.send(chunk).await.is_err() {
            return;
        }
    }
}

/// Ends with a close frame, or when the shard has let the connection go.
async fn carry_out(mut from_shard: mpsc::Receiver<Bytes>, mut session: actix_ws::Session) {
    while let Some(chunk) = from_shard.recv().await {
        for (opcode, payload) in codec::frames(&chunk) {
            let payload = chunk.slice(payload);
            let sent = match opcode {
                Opcode::Text => match ByteString::try_from(payload) {
                    Ok(text) => session.text(text).await,
                    Err(_) => return,
                },
                Opcode::Binary => session.binary(payload).await,
                Opcode::Ping => session.ping(&payload).await,
                Opcode::Pong => session.pong(&payload).await,
                Opcode::Close => return close(session, &payload).await,
                Opcode::Continuation => return,
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

async fn close(session: actix_ws::Session, payload: &[u8]) {
    let reason = match payload {
        [high, low, reason @ ..] => Some(actix_ws::CloseReason {
            code: u16::from_be_bytes([*high, *low]).into(),
            description: Some(String::from_utf8_lossy(reason).into_owned()),
        }),
        _ => None,
    };
    // The client may be gone already.
    let _ = session.close(reason).await;
}
