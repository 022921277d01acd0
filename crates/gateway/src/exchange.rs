//! One request and the way to its answer: which route takes it, and which protocol it speaks.

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::ArcSwap;
use guard::queue::{Classifier, Opening};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::capture_connection;
use model::record::ClientAddress;
use model::{AdmissionReason, ConnectionId, Decision, HandshakeResult, Moment, Protocol, RejectedCheck};
use observe::fields::Fields;
use observe::upgrade::{self, Asked};
use tokio::sync::mpsc;

use crate::admission::{Admission, Asking, Refused, Turn};
use crate::answer;
use crate::body::{AnswerBody, HeldBody, RequestBody};
use crate::clock;
use crate::forwarded::{self, Peer};
use crate::head::Framing;
use crate::leg::Watch;
use crate::live::{self, Kind, Live, websocket};
use crate::reactor::Reactors;
use crate::registry::Registry;
use crate::session::Attempt;
use crate::table::{Route, Table};
use crate::upstream::{OpenGuard, SendError, Upstream};
use crate::visitor::{self, Counted, Scope, Visitor};
use crate::{plain, worker};

/// What all connections of a gateway share.
#[derive(Debug)]
pub struct Shared {
    /// Every connection.
    pub registry: Arc<Registry>,
    /// The routes in force.
    pub table: ArcSwap<Table>,
    /// Threads that relay.
    pub reactors: Reactors,
    /// Who counts for several gateways.
    pub counter: Option<Arc<dyn guard::shared::Shared>>,
}

/// Held by every task that serves a connection, so that a stop can wait for them.
pub type TaskGuard = mpsc::Sender<()>;

/// What the requests of one client connection share; a stream of HTTP/2 has a watch of its own.
#[derive(Clone, Debug)]
pub struct ClientConnection {
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// The next hop.
    pub peer: Peer,
    /// The client's leg.
    pub watch: Arc<Watch>,
    /// Held by every task that serves the connection.
    pub guard: TaskGuard,
}

/// What is read of a request's head, whoever has read it.
pub struct Head<'a, F> {
    /// Its method.
    pub method: &'a Method,
    /// Its target.
    pub uri: &'a Uri,
    /// Its version.
    pub version: Version,
    /// Its fields.
    pub fields: &'a F,
}

impl<'a> Head<'a, HeaderMap> {
    /// The head of a request that hyper or h2 has read.
    pub fn of<B>(request: &'a Request<B>) -> Self {
        let (method, uri, version) = (request.method(), request.uri(), request.version());
        Head { method, uri, version, fields: request.headers() }
    }
}

impl<F: Fields> Opening for Head<'_, F> {
    fn has_header(&self, name: &str, value: &str) -> bool {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return false };
        self.fields.values(&name).any(|said| said == value.as_bytes())
    }

    fn has_parameter(&self, name: &str, value: &str) -> bool {
        let parameters = self.uri.query().unwrap_or_default().split('&');
        parameters.filter_map(|parameter| parameter.split_once('=')).any(|known| known == (name, value))
    }
}

/// A request that a route has taken.
pub struct Exchange {
    /// What all connections share.
    pub shared: Arc<Shared>,
    /// The route.
    pub route: Arc<Route>,
    /// Where the client is.
    pub client: ClientAddress,
    /// Name of the connection, when an operator tries the route.
    pub tryout: Option<ConnectionId>,
    /// The client's leg.
    pub watch: Arc<Watch>,
    /// The request's head was complete.
    pub started: Moment,
    /// The version that the client speaks.
    pub version: Version,
    /// How the request was framed.
    pub framing: Framing,
    /// As whom its client is counted; none where limits do not tell clients apart.
    pub counted_as: Option<Counted>,
    /// Held by the task that serves the connection.
    pub guard: TaskGuard,
}

impl Exchange {
    /// Finds the route of a request whose head is complete now; also tells the host that it is for.
    ///
    /// # Errors
    /// It is no request that a route takes.
    pub fn begin<B>(
        connection: ClientConnection,
        request: &Request<B>,
        framing: Framing,
    ) -> Result<(Exchange, String), Refusal> {
        let (exchange, host) = Exchange::begin_head(connection, &Head::of(request), framing)?;
        Ok((exchange, host.to_owned()))
    }

