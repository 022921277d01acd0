//! What an experiment wants over HTTP/2 (RFC 9113): gRPC calls, event streams, and the extended CONNECT of a WebSocket
//! (RFC 8441).

use std::convert::Infallible;
use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use diagnose::attempt::{Answer, End, Fault, GrpcEnd, Message, Sign, StageName, Stream as Seen};
use diagnose::expected::HELD_SECONDS;
use diagnose::experiment::{Conduct, Vary};
use h2::client::{self, SendRequest};
use h2::ext::Protocol as ExtendedProtocol;
use h2::{Ping, PingPong, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use model::event::GrpcEvent;
use model::{Http2Error, Moment};
use observe::grpc::{self, Scanner};
use tokio::sync::watch;
use tokio::time::timeout;

use super::watched::Watched;
use super::{Trial, events, http1, numbers};
use crate::clock;
use crate::http2::{make_room, request};
use crate::target::Protocol;

const MESSAGES_MAX: usize = 256;
/// Bytes of an answer that opens nothing.
const BODY_BYTES_MAX: usize = 512;
/// How long a greeting waits for a first message, and for the end of its call.
const FIRST_MESSAGE_TIME: f64 = 2.0;
const END_TIME: f64 = 1.0;
/// Status of a gRPC call to a service that cannot take it now.
const UNAVAILABLE: u32 = 14;
/// How long a message may take to go.
const SENDING_TIME: f64 = 20.0;

/// Opens a stream on a connection of HTTP/2 and does what the experiment says.
pub(super) async fn open(trial: &mut Trial<'_>, stream: Watched) {
    let began = clock::now();
    let mut client = client::Builder::new();
    let joining = client.enable_push(false).handshake::<_, Bytes>(stream);
    let (mut requests, mut connection) = match trial.within(joining).await {
        Some(Ok(joined)) => joined,
        Some(Err(error)) => return trial.staged(StageName::Http2, began, Some(fault(&error))),
        None => return trial.staged(StageName::Http2, began, Some((Fault::Timeout, String::new()))),
    };
    let pings = connection.ping_pong();
    let (tell, over) = watch::channel(None);
    let driver = tokio::spawn(async move {
        let outcome = connection.await;
        let sign = match &outcome {
            Ok(()) => Sign::Fin,
            Err(error) => sign(error),
        };
        let _ = tell.send(Some(sign));
    });
    let asked = clock::now();
    let answer = trial.within(ask(trial, &mut requests)).await;
    match answer {
        Some(Ok(opened)) => {
            let mut answer = opened.answer;
            answer.seconds = clock::now().since(asked).as_secs_f64();
            trial.staged(StageName::Http, asked, None);
            answered(trial, answer, opened.fields, opened.body, opened.outgoing, pings, over).await;
        }
        Some(Err((name, failed))) => trial.staged(name, asked, Some(failed)),
        None => trial.staged(StageName::Http, asked, Some((Fault::Timeout, "no answer".to_owned()))),
    }
    driver.abort();
}

struct Opened {
    answer: Answer,
    fields: HeaderMap,
    body: RecvStream,
    outgoing: Outgoing,
}

type Failed = (StageName, (Fault, String));

async fn ask(trial: &Trial<'_>, requests: &mut SendRequest<Bytes>) -> Result<Opened, Failed> {
    let at = |name| move |error: h2::Error| (name, fault(&error));
    let mut ready = requests.clone().ready().await.map_err(at(StageName::Http2))?;
    let head = head(trial).map_err(|error| (StageName::Http, (Fault::Local, error)))?;
    let is_connect = head.method() == Method::CONNECT;
    // What the server allows is known when its SETTINGS have come; only a server that has sent them is asked.
    if is_connect && !is_connect_allowed(requests).await {
        let said = "HTTP/2 without extended CONNECT (SETTINGS_ENABLE_CONNECT_PROTOCOL)".to_owned();
        return Err((StageName::Upgrade, (Fault::Answer, said)));
    }
    let has_ended = trial.settings.target.protocol == Protocol::Sse;
    let (answer, sender) = ready.send_request(head, has_ended).map_err(at(StageName::Http))?;
    let ends = trial.vary() == Some(&Vary::RequestEnded);
    let mut outgoing = Outgoing { sender, rest: Bytes::new(), taken: clock::now(), ends };
    if trial.settings.target.protocol == Protocol::Grpc {
        outgoing.put(message(trial));
    }
    let answer = tokio::select! {
        answer = answer => answer,
        never = outgoing.flow() => match never {},
    };
    let (parts, body) = answer.map_err(at(StageName::Http))?.into_parts();
    let kept = parts.headers.iter().take(http1::FIELDS_KEPT);
    let kept = kept.map(|(name, value)| http1::told(name, value.as_bytes()));
    let answer = Answer {
        version: "2".to_owned(),
        status: parts.status.as_u16(),
        fields: kept.collect(),
        connect_protocol: Some(requests.is_extended_connect_protocol_enabled()),
        streams_max: streams_max(requests),
        ..Answer::default()
    };
    Ok(Opened { answer, fields: parts.headers, body, outgoing })
}

/// What the server's SETTINGS say; h2 counts without a limit when they say nothing.
fn streams_max(requests: &SendRequest<Bytes>) -> Option<u64> {
    Some(requests.current_max_send_streams()).filter(|max| *max != usize::MAX).map(|max| max as u64)
}

async fn is_connect_allowed(requests: &SendRequest<Bytes>) -> bool {
    for _ in 0..20 {
        if requests.is_extended_connect_protocol_enabled() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    false
}

fn head(trial: &Trial<'_>) -> Result<Request<()>, String> {
    let mut target = trial.settings.target.clone();
    target.authority = trial.authority().to_owned();
    target.is_tls = trial.is_tls();
    target.path = trial.path().parse().map_err(|_| "the path is not valid".to_owned())?;
    let method = match target.protocol {
        Protocol::Grpc => Method::POST,
        Protocol::Sse => Method::GET,
        Protocol::WebSocket => Method::CONNECT,
    };
    let mut head = request(&target, method)?;
    if target.protocol == Protocol::WebSocket {
        head.extensions_mut().insert(ExtendedProtocol::from_static("websocket"));
        head.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    let fields = match target.protocol {
        Protocol::Sse => events::fields(trial),
        Protocol::Grpc => grpc_fields(trial),
        Protocol::WebSocket => Vec::new(),
    };
    for (name, value) in fields {
        let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
        head.headers_mut().insert(name, HeaderValue::from_str(&value).map_err(|error| error.to_string())?);
    }
    Ok(head)
}

fn grpc_fields(trial: &Trial<'_>) -> Vec<(String, String)> {
    let mut fields = vec![
        ("content-type".to_owned(), "application/grpc".to_owned()),
        ("te".to_owned(), "trailers".to_owned()),
    ];
    if let Some(Vary::DeadlineMs(Some(milliseconds))) = trial.vary() {
        fields.push(("grpc-timeout".to_owned(), format!("{milliseconds}m")));
    }
    for (name, value) in &trial.fields() {
        fields.push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    fields
}

/// One message without fields, which any interface definition takes; for `Send` one of the size asked for.
fn message(trial: &Trial<'_>) -> Bytes {
    let size = match trial.experiment.conduct {
        Conduct::Send { bytes, .. } => usize::try_from(bytes).unwrap_or(0),
        _ => 0,
    };
    let message = if size == 0 { Vec::new() } else { crate::grpc::filler(size) };
    let mut prefixed = vec![0];
    prefixed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
    prefixed.extend(message);
    prefixed.into()
}

/// What is to be sent on a call, as fast as the receiver's flow control lets it go (RFC 9113, section 5.2).
struct Outgoing {
    sender: SendStream<Bytes>,
    rest: Bytes,
    /// When the last piece went, or began to wait.
    taken: Moment,
    /// Nothing follows the message.
    ends: bool,
}

impl Outgoing {
    /// Adds a message; one that would wait behind another is dropped, as the peer takes nothing.
    fn put(&mut self, message: Bytes) {
        if self.rest.is_empty() {
            (self.rest, self.taken) = (message, clock::now());
        }
    }

    /// Sends what may be sent; never done.
    async fn flow(&mut self) -> Infallible {
        while !self.rest.is_empty() {
            self.sender.reserve_capacity(self.rest.len());
            let room = match self.sender.capacity() {
                0 => poll_fn(|context| self.sender.poll_capacity(context)).await,
                room => Some(Ok(room)),
            };
            // The call is over: what was not sent never will be.
            let Some(Ok(room)) = room else { break };
            let piece = self.rest.split_to(room.min(self.rest.len()));
            self.taken = clock::now();
            let is_last = self.ends && self.rest.is_empty();
            if self.sender.send_data(piece, is_last).is_err() {
                break;
            }
        }
        self.rest.clear();
        std::future::pending().await
    }
}

async fn answered(
    trial: &mut Trial<'_>,
    mut answer: Answer,
    fields: HeaderMap,
    mut body: RecvStream,
    outgoing: Outgoing,
    pings: Option<PingPong>,
    over: watch::Receiver<Option<Sign>>,
) {
    let began = clock::now();
    let status = fields.get("grpc-status").cloned();
    let refused = match trial.settings.target.protocol {
        Protocol::Sse => events::refused(&answer),
        Protocol::WebSocket if answer.status == 200 => None,
        Protocol::Grpc if answer.status == 200 && is_grpc(&answer) => None,
        _ => Some(format!("the answer is {} `{}`", answer.status, answer.media_type())),
    };
    if let Some(detail) = refused {
        answer.body = page(&mut body).await;
        trial.seen.answer = Some(answer);
        trial.staged(StageName::Upgrade, began, Some((Fault::Answer, detail)));
        return;
    }
    let is_gzip = answer.field("content-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
    trial.seen.answer = Some(answer);
    trial.staged(StageName::Upgrade, began, None);
    let seen = match trial.settings.target.protocol {
        Protocol::Sse => listen(trial, body, over, is_gzip).await,
        Protocol::WebSocket => Seen::default(),
        Protocol::Grpc => {
            let call = Call::new(trial, outgoing, pings, over);
            call.conduct(body, status.as_ref().map(|_| fields)).await
        }
    };
    trial.seen.stream = Some(seen);
}

fn is_grpc(answer: &Answer) -> bool {
    answer.field("content-type").is_some_and(|value| grpc::is_grpc(value.as_bytes()))
}

async fn page(body: &mut RecvStream) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while let Some(Ok(data)) = body.data().await {
            let _ = make_room(body, data.len());
            bytes.extend_from_slice(&data);
            if bytes.len() >= BODY_BYTES_MAX {
                return;
            }
        }
    };
    let _ = timeout(Duration::from_secs(1), read).await;
    http1::shown(&bytes)
}

async fn listen(
    trial: &Trial<'_>,
    mut body: RecvStream,
    mut over: watch::Receiver<Option<Sign>>,
    is_gzip: bool,
) -> Seen {
    let mut session = events::Session::new(trial, None, is_gzip);
    let (seconds, enough) = events::patience(trial.experiment.conduct);
    let deadline = tokio::time::Instant::now() + Duration::from_secs_f64(seconds);
    let mut stop = trial.stop.clone();
    while session.seen.messages_seen < enough && session.seen.end.is_none() && !*stop.borrow() {
        tokio::select! {
            data = body.data() => match data {
                Some(Ok(data)) => {
                    let _ = make_room(&mut body, data.len());
                    session.take(&data);
                }
                Some(Err(error)) => session.ended(why(&error, &mut over).await, false),
                None => session.ended(Sign::BodyEnd, false),
            },
            () = tokio::time::sleep_until(deadline) => break,
            _ = stop.changed() => {}
        }
    }
    session.leave();
    session.seen
}

/// What is sent from time to time.
#[derive(Clone, Copy)]
enum Beat {
    Ping,
    Message,
}

/// A gRPC call that is open.
struct Call<'a, 'b> {
    trial: &'a Trial<'b>,
    outgoing: Outgoing,
    pings: Option<PingPong>,
    over: watch::Receiver<Option<Sign>>,
    scanner: Scanner,
    opened: Moment,
    last_byte: Moment,
    reads: u64,
    seen: Seen,
}

impl<'a, 'b> Call<'a, 'b> {
    fn new(
        trial: &'a Trial<'b>,
        outgoing: Outgoing,
        pings: Option<PingPong>,
        over: watch::Receiver<Option<Sign>>,
    ) -> Call<'a, 'b> {
        let now = clock::now();
        let seen = Seen { sent: vec![trial.now()], ..Seen::default() };
        Call {
            trial,
            outgoing,
            pings,
            over,
            scanner: Scanner::new(),
            opened: now,
            last_byte: now,
            reads: 0,
            seen,
        }
    }

    /// Follows the call; `early` are the fields of an answer that ended with its head.
    async fn conduct(mut self, mut body: RecvStream, early: Option<HeaderMap>) -> Seen {
        if let Some(fields) = early {
            self.status(&fields);
            self.ended(Sign::BodyEnd, false);
            return self.seen;
        }
        let (seconds, beat, enough) = match self.trial.experiment.conduct {
            Conduct::Greet | Conduct::Send { .. } => (FIRST_MESSAGE_TIME, None, 1),
            Conduct::Hold { seconds, ping_seconds, message_seconds } => {
                let pings = ping_seconds.map(|each| (each, Beat::Ping));
                (seconds, pings.or(message_seconds.map(|each| (each, Beat::Message))), u64::MAX)
            }
            Conduct::Listen { seconds, messages } => (seconds, None, messages.into()),
            Conduct::Echo { .. } | Conduct::Crowd { .. } => (0.0, None, 0),
        };
        let is_greeting = enough == 1;
        self.follow(&mut body, seconds, beat, enough).await;
        while is_greeting && self.is_sending() {
            self.follow(&mut body, 0.1, None, u64::MAX).await;
        }
        if self.seen.end.is_none() && is_greeting && self.outgoing.rest.is_empty() {
            // The service may answer when the request is over, as an unary call does.
            let _ = self.outgoing.sender.send_data(Bytes::new(), true);
            let before = self.seen.messages_seen;
            self.follow(&mut body, END_TIME, None, before + 1).await;
        }
        if self.seen.end.is_none() {
            self.seen.unsent = self.outgoing.rest.len() as u64;
            if self.seen.unsent > 0 {
                self.seen.stalled = clock::now().since(self.outgoing.taken).as_secs_f64();
                // Whether the peer is there and just does not want more.
                self.ping().await;
            }
            self.outgoing.sender.send_reset(h2::Reason::CANCEL);
            self.ended(Sign::RstStream(Http2Error::Cancel), true);
        }
        self.seen
    }

    /// A message is on its way, and a part of it was taken a short time ago.
    fn is_sending(&self) -> bool {
        let now = clock::now();
        let is_taken = now.since(self.outgoing.taken).as_secs_f64() < HELD_SECONDS;
        let is_open = self.seen.end.is_none() && !*self.trial.stop.borrow();
        is_open
            && is_taken
            && !self.outgoing.rest.is_empty()
            && now.since(self.opened).as_secs_f64() < SENDING_TIME
    }

    async fn follow(&mut self, body: &mut RecvStream, seconds: f64, beat: Option<(f64, Beat)>, enough: u64) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs_f64(seconds);
        let mut stop = self.trial.stop.clone();
        let pace = Duration::from_secs_f64(beat.map_or(3600.0, |(each, _)| each.max(0.05)));
        let mut next_beat = tokio::time::Instant::now() + pace;
        while self.seen.messages_seen < enough && self.seen.end.is_none() && !*stop.borrow() {
            tokio::select! {
                data = body.data() => match data {
                    Some(Ok(data)) => {
                        let _ = make_room(body, data.len());
                        self.take(&data);
                    }
                    Some(Err(error)) => {
                        let sign = why(&error, &mut self.over).await;
                        self.ended(sign, false);
                    }
                    None => self.trailers(body).await,
                },
                () = tokio::time::sleep_until(next_beat) => {
                    match beat {
                        Some((_, Beat::Ping)) => self.ping().await,
                        Some((_, Beat::Message)) => {
                            self.seen.sent.truncate(MESSAGES_MAX);
                            self.seen.sent.push(self.trial.now());
                            self.outgoing.put(message(self.trial));
                        }
                        None => {}
                    }
                    next_beat += pace;
                }
                never = self.outgoing.flow() => match never {},
                () = tokio::time::sleep_until(deadline) => return,
                _ = stop.changed() => {}
            }
        }
    }

    async fn ping(&mut self) {
        let Some(pings) = &mut self.pings else { return };
        let began = clock::now();
        let answered = timeout(Duration::from_secs(2), pings.ping(Ping::opaque())).await;
        let rtt = matches!(answered, Ok(Ok(_))).then(|| clock::now().since(began).as_secs_f64());
        if self.seen.pings.len() < MESSAGES_MAX {
            self.seen.pings.push(rtt);
        }
    }

    async fn trailers(&mut self, body: &mut RecvStream) {
        let trailers = timeout(Duration::from_secs(1), body.trailers()).await;
        match trailers {
            Ok(Ok(trailers)) => {
                self.status(&trailers.unwrap_or_default());
                self.ended(Sign::BodyEnd, false);
                self.complaint().await;
            }
            Ok(Err(error)) => {
                let sign = why(&error, &mut self.over).await;
                self.ended(sign, false);
            }
            Err(_) => self.ended(Sign::BodyEnd, false),
        }
    }

    /// A server that has enough of a connection tells its calls that it is not available (14), and the connection why.
    async fn complaint(&mut self) {
        if self.seen.grpc.as_ref().is_none_or(|grpc| grpc.code != Some(UNAVAILABLE)) {
            return;
        }
        if let (Some(sign @ Sign::GoAway(error, _)), Some(end)) =
            (told(&mut self.over).await, &mut self.seen.end)
            && error != Http2Error::NoError
        {
            end.sign = sign;
        }
    }

    fn status(&mut self, fields: &HeaderMap) {
        let code = fields.get("grpc-status").and_then(|value| value.to_str().ok()?.parse().ok());
        let message = fields.get("grpc-message").map(|value| grpc::message(value.as_bytes()));
        let message = http1::shown(message.unwrap_or_default().as_bytes());
        self.seen.grpc = Some(GrpcEnd { code, message });
    }

    fn take(&mut self, bytes: &[u8]) {
        self.reads += 1;
        self.seen.bytes_seen += bytes.len() as u64;
        let (at, read) = (self.trial.now(), self.reads);
        let made_at = numbers::made_at(bytes, self.trial.began);
        let seen = &mut self.seen;
        let coding = self.trial.seen.answer.as_ref().and_then(|answer| answer.field("grpc-encoding"));
        let is_coding_told = coding.is_some_and(|coding| coding != "identity");
        self.scanner.scan(bytes, &mut |event| {
            let GrpcEvent::Message { bytes, compressed, .. } = event else {
                seen.unreadable += 1;
                return;
            };
            seen.unreadable += u64::from(compressed && !is_coding_told);
            seen.messages_seen += 1;
            if seen.messages.len() < MESSAGES_MAX {
                seen.messages.push(Message {
                    at,
                    read,
                    bytes,
                    opcode: None,
                    frames: 1,
                    made_at,
                    has_id: false,
                    broken_at: None,
                    numbers: Vec::new(),
                });
            }
        });
        self.last_byte = clock::now();
    }

    fn ended(&mut self, sign: Sign, is_ours: bool) {
        let now = clock::now();
        if self.seen.end.is_none() {
            self.seen.is_end_inside = !is_ours && !self.scanner.is_at_message_boundary();
        }
        self.seen.end.get_or_insert(End {
            at: self.trial.now(),
            age: now.since(self.opened).as_secs_f64(),
            silence: now.since(self.last_byte).as_secs_f64(),
            is_ours,
            sign,
        });
    }
}

/// What a stream ended by; when only its connection's end is told, by what that ended.
async fn why(error: &h2::Error, over: &mut watch::Receiver<Option<Sign>>) -> Sign {
    let own = sign(error);
    if error.is_reset() || matches!(own, Sign::GoAway(..)) {
        return own;
    }
    told(over).await.unwrap_or(own)
}

/// What a connection ended by, when that is told soon.
async fn told(over: &mut watch::Receiver<Option<Sign>>) -> Option<Sign> {
    let told = timeout(Duration::from_millis(200), over.wait_for(Option::is_some)).await;
    told.ok()?.ok()?.clone()
}

fn sign(error: &h2::Error) -> Sign {
    let code = |error: &h2::Error| Http2Error::from(error.reason().map_or(0, u32::from));
    if error.is_reset() && error.is_remote() {
        return Sign::RstStream(code(error));
    }
    if error.is_go_away() && error.is_remote() {
        // The debug data stands in the text alone.
        return Sign::GoAway(code(error), http1::shown(error.to_string().as_bytes()));
    }
    match error.get_io().map(std::io::Error::kind) {
        None if error.is_library() => Sign::Broken(error.to_string()),
        Some(std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe) => Sign::Rst,
        Some(std::io::ErrorKind::TimedOut) => Sign::TcpTimeout,
        _ => Sign::Fin,
    }
}

/// Why no stream was opened.
fn fault(error: &h2::Error) -> (Fault, String) {
    let fault = match error.get_io().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe) => Fault::Reset,
        Some(_) => Fault::Ended,
        // What h2 finds wrong before any answer is no HTTP/2.
        None if error.is_library() => Fault::OtherProtocol,
        None if error.is_reset() || error.is_go_away() => Fault::Reset,
        None => Fault::Protocol,
    };
    (fault, error.to_string())
}
