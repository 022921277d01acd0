//! A gRPC stream through the gateway: both halves passed on frame by frame as the windows of their receivers allow,
//! and looked at message by message (grpc/grpc, doc/PROTOCOL-HTTP2.md).

mod half;
mod paced;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use guard::admission::Refusal;
use h2::client::ResponseFuture;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use meter::RouteMeter;
use meter::grpc::{MethodCells, OTHER};
use model::record::{GrpcFacts, Http2Facts, What};
use model::{AdmissionReason, Direction, GrpcCode, Http2Error, Leg, PerDirection, Protocol, Word as _};
use observe::grpc;
use observe::upgrade;
use parking_lot::Mutex;

use self::half::Half;
use self::paced::PacedHalf;
use crate::bypass::{Link, Passing, Strand};
use crate::clock;
use crate::entry::{Command, Entry};
use crate::exchange::{ClientConnection, Exchange, Unanswered};
use crate::forwarded;
use crate::head::Framing;
use crate::http2;
use crate::leg::{LegEnd, Watch};
use crate::pacing::Pacing;
use crate::session::{Attempt, Session};
use crate::tcp_evidence::Sockets;
use crate::upstream::OpenGuard;
use crate::upstream::http2::Opened;
use crate::visitor::Visitor;

const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const TIMEOUT: &str = "grpc-timeout";
/// Least time before the call is tried again (grpc/proposal, A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Whether a request is a gRPC call.
pub fn is_call<B>(request: &Request<B>) -> bool {
    request.method() == Method::POST
        && request.headers().get(header::CONTENT_TYPE).is_some_and(|value| grpc::is_grpc(value.as_bytes()))
}

/// Serves a call to its end.
pub async fn serve(client: ClientConnection, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let peer = client.peer;
    let watch = Arc::clone(&client.watch);
    let (exchange, host) = match Exchange::begin(client, &request, Framing::default()) {
        Ok(begun) => begun,
        Err(refusal) => {
            http2::leave(&watch, &respond);
            return http2::answer_with(refusal.answer(), respond, &watch).await;
        }
    };
    let (mut parts, body) = request.into_parts();
    let (service, method) = grpc::method(parts.uri.path()).unwrap_or((OTHER, OTHER));
    let facts = facts(service, method, &parts.headers);
    let cells = exchange.route.connections.meter.grpc.method(service, method);
    let attempt = Attempt::begin(
        &exchange.shared.registry,
        &exchange.route.connections,
        Protocol::Grpc,
        exchange.client.clone(),
        Visitor::passing(&parts.headers),
        exchange.started,
    );
    let mut attempt = attempt.with_grpc(facts);
    upgrade::strip_hop_by_hop(&mut parts.headers);
    parts.headers.insert(header::TE, TRAILERS);
    let authority = HeaderValue::from_str(&host).ok();
    forwarded::tell_upstream(&mut parts.headers, peer, authority.as_ref());
    parts.headers.remove(header::HOST);
    parts.extensions.clear();
    parts.version = Version::HTTP_2;
    let head = Request::from_parts(parts, ());
    let opened = tokio::select! {
        biased;
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
        opened = open(&exchange, &head, &host, &mut attempt) => opened,
    };
    match opened {
        Err(unanswered) => {
            http2::leave(&watch, &respond);
            let code = answer_unanswered(&mut respond, &unanswered);
            attempt.fail_call(unanswered.result(), code, unanswered.detail().into_owned());
        }
        Ok((opened, open)) => {
            let session = attempt.establish(None, &exchange.route);
            let client = (watch.link().expect("the client speaks HTTP/2"), respond.stream_id().as_u32());
            let call = Call::new(&exchange, client, session, &cells, &opened, open);
            if has_length(head.headers()) {
                http2::leave(&watch, &respond);
            } else {
                client.0.pass(client.1, &call.strands.client_to_server);
            }
            call.run(body, opened, respond).await;
        }
    }
}

