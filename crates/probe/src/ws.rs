//! A WebSocket client (RFC 6455) that knows no extension: frames are made by hand, and read by the observer's scanner.

use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use model::event::WebSocketEvent;
use model::{Direction, Opcode};
use observe::upgrade::{check_answer, check_request};
use observe::ws::Scanner;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use crate::dial::{Dialer, Stream};
use crate::error::ErrorKind;
use crate::session::{OnMessage, Session, Spec};
use crate::stamp::Finder;

/// Bytes read at once, on the stack: an idle session holds no buffer.
const READ_BYTES: usize = 32 << 10;

/// Longest payload of a control frame (RFC 6455, section 5.5).
const CONTROL_BYTES_MAX: usize = 125;

/// A whole text message of so many bytes, masked.
pub fn text_frame(bytes: u32) -> Bytes {
    frame(0x1, &vec![b'x'; bytes as usize])
}

/// A frame as a client sends it: final, masked by a key of its own (RFC 6455, sections 5.2 and 5.3).
fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let key: [u8; 4] = rand::random();
    let mut out = BytesMut::with_capacity(payload.len() + 14);
    out.put_u8(0x80 | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..126), _) => out.put_u8(0x80 | short),
        (_, Ok(medium)) => {
            out.put_u8(0x80 | 126);
            out.put_u16(medium);
        }
        _ => {
            out.put_u8(0x80 | 127);
            out.put_u64(payload.len() as u64);
        }
    }
    out.put_slice(&key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    out.freeze()
}

/// Opens a WebSocket on a connection.
///
/// # Errors
/// The connection ended, or the answer is no agreement.
pub async fn open(stream: Stream, dialer: &Dialer, spec: &Spec) -> Result<WebSocket, ErrorKind> {
    let request = request(dialer);
    let offer = check_request(&Method::GET, Version::HTTP_11, request.headers())
        .map_err(|_| ErrorKind::BadHandshake)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| ErrorKind::HandshakeClosed)?;
    let mut upgrading = pin!(async {
        let answer = sender.send_request(request).await.map_err(|_| ErrorKind::HandshakeClosed)?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(ErrorKind::HttpStatus);
        }
        check_answer(&offer, answer.headers()).map_err(|_| ErrorKind::BadHandshake)?;
        hyper::upgrade::on(answer).await.map_err(|_| ErrorKind::HandshakeClosed)
    });
    let upgraded = tokio::select! {
        biased;
        upgraded = &mut upgrading => upgraded?,
        _ = connection.with_upgrades() => upgrading.await?,
    };
    let parts = upgraded.downcast::<TokioIo<Stream>>().map_err(|_| ErrorKind::BadHandshake)?;
    Ok(WebSocket {
        stream: parts.io.into_inner(),
        read_ahead: parts.read_buf,
        scanner: Scanner::new(Direction::ServerToClient, false),
        finder: spec.is_push.then(Finder::default),
        unfinished: Vec::new(),
        message: spec.message.clone(),
        out: Bytes::new(),
        next_control: None,
        next_message: None,
        is_sending: false,
        is_leaving: false,
    })
}

fn request(dialer: &Dialer) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = dialer.target.path.clone().into();
    let mut fields = HeaderMap::new();
    let host = HeaderValue::from_str(dialer.target.authority.as_str());
    fields.insert(header::HOST, host.expect("an authority is visible ASCII"));
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    fields.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::try_from(key).expect("base64 is visible ASCII"));
    fields.extend(dialer.headers.clone());
    *request.headers_mut() = fields;
    request
}

/// An open WebSocket.
pub struct WebSocket {
    stream: Stream,
    /// What came behind the head of the answer, until it is looked at.
    read_ahead: Bytes,
    scanner: Scanner,
    finder: Option<Finder>,
    /// The last bytes before a cut inside a frame: a Ping's payload may begin there.
    unfinished: Vec<u8>,
    message: Bytes,
    /// What is being written.
    out: Bytes,
    next_control: Option<Bytes>,
    next_message: Option<Bytes>,
    is_sending: bool,
    is_leaving: bool,
}

impl Session for WebSocket {
    fn is_sending(&self) -> bool {
        self.is_sending
    }

