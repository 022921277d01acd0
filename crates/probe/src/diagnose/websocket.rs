//! A WebSocket (RFC 6455) as an experiment wants it.

mod payload;

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use diagnose::attempt::{Answer, Burst, End, Fault, Message, Sign, StageName, Stream as Seen, Woken};
use diagnose::experiment::{Check, Conduct, Vary};
use flate2::{Decompress, FlushDecompress, Status};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use model::event::{CloseCode, WebSocketEvent};
use model::{Direction, Moment, Opcode, RejectedCheck};
use observe::fields::Fields as _;
use observe::upgrade::{self, Agreed};
use observe::ws::Scanner;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::watch;

use self::payload::{contains, escaped, is_altered, last_payload, payload};
use super::events::is_replaced;
use super::watched::Watched;
use super::{Trial, http1, numbers, stopped};
use crate::clock;
use crate::websocket::{CLOSE, PING, PONG, TEXT, frame, frames};

/// Messages of which facts are kept.
const MESSAGES_MAX: usize = 256;
/// Longest message whose payload is looked at; an echo is compared with what was sent, however long that was.
const COMPARED_BYTES_MAX: usize = 4 << 20;
/// How much of the beginning of a stream is kept.
const BEGINNING_BYTES_MAX: usize = 1024;
/// How long a greeting waits for a first message, and for each answer.
const FIRST_MESSAGE_TIME: f64 = 0.3;
const ANSWER_TIME: f64 = 1.5;
/// How long a greeting looks on after the answer: an end that follows at once belongs to it.
const AFTER_ANSWER_TIME: f64 = 0.1;
/// Characters of two, three and four bytes in UTF-8, which every second echo has.
const BEYOND_ASCII: &str = " \u{e9}\u{6f22}\u{1f600}";
/// Messages that are sent together.
const BURST: u32 = 12;
/// Most of them that are noted as having come back.
const CAME_MAX: usize = 64;
/// How long an echo of a large message is waited for.
const ECHO_TIME: f64 = 5.0;
/// How long the rest of one is waited for that comes slowly: until nothing has come for so long, and no longer in all.
const MORE_TIME: f64 = 2.0;
const SLOW_TIME: f64 = 20.0;
/// How long a peer may take nothing of what is written.
const STALL_TIME: Duration = Duration::from_secs(10);
/// Least silence at whose end a Ping asks whether anybody is there, and how long its answer is waited for: what is not
/// acknowledged is sent again after 0.2, 0.6 and 1.4 s (RFC 6298 with Linux' least timeout).
const SILENCE_MIN: f64 = 1.0;
const WAKING_TIME: f64 = 2.5;
/// How long an orderly end is waited for.
const GOODBYE_TIME: Duration = Duration::from_secs(1);

/// Opens it and does what the experiment says.
pub(super) async fn open(trial: &mut Trial<'_>, mut stream: Watched) {
    let (fields, offered) = fields(trial);
    let Some(mut head) = http1::ask(trial, &mut stream, &fields).await else { return };
    let began = clock::now();
    head.answer.is_accept_right = accept(&fields)
        .zip(head.fields.get(header::SEC_WEBSOCKET_ACCEPT))
        .map(|(expected, value)| value.as_bytes() == expected.as_bytes());
    let agreed = agreed(head.answer.status, &offered, &head.fields);
    if head.answer.status != 101 {
        http1::read_page(&mut stream, &mut head).await;
    }
    trial.seen.answer = Some(head.answer);
    match agreed {
        Ok(agreed) => {
            trial.staged(StageName::Upgrade, began, None);
            let mut session = Session::new(trial, stream, &head.rest, agreed);
            session.conduct().await;
            match session.second_answer() {
                Some(answer) => refused_late(trial, answer),
                None => {
                    let seen = session.seen;
                    trial.seen.stream = Some(seen);
                }
            }
        }
        Err(detail) => trial.staged(StageName::Upgrade, began, Some((Fault::Answer, detail))),
    }
}

