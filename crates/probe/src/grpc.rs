//! A client of gRPC streams (grpc/grpc, doc/PROTOCOL-HTTP2.md) that sends one message many times, as bytes: it
//! knows no interface definition.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use model::event::GrpcEvent;
use observe::grpc::{self, Scanner};

use crate::dial::Dialer;
use crate::failure::{Failure, Kind};
use crate::http2::{self, Lines};
use crate::session::{Beginning, Client, Opened, Received, Session};
use crate::target::Target;

/// Time allowed for the end of a call.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// Code UNKNOWN, of an answer that says none.
const UNKNOWN: u32 = 2;

/// What all calls of one method have in common.
pub struct GrpcClient {
    lines: Lines,
    head: Request<()>,
    /// A message with its prefix.
    message: Bytes,
    is_push: bool,
}

impl GrpcClient {
    /// A client that sends `fields` with its calls, and then `message` each time it is asked to. With `is_push` it
    /// is sent once and the request ends with it, as that of a server-streaming method.
    ///
    /// # Errors
    /// The message is longer than a prefix can say, or the target is no valid one.
    pub fn new(
        target: &Target,
        dialer: Dialer,
        streams_each: u32,
        fields: &HeaderMap,
        message: &[u8],
        is_push: bool,
    ) -> Result<GrpcClient, String> {
        let length = u32::try_from(message.len()).map_err(|_| "a message has less than 4 GiB".to_owned())?;
        let mut prefixed = BytesMut::with_capacity(message.len() + 5);
        prefixed.put_u8(0);
        prefixed.put_u32(length);
        prefixed.extend_from_slice(message);
        let mut head = http2::request(target, Method::POST)?;
        let headers = head.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
        let lines = Lines::new(dialer, streams_each);
        Ok(GrpcClient { lines, head, message: prefixed.freeze(), is_push })
    }
}

impl Client for GrpcClient {
    type Session = Call;

    /// Does not wait for the answer's head: many services send it with their first message.
    async fn open(&self, number: u64) -> Result<Opened<Call>, Failure> {
        let stream = self.lines.open(number, self.head.clone(), false).await?;
        let mut call = Call {
            requests: stream.body,
            answer: Answer::Awaited(stream.answer),
            incoming: Incoming { scanner: Scanner::new(), beginning: Beginning::default() },
            message: self.message.clone(),
            sent: 0,
        };
        if self.is_push {
            poll_fn(|cx| call.poll_send(cx)).await?;
            call.requests.send_data(Bytes::new(), true)?;
        }
        Ok(Opened { session: call, stages: stream.stages, answer: None })
    }
}

/// An open call.
#[derive(Debug)]
pub struct Call {
    requests: SendStream<Bytes>,
    answer: Answer,
    incoming: Incoming,
    message: Bytes,
    /// How much of the message is sent.
    sent: usize,
}

#[derive(Debug)]
enum Answer {
    Awaited(ResponseFuture),
    Body(RecvStream),
}

#[derive(Debug)]
struct Incoming {
    scanner: Scanner,
    beginning: Beginning,
}

impl Incoming {
    fn take(&mut self, bytes: &[u8], on: &mut dyn FnMut(Received<'_>)) -> Result<(), Failure> {
        let Incoming { scanner, beginning } = self;
        let base = scanner.offset();
        let (mut from, mut over) = (0, None);
        scanner.scan(bytes, &mut |event| match event {
            GrpcEvent::Message { bytes: payload, end, .. } => {
                let to = usize::try_from(end - base).unwrap_or(usize::MAX);
                on(Received { bytes: payload, beginning: beginning.complete(&bytes[from..to]) });
                beginning.clear();
                from = to;
            }
            GrpcEvent::Violation { flag, at } => {
                let detail = format!("byte {at} of the answer: {flag:#04x} is no flag of a message");
                over = Some(Failure::new(Kind::Protocol, detail));
            }
        });
        beginning.keep(&bytes[from..]);
        over.map_or(Ok(()), Err)
    }
}

impl Session for Call {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        while self.sent < self.message.len() {
            let rest = self.message.len() - self.sent;
            if self.requests.capacity() == 0 {
                self.requests.reserve_capacity(rest);
                match ready!(self.requests.poll_capacity(cx)) {
                    Some(room) => room?,
                    None => return Poll::Ready(Err(Failure::ended())),
                };
            }
            let length = self.requests.capacity().min(rest);
            self.requests.send_data(self.message.slice(self.sent..self.sent + length), false)?;
            self.sent += length;
        }
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        on: &mut dyn FnMut(Received<'_>),
    ) -> Poll<Result<(), Failure>> {
        let body = match &mut self.answer {
            Answer::Awaited(answer) => {
                let answer = ready!(std::pin::Pin::new(answer).poll(cx))?;
                self.answer = Answer::Body(check_head(answer)?);
                return Poll::Ready(Ok(()));
            }
            Answer::Body(body) => body,
        };
        match ready!(body.poll_data(cx)) {
            Some(bytes) => {
                let bytes = bytes?;
                http2::make_room(body, bytes.len())?;
                Poll::Ready(self.incoming.take(&bytes, on))
            }
            None => {
                let trailers = ready!(body.poll_trailers(cx))?;
                Poll::Ready(Err(status(&trailers.unwrap_or_default())))
            }
        }
    }

