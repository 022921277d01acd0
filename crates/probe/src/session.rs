//! One open connection of any protocol: messages out, messages in.

use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::dial::{Dialer, Stages};
use crate::error::ErrorKind;
use crate::target::Protocol;
use crate::{grpc, sse, ws};

/// What a session does, whatever connection it is on.
#[derive(Clone, Debug)]
pub struct Spec {
    /// What it sends, as it is on the wire; made once for all.
    pub message: Bytes,
    /// Whether the server sends of itself, and messages are looked through for a stamp of time.
    pub is_push: bool,
    /// Time allowed for the handshake.
    pub timeout: Duration,
}

impl Spec {
    /// A specification with messages of so many bytes of payload.
    pub fn new(protocol: Protocol, is_push: bool, bytes: u32, timeout: Duration) -> Spec {
        let message = match protocol {
            Protocol::Websocket => ws::text_frame(bytes),
            Protocol::Grpc => grpc::message(bytes),
            Protocol::Sse => Bytes::new(),
        };
        Spec { message, is_push: is_push || protocol == Protocol::Sse, timeout }
    }
}

/// Told of each message that came, with its stamp of time if it has one.
pub type OnMessage<'a> = &'a mut dyn FnMut(Option<SystemTime>);

/// An open connection. Never both sides wait for each other: it reads while it writes.
pub trait Session: Send {
    /// Whether a message is on its way out, so that no other can be sent yet.
    fn is_sending(&self) -> bool;

    /// Takes a message to send; [`Session::poll_step`] does it. Not while another is on its way.
    fn send(&mut self);

    /// Writes and reads what it can. Ready when messages came or the message that was on its way is out.
    ///
    /// # Errors
    /// The connection has ended.
    fn poll_step(&mut self, cx: &mut Context<'_>, on: OnMessage<'_>) -> Poll<Result<(), ErrorKind>>;

    /// Says goodbye by the protocol's own means; tells whether the peer then ends the connection.
    fn say_goodbye(&mut self) -> bool;
}

/// Opens the connection of this number.
///
/// # Errors
/// What the attempt met.
pub async fn open(
    dialer: &Dialer,
    spec: &Spec,
    number: usize,
) -> Result<(Box<dyn Session>, Stages), ErrorKind> {
    let opening = async {
        let (stream, mut stages) = dialer.dial(number).await?;
        let began = std::time::Instant::now();
        let session: Box<dyn Session> = match dialer.target.protocol {
            Protocol::Websocket => Box::new(ws::open(stream, dialer, spec).await?),
            Protocol::Sse => Box::new(sse::open(stream, dialer).await?),
            Protocol::Grpc => Box::new(grpc::open(stream, dialer, spec).await?),
        };
        stages.http = began.elapsed();
        Ok((session, stages))
    };
    tokio::time::timeout(spec.timeout, opening).await.unwrap_or(Err(ErrorKind::ConnectTimeout))
}
