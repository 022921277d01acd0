//! A WebSocket client (RFC 6455) that can send one message many times at little cost. It offers no extension; when
//! its caller's fields offer compression, what comes compressed is counted as it is on the wire.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use model::event::{CloseCode, WebSocketEvent};
use model::{Direction, Opcode};
use observe::upgrade::{self, Agreed, Offer};
use observe::ws::Scanner;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};

use crate::clock;
use crate::dial::Dialer;
use crate::failure::{Failure, Kind};
use crate::scratch;
use crate::session::{Beginning, Client, Opened, Received, Session};
use crate::stream::Stream;
use crate::target::Target;

/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most header fields of an answer.
const FIELDS_MAX: usize = 100;

/// Bytes of Pongs that may wait to be sent; whoever sends more Pings than that gets no more answers.
const PONG_BYTES_MAX: usize = 4 * 1024;

/// Time allowed for the answer to a Close frame.
const CLOSE_TIME: Duration = Duration::from_secs(1);

const FIN: u8 = 0x80;
const MASK: u8 = 0x80;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

/// What all WebSockets to one target have in common.
pub struct WebSocketClient {
    dialer: Dialer,
    request: Bytes,
    offer: Offer,
    message: Message,
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct Message {
    /// `Text` or `Binary`.
    pub opcode: Opcode,
    /// As it is before it is masked.
    pub payload: Bytes,
}

impl WebSocketClient {
    /// A client that sends `fields` with its handshakes, and then `message` each time it is asked to.
    ///
    /// # Errors
    /// The fields do not make a valid handshake.
    pub fn new(
        target: &Target,
        dialer: Dialer,
        fields: &HeaderMap,
        message: Message,
    ) -> Result<WebSocketClient, String> {
        let headers = handshake(target, fields)?;
        let offer = upgrade::check_request(&Method::GET, Version::HTTP_11, &headers)
            .map_err(|refusal| refusal.text.to_owned())?;
        let mut request = format!("GET {} HTTP/1.1\r\n", target.path).into_bytes();
        for (name, value) in &headers {
            request.extend_from_slice(name.as_str().as_bytes());
            request.extend_from_slice(b": ");
            request.extend_from_slice(value.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        Ok(WebSocketClient { dialer, request: request.into(), offer, message })
    }

    async fn shake_hands(&self, stream: &mut Stream) -> Result<(Agreed, Vec<u8>), Failure> {
        stream.write_all(&self.request).await?;
        stream.flush().await?;
        let mut head = Vec::with_capacity(512);
        loop {
            if stream.read_buf(&mut head).await? == 0 {
                return Err(Failure::ended());
            }
            if let Some((agreed, end)) = check_head(&head, &self.offer)? {
                head.drain(..end);
                return Ok((agreed, head));
            }
            if head.len() > HEAD_BYTES_MAX {
                return Err(Failure::new(Kind::Protocol, "the answer's head does not end"));
            }
        }
    }
}

fn handshake(target: &Target, fields: &HeaderMap) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    let host = HeaderValue::from_str(&target.authority).map_err(|error| error.to_string())?;
    headers.insert(header::HOST, host);
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_str(&key).expect("base64 is a header value"));
    for name in fields.keys() {
        headers.remove(name);
    }
    headers.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(headers)
}

/// What the answer agrees on, and the length of its head, once that is complete.
fn check_head(bytes: &[u8], offer: &Offer) -> Result<Option<(Agreed, usize)>, Failure> {
    let protocol = |detail: String| Failure::new(Kind::Protocol, detail);
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut answer = httparse::Response::new(&mut fields);
    let parsed = answer.parse(bytes).map_err(|error| protocol(format!("the answer is no HTTP: {error}")))?;
    let httparse::Status::Complete(end) = parsed else { return Ok(None) };
    let status = answer.code.unwrap_or_default();
    if status != StatusCode::SWITCHING_PROTOCOLS.as_u16() {
        let detail = format!("the answer is {status} {}", answer.reason.unwrap_or_default());
        return Err(Failure::new(Kind::HttpStatus(status), detail));
    }
    let mut headers = HeaderMap::new();
    for field in answer.headers {
        let name =
            HeaderName::from_bytes(field.name.as_bytes()).map_err(|error| protocol(error.to_string()))?;
        let value = HeaderValue::from_bytes(field.value).map_err(|error| protocol(error.to_string()))?;
        headers.append(name, value);
    }
    match upgrade::check_answer(offer, &headers) {
        Ok(agreed) => Ok(Some((agreed, end))),
        Err(check) => Err(protocol(format!("the answer breaks RFC 6455: {check:?}"))),
    }
}

impl Client for WebSocketClient {
    type Session = WebSocket;

