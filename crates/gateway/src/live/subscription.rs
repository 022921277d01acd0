//! A subscription to events (WHATWG HTML, section 9.2): the answer's head is passed on, and its body relayed.

use bytes::Bytes;
use guard::queue::Classifier;
use http::{StatusCode, header};
use model::{HandshakeResult, RejectedCheck};
use observe::body::Body;
use observe::fields::Fields as _;

use super::{Answered, Client, relay};
use crate::answer;
use crate::event_stream::{self, EVENT_STREAM};
use crate::events::Events;
use crate::exchange::Exchange;
use crate::reactor::Task;
use crate::relay::{Ends, EventBody, Paced};
use crate::session::Attempt;

/// Joins the sockets if the answer is an event stream.
pub(super) async fn join(
    exchange: &Exchange,
    attempt: Attempt,
    mut client: Client,
    answered: Answered,
    classifier: Option<Box<Classifier>>,
) -> Option<Task> {
    let status = answered.answer.status;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        unasked_101(exchange, attempt, client, &answered).await;
        return None;
    }
    let is_event_stream = event_stream::is_named(answered.fields(), &header::CONTENT_TYPE);
    if status != StatusCode::OK || !is_event_stream {
        let result = answered.failure(HandshakeResult::NotEventStream);
        let detail = format!("{}: answered {status} without {EVENT_STREAM}", answered.upstream.name);
        attempt.fail(result, Some(status.as_u16()), detail);
        client.pass_on(answered).await;
        return None;
    }
    let Ok((framing, head)) = answered.last_head() else {
        let detail = format!("{}: it is not clear where its answer ends", answered.upstream.name);
        attempt.fail(HandshakeResult::NotEventStream, Some(StatusCode::BAD_GATEWAY.as_u16()), detail);
        let message = "Bad Gateway: the upstream service's answer is not valid";
        client.answer(answer::text(StatusCode::BAD_GATEWAY, message)).await;
        return None;
    };
    if let Err(error) = client.say(&head).await {
        tracing::debug!(%error, "a client did not take its answer");
        return None;
    }
    let coding = answered.fields().values(&header::CONTENT_ENCODING).next();
    let session = attempt.establish(Some(status.as_u16()), &exchange.route);
    let outbox = event_stream::outbox(exchange, classifier, framing, coding.is_none());
    let events = Events::new(&exchange.route, coding, outbox.is_none());
    let wire = EventBody::new(Body::new(framing), events);
    let ends = Ends {
        client: client.stream,
        client_early: Bytes::new(),
        upstream: answered.stream,
        upstream_early: answered.early,
        outbox,
    };
    match Paced::of(wire, exchange.route.limits_config()) {
        Ok(paced) => relay(exchange, session, ends, paced, answered.open),
        Err(wire) => relay(exchange, session, ends, wire, answered.open),
    }
}

async fn unasked_101(exchange: &Exchange, attempt: Attempt, client: Client, answered: &Answered) {
    exchange.count_rejected(RejectedCheck::Unasked101);
    let status = StatusCode::BAD_GATEWAY;
    let detail = format!("{}: switched protocols unasked", answered.upstream.name);
    attempt.fail(HandshakeResult::NotEventStream, Some(status.as_u16()), detail);
    let message = "Bad Gateway: the upstream service switched protocols unasked";
    client.answer(answer::text(status, message)).await;
}
