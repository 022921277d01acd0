//! The body of an event stream on its way to the client through hyper or h2: passed on frame by frame as it arrives, looked at on
//! the way.
//!
//! A body ends by being dropped: when hyper has sent its end, when the client is gone, or when the gateway stops.
//! Which of them it was is read from what was seen before, or else from the client's leg.

mod intake;
mod queued;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use guard::queue::Classifier;
use http::HeaderName;
use http_body::{Body, Frame};
use model::{Direction, Unqueued};
use observe::body::{self, Framing};
use observe::fields::Fields;

pub use self::intake::Intake;
pub use self::queued::QueuedStream;
use crate::body::BodyError;
use crate::clock;
use crate::delivery::Delivery;
use crate::exchange::Exchange;
use crate::outbox::Outbox;
use crate::worker;

/// The media type.
pub const EVENT_STREAM: &str = "text/event-stream";

const DIRECTION: Direction = Direction::ServerToClient;

/// See the module.
pub struct EventStream {
    intake: Intake,
    delivery: Arc<Delivery>,
}

impl EventStream {
    /// Passes on what comes in.
    pub fn new(intake: Intake) -> EventStream {
        let route = Arc::clone(&intake.entry.route);
        let generated = Arc::clone(&intake.generated);
        let session = Arc::clone(&intake.session);
        let delivery = Delivery::start(&intake.client, DIRECTION, session, move |seconds, piece| {
            let cells = &route.meter.shard(worker::index()).sse;
            cells.delay_seconds.observe_n(seconds, piece.messages);
            generated.lock().accepted(piece.messages, clock::wall, cells);
        });
        EventStream { intake, delivery }
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let EventStream { intake, delivery } = &mut *self;
        delivery.note_given();
        if let Some(command) = intake.attend(cx) {
            intake.end(None, command.what());
        }
        if intake.has_ended {
            return Poll::Ready(None);
        }
        let mut is_ack_due = false;
        let frame = ready!(intake.poll_frame(cx, |piece, is_due| {
            delivery.note_read(piece);
            is_ack_due = is_due;
        }));
        if is_ack_due && let Some(socket) = intake.client.socket() {
            delivery.sample(intake.entry.sample_ack(DIRECTION, socket));
        }
        Poll::Ready(frame)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.delivery.note_given();
    }
}

/// The queue towards the client of an event stream, whose content can be read or not; none where the route has none, or
/// nothing may be left out.
pub fn outbox(
    exchange: &Exchange,
    classifier: Option<Box<Classifier>>,
    framing: Framing,
    is_readable: bool,
) -> Option<Box<Outbox>> {
    let (classifier, config) = classifier.zip(exchange.route.queue.as_deref())?;
    let meter = &exchange.route.connections.meter;
    let unqueued = match framing {
        _ if !is_readable => Unqueued::Encoding,
        Framing::Length(_) => Unqueued::Length,
        Framing::Chunked | Framing::UntilClose => {
            return Some(Box::new(Outbox::events(config, *classifier, meter, body::Body::new(framing))));
        }
    };
    meter.queue.unqueued.inc(unqueued);
    None
}

/// Whether a field (`Accept`, `Content-Type`) names the media type of event streams.
pub fn is_named(fields: &impl Fields, field: &HeaderName) -> bool {
    fields.texts(field).any(|text| {
        let mut media_types = text.split(',').filter_map(|part| part.split(';').next());
        media_types.any(|media_type| media_type.trim().eq_ignore_ascii_case(EVENT_STREAM))
    })
}