    fn send(&mut self) {
        self.next_message = Some(self.message.clone());
        self.is_sending = true;
    }

    fn poll_step(&mut self, cx: &mut Context<'_>, on: OnMessage<'_>) -> Poll<Result<(), ErrorKind>> {
        let was_sending = self.is_sending;
        self.write(cx)?;
        let read = self.poll_read(cx, on);
        if self.next_control.is_some() {
            let written = self.write(cx);
            if !matches!(read, Poll::Ready(Err(_))) {
                written?;
            }
        }
        let is_sent = was_sending && !self.is_sending;
        if is_sent && read.is_pending() { Poll::Ready(Ok(())) } else { read }
    }

    fn say_goodbye(&mut self) -> bool {
        self.next_control = Some(frame(0x8, &1000_u16.to_be_bytes()));
        self.is_leaving = true;
        true
    }
}

impl WebSocket {
    /// Writes what the socket takes.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), ErrorKind> {
        if let Poll::Ready(written) = self.poll_write(cx) {
            written?;
            self.is_sending = false;
        }
        Ok(())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ErrorKind>> {
        loop {
            if self.out.is_empty() {
                match self.next_control.take().or_else(|| self.next_message.take()) {
                    Some(next) => self.out = next,
                    None => break,
                }
            }
            let wrote = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out));
            self.out.advance(wrote.map_err(|error| ErrorKind::of_open(&error))?);
        }
        Pin::new(&mut self.stream).poll_flush(cx).map_err(|error| ErrorKind::of_open(&error))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, on: OnMessage<'_>) -> Poll<Result<(), ErrorKind>> {
        let ahead = std::mem::take(&mut self.read_ahead);
        if !ahead.is_empty() && self.take(&ahead, on)? {
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))
                .map_err(|error| ErrorKind::of_open(&error))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(ErrorKind::Closed));
            }
            if self.take(buffer.filled(), on)? {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Looks at bytes; whether a message ended in them.
    fn take(&mut self, bytes: &[u8], on: OnMessage<'_>) -> Result<bool, ErrorKind> {
        let WebSocket { scanner, finder, unfinished, .. } = self;
        let begins_at = scanner.offset();
        let within = |end: u64| usize::try_from(end - begins_at).unwrap_or(bytes.len());
        let (mut has_message, mut looked, mut ping, mut end) = (false, 0, None, None);
        scanner.scan(bytes, &mut |event| match event {
            WebSocketEvent::Message { end, .. } => {
                let stamp = finder.as_mut().and_then(|finder| {
                    finder.scan(&bytes[looked..within(end)]);
                    looked = within(end);
                    finder.take()
                });
                on(stamp);
                has_message = true;
            }
            WebSocketEvent::Control { opcode: Opcode::Ping, bytes: length, end, .. } => {
                let length = usize::try_from(length).unwrap_or(CONTROL_BYTES_MAX);
                ping = Some(ending_at(unfinished, &bytes[..within(end)], length.min(CONTROL_BYTES_MAX)));
            }
            WebSocketEvent::Close { .. } => end = Some(ErrorKind::Closed),
            WebSocketEvent::Violation { .. } => end = end.or(Some(ErrorKind::Protocol)),
            WebSocketEvent::Frame { .. } | WebSocketEvent::Control { .. } => {}
        });
        if let Some(finder) = finder {
            finder.scan(&bytes[looked..]);
        }
        *unfinished = match scanner.is_at_frame_boundary() {
            true => Vec::new(),
            false => ending_at(unfinished, bytes, CONTROL_BYTES_MAX),
        };
        if let Some(payload) = ping.filter(|_| !self.is_leaving) {
            self.next_control = Some(frame(0xA, &payload));
        }
        if end == Some(ErrorKind::Closed) && !self.is_leaving {
            self.say_goodbye();
        }
        end.map_or(Ok(has_message), Err)
    }
}

/// The last bytes of two pieces, at most so many.
fn ending_at(before: &[u8], bytes: &[u8], length: usize) -> Vec<u8> {
    let of_before = length.saturating_sub(bytes.len()).min(before.len());
    let of_bytes = length.min(bytes.len());
    [&before[before.len() - of_before..], &bytes[bytes.len() - of_bytes..]].concat()
}