fn facts(service: &str, method: &str, headers: &HeaderMap) -> GrpcFacts {
    let deadline = headers.get(TIMEOUT).and_then(|value| grpc::timeout(value.as_bytes()));
    GrpcFacts {
        service: service.into(),
        method: method.into(),
        code: GrpcCode::Cancelled,
        message: None,
        not_grpc: None,
        deadline_seconds: deadline.map(|deadline| deadline.as_secs_f64()),
        first_message_seconds: None,
        stalled_seconds: PerDirection::default(),
        client: Http2Facts::default(),
        upstream: Http2Facts::default(),
    }
}

/// Opens the stream at the first of the route's upstreams that can be reached.
async fn open(
    exchange: &Exchange,
    head: &Request<()>,
    authority: &str,
    attempt: &mut Attempt,
) -> Result<(Opened, OpenGuard), Unanswered> {
    let _turn = exchange.admit(attempt).await?;
    let mut failures = Vec::new();
    for upstream in exchange.route.pool.candidates(clock::now()) {
        let open = upstream.open();
        match upstream.open_stream(head.clone(), authority, &exchange.route.connections.meter).await {
            Ok(opened) => {
                upstream.note_success();
                attempt.reached(&upstream.name);
                return Ok((opened, open));
            }
            Err(error) => {
                upstream.note_failure(clock::now());
                failures.push(format!("{}: {error}", upstream.name));
            }
        }
    }
    Err(Unanswered::Unreachable { detail: failures.join("; ") })
}

/// Tells the client why its call reached no upstream.
fn answer_unanswered(respond: &mut SendResponse<Bytes>, unanswered: &Unanswered) -> GrpcCode {
    let (code, headers) = match unanswered {
        Unanswered::Refused(refused) => {
            let code = refused.code();
            let mut headers = status(code, "too many calls, come back later");
            headers.insert(PUSHBACK, HeaderValue::from(refused.retry_millis()));
            (code, headers)
        }
        _ => (GrpcCode::Unavailable, status(GrpcCode::Unavailable, "the service could not be reached")),
    };
    answer_headers(respond, headers);
    code
}

/// Tells the client a status instead of an answer ("Trailers-Only").
fn answer_headers(respond: &mut SendResponse<Bytes>, headers: HeaderMap) {
    let mut answer = Response::new(());
    *answer.headers_mut() = headers;
    answer.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
    if let Err(error) = respond.send_response(answer, true) {
        tracing::debug!(%error, "a client was not told a status");
    }
}

fn status(code: GrpcCode, message: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(STATUS, HeaderValue::from(code as u16));
    if let Ok(message) = HeaderValue::from_str(message) {
        headers.insert(MESSAGE, message);
    }
    headers
}

/// Whether the length of the body is announced. h2 sees to it that it is kept, so it has to see the body.
fn has_length(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_LENGTH)
}

/// An open stream.
struct Call {
    session: Arc<Mutex<Session>>,
    entry: Arc<Entry>,
    route: Arc<RouteMeter>,
    strands: PerDirection<Arc<Strand>>,
    /// What may carry so much in a time; nothing without such a limit.
    paced: PerDirection<Option<Arc<PacedHalf>>>,
    /// Least time after which one whose call is ended for what it carries is asked to come back.
    retry_after: Duration,
    client: Side,
    upstream: Side,
    _open: OpenGuard,
}

/// The stream on one leg.
struct Side {
    watch: Arc<Watch>,
    link: Arc<Link>,
    stream: u32,
}

/// How a stream ended.
enum End {
    /// The service's status was passed on.
    Status(GrpcCode, Option<String>),
    /// The service ended its half without a status.
    NoStatus,
    /// A leg ended the stream, or ended itself.
    Leg(Leg, LegEnd),
    /// The gateway was told to end it.
    Told(Command),
}

