//! A request for a live stream over HTTP/1.1: a WebSocket handshake, or a subscription to events.
//!
//! hyper is asked for neither leg (`docs/decisions/live.md`): the request goes to an upstream on a connection of its
//! own, its answer's head is checked and passed on, and then the two sockets are joined by a relay. Whatever else the
//! upstream answers is passed on as well, and ends both connections.

mod head;
mod subscription;
pub mod websocket;

use std::future::pending;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt as _;
use model::{HandshakeResult, Protocol, RejectedCheck};
use observe::body::{Body, Framing};
use observe::upgrade::{self, Asked, Offer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use self::head::{Answer, Spelling};
use crate::answer;
use crate::body::AnswerBody;
use crate::clock;
use crate::event_stream;
use crate::exchange::{ClientConnection, Exchange, Unanswered, prepare};
use crate::head::{Framing as RequestFraming, HEAD_BYTES_MAX};
use crate::leg::Stream;
use crate::reactor::{self, Task};
use crate::relay::{Ends, Relay, Wire};
use crate::session::{Attempt, Session};
use crate::upstream::{OpenGuard, SendError, Upstream};

/// Bytes that a client may send before it has its answer; of more, the rest is read behind the answer.
const EARLY_BYTES_MAX: usize = 64 * 1024;

/// Bytes that are read of an answer at once.
const READ_BYTES: usize = 1024;

/// What kind of stream is asked for.
pub enum Kind {
    /// A WebSocket.
    WebSocket(Offer),
    /// Events.
    EventStream,
}

impl Kind {
    /// What a request asks for; none when it is for no live stream, or a malformed handshake, or has a body.
    pub fn of<B>(request: &Request<B>, version: Version, asked: Asked) -> Option<Kind> {
        let headers = request.headers();
        match asked {
            Asked::WebSocket => {
                upgrade::check_request(request.method(), version, headers).ok().map(Kind::WebSocket)
            }
            Asked::Nothing => {
                let has_body = headers.contains_key(header::CONTENT_LENGTH)
                    || headers.contains_key(header::TRANSFER_ENCODING);
                let is_live = request.method() == Method::GET
                    && version == Version::HTTP_11
                    && !has_body
                    && event_stream::is_named(headers, &header::ACCEPT);
                is_live.then_some(Kind::EventStream)
            }
            Asked::H2c | Asked::Other => None,
        }
    }

    fn protocol(&self) -> Protocol {
        match self {
            Kind::WebSocket(_) => Protocol::WebSocket,
            Kind::EventStream => Protocol::Sse,
        }
    }
}

/// A request that a route has taken.
pub struct Live {
    exchange: Exchange,
    kind: Kind,
    request: Request<()>,
    spelling: Spelling,
}

/// The client's connection, which nobody else reads or writes any more.
pub struct Client {
    /// The connection.
    pub stream: Stream,
    /// What was read of it behind the request.
    pub early: BytesMut,
}

/// An upstream that has answered.
struct Answered {
    answer: Answer,
    stream: Stream,
    /// What was read behind the head.
    early: Bytes,
    upstream: Arc<Upstream>,
    open: OpenGuard,
}

/// Serves a client's first request, if `early`, the first bytes of its connection, are a request for a live stream;
/// else gives the connection back.
pub async fn serve_first(
    stream: Stream,
    early: Bytes,
    connection: ClientConnection,
) -> Result<Option<Task>, (Stream, Bytes, ClientConnection)> {
    let read = head::read_request(&early).and_then(|(request, spelling, length)| {
        let asked = upgrade::classify(Version::HTTP_11, request.headers());
        let kind = Kind::of(&request, Version::HTTP_11, asked)?;
        Some((request, spelling, length, kind))
    });
    let Some((request, spelling, length, kind)) = read else { return Err((stream, early, connection)) };
    let client = Client { stream, early: early[length..].into() };
    drop(early);
    let framing = RequestFraming { has_early_data: !client.early.is_empty(), ..RequestFraming::default() };
    let peer = connection.peer;
    match Exchange::begin(connection, &request, framing) {
        Err(refusal) => {
            client.answer(refusal.answer()).await;
            Ok(None)
        }
        Ok((exchange, host)) => {
            let request = prepare(request, peer, &host);
            Ok(Live { exchange, kind, request, spelling }.serve(client).await)
        }
    }
}

impl Live {
    /// A request that hyper has read; `head` is what it has read of the wire.
    pub fn new<B>(exchange: Exchange, kind: Kind, request: Request<B>, head: Vec<u8>) -> Live {
        let spelling = head::read_request(&head.into()).map(|(_, spelling, _)| spelling);
        let (parts, _) = request.into_parts();
        let request = Request::from_parts(parts, ());
        Live { exchange, kind, request, spelling: spelling.unwrap_or_default() }
    }

    /// Serves it up to the relay, or to the end of the answer; see [`relay`] for what follows.
    pub async fn serve(mut self, mut client: Client) -> Option<Task> {
        let exchange = &self.exchange;
        let protocol = self.kind.protocol();
        let mut attempt = Attempt::begin(
            &exchange.shared.registry,
            &exchange.route.connections,
            protocol,
            exchange.client.clone(),
            exchange.visitor(protocol, &self.request),
            exchange.started,
        );
        upgrade::strip_hop_by_hop(self.request.headers_mut());
        if let Kind::WebSocket(_) = self.kind {
            websocket::ask_for_upgrade(self.request.headers_mut());
        }
        let head = head::write_request(&self.request, &self.spelling);
        let answered = tokio::select! {
            biased;
            answered = self.exchange.ask(&head, &mut attempt) => answered,
            () = client.gone() => return None,
        };
        let exchange = self.exchange;
        match (answered, self.kind) {
            (Err(unanswered), _) => {
                let mut answer = unanswered.answer();
                answer::end_connection(&mut answer);
                let status = Some(answer.status().as_u16());
                attempt.fail(unanswered.result(), status, unanswered.detail().to_owned());
                client.answer(answer).await;
                None
            }
            (Ok(answered), Kind::WebSocket(offer)) => {
                websocket::join(&exchange, attempt, client, answered, &offer).await
            }
            (Ok(answered), Kind::EventStream) => {
                subscription::join(&exchange, attempt, client, answered).await
            }
        }
    }
}

impl Exchange {
    /// Offers a request to the route's upstreams until one is reached, and waits for its answer's head.
    async fn ask(&self, head: &[u8], attempt: &mut Attempt) -> Result<Answered, Unanswered> {
        let mut failures = Vec::new();
        for upstream in self.route.pool.candidates(clock::now()) {
            let open = upstream.open();
            let stream = match upstream.connect().await {
                Ok(stream) => stream,
                Err(error) => {
                    upstream.note_failure(clock::now());
                    failures.push(format!("{}: {error}", upstream.name));
                    continue;
                }
            };
            attempt.reached(&upstream.name);
            upstream.note_success();
            let asked = tokio::time::timeout(self.route.timeouts.response_head, ask(stream, head));
            return match asked.await {
                Ok(Ok((answer, stream, early))) => {
                    Ok(Answered { answer, stream, early, upstream: Arc::clone(upstream), open })
                }
                Ok(Err(error)) => {
                    let error = SendError::NoAnswer(error);
                    Err(Unanswered::Broken { detail: format!("{}: {error}", upstream.name) })
                }
                Err(_) => {
                    Err(Unanswered::TimedOut { detail: format!("{}: no answer in time", upstream.name) })
                }
            };
        }
        Err(Unanswered::Unreachable { detail: failures.join("; ") })
    }
}

async fn ask(mut stream: Stream, request: &[u8]) -> Result<(Answer, Stream, Bytes), String> {
    let sent = async {
        stream.write_all(request).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| error.to_string())?;
    let mut read = BytesMut::with_capacity(READ_BYTES);
    let mut interim_bytes = 0;
    loop {
        let fresh = stream.read_buf(&mut read).await.map_err(|error| error.to_string())?;
        if fresh == 0 {
            return Err("connection closed before message completed".to_owned());
        }
        let mut bytes = read.freeze();
        while let Some((answer, length)) = head::read_answer(&bytes)? {
            bytes = bytes.slice(length..);
            if answer.status.is_informational() && answer.status != StatusCode::SWITCHING_PROTOCOLS {
                interim_bytes += length;
                continue;
            }
            return Ok((answer, stream, bytes));
        }
        if interim_bytes + bytes.len() > HEAD_BYTES_MAX {
            return Err(format!("its head is longer than {HEAD_BYTES_MAX} bytes"));
        }
        read = BytesMut::from(bytes);
        read.reserve(READ_BYTES);
    }
}

impl Client {
    /// Waits until the client is gone; what it sends meanwhile is kept.
    async fn gone(&mut self) {
        while self.early.len() < EARLY_BYTES_MAX {
            if !matches!(self.stream.read_buf(&mut self.early).await, Ok(1..)) {
                return;
            }
        }
        pending::<()>().await;
    }

    /// Gives an answer of the gateway's own, and ends the connection.
    async fn answer(mut self, mut answer: Response<AnswerBody>) {
        answer::end_connection(&mut answer);
        let (parts, body) = answer.into_parts();
        let Ok(body) = body.collect().await else { return };
        let body = body.to_bytes();
        let mut headers = parts.headers;
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        let reason = parts.status.canonical_reason().unwrap_or_default().as_bytes();
        let mut message = head::write_answer(parts.status, reason, &headers, &Spelling::default());
        message.extend_from_slice(&body);
        self.say_last(&message).await;
    }

    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    async fn say_last(&mut self, bytes: &[u8]) {
        let said = async {
            self.say(bytes).await?;
            self.stream.shutdown().await
        };
        if let Err(error) = said.await {
            tracing::debug!(%error, "a client did not take its answer");
        }
    }

    /// Passes on an answer that opens no stream.
    async fn pass_on(mut self, mut answered: Answered) {
        let Ok(framing) = answered.take_framing() else {
            let message = "Bad Gateway: the upstream service's answer is not valid";
            return self.answer(answer::text(StatusCode::BAD_GATEWAY, message)).await;
        };
        let passed = async {
            self.say(&answered.head()).await?;
            let mut body = Body::new(framing);
            let mut bytes = BytesMut::from(answered.early);
            loop {
                let length = body.read(&bytes, &mut |_, _| {}).map_err(|_| io::ErrorKind::InvalidData)?;
                self.say(&bytes[..length]).await?;
                bytes.clear();
                if body.is_over() || answered.stream.read_buf(&mut bytes).await? == 0 {
                    return self.stream.shutdown().await;
                }
            }
        };
        if let Err(error) = passed.await {
            tracing::debug!(%error, "an answer broke off");
        }
    }
}

impl Answered {
    /// The leg's own fields are taken off its head; those of the client's leg are put on: the connection ends with
    /// this answer, whose body is passed on in the framing that it has.
    ///
    /// # Errors
    /// It is not clear where the body ends.
    fn take_framing(&mut self) -> Result<Framing, observe::body::Malformed> {
        let headers = &mut self.answer.headers;
        let has_no_body = matches!(self.answer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let framing = if has_no_body { Framing::Length(0) } else { Framing::of_answer(headers)? };
        if headers.contains_key(header::TRANSFER_ENCODING) {
            if self.answer.version == Version::HTTP_10 {
                return Err(observe::body::Malformed);
            }
            headers.remove(header::CONTENT_LENGTH);
        }
        upgrade::strip_hop_by_hop(headers);
        if framing == Framing::Chunked {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        Ok(framing)
    }

    fn head(&self) -> Vec<u8> {
        let Answer { status, reason, headers, spelling, .. } = &self.answer;
        head::write_answer(*status, reason, headers, spelling)
    }

    fn headers(&self) -> &HeaderMap {
        &self.answer.headers
    }

    /// The outcome of a handshake that this status ends.
    fn failure(&self, other: HandshakeResult) -> HandshakeResult {
        match self.answer.status.as_u16() {
            400..=499 => HandshakeResult::ClientError,
            500.. => HandshakeResult::ServerError,
            _ => other,
        }
    }
}

/// Joins the two sockets: from now on nothing of the handshake is kept. On a thread of a reactor, the relay is what
/// follows the task that calls this.
fn relay<W: Wire>(
    exchange: &Exchange,
    session: Session,
    mut ends: Ends,
    wire: W,
    open: OpenGuard,
) -> Option<Task> {
    session.watch_sockets(ends.sockets());
    if reactor::is_here() {
        return Some(Task::new(Relay::new(session, ends, wire, open)));
    }
    let guard = exchange.guard.clone();
    match ends.leave_tokio() {
        Err(error) => tracing::error!(%error, "a socket could not be moved: its connection ends"),
        Ok(false) => {
            let relay = Relay::new(session, ends, wire, open);
            tokio::spawn(async move {
                relay.await;
                drop(guard);
            });
        }
        Ok(true) => {
            let adopted = async move {
                if let Err(error) = ends.register() {
                    tracing::error!(%error, "a socket could not be waited for: its connection ends");
                    return None;
                }
                Some(Task::new(Relay::new(session, ends, wire, open)))
            };
            exchange.shared.reactors.adopt(Task::new(adopted), guard);
        }
    }
    None
}

/// Counts what a client has sent before it had an answer to its handshake.
fn count_early_data(exchange: &Exchange, client: &Client) {
    if exchange.framing.has_early_data || !client.early.is_empty() {
        exchange.count_rejected(RejectedCheck::EarlyData);
    }
}
