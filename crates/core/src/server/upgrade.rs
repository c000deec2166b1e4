//! Upgrade requests. They go through the same App as every other request, and only an answer with a ticket takes the
//! socket away from actix.

use std::{io, pin::Pin, rc::Rc, task::Poll, time::Duration};

use actix_codec::Framed;
use actix_http::{
    ConnectionType, HttpMessage, Request, Response,
    body::{BodySize, BoxBody, MessageBody},
    error::PayloadError,
    h1,
};
use actix_service::Service;
use actix_web::{Error, HttpResponse, http::StatusCode};
use bytes::Bytes;
use futures_util::SinkExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::takeover::{CanTakeOver, TakenSocket, Takeover};

/// How long the peer of a refused upgrade has to read the answer and close.
const LINGER: Duration = Duration::from_secs(1);

type Upgrading = (Request, Framed<TcpStream, h1::Codec>);

/// Serves one upgrade request.
///
/// 1. The App answers it, like any other request.
/// 2. A 101 with a ticket: the socket, and the bytes read behind the request, go to whoever the ticket names.
/// 3. Anything else is sent, and the connection ends.
pub(crate) async fn serve<S>(app: Rc<S>, (request, framed): Upgrading) -> Result<(), Error>
where
    S: Service<Request, Response = Response<BoxBody>, Error = Error>,
{
    request.extensions_mut().insert(CanTakeOver);
    let mut response = match app.call(request).await {
        Ok(response) => response,
        Err(error) => HttpResponse::from_error(error).into(),
    };
    let ticket = Takeover::detach(&mut response.extensions_mut());
    // A ticket that is not used is dropped here, and with it what it holds, such as a place in the hub.
    match ticket.filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS) {
        Some(ticket) => give_away(framed, response, ticket).await,
        None => refuse(framed, response).await,
    }
}

async fn give_away(
    mut framed: Framed<TcpStream, h1::Codec>,
    response: Response<BoxBody>,
    ticket: Takeover,
) -> Result<(), Error> {
    if ticket.sends_head() {
        let (head, _) = response.into_parts();
        framed.send(h1::Message::Item((head, BodySize::None))).await?;
    }
    let parts = framed.into_parts();
    let early = parts.read_buf.freeze();
    ticket.take(TakenSocket { stream: parts.io.into_std()?, early });
    Ok(())
}

async fn refuse(framed: Framed<TcpStream, h1::Codec>, mut response: Response<BoxBody>) -> Result<(), Error> {
    // A 101 without a ticket would promise a protocol that nobody speaks.
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        log::error!("a handler answered 101 without a ticket; see duplex_core::Takeover");
        response = HttpResponse::InternalServerError().body("internal error\n").into();
    }
    response.head_mut().set_connection_type(ConnectionType::Close);
    let framed = h1::SendResponse::new(framed, response.map_body(|_, body| Sendable(body))).await?;
    // Bytes that nobody has read would turn the close into a reset, which can overtake the answer.
    let _ = timeout(LINGER, read_to_end(framed.into_parts().io)).await;
    Ok(())
}

async fn read_to_end(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// `SendResponse` wants a body whose error converts; that of `BoxBody` does not.
struct Sendable(BoxBody);

impl MessageBody for Sendable {
    type Error = PayloadError;

    fn size(&self) -> BodySize {
        self.0.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let failed =
            |error: Box<dyn std::error::Error>| PayloadError::Io(io::Error::other(error.to_string()));
        Pin::new(&mut self.get_mut().0).poll_next(context).map_err(failed)
    }
}