impl End {
    /// What was given to HTTP's writer for the client is not sent any more: by RST_STREAM, or since the client is gone.
    fn drops_the_answer(&self) -> bool {
        match self {
            End::Leg(Leg::Client, _) => true,
            End::Leg(Leg::Upstream, end) => end.what == What::RstStream,
            End::Status(..) | End::NoStatus | End::Told(_) => false,
        }
    }
}

/// Why a half was not passed on to its end.
enum Broken {
    Sender(h2::Error),
    Receiver(Result<Reason, h2::Error>),
}

/// The answer to the client, as far as it has come.
struct Answer {
    head: SendResponse<Bytes>,
    /// Once the head is sent.
    body: Option<SendStream<Bytes>>,
}

impl Call {
    fn new(
        exchange: &Exchange,
        (link, stream): (&Arc<Link>, u32),
        session: Session,
        cells: &MethodCells,
        opened: &Opened,
        open: OpenGuard,
    ) -> Call {
        let entry = Arc::clone(&session.entry);
        session.watch_sockets(Sockets::of(&exchange.watch, &opened.watch));
        let session = Arc::new(Mutex::new(session));
        let route = Arc::clone(&exchange.route.connections.meter);
        let client = Side { watch: Arc::clone(&exchange.watch), link: Arc::clone(link), stream };
        let stream = opened.body.stream_id().as_u32();
        let upstream = Side { watch: Arc::clone(&opened.watch), link: Arc::clone(&opened.link), stream };
        for (leg, side) in [(Leg::Client, &client), (Leg::Upstream, &upstream)] {
            side.link.frames().carry(&route);
            if let Some(beats) = &entry.beats {
                beats.share(leg, side.link.heard());
            }
        }
        let limits = exchange.route.limits_config();
        let mut paced = PerDirection::default();
        let strands = PerDirection::from_fn(|direction| {
            let (from, to) = match direction {
                Direction::ClientToServer => (&client, &upstream),
                Direction::ServerToClient => (&upstream, &client),
            };
            let half = Half::new(direction, exchange.started, &session, &route, cells);
            let passing: Box<dyn Passing> = match Pacing::of(limits) {
                None => Box::new(half),
                Some(pacing) => {
                    let half = PacedHalf::new(direction, half, &entry, pacing);
                    paced[direction] = Some(Arc::clone(&half));
                    Box::new(half)
                }
            };
            Strand::new((&from.link, from.stream), (&to.link, to.stream), passing)
        });
        let retry_after = limits.retry_after;
        Call { session, entry, route, strands, paced, retry_after, client, upstream, _open: open }
    }

    fn side(&self, leg: Leg) -> &Side {
        match leg {
            Leg::Client => &self.client,
            Leg::Upstream => &self.upstream,
        }
    }

    async fn run(self, mut request: RecvStream, opened: Opened, respond: SendResponse<Bytes>) {
        let Opened { answer: head, mut body, in_use: _in_use, .. } = opened;
        let mut answer = Answer { head: respond, body: None };
        let end = {
            let mut up = pin!(self.ask(&mut request, &mut body));
            let down = self.answer(head, &mut answer);
            tokio::select! {
                biased;
                end = down => {
                    if matches!(end, End::Leg(Leg::Client, _)) {
                        take_rest(up).await;
                    }
                    end
                }
                end = &mut up => end,
                command = poll_fn(|cx| {
                    self.entry.listen(cx.waker());
                    self.beat();
                    self.release(cx);
                    self.entry.take_command().map_or(Poll::Pending, Poll::Ready)
                }) => End::Told(command),
            }
        };
        self.finish(&end, answer, body);
    }

    /// Sends the PINGs that are due.
    fn beat(&self) {
        let Some(beats) = &self.entry.beats else { return };
        for &leg in Leg::ALL.iter().filter(|&&leg| beats.is_due(leg)) {
            self.side(leg).link.ping();
            self.route.grpc.heartbeats_sent.inc(leg);
            beats.sent(leg, self.entry.flow(leg.inbound()), clock::now());
        }
    }

