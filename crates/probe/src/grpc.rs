//! A client of one gRPC stream (grpc/grpc, doc/PROTOCOL-HTTP2.md) on an HTTP/2 connection of its own.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::{Connection, ResponseFuture};
use h2::{Ping, RecvStream, SendStream};
use http::uri::{Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};
use model::event::GrpcEvent;
use observe::grpc::Scanner;

use crate::dial::{Dialer, Stream};
use crate::error::ErrorKind;
use crate::session::{OnMessage, Session, Spec};
use crate::stamp::Finder;

/// A message of so many zero bytes, behind its prefix.
pub fn message(bytes: u32) -> Bytes {
    let mut out = BytesMut::with_capacity(bytes as usize + 5);
    out.put_u8(0);
    out.put_u32(bytes);
    out.put_bytes(0, bytes as usize);
    out.freeze()
}

/// Opens a stream on a connection. Proof that HTTP/2 is spoken there is the answer to a PING: a service may send
/// its headers with its first message only. A service that pushes is asked with one message.
///
/// # Errors
/// The connection ended, or HTTP/2 is not spoken.
pub async fn open(stream: Stream, dialer: &Dialer, spec: &Spec) -> Result<Call, ErrorKind> {
    let broken = |_: h2::Error| ErrorKind::BadHandshake;
    let (sender, mut connection) = h2::client::handshake(stream).await.map_err(broken)?;
    let mut pings = connection.ping_pong().ok_or(ErrorKind::BadHandshake)?;
    let mut connection = Box::pin(connection);
    let mut opening = pin!(async {
        pings.ping(Ping::opaque()).await.map_err(broken)?;
        let mut sender = sender.ready().await.map_err(broken)?;
        sender.send_request(request(dialer)?, false).map_err(broken)
    });
    let (answer, sending) = tokio::select! {
        biased;
        opened = &mut opening => opened?,
        _ = &mut connection => return Err(ErrorKind::BadHandshake),
    };
    let mut call = Call {
        connection: Some(connection),
        answer: Some(answer),
        body: None,
        sending,
        message: spec.message.clone(),
        out: Bytes::new(),
        is_one_question: spec.is_push,
        scanner: Scanner::new(),
        finder: spec.is_push.then(Finder::default),
    };
    if spec.is_push {
        call.send();
    }
    Ok(call)
}

fn request(dialer: &Dialer) -> Result<Request<()>, ErrorKind> {
    let target = &dialer.target;
    let uri = Uri::builder()
        .scheme(if target.is_tls { Scheme::HTTPS } else { Scheme::HTTP })
        .authority(target.authority.clone())
        .path_and_query(target.path.clone())
        .build()
        .map_err(|_| ErrorKind::BadHandshake)?;
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri;
    let fields = request.headers_mut();
    fields.insert(header::TE, HeaderValue::from_static("trailers"));
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    fields.extend(dialer.headers.clone());
    Ok(request)
}

/// An open call.
pub struct Call {
    /// None once it is over.
    connection: Option<Pin<Box<Connection<Stream, Bytes>>>>,
    /// Until the headers of the answer are there.
    answer: Option<ResponseFuture>,
    body: Option<RecvStream>,
    sending: SendStream<Bytes>,
    message: Bytes,
    /// What waits for room in the windows.
    out: Bytes,
    /// The service is asked once, and then sends by itself.
    is_one_question: bool,
    scanner: Scanner,
    finder: Option<Finder>,
}

impl Session for Call {
    fn is_sending(&self) -> bool {
        !self.out.is_empty()
    }

    fn send(&mut self) {
        self.out = self.message.clone();
        self.sending.reserve_capacity(self.out.len());
    }

    fn poll_step(&mut self, cx: &mut Context<'_>, on: OnMessage<'_>) -> Poll<Result<(), ErrorKind>> {
        let was_sending = self.is_sending();
        let written = self.poll_send(cx);
        if let Some(connection) = &mut self.connection
            && connection.as_mut().poll(cx).is_ready()
        {
            self.connection = None;
        }
        let read = self.poll_read(cx, on);
        match (read, written) {
            (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Poll::Pending, Poll::Ready(Ok(()))) if was_sending => Poll::Ready(Ok(())),
            (read, _) => read,
        }
    }

    fn say_goodbye(&mut self) -> bool {
        self.is_one_question || self.sending.send_data(Bytes::new(), true).is_ok()
    }
}

impl Call {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ErrorKind>> {
        while !self.out.is_empty() {
            let room = match ready!(self.sending.poll_capacity(cx)) {
                Some(Ok(room)) => room.min(self.out.len()),
                Some(Err(error)) => return Poll::Ready(Err(kind_of(&error))),
                None => return Poll::Ready(Err(ErrorKind::Reset)),
            };
            let part = self.out.split_to(room);
            let is_last = self.is_one_question && self.out.is_empty();
            self.sending.send_data(part, is_last).map_err(|error| kind_of(&error))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, on: OnMessage<'_>) -> Poll<Result<(), ErrorKind>> {
        if let Some(answer) = &mut self.answer {
            let answer = ready!(Pin::new(answer).poll(cx)).map_err(|error| kind_of(&error))?;
            if answer.status() != StatusCode::OK {
                return Poll::Ready(Err(ErrorKind::HttpStatus));
            }
            if answer.headers().contains_key("grpc-status") {
                return Poll::Ready(Err(ended(answer.headers())));
            }
            self.answer = None;
            self.body = Some(answer.into_body());
        }
        let Some(body) = &mut self.body else { return Poll::Pending };
        loop {
            match ready!(body.poll_data(cx)) {
                Some(Ok(bytes)) => {
                    // It fails only on a stream that has ended, where no window matters.
                    let _ = body.flow_control().release_capacity(bytes.len());
                    if take(&mut self.scanner, self.finder.as_mut(), &bytes, on)? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(kind_of(&error))),
                None => {
                    let trailers = ready!(body.poll_trailers(cx)).map_err(|error| kind_of(&error))?;
                    return Poll::Ready(Err(trailers.map_or(ErrorKind::Protocol, |fields| ended(&fields))));
                }
            }
        }
    }
}

/// Looks at bytes of the body; whether a message ended in them.
fn take(
    scanner: &mut Scanner,
    mut finder: Option<&mut Finder>,
    bytes: &[u8],
    on: OnMessage<'_>,
) -> Result<bool, ErrorKind> {
    let begins_at = scanner.offset();
    let (mut has_message, mut looked) = (false, 0);
    scanner.scan(bytes, &mut |event| {
        if let GrpcEvent::Message { end, .. } = event {
            let end = usize::try_from(end - begins_at).unwrap_or(bytes.len());
            let stamp = finder.as_mut().and_then(|finder| {
                finder.scan(&bytes[looked..end]);
                finder.take()
            });
            looked = end;
            on(stamp);
            has_message = true;
        }
    });
    if let Some(finder) = finder {
        finder.scan(&bytes[looked..]);
    }
    if scanner.is_blind() { Err(ErrorKind::Protocol) } else { Ok(has_message) }
}

fn ended(fields: &HeaderMap) -> ErrorKind {
    match fields.get("grpc-status").map(HeaderValue::as_bytes) {
        Some(b"0") => ErrorKind::Closed,
        _ => ErrorKind::GrpcStatus,
    }
}

fn kind_of(error: &h2::Error) -> ErrorKind {
    if error.is_io() || error.is_reset() || error.is_go_away() {
        ErrorKind::Reset
    } else {
        ErrorKind::Protocol
    }
}
