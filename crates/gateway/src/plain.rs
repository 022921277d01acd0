//! Everything that is not asked for as a live stream: requests pass through hyper, and an answer that is an event
//! stream all the same, or that goes to a client of HTTP/2, is observed.

use std::sync::Arc;

use guard::queue::Classifier;
use http::{Extensions, HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::upgrade::OnUpgrade;
use model::{HandshakeResult, Protocol, RejectedCheck, Unqueued};
use observe::body::Framing;
use observe::upgrade;

use crate::answer;
use crate::body::{AnswerBody, BodyError, HeldBody};
use crate::event_stream::{self, EVENT_STREAM, EventStream, Intake, QueuedStream};
use crate::events::Events;
use crate::exchange::{Answered, Exchange, Head, Unanswered};
use crate::leg::Watch;
use crate::outbox::Outbox;
use crate::session::Attempt;
use crate::tcp_evidence::Sockets;

/// Answers a request that asks for no upgrade that we serve.
pub async fn serve(exchange: &Exchange, mut request: Request<HeldBody>) -> Response<AnswerBody> {
    let classifier = exchange.watch.stream().and_then(|_| exchange.classifier(&Head::of(&request)));
    upgrade::strip_hop_by_hop(request.headers_mut());
    let visitor = exchange.visitor(Protocol::Sse, &Head::of(&request));
    let begin = || {
        Attempt::begin(
            &exchange.shared.registry,
            &exchange.route.connections,
            Protocol::Sse,
            exchange.client.clone(),
            visitor.clone(),
            exchange.started,
        )
        .named(exchange.tryout)
    };
    let mut attempt = event_stream::is_named(request.headers(), &header::ACCEPT).then(&begin);
    match exchange.send(request, attempt.as_mut()).await {
        Err(unanswered) => fail(attempt, &unanswered),
        Ok(answered) if answered.response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            exchange.count_rejected(RejectedCheck::Unasked101);
            unasked_101(attempt, &answered)
        }
        Ok(answered) if is_event_stream(&answered.response) => {
            subscribe(exchange, attempt.unwrap_or_else(begin), answered, classifier)
        }
        Ok(answered) => {
            if let Some(attempt) = attempt {
                no_event_stream(attempt, &answered);
            }
            relay(answered)
        }
    }
}

/// Leaves to the client's leg how an answer was spelled, and nothing of the leg that it came by.
fn forget_leg(extensions: &mut Extensions) {
    extensions.remove::<Arc<Watch>>();
    extensions.remove::<OnUpgrade>();
}

/// An upstream's answer as the client gets it.
fn relay(answered: Answered) -> Response<AnswerBody> {
    let Answered { response, open, .. } = answered;
    let (mut parts, body) = response.into_parts();
    upgrade::strip_hop_by_hop(&mut parts.headers);
    forget_leg(&mut parts.extensions);
    let counted = body.map_err(BodyError::from).map_frame(move |frame| {
        let _still_open = &open;
        frame
    });
    Response::from_parts(parts, counted.boxed_unsync())
}

fn subscribe(
    exchange: &Exchange,
    mut attempt: Attempt,
    answered: Answered,
    classifier: Option<Box<Classifier>>,
) -> Response<AnswerBody> {
    attempt.reached(&answered.upstream.name);
    let upstream_watch = answered.watch();
    let Answered { response, open, .. } = answered;
    let (mut parts, body) = response.into_parts();
    upgrade::strip_hop_by_hop(&mut parts.headers);
    forget_leg(&mut parts.extensions);
    let coding = parts.headers.get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes);
    let session = attempt.establish(Some(parts.status.as_u16()), &exchange.route);
    session.watch_sockets(Sockets::of(&exchange.watch, &upstream_watch));
    let outbox = outbox(exchange, classifier, &parts.headers);
    let events = Events::new(&exchange.route, coding, outbox.is_none());
    let intake = Intake::new(body, events, session, exchange, upstream_watch, open);
    let body = match outbox.zip(exchange.watch.stream()) {
        Some((outbox, client)) => QueuedStream::new(intake, outbox, client).boxed_unsync(),
        None => EventStream::new(intake).boxed_unsync(),
    };
    Response::from_parts(parts, body)
}

/// The queue towards the client: over HTTP/1.1 what comes this way has none.
fn outbox(
    exchange: &Exchange,
    classifier: Option<Box<Classifier>>,
    fields: &HeaderMap,
) -> Option<Box<Outbox>> {
    let config = exchange.route.queue.as_deref()?;
    let Some((link, _)) = exchange.watch.stream() else {
        exchange.route.connections.meter.queue.unqueued.inc(Unqueued::Request);
        return None;
    };
    // Nothing may be left out of a body whose length is not clear.
    let framing = Framing::of_answer(fields).unwrap_or(Framing::Length(0));
    let is_readable = !fields.contains_key(header::CONTENT_ENCODING);
    let outbox = event_stream::outbox(exchange, classifier, framing, is_readable)?;
    link.limit_unsent(u32::try_from(config.kernel_bytes.0).unwrap_or(u32::MAX));
    Some(outbox)
}

fn fail(attempt: Option<Attempt>, unanswered: &Unanswered) -> Response<AnswerBody> {
    let answer = unanswered.answer();
    if let Some(attempt) = attempt {
        attempt.fail(unanswered.result(), Some(answer.status().as_u16()), unanswered.detail().into_owned());
    } else {
        tracing::warn!(error = %unanswered.detail(), "a request was not answered");
    }
    answer
}

fn unasked_101(attempt: Option<Attempt>, answered: &Answered) -> Response<AnswerBody> {
    let status = StatusCode::BAD_GATEWAY;
    if let Some(attempt) = attempt {
        let detail = format!("{}: switched protocols unasked", answered.upstream.name);
        attempt.fail(HandshakeResult::NotEventStream, Some(status.as_u16()), detail);
    }
    answer::last_text(status, "Bad Gateway: the upstream service switched protocols unasked")
}

fn no_event_stream(attempt: Attempt, answered: &Answered) {
    let status = answered.response.status();
    let result = match status.as_u16() {
        400..=499 => HandshakeResult::ClientError,
        500.. => HandshakeResult::ServerError,
        _ => HandshakeResult::NotEventStream,
    };
    let detail = format!("{}: answered {status} without {EVENT_STREAM}", answered.upstream.name);
    attempt.fail(result, Some(status.as_u16()), detail);
}

fn is_event_stream<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::OK && event_stream::is_named(response.headers(), &header::CONTENT_TYPE)
}
