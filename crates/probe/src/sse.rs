//! A client of event streams (WHATWG HTML, section 9.2) that does not come back by itself.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body::Body as _;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use model::event::SseEvent;
use observe::sse::Scanner;

use crate::dial::{Dialer, Stream};
use crate::error::ErrorKind;
use crate::session::{OnMessage, Session};
use crate::stamp::Finder;

type Connection = http1::Connection<TokioIo<Stream>, Empty<Bytes>>;

/// Asks for an event stream on a connection.
///
/// # Errors
/// The connection ended, or the answer is no event stream.
pub async fn open(stream: Stream, dialer: &Dialer) -> Result<EventStream, ErrorKind> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|_| ErrorKind::HandshakeClosed)?;
    let mut connection = Box::pin(connection);
    let mut asking = pin!(sender.send_request(request(dialer)));
    let answer = tokio::select! {
        biased;
        answer = &mut asking => answer,
        _ = &mut connection => asking.await,
    };
    let answer = answer.map_err(|_| ErrorKind::HandshakeClosed)?;
    if answer.status() != StatusCode::OK {
        return Err(ErrorKind::HttpStatus);
    }
    let kind = answer.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with(b"text/event-stream") {
        return Err(ErrorKind::BadHandshake);
    }
    Ok(EventStream {
        connection: Some(connection),
        body: answer.into_body(),
        _sender: sender,
        scanner: Scanner::new(),
        finder: Finder::default(),
    })
}

fn request(dialer: &Dialer) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = dialer.target.path.clone().into();
    let host = HeaderValue::from_str(dialer.target.authority.as_str());
    let fields = request.headers_mut();
    fields.insert(header::HOST, host.expect("an authority is visible ASCII"));
    fields.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    fields.extend(dialer.headers.clone());
    request
}

/// An open event stream.
pub struct EventStream {
    /// None once it is over.
    connection: Option<Pin<Box<Connection>>>,
    body: Incoming,
    /// Keeps the connection for the body.
    _sender: SendRequest<Empty<Bytes>>,
    scanner: Scanner,
    finder: Finder,
}

impl Session for EventStream {
    fn is_sending(&self) -> bool {
        false
    }

    fn send(&mut self) {}

    fn poll_step(&mut self, cx: &mut Context<'_>, on: OnMessage<'_>) -> Poll<Result<(), ErrorKind>> {
        loop {
            if let Some(connection) = &mut self.connection
                && connection.as_mut().poll(cx).is_ready()
            {
                self.connection = None;
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Err(ErrorKind::Closed)),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(ErrorKind::Reset)),
                Poll::Ready(Some(Ok(frame))) => {
                    let has_event = frame.data_ref().is_some_and(|bytes| self.take(bytes, on));
                    if has_event {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }

    fn say_goodbye(&mut self) -> bool {
        false
    }
}

impl EventStream {
    /// Looks at bytes; whether an event ended in them.
    fn take(&mut self, bytes: &[u8], on: OnMessage<'_>) -> bool {
        let EventStream { scanner, finder, .. } = self;
        let begins_at = scanner.offset();
        let (mut has_event, mut looked) = (false, 0);
        scanner.scan(bytes, &mut |event| {
            if let SseEvent::Event { end, .. } = event {
                let end = usize::try_from(end - begins_at).unwrap_or(bytes.len());
                finder.scan(&bytes[looked..end]);
                looked = end;
                on(finder.take());
                has_event = true;
            }
        });
        finder.scan(&bytes[looked..]);
        has_event
    }
}