    async fn close(mut self) {
        if self.requests.send_data(Bytes::new(), true).is_err() {
            return;
        }
        let to_the_end = async { while poll_fn(|cx| self.poll_receive(cx, &mut |_| {})).await.is_ok() {} };
        if tokio::time::timeout(CLOSE_TIME, to_the_end).await.is_err() {
            tracing::trace!("a call does not end");
        }
    }
}

fn check_head(answer: Response<RecvStream>) -> Result<RecvStream, Failure> {
    let (head, body) = answer.into_parts();
    if head.headers.contains_key("grpc-status") {
        return Err(status(&head.headers));
    }
    let content_type = head.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if head.status != http::StatusCode::OK {
        let detail = format!("the answer is {}", head.status);
        return Err(Failure::new(Kind::HttpStatus(head.status.as_u16()), detail));
    }
    if !grpc::is_grpc(content_type) {
        let shown = String::from_utf8_lossy(content_type);
        return Err(Failure::new(Kind::Protocol, format!("the answer is no gRPC but `{shown}`")));
    }
    Ok(body)
}

/// The end of a call that was meant to go on, whatever its status.
fn status(trailers: &HeaderMap) -> Failure {
    let code = trailers.get("grpc-status").and_then(|value| value.to_str().ok()?.parse().ok());
    let message = trailers.get("grpc-message").map(|value| grpc::message(value.as_bytes()));
    Failure::new(Kind::GrpcStatus(code.unwrap_or(UNKNOWN)), message.unwrap_or_default())
}

/// A message of `size` bytes that a service takes whatever its interface definition is: one field with a number
/// that no definition uses, which Protocol Buffers skip (encoding, "Message Structure"). Sizes that such a field
/// cannot have are zeros.
pub fn filler(size: usize) -> Vec<u8> {
    /// Field 536870911, the largest one, with a length.
    const TAG: [u8; 5] = [0xfa, 0xff, 0xff, 0xff, 0x0f];
    for length_bytes in 1..=5 {
        let Some(length) = size.checked_sub(TAG.len() + length_bytes) else { break };
        let varint = varint(length);
        if varint.len() == length_bytes {
            return [&TAG[..], &varint, &vec![0; length]].concat();
        }
    }
    vec![0; size]
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fillers_have_the_size_that_was_asked_for() {
        for size in (0..300).chain([16_500, 70_000]) {
            assert_eq!(filler(size).len(), size);
        }
        assert_eq!(filler(8), [0xfa, 0xff, 0xff, 0xff, 0x0f, 2, 0, 0]);
        assert_eq!(filler(300)[..7], [0xfa, 0xff, 0xff, 0xff, 0x0f, 0xa5, 0x02]);
    }

    #[test]
    fn ends() {
        let check = |fields: &[(&'static str, &'static str)], expected: &str| {
            let pairs = fields
                .iter()
                .map(|&(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
            assert_eq!(status(&pairs.collect()).to_string(), expected);
        };
        check(&[("grpc-status", "0")], "grpc_status_0: ");
        check(&[("grpc-status", "14"), ("grpc-message", "try%20later")], "grpc_status_14: try later");
        check(&[], "grpc_status_2: ");
    }
}
