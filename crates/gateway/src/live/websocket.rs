//! A WebSocket handshake (RFC 6455, section 4): checked on the way there, checked on the way back, and only then the
//! two sockets are joined.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use guard::queue::Classifier;
use http::{HeaderValue, Request, Response, StatusCode, header};
use model::{HandshakeResult, Protocol, RejectedCheck, Unqueued};
use observe::upgrade::{self, Agreed, Offer, Refusal};
use tokio::io::AsyncReadExt as _;

use super::head::Writer;
use super::{Answered, Client, count_early_data, relay};
use crate::admission::Refused;
use crate::answer;
use crate::body::AnswerBody;
use crate::exchange::{Exchange, Head};
use crate::outbox::Outbox;
use crate::reactor::Task;
use crate::relay::{Ends, Frames, Paced};
use crate::session::Attempt;

/// Close code 1013: try again later.
const TRY_AGAIN_LATER: u16 = 1013;

/// For the answer to a Close frame.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// A 101 of the gateway's own and its Close frame are shorter, most often.
const ANSWER_BYTES: usize = 256;

/// Refuses a request that is no valid handshake.
pub fn refuse<B>(exchange: &Exchange, request: &Request<B>, refusal: Refusal) -> Response<AnswerBody> {
    let attempt = Attempt::begin(
        &exchange.shared.registry,
        &exchange.route.connections,
        Protocol::WebSocket,
        exchange.client.clone(),
        exchange.visitor(Protocol::WebSocket, &Head::of(request)),
        exchange.started,
    )
    .named(exchange.tryout);
    exchange.count_rejected(refusal.check);
    attempt.fail(HandshakeResult::Malformed, Some(refusal.status.as_u16()), refusal.text.to_owned());
    let mut answer = answer::last_text(refusal.status, refusal.text);
    if refusal.status == StatusCode::UPGRADE_REQUIRED {
        let headers = answer.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade, close"));
    }
    answer
}

/// Joins the sockets if the upstream agrees.
pub(super) async fn join(
    exchange: &Exchange,
    attempt: Attempt,
    mut client: Client,
    answered: Answered,
    offer: &Offer,
    classifier: Option<Box<Classifier>>,
) -> Option<Task> {
    if answered.answer.status != StatusCode::SWITCHING_PROTOCOLS {
        not_upgraded(exchange, attempt, client, answered).await;
        return None;
    }
    let agreed = match upgrade::check_answer(offer, answered.fields()) {
        Ok(agreed) => agreed,
        Err(check) => {
            invalid(exchange, attempt, client, &answered, check).await;
            return None;
        }
    };
    if let Err(error) = client.say(&answered.answer.write()).await {
        tracing::debug!(%error, "a client did not take its 101");
        return None;
    }
    let session = attempt.establish(Some(answered.answer.status.as_u16()), &exchange.route);
    let ends = Ends {
        client: client.stream,
        client_early: Bytes::from(client.early),
        upstream: answered.stream,
        upstream_early: answered.early,
        outbox: outbox(exchange, classifier, agreed),
    };
    let wire = Frames::new(&exchange.route.connections.meter, agreed.deflate, session.entry.beats.is_some());
    match Paced::of(wire, exchange.route.limits_config()) {
        Ok(paced) => relay(exchange, session, ends, paced, answered.open),
        Err(wire) => relay(exchange, session, ends, wire, answered.open),
    }
}

impl Client {
    /// Agrees to a handshake and closes at once with 1013 (the registry of RFC 6455, section 11.7), for clients that
    /// cannot read a status. The connection ends once the client has closed as well, or after [`CLOSE_WAIT`].
    pub(super) fn try_again_later(
        mut self,
        offer: &Offer,
        refused: &Refused,
    ) -> Pin<Box<impl Future<Output = ()>>> {
        let mut head = Writer::answer(StatusCode::SWITCHING_PROTOCOLS, b"Switching Protocols", ANSWER_BYTES);
        head.field(b"connection", b"Upgrade");
        head.field(b"upgrade", b"websocket");
        head.field(b"sec-websocket-accept", offer.accept());
        if let Some(protocol) = offer.first_protocol() {
            head.field(b"sec-websocket-protocol", protocol);
        }
        let mut message = head.end();
        let reason = format!("try again in {} s", refused.retry_seconds());
        let length = u8::try_from(reason.len() + 2).expect("a control frame holds 125 bytes");
        message.extend_from_slice(&[0x88, length]);
        message.extend_from_slice(&TRY_AGAIN_LATER.to_be_bytes());
        message.extend_from_slice(reason.as_bytes());
        Box::pin(async move {
            self.say_last(&message).await;
            let ended = async {
                let mut rest = BytesMut::new();
                while matches!(self.stream.read_buf(&mut rest).await, Ok(1..)) {
                    rest.clear();
                }
            };
            if tokio::time::timeout(CLOSE_WAIT, ended).await.is_err() {
                tracing::debug!("a client does not answer its Close frame");
            }
        })
    }
}

/// The queue towards the client. Where the compressor keeps its window, each message is needed to read the next.
fn outbox(exchange: &Exchange, classifier: Option<Box<Classifier>>, agreed: Agreed) -> Option<Box<Outbox>> {
    let (classifier, config) = classifier.zip(exchange.route.queue.as_deref())?;
    let meter = &exchange.route.connections.meter;
    if agreed.keeps_window {
        meter.queue.unqueued.inc(Unqueued::Compression);
        return None;
    }
    Some(Box::new(Outbox::frames(config, *classifier, meter)))
}

async fn invalid(
    exchange: &Exchange,
    attempt: Attempt,
    client: Client,
    answered: &Answered,
    check: RejectedCheck,
) {
    exchange.count_rejected(check);
    let detail = format!("{}: its 101 is not valid: {check}", answered.upstream.name);
    attempt.fail(HandshakeResult::InvalidUpgrade, Some(StatusCode::BAD_GATEWAY.as_u16()), detail);
    let message = "Bad Gateway: the upstream service's WebSocket handshake is not valid";
    client.answer(answer::text(StatusCode::BAD_GATEWAY, message)).await;
}

async fn not_upgraded(exchange: &Exchange, attempt: Attempt, client: Client, answered: Answered) {
    count_early_data(exchange, &client);
    let status = answered.answer.status;
    let result = answered.failure(HandshakeResult::NotUpgraded);
    attempt.fail(result, Some(status.as_u16()), format!("{}: answered {status}", answered.upstream.name));
    client.pass_on(answered).await;
}