    /// Lets go on what was kept back, as far as it may.
    fn release(&self, cx: &mut Context<'_>) {
        for &direction in Direction::ALL {
            if let Some(paced) = &self.paced[direction] {
                paced.release(&self.strands[direction], cx);
            }
        }
    }

    /// Passes the client's half on. Ready only when the client breaks the call off: what the service makes of its
    /// end is told by its answer.
    async fn ask(&self, request: &mut RecvStream, body: &mut SendStream<Bytes>) -> End {
        match self.pump(Direction::ClientToServer, request, body).await {
            Ok(trailers) => {
                let sent = match trailers {
                    Some(trailers) => body.send_trailers(trailers),
                    None => body.send_data(Bytes::new(), true),
                };
                if let Err(error) = sent {
                    tracing::debug!(%error, "the end of a request was not passed on");
                }
            }
            Err(Broken::Sender(error)) => return End::Leg(Leg::Client, leg_end(&error, &self.client.watch)),
            Err(Broken::Receiver(_)) => {}
        }
        std::future::pending().await
    }

    /// Passes the service's half on.
    async fn answer(&self, head: ResponseFuture, answer: &mut Answer) -> End {
        let head = tokio::select! {
            biased;
            reset = poll_fn(|cx| answer.head.poll_reset(cx)) => return self.client_reset(reset),
            head = head => head,
        };
        let response = match head {
            Ok(response) => response,
            Err(error) => return End::Leg(Leg::Upstream, leg_end(&error, &self.upstream.watch)),
        };
        let (mut parts, mut body) = response.into_parts();
        upgrade::strip_hop_by_hop(&mut parts.headers);
        parts.extensions.clear();
        let (http_status, head_end) = (parts.status, status_of(&parts.headers));
        let is_grpc = http_status == StatusCode::OK
            && parts.headers.get(header::CONTENT_TYPE).is_some_and(|value| grpc::is_grpc(value.as_bytes()));
        let speaks = is_grpc || head_end.is_some();
        if let Some(grpc) = self.session.lock().grpc.as_mut().filter(|_| !speaks) {
            grpc.not_grpc = Some(http_status.as_u16());
        }
        let has_no_body = body.is_end_stream();
        let Side { link, stream: id, .. } = &self.upstream;
        if has_length(&parts.headers) {
            link.leave(*id);
        } else {
            link.pass(*id, &self.strands.server_to_client);
        }
        let stream = match answer.head.send_response(Response::from_parts(parts, ()), has_no_body) {
            Ok(stream) => answer.body.insert(stream),
            Err(error) => return End::Leg(Leg::Client, leg_end(&error, &self.client.watch)),
        };
        if has_no_body {
            return head_end.unwrap_or_else(|| without_status(http_status, is_grpc));
        }
        match self.pump(Direction::ServerToClient, &mut body, stream).await {
            Ok(trailers) => {
                let end = trailers.as_ref().and_then(status_of);
                let sent = match trailers {
                    Some(trailers) => stream.send_trailers(trailers),
                    None => stream.send_data(Bytes::new(), true),
                };
                match sent {
                    Ok(()) => end.or(head_end).unwrap_or_else(|| without_status(http_status, is_grpc)),
                    Err(error) => End::Leg(Leg::Client, leg_end(&error, &self.client.watch)),
                }
            }
            Err(Broken::Sender(error)) => End::Leg(Leg::Upstream, leg_end(&error, &self.upstream.watch)),
            Err(Broken::Receiver(reset)) => self.client_reset(reset),
        }
    }

    fn client_reset(&self, reset: Result<Reason, h2::Error>) -> End {
        let end = match reset {
            Ok(reason) => LegEnd::now(What::RstStream, Some(u32::from(reason).into())),
            Err(error) => leg_end(&error, &self.client.watch),
        };
        End::Leg(Leg::Client, end)
    }

