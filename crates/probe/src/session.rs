//! What the clients have in common once they are connected: messages go out and come in.

use std::future::Future;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::dial::Stages;
use crate::failure::Failure;

/// Something that opens sessions.
pub trait Client: Send + Sync + 'static {
    /// What it opens.
    type Session: Session;

    /// Opens session number `number`, which chooses its source address.
    fn open(&self, number: u64) -> impl Future<Output = Result<Opened<Self::Session>, Failure>> + Send;
}

/// A session, and how long it took to open.
#[derive(Debug)]
pub struct Opened<S> {
    /// It.
    pub session: S,
    /// Stages below the protocol; none on a connection that was there already.
    pub stages: Option<Stages>,
    /// From the request to the answer's head; none when that is not waited for.
    pub answer: Option<Duration>,
}

/// A message that has come in.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Its payload's length; for an event, that of its block.
    pub bytes: u64,
    /// Its beginning as on the wire, with the frame's header.
    pub beginning: &'a [u8],
}

/// One WebSocket, event stream or gRPC stream.
pub trait Session: Send {
    /// Sends one message, always the same. When it is pending it must be asked again before another message.
    ///
    /// # Errors
    /// The session is over.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>>;

    /// Takes what has come, once, and tells of each complete message.
    ///
    /// # Errors
    /// The session is over.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        on: &mut dyn FnMut(Received<'_>),
    ) -> Poll<Result<(), Failure>>;

    /// Ends it as one should, and waits for the other side's agreement, but not for long.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// The beginning of a message that is not complete yet.
#[derive(Clone, Debug, Default)]
pub struct Beginning(Vec<u8>);

/// As much of a message's beginning as is kept.
pub const BEGINNING_BYTES_MAX: usize = 512;

impl Beginning {
    /// The beginning of a message whose last bytes are these.
    pub fn complete<'a>(&'a mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.0.is_empty() {
            return bytes;
        }
        self.keep(bytes);
        &self.0
    }

    /// The next message begins.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps the next bytes of a message.
    pub fn keep(&mut self, bytes: &[u8]) {
        let room = BEGINNING_BYTES_MAX.saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}