    /// The same, whoever has read the head.
    ///
    /// # Errors
    /// As there.
    pub fn begin_head<'a>(
        connection: ClientConnection,
        request: &Head<'a, impl Fields>,
        framing: Framing,
    ) -> Result<(Exchange, &'a str), Refusal> {
        let started = clock::now();
        let ClientConnection { shared, peer, watch, guard } = connection;
        let refuse = |refusal: Refusal| {
            shared.registry.count_refused(refusal.why());
            refusal
        };
        if framing.is_ambiguous {
            let why = "Bad Request: send either one Content-Length or Transfer-Encoding";
            return Err(refuse(Refusal::Malformed(why)));
        }
        let host = host_of(request).map_err(|why| refuse(Refusal::Malformed(why)))?;
        let table = shared.table.load();
        let route =
            table.find(without_port(host), request.uri.path()).ok_or_else(|| refuse(Refusal::NoRoute))?;
        let client = forwarded::client_address(request.fields, peer, table.trusted());
        let (route, version) = (Arc::clone(route), request.version);
        drop(table);
        let tells_apart = route.admission.as_ref().is_some_and(Admission::tells_clients_apart);
        let counted_as =
            tells_apart.then(|| visitor::counted_as(request, &client, &route, &shared.registry.salt));
        let exchange = Exchange {
            shared,
            route,
            client,
            tryout: peer.tryout,
            watch,
            started,
            version,
            framing,
            counted_as,
            guard,
        };
        Ok((exchange, host))
    }

    /// What its request, which asks for `protocol`, tells of the client.
    pub fn visitor(&self, protocol: Protocol, request: &Head<'_, impl Fields>) -> Visitor {
        let scope = Scope { route: self.route.connections.meter.name(), protocol };
        Visitor::of(request, &self.client, &self.route.client_key, scope, &self.shared.registry.salt)
    }

    /// Gives the messages that answer its request their classes; none where the route has no queue.
    pub fn classifier(&self, request: &Head<'_, impl Fields>) -> Option<Box<Classifier>> {
        self.route.queue.as_deref().map(|queue| Box::new(Classifier::new(queue, request)))
    }

    /// Asks the guard whether an attempt may go on, and waits for its turn to try an upstream.
    ///
    /// # Errors
    /// It is turned away.
    pub async fn admit(&self, attempt: &mut Attempt) -> Result<Turn, Unanswered> {
        match &self.route.admission {
            None => Ok(Turn::default()),
            Some(admission) => Box::pin(self.admit_by(admission, attempt)).await,
        }
    }

    async fn admit_by(&self, admission: &Admission, attempt: &mut Attempt) -> Result<Turn, Unanswered> {
        let meter = &self.route.connections.meter;
        let refuse = |attempt: &mut Attempt, refused: Refused| {
            attempt.refused(refused.refusal.reason);
            meter.admissions.inc(Decision::Refused, refused.refusal.reason);
            Unanswered::Refused(refused)
        };
        let asking = Asking { client: self.counted_as, address: self.client.ip };
        let open = (|| self.route.connections.active(), || self.shared.registry.active());
        let (mut slots, mut decided) =
            admission.ask(asking, open).map_err(|refused| refuse(attempt, refused))?;
        let mut would = |reason: Option<AdmissionReason>| {
            if let Some(reason) = reason.filter(|_| decided.0 == Decision::Admitted) {
                decided = (Decision::WouldRefuse, reason);
            }
        };
        let shared = admission.ask_shared(asking, &slots, self.shared.counter.as_ref()).await;
        let (held, reason) = shared.map_err(|refused| refuse(attempt, refused))?;
        would(reason);
        slots.hold(held);
        attempt.admitted(slots);
        let turn = admission.turn(self.client.ip).await;
        let (turn, reason) = turn.map_err(|refused| refuse(attempt, refused))?;
        would(reason);
        meter.admissions.inc(decided.0, decided.1);
        Ok(turn)
    }

    /// Counts a broken rule of the upgrade discipline.
    pub fn count_rejected(&self, check: RejectedCheck) {
        self.route.connections.meter.shard(worker::index()).rejected.inc(check);
    }

    /// Offers the request to the route's upstreams until one is reached, and tells `attempt` of each.
    ///
    /// # Errors
    /// None was reached, or the one that was did not answer.
    pub async fn send(
        &self,
        request: Request<HeldBody>,
        mut attempt: Option<&mut Attempt>,
    ) -> Result<Answered, Unanswered> {
        let _turn = match &mut attempt {
            Some(attempt) => self.admit(attempt).await?,
            None => Turn::default(),
        };
        let mut failures = Vec::new();
        for upstream in self.route.pool.candidates(clock::now()) {
            let open = upstream.open();
            let mut request = request.clone();
            let body = request.body().clone();
            if let Some(attempt) = &mut attempt {
                attempt.try_upstream(&upstream.name, capture_connection(&mut request));
            }
            let sent = tokio::time::timeout(self.route.timeouts.response_head, upstream.send(request));
            match sent.await {
                Ok(Ok(response)) => {
                    upstream.note_success();
                    return Ok(Answered { response, upstream: Arc::clone(upstream), open });
                }
                Ok(Err(SendError::Connect(error))) => {
                    upstream.note_failure(clock::now());
                    failures.push(format!("{}: {error}", upstream.name));
                }
                Ok(Err(_)) if body.is_broken() => return Err(Unanswered::BadRequest),
                Ok(Err(error @ SendError::NoAnswer(_))) => {
                    return Err(Unanswered::Broken { detail: format!("{}: {error}", upstream.name) });
                }
                Err(_) => {
                    return Err(Unanswered::TimedOut {
                        detail: format!("{}: no answer in time", upstream.name),
                    });
                }
            }
        }
        Err(Unanswered::Unreachable { detail: failures.join("; ") })
    }
}