    /// Waits for the end of one half, until all of it is passed on; gives its trailers. DATA goes by its strand; what h2
    /// was left comes from there.
    async fn pump(
        &self,
        direction: Direction,
        from: &mut RecvStream,
        to: &mut SendStream<Bytes>,
    ) -> Result<Option<HeaderMap>, Broken> {
        loop {
            let data = poll_fn(|cx| {
                if let Poll::Ready(reset) = to.poll_reset(cx) {
                    return Poll::Ready(Err(Broken::Receiver(reset)));
                }
                from.poll_data(cx).map(|data| data.transpose().map_err(Broken::Sender))
            });
            let data = data.await?;
            let Some(data) = data else { break };
            if let Some(link) = self.strands[direction].pass(&data, clock::now()) {
                link.wake_task();
            }
            self.drained(direction, to).await?;
            from.flow_control().release_capacity(data.len()).map_err(Broken::Sender)?;
        }
        self.drained(direction, to).await?;
        poll_fn(|cx| from.poll_trailers(cx)).await.map_err(Broken::Sender)
    }

    /// Waits until the receiver's windows, and the limits of the route, let everything through.
    async fn drained(&self, direction: Direction, to: &mut SendStream<Bytes>) -> Result<(), Broken> {
        let Side { link, stream, .. } = self.side(direction.receiver());
        let drained = poll_fn(|cx| {
            if let Poll::Ready(reset) = to.poll_reset(cx) {
                return Poll::Ready(Err(Broken::Receiver(reset)));
            }
            if self.paced[direction].as_ref().is_some_and(|paced| paced.is_holding()) {
                return Poll::Pending;
            }
            link.poll_drained(*stream, cx).map(Ok)
        });
        drained.await
    }

    /// Tells both sides of the end as it was, and notes it.
    fn finish(self, end: &End, mut answer: Answer, mut body: SendStream<Bytes>) {
        let (code, message) = match end {
            End::Status(code, message) => (*code, message.clone()),
            End::NoStatus => (GrpcCode::Unknown, None),
            End::Leg(leg, end) => (self.pass_on(*leg, *end, &mut answer, &mut body), None),
            End::Told(Command::RateLimit) => {
                body.send_reset(Reason::CANCEL);
                answer.end(self.too_much());
                (GrpcCode::ResourceExhausted, None)
            }
            End::Told(_) => {
                body.send_reset(Reason::CANCEL);
                answer.end(status(GrpcCode::Unavailable, "the gateway ends the stream"));
                (GrpcCode::Unavailable, None)
            }
        };
        let (client, upstream) = (self.client.facts(), self.upstream.facts());
        let given_up = match end {
            End::Leg(leg, end) => self.given_up(*leg, *end),
            _ => None,
        };
        {
            let mut session = self.session.lock();
            match end {
                End::Status(..) => session.cause(Some(Leg::Upstream), What::BodyEnd, clock::now()),
                End::NoStatus => session.cause(Some(Leg::Upstream), What::BodyTruncated, clock::now()),
                End::Leg(leg, end) => {
                    if let Some(goaway) = given_up {
                        session.leg_end(*leg, goaway);
                    }
                    session.leg_end(*leg, *end);
                }
                End::Told(command) => session.cause(self.entry.given_up(), command.what(), clock::now()),
            }
            if let Some(grpc) = &mut session.grpc {
                grpc.code = code;
                grpc.message = message.map(String::into_boxed_str);
                grpc.client = client;
                grpc.upstream = upstream;
            }
        }
        self.client.link.forget(self.client.stream);
        self.upstream.link.forget(self.upstream.stream);
        for &direction in Direction::ALL {
            if let Some(paced) = &self.paced[direction] {
                self.strands[direction].lose(paced.end());
            }
        }
        self.upstream.link.disown(&self.strands.client_to_server);
        if end.drops_the_answer() {
            self.client.link.disown(&self.strands.server_to_client);
        }
    }