    async fn open(&self, number: u64) -> Result<Opened<WebSocket>, Failure> {
        let (mut stream, stages) = self.dialer.connect(number).await?;
        let asked = clock::now();
        let (agreed, early) = self.shake_hands(&mut stream).await?;
        let answer = clock::now().since(asked);
        let session = WebSocket {
            stream,
            early,
            incoming: Incoming {
                scanner: Scanner::new(Direction::ServerToClient, agreed.deflate),
                beginning: Beginning::default(),
                pongs: Vec::new(),
            },
            message: self.message.clone(),
            frame: None,
            written: 0,
        };
        Ok(Opened { session, stages: Some(stages), answer: Some(answer) })
    }
}

/// An open WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    stream: Stream,
    /// What came behind the answer's head.
    early: Vec<u8>,
    incoming: Incoming,
    message: Message,
    /// The message as it is sent; made when it is sent first.
    frame: Option<Arc<[u8]>>,
    /// How much of the frame is sent.
    written: usize,
}

/// What has come in.
#[derive(Debug)]
struct Incoming {
    scanner: Scanner,
    beginning: Beginning,
    /// Pongs to be sent between two frames.
    pongs: Vec<u8>,
}

impl WebSocket {
    fn poll_pongs(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        while !self.incoming.pongs.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.incoming.pongs))?;
            self.incoming.pongs.drain(..sent);
            if self.incoming.pongs.is_empty() {
                return Pin::new(&mut self.stream).poll_flush(cx).map_err(Failure::from);
            }
        }
        Poll::Ready(Ok(()))
    }

    async fn say_goodbye(&mut self) -> Result<(), Failure> {
        let goodbye = frame(CLOSE, &1000u16.to_be_bytes());
        self.stream.write_all(&goodbye).await?;
        self.stream.flush().await?;
        loop {
            std::future::poll_fn(|cx| self.poll_receive(cx, &mut |_| {})).await?;
        }
    }
}

impl Incoming {
    fn take(&mut self, bytes: &[u8], on: &mut dyn FnMut(Received<'_>)) -> Result<(), Failure> {
        let Incoming { scanner, beginning, pongs } = self;
        let base = scanner.offset();
        let (mut from, mut over) = (0, None);
        let mut scan = |event: WebSocketEvent| match event {
            _ if over.is_some() => {}
            WebSocketEvent::Message { bytes: payload, end, .. } => {
                let to = usize::try_from(end - base).unwrap_or(usize::MAX);
                on(Received { bytes: payload, beginning: beginning.complete(&bytes[from..to]) });
                beginning.clear();
                from = to;
            }
            WebSocketEvent::Control { opcode, end, .. } => {
                let to = usize::try_from(end - base).unwrap_or(usize::MAX);
                if opcode == Opcode::Ping && pongs.len() < PONG_BYTES_MAX {
                    let ping = beginning.complete(&bytes[from..to]);
                    let payload = ping.get(2..).unwrap_or_default();
                    pongs.extend_from_slice(&frame(PONG, payload));
                }
                beginning.clear();
                from = to;
            }
            WebSocketEvent::Close { code, .. } => over = Some(closed(code)),
            WebSocketEvent::Violation { violation, at } => {
                let detail = format!("byte {at} of its frames: {violation:?}");
                over = Some(Failure::new(Kind::Protocol, detail));
            }
            WebSocketEvent::Frame { .. } => {}
        };
        scanner.scan(bytes, &mut scan);
        beginning.keep(&bytes[from..]);
        over.map_or(Ok(()), Err)
    }
}

fn closed(code: Option<CloseCode>) -> Failure {
    let detail = match code {
        Some(code) => format!("Close frame with code {}", code.0),
        None => "Close frame without a code".to_owned(),
    };
    Failure::new(Kind::Closed(code.map(|code| code.0)), detail)
}

impl Session for WebSocket {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.written == 0 {
            ready!(self.poll_pongs(cx))?;
        }
        let message = &self.message;
        let bytes = self.frame.get_or_insert_with(|| message.frame().into());
        while self.written < bytes.len() {
            self.written += ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[self.written..]))?;
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        on: &mut dyn FnMut(Received<'_>),
    ) -> Poll<Result<(), Failure>> {
        if !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            return Poll::Ready(self.incoming.take(&early, on));
        }
        if self.written == 0
            && let Poll::Ready(sent) = self.poll_pongs(cx)
        {
            sent?;
        }
        let incoming = &mut self.incoming;
        let taken = ready!(scratch::poll_read(&mut self.stream, cx, |bytes| match bytes {
            [] => Err(Failure::ended()),
            bytes => incoming.take(bytes, on),
        }))?;
        Poll::Ready(taken)
    }

    async fn close(mut self) {
        let goodbye = tokio::time::timeout(CLOSE_TIME, self.say_goodbye()).await;
        if let Ok(Err(failure)) = goodbye {
            tracing::trace!(%failure, "closed");
        }
    }
}