/// An answer's head.
pub struct Answered {
    /// The head, and the body to come.
    pub response: Response<Incoming>,
    /// Who answered.
    pub upstream: Arc<Upstream>,
    /// Counts the connection as open.
    pub open: OpenGuard,
}

impl Answered {
    /// The leg to the upstream.
    pub fn watch(&self) -> Arc<Watch> {
        self.response.extensions().get::<Arc<Watch>>().cloned().unwrap_or_default()
    }
}

/// Why there is no answer.
pub enum Unanswered {
    /// No upstream was reached.
    Unreachable {
        /// What each said, for an operator.
        detail: String,
    },
    /// The upstream was reached and ended the connection.
    Broken {
        /// Which and how, for an operator.
        detail: String,
    },
    /// The client's body was malformed or cut short.
    BadRequest,
    /// The guard has turned the attempt away.
    Refused(Refused),
    /// The upstream was reached and said nothing in time.
    TimedOut {
        /// Which, for an operator.
        detail: String,
    },
}

impl Unanswered {
    /// What the client is told.
    pub fn answer(&self) -> Response<AnswerBody> {
        match self {
            Unanswered::Unreachable { .. } => answer::text(
                StatusCode::BAD_GATEWAY,
                "Bad Gateway: the upstream service could not be reached",
            ),
            Unanswered::Broken { .. } => answer::text(
                StatusCode::BAD_GATEWAY,
                "Bad Gateway: the upstream service ended the connection before it answered",
            ),
            Unanswered::BadRequest => {
                let message = "Bad Request: the request's body is malformed, or ended too early";
                answer::last_text(StatusCode::BAD_REQUEST, message)
            }
            Unanswered::Refused(refused) => refused.answer(),
            Unanswered::TimedOut { .. } => answer::text(
                StatusCode::GATEWAY_TIMEOUT,
                "Gateway Timeout: the upstream service did not answer in time",
            ),
        }
    }

    /// What an operator is told.
    pub fn detail(&self) -> Cow<'_, str> {
        match self {
            Unanswered::Unreachable { detail }
            | Unanswered::Broken { detail }
            | Unanswered::TimedOut { detail } => detail.into(),
            Unanswered::BadRequest => "the request's body is malformed, or ended too early".into(),
            Unanswered::Refused(refused) => refused.detail().into(),
        }
    }

    /// The outcome of a handshake that ends so.
    pub fn result(&self) -> HandshakeResult {
        match self {
            Unanswered::TimedOut { .. } => HandshakeResult::Timeout,
            Unanswered::BadRequest => HandshakeResult::Malformed,
            Unanswered::Refused(_) => HandshakeResult::Denied,
            Unanswered::Unreachable { .. } | Unanswered::Broken { .. } => HandshakeResult::Unreachable,
        }
    }
}

/// Why a request is not served.
pub enum Refusal {
    /// It breaks a rule; says which.
    Malformed(&'static str),
    /// No route takes its host and path.
    NoRoute,
}

impl Refusal {
    fn why(&self) -> model::Refused {
        match self {
            Refusal::Malformed(_) => model::Refused::Malformed,
            Refusal::NoRoute => model::Refused::NoRoute,
        }
    }