    /// What the client is told whose call carries more than it may: when to come back, at a time of its own.
    fn too_much(&self) -> HeaderMap {
        let paced = Direction::ALL.iter().filter_map(|&direction| self.paced[direction].as_ref());
        let least = paced.map(|paced| paced.wait()).fold(self.retry_after, Duration::max);
        let refusal = Refusal::new(AdmissionReason::Messages, 0, least, rand::random());
        let mut headers = status(GrpcCode::ResourceExhausted, "the call carries more than it may");
        headers.insert(
            PUSHBACK,
            HeaderValue::from(u64::try_from(refusal.retry_after.as_millis()).unwrap_or(u64::MAX)),
        );
        headers
    }

    /// The GOAWAY of an error that came before a leg ended: what its peer says of the end.
    fn given_up(&self, leg: Leg, end: LegEnd) -> Option<LegEnd> {
        let is_of_the_stream = matches!(end.what, What::RstStream | What::GoAway);
        let (at, error) = self.side(leg).link.frames().peer_error().filter(|_| !is_of_the_stream)?;
        Some(LegEnd { what: What::GoAway, error: Some(error), at })
    }

    /// Passes the end of one leg on to the other; tells the status that the client makes of it.
    fn pass_on(&self, leg: Leg, end: LegEnd, answer: &mut Answer, body: &mut SendStream<Bytes>) -> GrpcCode {
        let reason = end.error.map(|error| Reason::from(error as u32));
        if let (What::RstStream, Some(error)) = (end.what, end.error) {
            self.route.grpc.count_reset(leg.into(), error);
        }
        match (leg, end.what) {
            (Leg::Client, _) => {
                body.send_reset(reason.unwrap_or(Reason::CANCEL));
                match end.error {
                    None | Some(Http2Error::NoError) => GrpcCode::Cancelled,
                    Some(error) => grpc::code_of_reset(error),
                }
            }
            (Leg::Upstream, What::RstStream) => {
                answer.reset(reason.unwrap_or(Reason::INTERNAL_ERROR));
                end.error.map_or(GrpcCode::Unknown, grpc::code_of_reset)
            }
            (Leg::Upstream, _) => {
                answer.end(status(GrpcCode::Unavailable, "the connection to the service ended"));
                GrpcCode::Unavailable
            }
        }
    }
}

impl Side {
    fn facts(&self) -> Http2Facts {
        self.link.facts(self.stream)
    }
}

impl Answer {
    /// Ends it with a status.
    fn end(&mut self, status: HeaderMap) {
        let Some(body) = &mut self.body else { return answer_headers(&mut self.head, status) };
        if let Err(error) = body.send_trailers(status) {
            tracing::debug!(%error, "a client was not told a status");
        }
    }

    fn reset(&mut self, reason: Reason) {
        match &mut self.body {
            None => self.head.send_reset(reason),
            Some(body) => body.send_reset(reason),
        }
    }
}

/// What the client sent before its end has come with it, and is counted and passed on.
async fn take_rest(mut up: Pin<&mut impl Future<Output = End>>) {
    poll_fn(|cx| {
        let _ = up.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

/// The end that a status stands for.
fn status_of(headers: &HeaderMap) -> Option<End> {
    let code = headers.get(STATUS)?;
    let message = headers.get(MESSAGE).map(|value| grpc::message(value.as_bytes()));
    Some(End::Status(grpc::code(Some(code.as_bytes())), message))
}

/// The end of an answer that has no status.
fn without_status(http: StatusCode, is_grpc: bool) -> End {
    if is_grpc { End::NoStatus } else { End::Status(grpc::code_of_http(http.as_u16()), None) }
}

/// What an error of a stream says of its leg.
fn leg_end(error: &h2::Error, watch: &Watch) -> LegEnd {
    let code: Option<Http2Error> = error.reason().map(|reason| u32::from(reason).into());
    if error.is_reset() {
        return LegEnd::now(What::RstStream, code);
    }
    if error.is_go_away() && error.is_remote() {
        return LegEnd::now(What::GoAway, code);
    }
    watch.end().unwrap_or_else(|| LegEnd::now(What::Fin, code))
}