/// A service that wants none of it after its 101 says so in a second answer, where frames should be: the stream was
/// never there. Engine.IO does.
fn refused_late(trial: &mut Trial<'_>, answer: Answer) {
    if let Some(upgrade) = trial.seen.stages.last_mut() {
        upgrade.fault = Some(Fault::Answer);
        upgrade.detail = format!("101, and {} where frames should be", answer.status);
    }
    trial.seen.answer = Some(answer);
}

/// Fields of the request, and the same as a map that a valid answer is judged by.
fn fields(trial: &Trial<'_>) -> (Vec<(String, String)>, HeaderMap) {
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut push = |name: &str, value: String| fields.push((name.to_owned(), value));
    if trial.vary() != Some(&Vary::NoUpgrade) {
        push("Upgrade", "websocket".to_owned());
        push("Connection", "Upgrade".to_owned());
        push("Sec-WebSocket-Version", "13".to_owned());
        push("Sec-WebSocket-Key", STANDARD.encode(rand::random::<[u8; 16]>()));
        let subprotocols = match trial.vary() {
            Some(Vary::Subprotocol(chosen)) => chosen.iter().cloned().collect(),
            _ => trial.settings.subprotocols.clone(),
        };
        if !subprotocols.is_empty() {
            push("Sec-WebSocket-Protocol", subprotocols.join(", "));
        }
        if trial.vary() == Some(&Vary::Compression(true)) {
            push("Sec-WebSocket-Extensions", "permessage-deflate".to_owned());
        }
    }
    for (name, value) in &trial.fields() {
        push(name.as_str(), String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    let mut map = HeaderMap::new();
    map.insert(header::HOST, HeaderValue::from_static("host"));
    for (name, value) in &fields {
        let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
        map.extend(pair);
    }
    (fields, map)
}

/// `Sec-WebSocket-Accept` of the request's key (RFC 6455, section 4.2.2).
fn accept(fields: &[(String, String)]) -> Option<String> {
    use sha1::Digest as _;
    let (_, key) = fields.iter().find(|(name, _)| name == "Sec-WebSocket-Key")?;
    let hash = sha1::Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    Some(STANDARD.encode(hash))
}

/// What was agreed on, or why the answer opens no WebSocket.
fn agreed(status: u16, offered: &HeaderMap, fields: &HeaderMap) -> Result<Agreed, String> {
    if status != 101 {
        return Err(format!("the answer is {status}"));
    }
    let offer = upgrade::check_request(&Method::GET, Version::HTTP_11, offered)
        .map_err(|refusal| refusal.text.to_owned())?;
    let agreed = upgrade::check_answer(&offer, fields).map_err(|check| {
        match check {
            RejectedCheck::BadAccept if fields.has(&header::SEC_WEBSOCKET_ACCEPT) => {
                "101, and `Sec-WebSocket-Accept`, `Upgrade` or `Connection` is wrong"
            }
            RejectedCheck::BadAccept => "101 without `Sec-WebSocket-Accept`",
            RejectedCheck::BadSubprotocol => "101 with a subprotocol that was not offered",
            _ => "101 with an extension that was not offered",
        }
        .to_owned()
    })?;
    // Browsers fail a connection whose offered subprotocols are all passed over (WHATWG WebSockets, section 2.2).
    let is_passed_over =
        offered.has(&header::SEC_WEBSOCKET_PROTOCOL) && !fields.has(&header::SEC_WEBSOCKET_PROTOCOL);
    if is_passed_over {
        Err("101 without any of the subprotocols that were offered".to_owned())
    } else {
        Ok(agreed)
    }
}

/// An open WebSocket.
struct Session<'a, 'b> {
    trial: &'a Trial<'b>,
    reader: ReadHalf<Watched>,
    writer: WriteHalf<Watched>,
    scanner: Scanner,
    stop: watch::Receiver<bool>,
    opened: Moment,
    last_byte: Moment,
    reads: u64,
    /// The first bytes of all.
    beginning: Vec<u8>,
    /// Bytes since the last complete message, frame headers included.
    pending: Vec<u8>,
    /// What was sent and has not come back: when, and its payload.
    awaited: Option<(Moment, Vec<u8>)>,
    /// Messages that were sent together.
    burst: Vec<Vec<u8>>,
    /// What inflates compressed messages; none when no compression was agreed on, or its state is lost.
    inflate: Option<Decompress>,
    /// Hashes of the messages that were echoes.
    echoed: Vec<u64>,
    hasher: RandomState,
    /// Pings without answer, by the number in their payload.
    pings: Vec<(u32, Moment)>,
    pongs: Vec<Vec<u8>>,
    seen: Seen,
}

impl<'a, 'b> Session<'a, 'b> {
    fn new(trial: &'a Trial<'b>, stream: Watched, rest: &[u8], agreed: Agreed) -> Session<'a, 'b> {
        let (reader, writer) = tokio::io::split(stream);
        let now = clock::now();
        let mut session = Session {
            trial,
            reader,
            writer,
            scanner: Scanner::new(Direction::ServerToClient, agreed.deflate),
            stop: trial.stop.clone(),
            opened: now,
            last_byte: now,
            reads: 0,
            beginning: Vec::new(),
            pending: Vec::new(),
            awaited: None,
            burst: Vec::new(),
            inflate: agreed.deflate.then(|| Decompress::new(false)),
            echoed: Vec::new(),
            hasher: RandomState::new(),
            pings: Vec::new(),
            pongs: Vec::new(),
            seen: Seen::default(),
        };
        session.take(rest);
        session
    }

    async fn conduct(&mut self) {
        match self.trial.experiment.conduct {
            Conduct::Greet => self.greet().await,
            Conduct::Hold { seconds, ping_seconds, message_seconds } => {
                self.hold(seconds, ping_seconds, message_seconds).await;
            }
            Conduct::Send { bytes, frames } => self.send(bytes, frames).await,
            Conduct::Echo { messages, with_pings } => self.echo(messages, with_pings).await,
            Conduct::Listen { seconds, messages } => {
                self.pump(seconds, |session| session.seen.messages_seen >= u64::from(messages)).await;
            }
            Conduct::Crowd { .. } => {}
        }
        self.goodbye().await;
    }

    async fn greet(&mut self) {
        self.pump(FIRST_MESSAGE_TIME, |session| session.seen.messages_seen > 0).await;
        self.ping().await;
        self.pump(ANSWER_TIME, |session| session.pings.is_empty()).await;
        let message = self.trial.settings.message.clone().into_bytes();
        self.say(&message, 1).await;
        self.pump(ANSWER_TIME, |session| session.awaited.is_none()).await;
        self.give_up_echo();
        self.pump(AFTER_ANSWER_TIME, |_| false).await;
    }

    async fn hold(&mut self, seconds: f64, ping_seconds: Option<f64>, message_seconds: Option<f64>) {
        self.beat(seconds, ping_seconds, message_seconds).await;
        let silence = clock::now().since(self.last_byte).as_secs_f64();
        let is_idle = self.trial.experiment.check == Check::Idle;
        if is_idle && silence > SILENCE_MIN && !self.is_over() {
            self.wake().await;
        }
    }

    /// The end of a silence, and whether anybody is still there.
    async fn wake(&mut self) {
        let ours = self.ours();
        // It is asked to stop, or about to end by itself: this is the last thing it does.
        let (_never, stop) = watch::channel(false);
        self.stop = stop;
        let held = self.seen.clone();
        self.ping().await;
        self.pump(WAKING_TIME, |session| session.pings.is_empty()).await;
        let pong = self.seen.pings.pop().flatten();
        self.pings.clear();
        let ended = self.seen.end.take().map(|end| Woken::Ended(end.sign));
        let woken = ended.unwrap_or_else(|| pong.map_or(Woken::Unanswered, Woken::Answered));
        let is_there = matches!(woken, Woken::Answered(_));
        let woken_echo = if is_there { self.first_echo(held.echoes.len()).await } else { None };
        self.seen = Seen { woken: Some(woken), woken_echo, end: Some(ours), ..held };
    }

    /// Whether a small message comes back, as the echo of this number; none when the stream ends over it.
    async fn first_echo(&mut self, number: usize) -> Option<bool> {
        let message = self.trial.settings.message.clone().into_bytes();
        self.say(&message, 1).await;
        self.pump(ANSWER_TIME, |session| session.awaited.is_none()).await;
        self.give_up_echo();
        let came = self.seen.echoes.get(number).is_some_and(Option::is_some);
        (!self.is_over()).then_some(came)
    }

    async fn beat(&mut self, seconds: f64, ping_seconds: Option<f64>, message_seconds: Option<f64>) {
        let step = ping_seconds.or(message_seconds).unwrap_or(seconds).max(0.05);
        let message = self.trial.settings.message.clone().into_bytes();
        loop {
            let left = seconds - self.age();
            if left <= 0.0 || self.is_over() || *self.trial.stop.borrow() {
                return;
            }
            self.pump(step.min(left), |_| false).await;
            if self.age() >= seconds {
                return;
            }
            if ping_seconds.is_some() {
                self.ping().await;
            } else if message_seconds.is_some() {
                let since = self.awaited.as_ref().map(|(sent, _)| clock::now().since(*sent).as_secs_f64());
                // A late answer is no lost one.
                if since.is_some_and(|since| since < ANSWER_TIME) {
                    continue;
                }
                self.give_up_echo();
                self.say(&message, 1).await;
            }
        }
    }

    async fn send(&mut self, bytes: u64, frames: u32) {
        self.pump(0.05, |_| false).await;
        let size = usize::try_from(bytes).unwrap_or(COMPARED_BYTES_MAX);
        let tag = format!("heartline {:08x} ", rand::random::<u32>()).into_bytes();
        let payload: Vec<u8> =
            tag.iter().copied().chain(b"0123456789abcdef".iter().copied().cycle()).take(size).collect();
        self.say(&payload, frames).await;
        self.pump(ECHO_TIME, |session| session.awaited.is_none()).await;
        // What is still coming in is slow, and not lost.
        while self.awaited.is_some() && !self.is_over() && self.age() < SLOW_TIME {
            let came = self.pending.len();
            self.pump(MORE_TIME, |session| session.awaited.is_none()).await;
            if self.pending.len() == came {
                break;
            }
        }
        self.give_up_echo();
        self.pump(AFTER_ANSWER_TIME, |_| false).await;
    }

    async fn echo(&mut self, messages: u32, with_pings: bool) {
        let own: u32 = rand::random();
        for number in 0..messages.min(100) {
            if self.is_over() {
                return;
            }
            // As no other attempt sends it: what others say may come here as well.
            let wide = if number % 2 == 1 { BEYOND_ASCII } else { "" };
            let message = format!("{} {own:08x} {number}{wide}", self.trial.settings.message).into_bytes();
            self.say(&message, 1).await;
            self.pump(ANSWER_TIME, |session| session.awaited.is_none()).await;
            self.give_up_echo();
            if with_pings {
                self.ping().await;
                self.pump(ANSWER_TIME, |session| session.pings.is_empty()).await;
            }
        }
        if self.seen.echoes.iter().any(Option::is_some) && !self.is_over() {
            self.burst(own).await;
        }
    }

    /// Sends some messages together, so that they can overtake each other.
    async fn burst(&mut self, own: u32) {
        let message = |number| format!("{} {own:08x} of {BURST}: {number:02}.", self.trial.settings.message);
        self.burst = (0..BURST).map(|number| message(number).into_bytes()).collect();
        self.seen.burst = Some(Burst { sent: BURST, came: Vec::new() });
        let bytes: Vec<u8> = self.burst.iter().flat_map(|payload| frames(TEXT, payload, 1)).collect();
        self.write(&bytes).await;
        self.pump(ANSWER_TIME, |session| {
            session.seen.burst.as_ref().is_some_and(|burst| burst.came.len() >= BURST as usize)
        })
        .await;
        self.pump(AFTER_ANSWER_TIME, |_| false).await;
    }

    fn is_over(&self) -> bool {
        self.seen.end.is_some()
    }

    fn age(&self) -> f64 {
        clock::now().since(self.opened).as_secs_f64()
    }

    /// Sends a message in so many frames, while what comes is taken.
    async fn say(&mut self, payload: &[u8], count: u32) {
        let bytes = frames(TEXT, payload, count);
        self.seen.sent.push(self.trial.now());
        self.awaited = Some((clock::now(), payload.to_vec()));
        self.write(&bytes).await;
    }

    async fn ping(&mut self) {
        let number: u32 = rand::random();
        self.pings.push((number, clock::now()));
        self.write(&frame(PING, &number.to_be_bytes())).await;
    }

    /// Writes while what comes is taken, so that a peer that waits for us to read does not wait for ever.
    async fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        let mut buffer = vec![0; 64 * 1024];
        let mut stop = self.stop.clone();
        let mut taken = tokio::time::Instant::now();
        while !rest.is_empty() && !self.is_over() {
            let stalled = tokio::time::sleep_until(taken + STALL_TIME);
            let outcome = tokio::select! {
                written = self.writer.write(rest) => Some(written),
                read = self.reader.read(&mut buffer) => {
                    self.read(read, &buffer);
                    continue;
                }
                () = stalled => None,
                () = stopped(&mut stop) => None,
            };
            self.seen.stalled = self.seen.stalled.max(taken.elapsed().as_secs_f64());
            match outcome {
                Some(Ok(written)) => {
                    taken = tokio::time::Instant::now();
                    rest = &rest[written..];
                    self.last_byte = clock::now();
                }
                Some(Err(error)) => self.failed(&error),
                None => return,
            }
        }
        if let Ok(Err(error)) = tokio::time::timeout(STALL_TIME, self.writer.flush()).await {
            self.failed(&error);
        }
    }

    /// Takes what comes for so many seconds, or until `enough`, an end, or the order to stop.
    async fn pump(&mut self, seconds: f64, enough: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs_f64(seconds.max(0.0));
        let mut stop = self.stop.clone();
        let mut buffer = vec![0; 64 * 1024];
        while !enough(self) && !self.is_over() && !*stop.borrow() {
            tokio::select! {
                read = self.reader.read(&mut buffer) => self.read(read, &buffer),
                () = tokio::time::sleep_until(deadline) => return,
                _ = stop.changed() => {}
            }
            self.answer_pings().await;
        }
    }

    async fn answer_pings(&mut self) {
        for pong in std::mem::take(&mut self.pongs) {
            self.write(&pong).await;
        }
    }

    fn read(&mut self, read: std::io::Result<usize>, buffer: &[u8]) {
        match read {
            Ok(0) => self.ended(Sign::Fin),
            Ok(length) => {
                self.reads += 1;
                self.take(&buffer[..length]);
                self.last_byte = clock::now();
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &std::io::Error) {
        self.ended(match error.kind() {
            std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe => Sign::Rst,
            std::io::ErrorKind::TimedOut => Sign::TcpTimeout,
            std::io::ErrorKind::UnexpectedEof => Sign::Fin,
            _ => Sign::Tls(error.to_string()),
        });
    }

    fn ended(&mut self, sign: Sign) {
        if self.seen.end.is_some() {
            return;
        }
        let now = clock::now();
        self.seen.end = Some(End {
            at: self.trial.now(),
            age: now.since(self.opened).as_secs_f64(),
            silence: now.since(self.last_byte).as_secs_f64(),
            is_ours: false,
            sign,
        });
    }

    fn take(&mut self, bytes: &[u8]) {
        self.seen.bytes_seen += bytes.len() as u64;
        let room = BEGINNING_BYTES_MAX - self.beginning.len();
        self.beginning.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let base = self.scanner.offset();
        let mut events = Vec::new();
        self.scanner.scan(bytes, &mut |event| events.push(event));
        let mut from = 0;
        for event in events {
            let end = match event {
                WebSocketEvent::Message { end, .. }
                | WebSocketEvent::Control { end, .. }
                | WebSocketEvent::Close { end, .. } => usize::try_from(end - base).unwrap_or(usize::MAX),
                WebSocketEvent::Violation { violation, at } => {
                    if self.seen.violations.len() < MESSAGES_MAX {
                        self.seen.violations.push((violation, at));
                    }
                    continue;
                }
                WebSocketEvent::Frame { .. } => continue,
            };
            self.keep(&bytes[from..end]);
            from = end;
            self.happened(event);
        }
        self.keep(&bytes[from..]);
    }

    /// An answer of HTTP that came where frames should be.
    fn second_answer(&self) -> Option<Answer> {
        let mut head = http1::parse(&self.beginning).ok()??;
        head.answer.body = http1::shown(&head.rest);
        Some(head.answer)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let awaited = self.awaited.as_ref().map_or(0, |(_, wanted)| wanted.len());
        let room = (awaited.max(COMPARED_BYTES_MAX) + 1024).saturating_sub(self.pending.len());
        self.pending.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn happened(&mut self, event: WebSocketEvent) {
        match event {
            WebSocketEvent::Message { opcode, frames, bytes, .. } => {
                let raw = std::mem::take(&mut self.pending);
                // What cannot be inflated, or was not kept whole, is not judged.
                let payload = payload(&raw);
                let is_whole = payload.len() as u64 == bytes;
                let is_compressed = raw.first().is_some_and(|first| first & 0x40 != 0);
                let plain = if is_compressed { self.inflated(&payload, is_whole) } else { Some(payload) };
                let is_judged = opcode == Opcode::Text && is_whole && plain.is_some();
                let payload = plain.unwrap_or_default();
                self.seen.replaced += u64::from(is_judged && is_replaced(&payload));
                let broken_at = std::str::from_utf8(&payload).err().filter(|_| is_judged);
                let broken_at = broken_at.map(|error| error.valid_up_to() as u64);
                self.message(opcode, frames, bytes, &payload, broken_at);
            }
            WebSocketEvent::Control { opcode, bytes, .. } => self.control(opcode, bytes),
            WebSocketEvent::Close { code, .. } => {
                let reason = last_payload(&self.pending).get(2..).unwrap_or_default().to_vec();
                self.ended(Sign::Close(code, http1::shown(&reason)));
            }
            WebSocketEvent::Frame { .. } | WebSocketEvent::Violation { .. } => {}
        }
    }

    /// The text of a compressed message (RFC 7692, section 7.2.2); none when it is not known any more, or never was.
    fn inflated(&mut self, packed: &[u8], is_whole: bool) -> Option<Vec<u8>> {
        /// What is cut from the end of each compressed message.
        const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
        let mut inflate = self.inflate.take().filter(|_| is_whole)?;
        let packed = [packed, &TAIL].concat();
        let mut plain = Vec::with_capacity(COMPARED_BYTES_MAX.min(16 * packed.len() + 64));
        let before = inflate.total_in();
        match inflate.decompress_vec(&packed, &mut plain, FlushDecompress::Sync) {
            Ok(Status::Ok) if inflate.total_in() - before == packed.len() as u64 => {
                self.inflate = Some(inflate);
                Some(plain)
            }
            // It is the last one of its row, or longer than what is looked at.
            Ok(_) => None,
            Err(_) => {
                self.seen.unreadable += 1;
                None
            }
        }
    }

    fn message(&mut self, opcode: Opcode, frames: u32, bytes: u64, payload: &[u8], broken_at: Option<u64>) {
        let at = self.trial.now();
        self.seen.messages_seen += 1;
        if self.seen.messages.len() < MESSAGES_MAX {
            self.seen.messages.push(Message {
                at,
                read: self.reads,
                bytes,
                opcode: Some(opcode),
                frames,
                made_at: numbers::made_at(payload, self.trial.began),
                has_id: false,
                broken_at,
                numbers: numbers::whole(payload),
            });
        }
        if let Some(number) = self.burst.iter().position(|sent| contains(payload, sent))
            && let Some(burst) = &mut self.seen.burst
        {
            if burst.came.len() < CAME_MAX {
                burst.came.push(u32::try_from(number).unwrap_or(u32::MAX));
            }
            return;
        }
        let hash = self.hasher.hash_one(payload);
        // Small messages of a greeting and of a hold are those of other attempts as well.
        let is_own = matches!(self.trial.experiment.conduct, Conduct::Send { .. } | Conduct::Echo { .. });
        if is_own && self.echoed.contains(&hash) {
            self.seen.repeated += 1;
            return;
        }
        let Some((sent, wanted)) = &self.awaited else { return };
        if contains(payload, wanted) || contains(payload, &escaped(wanted)) {
            self.seen.echoes.push(Some(clock::now().since(*sent).as_secs_f64()));
            self.awaited = None;
            self.echoed.push(hash);
        } else if is_altered(payload, wanted) {
            self.seen.altered += 1;
            self.seen.altered_wide += u64::from(!wanted.is_ascii());
            self.seen.echoes.push(None);
            self.awaited = None;
        }
    }

    fn control(&mut self, opcode: Opcode, bytes: u64) {
        // A control frame between the frames of a message is no part of it.
        let length = usize::try_from(bytes).unwrap_or(usize::MAX).min(self.pending.len());
        let payload = self.pending.split_off(self.pending.len() - length);
        self.pending.truncate(self.pending.len().saturating_sub(2));
        let at = self.trial.now();
        if opcode == Opcode::Ping {
            if self.seen.server_pings.len() < MESSAGES_MAX {
                self.seen.server_pings.push(at);
            }
            if self.pongs.len() < 64 {
                self.pongs.push(frame(PONG, &payload));
            }
            return;
        }
        let number = <[u8; 4]>::try_from(payload.as_slice()).map(u32::from_be_bytes).ok();
        let known = self.pings.iter().position(|(sent, _)| number == Some(*sent));
        if let Some(index) = known {
            let (_, sent) = self.pings.swap_remove(index);
            self.seen.pings.push(Some(clock::now().since(sent).as_secs_f64()));
            self.seen.pongs.push(at);
        }
    }

    /// What was sent has not come back in time.
    fn give_up_echo(&mut self) {
        if self.awaited.take().is_some() {
            self.seen.echoes.push(None);
        }
    }

    /// An end by the probe, now.
    fn ours(&self) -> End {
        let now = clock::now();
        End {
            at: self.trial.now(),
            age: now.since(self.opened).as_secs_f64(),
            silence: now.since(self.last_byte).as_secs_f64(),
            is_ours: true,
            sign: Sign::Close(Some(CloseCode(1000)), String::new()),
        }
    }

    /// Ends it as one should, unless it has ended.
    async fn goodbye(&mut self) {
        self.seen.pings.extend(std::iter::repeat_n(None, self.pings.len()));
        self.pings.clear();
        if self.seen.end.as_ref().is_some_and(|end| !end.is_ours) {
            return;
        }
        let ours = self.seen.end.take().unwrap_or_else(|| self.ours());
        let mut buffer = vec![0; 16 * 1024];
        let rest = async {
            let _ = self.writer.write_all(&frame(CLOSE, &1000_u16.to_be_bytes())).await;
            let _ = self.writer.flush().await;
            while !self.scanner.close_seen() {
                match self.reader.read(&mut buffer).await {
                    Ok(length @ 1..) => self.scanner.scan(&buffer[..length], &mut |_| {}),
                    _ => return,
                }
            }
        };
        let answered = tokio::time::timeout(GOODBYE_TIME, rest).await;
        self.seen.is_close_answered = Some(answered.is_ok());
        self.seen.end = Some(ours);
    }
}
