//! A client of event streams (WHATWG HTML, section 9.2), over HTTP/1.1 or HTTP/2.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body::Body as _;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::event::SseEvent;
use observe::sse::Scanner;

use crate::clock;
use crate::dial::Dialer;
use crate::failure::{Failure, Kind};
use crate::http2::{self, Lines};
use crate::session::{Beginning, Client, Opened, Received, Session};
use crate::stream::Stream;
use crate::target::Target;

type Connection = http1::Connection<TokioIo<Stream>, Empty<Bytes>>;

/// What all subscriptions to one target have in common.
pub struct EventStreamClient {
    transport: Transport,
    head: Request<()>,
}

enum Transport {
    Http1(Dialer),
    Http2(Lines),
}

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    /// HTTP/1.1, each stream on a connection of its own.
    Http1,
    /// HTTP/2, so many streams on a connection.
    Http2 {
        /// How many.
        streams_each: u32,
    },
}

impl EventStreamClient {
    /// A client that sends `fields` with its requests.
    ///
    /// # Errors
    /// The target is no valid one.
    pub fn new(
        target: &Target,
        dialer: Dialer,
        http: Http,
        fields: &HeaderMap,
    ) -> Result<EventStreamClient, String> {
        let (transport, mut head) = match http {
            Http::Http1 => {
                let host = HeaderValue::from_str(&target.authority).map_err(|error| error.to_string())?;
                let head = Request::get(target.path.clone()).header(header::HOST, host).body(());
                (Transport::Http1(dialer), head.map_err(|error| error.to_string())?)
            }
            Http::Http2 { streams_each } => {
                (Transport::Http2(Lines::new(dialer, streams_each)), http2::request(target, Method::GET)?)
            }
        };
        let headers = head.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(EventStreamClient { transport, head })
    }
}

impl Client for EventStreamClient {
    type Session = EventStream;

    async fn open(&self, number: u64) -> Result<Opened<EventStream>, Failure> {
        let (body, stages, asked) = match &self.transport {
            Transport::Http1(dialer) => {
                let (stream, stages) = dialer.connect(number).await?;
                let asked = clock::now();
                let (mut requests, mut connection) = http1::handshake(TokioIo::new(stream)).await?;
                let answer = requests.send_request(self.head.clone().map(|()| Empty::new()));
                let answer = tokio::select! {
                    biased;
                    answer = answer => answer?,
                    ended = &mut connection => {
                        ended?;
                        return Err(Failure::ended());
                    }
                };
                check_head(answer.status(), answer.headers())?;
                let body = Body::Http1 { connection: Box::new(connection), body: answer.into_body() };
                (body, Some(stages), asked)
            }
            Transport::Http2(lines) => {
                let asked = clock::now();
                let stream = lines.open(number, self.head.clone(), true).await?;
                let answer = stream.answer.await?;
                check_head(answer.status(), answer.headers())?;
                (Body::Http2(answer.into_body()), stream.stages, asked)
            }
        };
        let answer = Some(clock::now().since(asked));
        let session = EventStream { body, scanner: Scanner::new(), beginning: Beginning::default() };
        Ok(Opened { session, stages, answer })
    }
}

fn check_head(status: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
    if status != StatusCode::OK {
        return Err(Failure::new(Kind::HttpStatus(status.as_u16()), format!("the answer is {status}")));
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let shown = content_type.unwrap_or_default();
    let essence = shown.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("text/event-stream") {
        return Err(Failure::new(Kind::Protocol, format!("the answer is no event stream but `{shown}`")));
    }
    Ok(())
}

/// An open event stream.
pub struct EventStream {
    body: Body,
    scanner: Scanner,
    beginning: Beginning,
}

enum Body {
    /// Driven together with its connection, so that no other task has to be woken.
    Http1 {
        connection: Box<Connection>,
        body: Incoming,
    },
    Http2(RecvStream),
}

impl Body {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Failure>> {
        match self {
            Body::Http1 { connection, body } => {
                if let Poll::Ready(data) = poll_frame(body, cx) {
                    return Poll::Ready(data);
                }
                // The connection reads when the body has been asked for, and fills it.
                if let Poll::Ready(ended) = Pin::new(connection).poll(cx) {
                    ended?;
                }
                poll_frame(body, cx)
            }
            Body::Http2(body) => match ready!(body.poll_data(cx)) {
                Some(bytes) => {
                    let bytes = bytes?;
                    http2::make_room(body, bytes.len())?;
                    Poll::Ready(Ok(bytes))
                }
                None => Poll::Ready(Err(Failure::ended())),
            },
        }
    }
}

fn poll_frame(body: &mut Incoming, cx: &mut Context<'_>) -> Poll<Result<Bytes, Failure>> {
    match ready!(Pin::new(body).poll_frame(cx)) {
        Some(frame) => Poll::Ready(Ok(frame?.into_data().unwrap_or_default())),
        None => Poll::Ready(Err(Failure::ended())),
    }
}

impl Session for EventStream {
    /// Event streams have one direction.
    fn poll_send(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Err(Failure::new(Kind::Protocol, "nothing can be sent on an event stream")))
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        on: &mut dyn FnMut(Received<'_>),
    ) -> Poll<Result<(), Failure>> {
        let bytes = ready!(self.body.poll_data(cx))?;
        let EventStream { scanner, beginning, .. } = self;
        let (base, mut from) = (scanner.offset(), 0);
        scanner.scan(&bytes, &mut |event| {
            if let SseEvent::Event { bytes: block, end, .. } = event {
                let to = usize::try_from(end - base).unwrap_or(usize::MAX);
                on(Received { bytes: block, beginning: beginning.complete(&bytes[from..to]) });
                beginning.clear();
                from = to;
            }
        });
        beginning.keep(&bytes[from..]);
        Poll::Ready(Ok(()))
    }

    /// There is no goodbye: the client leaves.
    async fn close(self) {}
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Failure {
        let cause =
            std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
        let kind = match cause {
            Some(io) => Failure::from(std::io::Error::from(io.kind())).kind,
            None if error.is_incomplete_message() || error.is_canceled() || error.is_closed() => {
                Kind::Closed(None)
            }
            None => Kind::Protocol,
        };
        Failure::new(kind, error.to_string())
    }
}
