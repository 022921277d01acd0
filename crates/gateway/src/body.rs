//! Bodies on their way through the gateway.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;

/// Why a body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Body of a client's request.
pub type RequestBody = UnsyncBoxBody<Bytes, BodyError>;

/// Body of an answer to a client.
pub type AnswerBody = UnsyncBoxBody<Bytes, BodyError>;

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> AnswerBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A request body that can be offered to the next upstream as long as nothing of it was taken: an upstream that
/// is not reached never polls it.
#[derive(Clone)]
pub struct HeldBody(Arc<Mutex<Held>>);

struct Held {
    body: RequestBody,
    is_broken: bool,
}

impl HeldBody {
    /// Holds a client's body.
    pub fn new(body: RequestBody) -> HeldBody {
        HeldBody(Arc::new(Mutex::new(Held { body, is_broken: false })))
    }

    /// Whether the client's part of it was malformed or broke off.
    pub fn is_broken(&self) -> bool {
        self.0.lock().is_broken
    }
}

impl fmt::Debug for HeldBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeldBody")
    }
}

impl Body for HeldBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut held = self.0.lock();
        let frame = Pin::new(&mut held.body).poll_frame(cx);
        held.is_broken |= matches!(frame, Poll::Ready(Some(Err(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().body.size_hint()
    }
}
