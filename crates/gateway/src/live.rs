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
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use guard::queue::Classifier;
use http::{HeaderName, Method, Response, StatusCode, Version, header};
use http_body_util::BodyExt as _;
use model::{HandshakeResult, Protocol, RejectedCheck};
use observe::body::{Body, Framing};
use observe::fields::Fields;
use observe::upgrade::{self, Asked, Offer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub use self::head::Request;
use self::head::{Answer, Writer};
use crate::answer;
use crate::body::AnswerBody;
use crate::clock;
use crate::event_stream;
use crate::exchange::{ClientConnection, Exchange, Head, Refusal, Unanswered};
use crate::forwarded::{self, Peer};
use crate::head::{Framing as RequestFraming, HEAD_BYTES_MAX};
use crate::leg::{self, Stream};
use crate::reactor::{self, Task};
use crate::relay::{Ends, Relay, Wire};
use crate::session::{Attempt, Session};
use crate::upstream::{OpenGuard, SendError, Upstream};

/// Bytes that a client may send before it has its answer; of more, the rest is read behind the answer.
const EARLY_BYTES_MAX: usize = 64 * 1024;

/// An answer of the gateway's own is shorter.
const OWN_ANSWER_BYTES: usize = 512;

/// What kind of stream is asked for.
pub enum Kind {
    /// A WebSocket.
    WebSocket(Offer),
    /// Events.
    EventStream,
}

impl Kind {
    /// What a request asks for; none when it is for no live stream, or a malformed handshake, or has a body.
    pub fn of(request: &Head<'_, impl Fields>, asked: Asked) -> Option<Kind> {
        let &Head { method, version, fields, .. } = request;
        match asked {
            Asked::WebSocket => upgrade::check_request(method, version, fields).ok().map(Kind::WebSocket),
            Asked::Nothing => {
                let has_body = fields.has(&header::CONTENT_LENGTH) || fields.has(&header::TRANSFER_ENCODING);
                let is_live = method == Method::GET
                    && version == Version::HTTP_11
                    && !has_body
                    && event_stream::is_named(fields, &header::ACCEPT);
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
    attempt: Attempt,
    /// The request's head, as the upstream gets it.
    head: Vec<u8>,
    /// Gives the messages their classes, when the route has a queue.
    classifier: Option<Box<Classifier>>,
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
    let Some((request, kind)) = read_first(&early) else { return Err((stream, early, connection)) };
    let client = Client { stream, early: early[request.length..].into() };
    drop(early);
    match Live::begin(connection, kind, &request, !client.early.is_empty()) {
        Err(refusal) => {
            client.answer(refusal.answer()).await;
            Ok(None)
        }
        Ok(live) => {
            drop(request);
            Ok(live.serve(client).await)
        }
    }
}

/// A request for a live stream; what else `early` may be is left to hyper.
fn read_first(early: &Bytes) -> Option<(Request, Kind)> {
    let request = Request::read(early).filter(Request::is_of_path)?;
    let asked = upgrade::classify(Version::HTTP_11, &request.fields);
    let kind = Kind::of(&request.head(), asked)?;
    Some((request, kind))
}

impl Request {
    fn head(&self) -> Head<'_, head::Fields> {
        Head { method: &self.method, uri: &self.uri, version: Version::HTTP_11, fields: &self.fields }
    }
}

impl Live {
    fn begin(
        connection: ClientConnection,
        kind: Kind,
        request: &Request,
        has_early_data: bool,
    ) -> Result<Live, Refusal> {
        let framing = RequestFraming { has_early_data, ..RequestFraming::default() };
        let (peer, head) = (connection.peer, request.head());
        let (exchange, host) = Exchange::begin_head(connection, &head, framing)?;
        Ok(Live::new(exchange, kind, request, peer, host))
    }

    /// A request from `peer` that is for `host`.
    pub fn new(exchange: Exchange, kind: Kind, request: &Request, peer: Peer, host: &str) -> Live {
        let protocol = kind.protocol();
        let attempt = Attempt::begin(
            &exchange.shared.registry,
            &exchange.route.connections,
            protocol,
            exchange.client.clone(),
            exchange.visitor(protocol, &request.head()),
            exchange.started,
        )
        .named(exchange.tryout);
        let classifier = exchange.classifier(&request.head());
        let asks_for_no_window = exchange.route.queue.as_ref().is_some_and(|queue| queue.renegotiate);
        let head = for_upstream(request, &kind, peer, host, asks_for_no_window);
        Live { exchange, kind, attempt, head, classifier }
    }

    /// Serves it up to the relay, or to the end of the answer; see [`relay`] for what follows.
    pub async fn serve(self, mut client: Client) -> Option<Task> {
        let Live { exchange, kind, mut attempt, head, classifier } = self;
        let answered = tokio::select! {
            biased;
            answered = exchange.ask(&head, &mut attempt) => answered,
            () = client.gone() => return None,
        };
        drop(head);
        match (answered, kind) {
            (Err(Unanswered::Refused(refused)), Kind::WebSocket(offer)) if refused.closes_websockets() => {
                let status = Some(StatusCode::SWITCHING_PROTOCOLS.as_u16());
                attempt.fail(HandshakeResult::Denied, status, refused.detail());
                client.try_again_later(&offer, &refused).await;
                None
            }
            (Err(unanswered), _) => {
                let mut answer = unanswered.answer();
                answer::end_connection(&mut answer);
                let status = Some(answer.status().as_u16());
                attempt.fail(unanswered.result(), status, unanswered.detail().into_owned());
                client.answer(answer).await;
                None
            }
            (Ok(answered), Kind::WebSocket(offer)) => {
                websocket::join(&exchange, attempt, client, answered, &offer, classifier).await
            }
            (Ok(answered), Kind::EventStream) => {
                subscription::join(&exchange, attempt, client, answered, classifier).await
            }
        }
    }
}

/// The request's head as the upstream gets it.
fn for_upstream(request: &Request, kind: &Kind, peer: Peer, host: &str, asks_for_no_window: bool) -> Vec<u8> {
    let fields = &request.fields;
    let mut head = request.begin();
    write_end_to_end(fields, &mut head, |name| {
        let is_rewritten = asks_for_no_window && is(name, &header::SEC_WEBSOCKET_EXTENSIONS);
        !peer.may_not_say(name) && !is(name, &forwarded::FOR) && !is_rewritten
    });
    if asks_for_no_window {
        for extensions in fields.values(&header::SEC_WEBSOCKET_EXTENSIONS) {
            head.field(b"Sec-WebSocket-Extensions", &upgrade::ask_for_no_window(extensions));
        }
    }
    if !fields.has(&header::HOST) {
        head.field(b"Host", host.as_bytes());
    }
    head.field(b"x-forwarded-for", peer.chain(fields).as_bytes());
    let is_said = |name: &HeaderName| peer.is_trusted && fields.has(name);
    if !is_said(&forwarded::PROTO) {
        head.field(b"x-forwarded-proto", peer.proto().as_bytes());
    }
    if !is_said(&forwarded::HOST) {
        head.field(b"x-forwarded-host", host.as_bytes());
    }
    if let Kind::WebSocket(_) = kind {
        head.field(b"Connection", b"Upgrade");
        head.field(b"Upgrade", b"websocket");
    }
    head.end()
}

/// Writes what is not said to the next hop alone, and is to be `kept`.
fn write_end_to_end(fields: &head::Fields, head: &mut Writer, kept: impl Fn(&[u8]) -> bool) {
    for (name, value) in fields.iter() {
        if kept(name) && !upgrade::is_for_next_hop(name, fields) {
            head.field(name, value);
        }
    }
    if upgrade::takes_trailers(fields) {
        head.field(b"TE", b"trailers");
    }
}

fn is(name: &[u8], known: &HeaderName) -> bool {
    name.eq_ignore_ascii_case(known.as_str().as_bytes())
}

impl Exchange {
    /// Offers a request to the route's upstreams until one is reached, and waits for its answer's head.
    async fn ask(&self, head: &[u8], attempt: &mut Attempt) -> Result<Answered, Unanswered> {
        let _turn = self.admit(attempt).await?;
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
            attempt.connected(&upstream.name);
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
    let mut read = Vec::new();
    let mut interim_bytes = 0;
    loop {
        let fresh = leg::read_some(&mut stream, &mut read).await.map_err(|error| error.to_string())?;
        if fresh == 0 {
            return Err("connection closed before message completed".to_owned());
        }
        let mut bytes = Bytes::from(read);
        while let Some((answer, length)) = Answer::read(&bytes)? {
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
        read = bytes.into();
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

    /// Gives an answer of the gateway's own, and ends the connection. In a box, as [`pass_on`](Client::pass_on): both are
    /// large, and a handshake that succeeds has their place as well.
    fn answer(mut self, mut answer: Response<AnswerBody>) -> Pin<Box<impl Future<Output = ()>>> {
        Box::pin(async move {
            answer::end_connection(&mut answer);
            let (parts, body) = answer.into_parts();
            let Ok(body) = body.collect().await else { return };
            let body = body.to_bytes();
            let reason = parts.status.canonical_reason().unwrap_or_default().as_bytes();
            let mut head = Writer::answer(parts.status, reason, OWN_ANSWER_BYTES);
            let fields = parts.headers.iter();
            fields.for_each(|(name, value)| head.field(name.as_str().as_bytes(), value.as_bytes()));
            head.field(b"content-length", body.len().to_string().as_bytes());
            let mut message = head.end();
            message.extend_from_slice(&body);
            self.say_last(&message).await;
        })
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
    fn pass_on(mut self, mut answered: Answered) -> Pin<Box<impl Future<Output = ()>>> {
        Box::pin(async move {
            let Ok((framing, head)) = answered.last_head() else {
                let message = "Bad Gateway: the upstream service's answer is not valid";
                return self.answer(answer::text(StatusCode::BAD_GATEWAY, message)).await;
            };
            let passed = async {
                self.say(&head).await?;
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
        })
    }
}

impl Answered {
    /// Its head for the client, without the leg's own fields and with those of the client's leg: the connection ends
    /// with this answer, whose body is passed on in the framing that it has.
    ///
    /// # Errors
    /// It is not clear where the body ends.
    fn last_head(&self) -> Result<(Framing, Vec<u8>), observe::body::Malformed> {
        let Answer { status, version, fields, .. } = &self.answer;
        let has_no_body = matches!(*status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let framing = if has_no_body { Framing::Length(0) } else { Framing::of_answer(fields)? };
        let is_coded = fields.has(&header::TRANSFER_ENCODING);
        if is_coded && *version == Version::HTTP_10 {
            return Err(observe::body::Malformed);
        }
        let mut head = self.answer.begin();
        write_end_to_end(fields, &mut head, |name| !is_coded || !is(name, &header::CONTENT_LENGTH));
        if framing == Framing::Chunked {
            head.field(b"transfer-encoding", b"chunked");
        }
        head.field(b"connection", b"close");
        Ok((framing, head.end()))
    }

    fn fields(&self) -> &head::Fields {
        &self.answer.fields
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
    if let (Some(outbox), Some(queue)) = (&ends.outbox, exchange.route.queue.as_deref()) {
        session.entry.has_queue(outbox.queued());
        ends.client.limit_unsent(u32::try_from(queue.kernel_bytes.0).unwrap_or(u32::MAX));
    }
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