impl Message {
    fn frame(&self) -> Vec<u8> {
        frame(if self.opcode == Opcode::Text { TEXT } else { 0x2 }, &self.payload)
    }
}

/// A final, masked frame (RFC 6455, section 5.2).
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    piece(FIN | opcode, payload)
}

/// A message in so many frames, or as many as it has bytes (RFC 6455, section 5.4).
pub(crate) fn frames(opcode: u8, payload: &[u8], count: u32) -> Vec<u8> {
    let size = payload.len().div_ceil(usize::try_from(count.max(1)).unwrap_or(usize::MAX)).max(1);
    let pieces: Vec<&[u8]> = if payload.is_empty() { vec![payload] } else { payload.chunks(size).collect() };
    let mut all = Vec::with_capacity(payload.len() + 14 * pieces.len());
    for (index, bytes) in pieces.iter().enumerate() {
        let opcode = if index == 0 { opcode } else { 0 };
        let fin = if index + 1 == pieces.len() { FIN } else { 0 };
        all.extend(piece(fin | opcode, bytes));
    }
    all
}

/// A masked frame with this first byte.
fn piece(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask: [u8; 4] = rand::random();
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(first);
    match payload.len() {
        short @ 0..126 => frame.push(MASK | u8::try_from(short).expect("less than 126")),
        middle @ 126..0x1_0000 => {
            frame.push(MASK | 126);
            frame.extend_from_slice(&u16::try_from(middle).expect("less than 2^16").to_be_bytes());
        }
        long => {
            frame.push(MASK | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmasked(frame: &[u8], header: usize) -> Vec<u8> {
        let (mask, payload) = frame[header..].split_at(4);
        payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
    }

    #[test]
    fn frames() {
        let check = |length: usize, header: &[u8]| {
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let frame = frame(1, &payload);
            assert_eq!(&frame[..header.len()], header);
            assert!(unmasked(&frame, header.len()) == payload, "{length}");
        };
        check(0, &[0x81, 0x80]);
        check(125, &[0x81, 0x80 | 125]);
        check(126, &[0x81, 0x80 | 126, 0, 126]);
        check(65_535, &[0x81, 0x80 | 126, 255, 255]);
        check(65_536, &[0x81, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    /// What is told of these bytes, in pieces of each length: sizes of messages with their first payload byte,
    /// Pongs to be sent, and the failure.
    #[track_caller]
    fn check(wire: &[u8], messages: &[(u64, Option<u8>)], pong: &[u8], failure: Option<Kind>) {
        for step in 1..=wire.len() {
            let scanner = Scanner::new(Direction::ServerToClient, false);
            let mut incoming = Incoming { scanner, beginning: Beginning::default(), pongs: Vec::new() };
            let (mut seen, mut failed) = (Vec::new(), None);
            for piece in wire.chunks(step) {
                let mut on = |received: Received<'_>| {
                    seen.push((received.bytes, received.beginning.get(2).copied()));
                };
                failed = failed.or(incoming.take(piece, &mut on).err().map(|failure| failure.kind));
            }
            assert_eq!(seen, messages, "in pieces of {step}");
            let pongs = &incoming.pongs;
            assert_eq!(if pongs.is_empty() { Vec::new() } else { unmasked(pongs, 2) }, pong);
            assert_eq!(failed, failure);
        }
    }

    #[test]
    fn incoming() {
        check(
            &[0x81, 2, b'a', b'b', 0x82, 0, 0x81, 1, b'c'],
            &[(2, Some(b'a')), (0, None), (1, Some(b'c'))],
            &[],
            None,
        );
        check(&[0x89, 2, 7, 8, 0x81, 1, b'a'], &[(1, Some(b'a'))], &[7, 8], None);
        check(&[0x8a, 1, 7, 0x81, 1, b'a'], &[(1, Some(b'a'))], &[], None);
        check(&[0x01, 1, b'a', 0x80, 2, b'b', b'c'], &[(3, Some(b'a'))], &[], None);
        check(&[0x88, 2, 3, 243], &[], &[], Some(Kind::Closed(Some(1011))));
        check(&[0x88, 0], &[], &[], Some(Kind::Closed(None)));
        check(&[0xc1, 0], &[], &[], Some(Kind::Protocol));
    }
}
