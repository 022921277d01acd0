//! A WebSocket handshake through the gateway: checked on the way there, checked on the way back, and only then
//! the two sockets are joined.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use model::{HandshakeResult, Protocol, RejectedCheck};
use observe::upgrade::{self, Agreed};

use crate::answer;
use crate::body::{AnswerBody, HeldBody, full};
use crate::exchange::{Answered, Exchange, Shared, TaskGuard, Unanswered};
use crate::leg::{Stream, Watched};
use crate::plain;
use crate::relay::{Ends, Relay};
use crate::session::Attempt;
use crate::table::Route;
use crate::upstream::{OpenGuard, UpstreamIo};

/// Answers a request that asks for a WebSocket.
pub async fn serve(exchange: &Exchange, mut request: Request<HeldBody>) -> Response<AnswerBody> {
    let mut attempt = Attempt::begin(
        &exchange.shared.registry,
        &exchange.route.connections,
        Protocol::WebSocket,
        exchange.client.clone(),
        exchange.visitor(Protocol::WebSocket, &request),
        exchange.started,
    );
    let offer = match upgrade::check_request(request.method(), exchange.version, request.headers()) {
        Ok(offer) => offer,
        Err(refusal) => {
            exchange.count_rejected(refusal.check);
            attempt.fail(HandshakeResult::Malformed, Some(refusal.status.as_u16()), refusal.text.to_owned());
            return refused(refusal.status, refusal.text);
        }
    };
    let on_client = hyper::upgrade::on(&mut request);
    ask_for_upgrade(request.headers_mut());
    match exchange.send(request, Some(&mut attempt)).await {
        Err(unanswered) => fail(attempt, &unanswered),
        Ok(answered) if answered.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            match upgrade::check_answer(&offer, answered.response.headers()) {
                Ok(agreed) => join(exchange, attempt, on_client, answered, &agreed),
                Err(check) => invalid(exchange, attempt, &answered, check),
            }
        }
        Ok(answered) => not_upgraded(exchange, attempt, answered),
    }
}

fn refused(status: StatusCode, text: &str) -> Response<AnswerBody> {
    let mut answer = answer::last_text(status, text);
    if status == StatusCode::UPGRADE_REQUIRED {
        let headers = answer.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade, close"));
    }
    answer
}

fn ask_for_upgrade(headers: &mut HeaderMap) {
    upgrade::strip_hop_by_hop(headers);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

fn fail(attempt: Attempt, unanswered: &Unanswered) -> Response<AnswerBody> {
    let mut answer = unanswered.answer();
    answer::end_connection(&mut answer);
    attempt.fail(unanswered.result(), Some(answer.status().as_u16()), unanswered.detail().to_owned());
    answer
}

fn invalid(
    exchange: &Exchange,
    attempt: Attempt,
    answered: &Answered,
    check: RejectedCheck,
) -> Response<AnswerBody> {
    exchange.count_rejected(check);
    let detail = format!("{}: its 101 is not valid: {check}", answered.upstream.name);
    attempt.fail(HandshakeResult::InvalidUpgrade, Some(StatusCode::BAD_GATEWAY.as_u16()), detail);
    let message = "Bad Gateway: the upstream service's WebSocket handshake is not valid";
    answer::last_text(StatusCode::BAD_GATEWAY, message)
}

fn not_upgraded(exchange: &Exchange, attempt: Attempt, answered: Answered) -> Response<AnswerBody> {
    let status = answered.response.status();
    if exchange.has_early_data() {
        exchange.count_rejected(RejectedCheck::EarlyData);
    }
    let result = match status.as_u16() {
        400..=499 => HandshakeResult::ClientError,
        500.. => HandshakeResult::ServerError,
        _ => HandshakeResult::NotUpgraded,
    };
    attempt.fail(result, Some(status.as_u16()), format!("{}: answered {status}", answered.upstream.name));
    let mut answer = plain::relay(answered);
    answer::end_connection(&mut answer);
    answer
}

/// Relays the 101 and joins the sockets once it is on its way.
fn join(
    exchange: &Exchange,
    attempt: Attempt,
    on_client: OnUpgrade,
    answered: Answered,
    agreed: &Agreed,
) -> Response<AnswerBody> {
    let Answered { mut response, open, .. } = answered;
    let on_upstream = hyper::upgrade::on(&mut response);
    let joining = Joining {
        attempt,
        on_client,
        on_upstream,
        open,
        shared: Arc::clone(&exchange.shared),
        route: Arc::clone(&exchange.route),
        deflate: agreed.deflate,
        guard: exchange.guard.clone(),
    };
    tokio::spawn(joining.run());
    let (mut parts, _) = response.into_parts();
    parts.extensions.clear();
    Response::from_parts(parts, full(Bytes::new()))
}

struct Joining {
    attempt: Attempt,
    on_client: OnUpgrade,
    on_upstream: OnUpgrade,
    open: OpenGuard,
    shared: Arc<Shared>,
    route: Arc<Route>,
    deflate: bool,
    guard: TaskGuard,
}

impl Joining {
    /// The relay gets a task of its own, so that nothing of the handshake is kept while it runs.
    async fn run(self) {
        let (Ok(client), Ok(upstream)) = tokio::join!(self.on_client, self.on_upstream) else { return };
        let Ok(client) = client.downcast::<TokioIo<Watched>>() else { return };
        let Ok(upstream) = upstream.downcast::<UpstreamIo>() else { return };
        let (client, client_early) = into_stream(client.io, client.read_buf);
        let (upstream, upstream_early) = into_stream(upstream.io.0, upstream.read_buf);
        let mut ends = Ends { client, client_early, upstream, upstream_early };
        let status = Some(StatusCode::SWITCHING_PROTOCOLS.as_u16());
        let session = self.attempt.establish(status, self.route.limits());
        session.watch_sockets(ends.sockets());
        let is_free = match ends.leave_tokio() {
            Ok(is_free) => is_free,
            Err(error) => return tracing::error!(%error, "a socket could not be moved: its connection ends"),
        };
        let relay = Relay::new(session, ends, self.deflate, self.open);
        let guard = self.guard;
        if is_free {
            self.shared.reactors.adopt(relay, guard);
        } else {
            tokio::spawn(async move {
                relay.await;
                drop(guard);
            });
        }
    }
}

/// The stream, and all that was read of it beyond its head.
fn into_stream(io: TokioIo<Watched>, read: Bytes) -> (Stream, Bytes) {
    let (stream, unread) = io.into_inner().into_parts();
    let early = if unread.is_empty() { read } else { [read, unread].concat().into() };
    (stream, early)
}