    /// What the client is told.
    pub fn answer(&self) -> Response<AnswerBody> {
        match self {
            Refusal::Malformed(why) => answer::last_text(StatusCode::BAD_REQUEST, why),
            Refusal::NoRoute => {
                answer::text(StatusCode::NOT_FOUND, "Not Found: no route takes this host and path")
            }
        }
    }
}

/// What comes of a request.
pub enum Served {
    /// Its answer.
    Answer(Response<AnswerBody>),
    /// It is for a live stream, which is served on the client's connection itself.
    Live(Box<Live>),
}

/// Serves one request.
pub async fn serve(connection: ClientConnection, request: Request<RequestBody>) -> Served {
    let version = request.version();
    let is_http2 = version >= Version::HTTP_2;
    let (framing, head) = if is_http2 { Default::default() } else { connection.watch.head().serve() };
    let peer = connection.peer;
    let (exchange, host) = match Exchange::begin(connection, &request, framing) {
        Ok(begun) => begun,
        Err(refusal) => return Served::Answer(refusal.answer()),
    };
    let asked = upgrade::classify(version, request.headers());
    let kind = Kind::of(&Head::of(&request), asked).filter(|_| !is_http2 && !framing.is_last);
    if let Some(kind) = kind
        && let Some(read) = live::Request::read(&head.into())
    {
        return Served::Live(Box::new(Live::new(exchange, kind, &read, peer, &host)));
    }
    let mut answer = match asked {
        Asked::WebSocket => refuse_websocket(&exchange, &request),
        asked => {
            if asked == Asked::H2c {
                exchange.count_rejected(RejectedCheck::H2c);
            }
            plain::serve(&exchange, prepare(request, peer, &host).map(HeldBody::new)).await
        }
    };
    if framing.is_last {
        answer::end_connection(&mut answer);
    }
    Served::Answer(answer)
}

fn refuse_websocket<B>(exchange: &Exchange, request: &Request<B>) -> Response<AnswerBody> {
    match upgrade::check_request(request.method(), exchange.version, request.headers()) {
        Err(refusal) => websocket::refuse(exchange, request, refusal),
        Ok(_) => {
            let message = "Bad Request: send a WebSocket handshake on a connection of its own";
            answer::last_text(StatusCode::BAD_REQUEST, message)
        }
    }
}

/// The host that a request is for.
fn host_of<'a>(request: &Head<'a, impl Fields>) -> Result<&'a str, &'static str> {
    if request.method == Method::CONNECT {
        return Err("Bad Request: this is no forward proxy, CONNECT is not served");
    }
    let authority = request.uri.authority().map(|authority| {
        valid_host(authority.as_str()).ok_or("Bad Request: the authority of the request is no host name")
    });
    let authority = authority.transpose()?;
    let mut hosts = request.fields.values(&header::HOST);
    let named = hosts.next().map(|host| {
        let host = std::str::from_utf8(host).ok().and_then(valid_host);
        host.ok_or("Bad Request: the Host header is no host name")
    });
    if hosts.next().is_some() {
        return Err("Bad Request: send exactly one Host header");
    }
    match (authority, named.transpose()?) {
        (Some(authority), Some(named)) if !authority.eq_ignore_ascii_case(named) => {
            Err("Bad Request: the request target and the Host header name different hosts")
        }
        (Some(authority), _) => Ok(authority),
        (None, Some(named)) => Ok(named),
        (None, None) if request.version == Version::HTTP_10 => Ok(""),
        (None, None) => Err("Bad Request: send a Host header"),
    }
}

/// A host with or without a port (RFC 9110, section 7.2), and nothing else of an authority.
fn valid_host(text: &str) -> Option<&str> {
    if text.is_empty() || is_plain_host(text) {
        return Some(text);
    }
    let authority: Authority = text.parse().ok()?;
    let has_valid_port = text.len() == authority.host().len() || authority.port_u16().is_some();
    (has_valid_port && !text.contains('@')).then_some(text)
}

/// Whether it is of the kind that nearly all are, which is valid without a closer look.
fn is_plain_host(text: &str) -> bool {
    let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok();
    match text.split_once(':') {
        Some((name, port)) => !name.is_empty() && is_name(name) && is_port(port),
        None => !text.is_empty() && is_name(text),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The request as the upstream gets it, but for what is said hop by hop.
pub fn prepare<B>(mut request: Request<B>, peer: Peer, host: &str) -> Request<B> {
    *request.version_mut() = Version::HTTP_11;
    let host = HeaderValue::from_str(host).ok();
    if let Some(host) = &host {
        request.headers_mut().entry(header::HOST).or_insert_with(|| host.clone());
    }
    forwarded::tell_upstream(request.headers_mut(), peer, host.as_ref());
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_no_part_of_the_host() {
        assert_eq!(without_port("example.com:8000"), "example.com");
        assert_eq!(without_port("[::1]:8000"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
        assert_eq!(without_port("example.com"), "example.com");
    }
}
