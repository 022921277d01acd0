//! An event stream (WHATWG HTML, section 9.2) over HTTP/1.1 as an experiment wants it.

use std::io::Write as _;
use std::time::Duration;

use diagnose::attempt::{BodyRead, End, Fault, Message, Sign, StageName, Stream as Seen};
use diagnose::experiment::{Conduct, Vary};
use flate2::write::GzDecoder;
use http::HeaderMap;
use model::Moment;
use model::event::SseEvent;
use observe::body::{Body, Framing};
use observe::sse::Scanner;
use tokio::io::AsyncReadExt as _;

use super::watched::Watched;
use super::{Trial, http1, numbers};
use crate::clock;

/// How much of an id is kept.
const ID_CHARS_MAX: usize = 64;
const MESSAGES_MAX: usize = 256;
/// Longest block whose payload is looked at.
const BLOCK_BYTES_MAX: usize = 64 * 1024;
/// Reads that are further apart than this are told apart as bursts, seconds; so many of them show what they have in common.
const PAUSE: f64 = 0.05;
const BURSTS_ENOUGH: u64 = 4;
/// How long a greeting waits for a first event.
const FIRST_EVENT_TIME: f64 = 3.0;

/// Opens it and does what the experiment says.
pub(super) async fn open(trial: &mut Trial<'_>, mut stream: Watched) {
    let fields = fields(trial);
    let Some(mut head) = http1::ask(trial, &mut stream, &fields).await else { return };
    let began = clock::now();
    let refused = refused(&head.answer);
    if refused.is_some() {
        http1::read_page(&mut stream, &mut head).await;
    }
    let is_gzip =
        head.answer.field("content-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
    trial.seen.answer = Some(head.answer);
    if let Some(detail) = refused {
        trial.staged(StageName::Upgrade, began, Some((Fault::Answer, detail)));
        return;
    }
    trial.staged(StageName::Upgrade, began, None);
    let mut session = Session::new(trial, Framing::of_answer(&head.fields).ok(), is_gzip);
    session.take(&head.rest);
    session.conduct(&mut stream).await;
    let seen = session.seen;
    trial.seen.stream = Some(seen);
}

/// Why an answer is none that a browser would read events from.
pub(super) fn refused(answer: &diagnose::attempt::Answer) -> Option<String> {
    match (answer.status, answer.media_type().as_str()) {
        (200, "text/event-stream") => None,
        (200, other) => Some(format!("200, and its type is `{other}`")),
        (status, _) => Some(format!("the answer is {status}")),
    }
}

/// Fields of the request beside `Host`.
pub(super) fn fields(trial: &Trial<'_>) -> Vec<(String, String)> {
    let own: HeaderMap = trial.fields();
    let mut fields = vec![("Accept".to_owned(), "text/event-stream".to_owned())];
    fields.push(("Cache-Control".to_owned(), "no-store".to_owned()));
    match trial.vary() {
        Some(Vary::Compression(true)) => fields.push(("Accept-Encoding".to_owned(), "gzip".to_owned())),
        Some(Vary::LastEventId(id)) => fields.push(("Last-Event-ID".to_owned(), id.clone())),
        _ => {}
    }
    for (name, value) in &own {
        fields.push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    fields
}

/// How long to listen, and how many events are enough.
pub(super) fn patience(conduct: Conduct) -> (f64, u64) {
    match conduct {
        Conduct::Greet => (FIRST_EVENT_TIME, 1),
        Conduct::Hold { seconds, .. } => (seconds, u64::MAX),
        Conduct::Listen { seconds, messages } => (seconds, messages.into()),
        Conduct::Send { .. } | Conduct::Echo { .. } | Conduct::Crowd { .. } => (0.0, 0),
    }
}

/// What an open event stream has brought, however its bytes come.
pub(super) struct Session<'a, 'b> {
    trial: &'a Trial<'b>,
    body: Option<Body>,
    gzip: Option<GzDecoder<Vec<u8>>>,
    scanner: Scanner,
    opened: Moment,
    last_byte: Moment,
    reads: u64,
    /// Reads with a pause before them.
    bursts: u64,
    /// The current block so far.
    block: Vec<u8>,
    pub(super) seen: Seen,
}

impl<'a, 'b> Session<'a, 'b> {
    /// A stream whose body is framed so; without framing (HTTP/2) all bytes are content.
    pub(super) fn new(trial: &'a Trial<'b>, framing: Option<Framing>, is_gzip: bool) -> Session<'a, 'b> {
        let now = clock::now();
        Session {
            trial,
            body: framing.map(Body::new),
            gzip: is_gzip.then(|| GzDecoder::new(Vec::new())),
            scanner: Scanner::new(),
            opened: now,
            last_byte: now,
            reads: 0,
            bursts: 0,
            block: Vec::new(),
            seen: Seen::default(),
        }
    }

    async fn conduct(&mut self, stream: &mut Watched) {
        let (seconds, enough) = patience(self.trial.experiment.conduct);
        let is_listening = matches!(self.trial.experiment.conduct, Conduct::Listen { .. });
        let deadline = tokio::time::Instant::now() + Duration::from_secs_f64(seconds);
        let mut stop = self.trial.stop.clone();
        let mut buffer = vec![0; 64 * 1024];
        while (self.seen.messages_seen < enough || (is_listening && self.is_in_bursts()))
            && self.seen.end.is_none()
            && !*stop.borrow()
        {
            tokio::select! {
                read = stream.read(&mut buffer) => match read {
                    Ok(0) => self.connection_ended(Sign::Fin),
                    Ok(length) => self.take(&buffer[..length]),
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                        self.connection_ended(Sign::Rst);
                    }
                    Err(_) => self.connection_ended(Sign::BodyCut),
                },
                () = tokio::time::sleep_until(deadline) => break,
                _ = stop.changed() => {}
            }
        }
        self.leave();
    }

    /// The probe goes, unless the stream has ended.
    pub(super) fn leave(&mut self) {
        self.ended(Sign::Fin, true);
    }

    /// Takes the next bytes of the connection: one read.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.reads += 1;
        self.seen.bytes_seen += bytes.len() as u64;
        let Some(mut body) = self.body.take() else {
            self.content(bytes);
            self.last_byte = clock::now();
            return;
        };
        let mut content = Vec::with_capacity(bytes.len());
        let read = body.read(bytes, &mut |piece, _| content.extend_from_slice(piece));
        let is_over = read.is_err() || body.is_over();
        self.body = Some(body);
        self.content(&content);
        self.last_byte = clock::now();
        if is_over {
            self.ended(if read.is_ok() { Sign::BodyEnd } else { Sign::BodyCut }, false);
            // Where the framing is wrong, what stands at its end means nothing.
            self.seen.is_end_inside &= read.is_ok();
        }
    }

    fn content(&mut self, bytes: &[u8]) {
        let Some(gzip) = &mut self.gzip else {
            self.events(bytes);
            self.note_read();
            return;
        };
        let plain = match gzip.write_all(bytes).and_then(|()| gzip.flush()) {
            Ok(()) => std::mem::take(gzip.get_mut()),
            Err(_) => return,
        };
        self.events(&plain);
    }

    fn note_read(&mut self) {
        let at = self.trial.now();
        let (offset, is_inside) = (self.scanner.offset(), self.scanner.is_inside_block());
        let is_more = self.seen.reads.last().is_none_or(|last| last.offset < offset);
        if is_more && self.seen.reads.len() < MESSAGES_MAX {
            self.bursts += u64::from(self.seen.reads.last().is_none_or(|last| at - last.at > PAUSE));
            self.seen.reads.push(BodyRead { at, offset, framed: self.seen.bytes_seen, is_inside });
        }
    }

    /// Several events come with a read, and how that is so is not clear yet.
    fn is_in_bursts(&self) -> bool {
        self.bursts < BURSTS_ENOUGH && self.seen.messages_seen * 2 >= self.bursts * 3
    }

    fn events(&mut self, bytes: &[u8]) {
        let base = self.scanner.offset();
        let mut events = Vec::new();
        self.scanner.scan(bytes, &mut |event| events.push(event));
        let mut from = 0;
        for event in events {
            match event {
                SseEvent::Event { bytes: size, has_id, end, .. } => {
                    let to = usize::try_from(end - base).unwrap_or(usize::MAX);
                    self.keep(&bytes[from..to]);
                    from = to;
                    self.event(size, has_id);
                }
                SseEvent::Comment { .. } if self.seen.comments.len() < MESSAGES_MAX => {
                    self.seen.comments.push(self.trial.now());
                }
                _ => {}
            }
        }
        self.keep(&bytes[from..]);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = BLOCK_BYTES_MAX.saturating_sub(self.block.len());
        self.block.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn event(&mut self, bytes: u64, has_id: bool) {
        let block = std::mem::take(&mut self.block);
        self.retry(&block);
        self.seen.ignored_lines += ignored(self.behind_mark(&block));
        let is_whole = block.len() < BLOCK_BYTES_MAX;
        let broken_at = std::str::from_utf8(&block).err().filter(|_| is_whole);
        self.seen.replaced += u64::from(is_replaced(&block));
        self.seen.messages_seen += 1;
        if self.seen.messages.len() >= MESSAGES_MAX {
            return;
        }
        self.seen.messages.push(Message {
            at: self.trial.now(),
            read: self.reads,
            bytes,
            opcode: None,
            frames: 1,
            made_at: numbers::made_at(&block, self.trial.began),
            has_id,
            broken_at: broken_at.map(|error| error.valid_up_to() as u64),
            numbers: numbers::whole(&block),
        });
        let id = field(&block, "id").filter(|_| has_id);
        self.seen.ids.extend(id.map(|id| id.chars().take(ID_CHARS_MAX).collect::<String>()));
    }

    /// A block without the byte order mark that may stand before the first one.
    fn behind_mark<'c>(&self, block: &'c [u8]) -> &'c [u8] {
        let mark = "\u{feff}".as_bytes();
        if self.seen.messages_seen == 0 { block.strip_prefix(mark).unwrap_or(block) } else { block }
    }

    fn retry(&mut self, block: &[u8]) {
        let told = field(block, "retry").and_then(|value| value.parse().ok());
        self.seen.retry_ms = told.or(self.seen.retry_ms);
    }

    /// The connection below has ended.
    fn connection_ended(&mut self, sign: Sign) {
        let is_whole = self.body.as_ref().is_none_or(Body::may_end);
        let sign = match sign {
            Sign::Fin if is_whole => Sign::Fin,
            Sign::Fin => Sign::BodyCut,
            other => other,
        };
        // Who passes chunks on as they come ends between two of them.
        let is_in_chunk = self.body.as_ref().is_some_and(|body| {
            body.framing() == Framing::Chunked && !body.is_over() && body.last_words().is_none()
        });
        self.ended(sign, false);
        self.seen.is_end_inside |= is_in_chunk;
    }

    pub(super) fn ended(&mut self, sign: Sign, is_ours: bool) {
        if self.seen.end.is_some() {
            return;
        }
        // Text that no empty line has ended.
        let is_text =
            |line: &[u8]| line.starts_with(b"data") || line.starts_with(b"event") || line.starts_with(b"id");
        let is_left = self.block.split(|byte| *byte == b'\n').any(is_text);
        // A block without data is no event, and what it says holds.
        let block = std::mem::take(&mut self.block);
        self.retry(&block);
        self.seen.ignored_lines += ignored(self.behind_mark(&block));
        self.seen.is_end_inside = !is_ours && self.scanner.is_inside_event();
        self.seen.malformed = u64::from(is_left && self.seen.messages_seen == 0);
        let now = clock::now();
        self.seen.end = Some(End {
            at: self.trial.now(),
            age: now.since(self.opened).as_secs_f64(),
            silence: now.since(self.last_byte).as_secs_f64(),
            is_ours,
            sign,
        });
    }
}

/// Complete lines of a block that are neither a comment nor one of the fields that there are (WHATWG HTML, section
/// 9.2.6); none of a block that was not kept whole.
fn ignored(block: &[u8]) -> u64 {
    if block.len() >= BLOCK_BYTES_MAX {
        return 0;
    }
    let complete = block.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(0);
    let is_ignored = |line: &&[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        !line.is_empty() && !matches!(name, b"" | b"data" | b"event" | b"id" | b"retry")
    };
    block[..complete].split(|byte| matches!(byte, b'\n' | b'\r')).filter(is_ignored).count() as u64
}

/// A text has a replacement character (U+FFFD), as a decoder leaves one for each byte that it cannot read.
pub(super) fn is_replaced(text: &[u8]) -> bool {
    text.windows(3).any(|character| character == "\u{fffd}".as_bytes())
}

/// The last value of a field in a block of an event stream (WHATWG HTML, section 9.2.6).
fn field<'a>(block: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = std::str::from_utf8(block).ok()?.split(['\n', '\r']);
    let value = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(':')).next_back()?;
    Some(value.strip_prefix(' ').unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_block() {
        let block = b"retry: 50\r\nid:7\nid: 8\ndata: id: 9\n\n";
        assert_eq!(field(block, "retry"), Some("50"));
        assert_eq!(field(block, "id"), Some("8"));
        assert_eq!(field(block, "event"), None);
    }

    #[test]
    fn lines_that_are_no_fields() {
        assert_eq!(ignored(b"data: a\r\n: c\nid\nretry:1\revent: x\n\n"), 0);
        assert_eq!(ignored("\u{feff}data: a\n\n".as_bytes()), 1);
        assert_eq!(ignored(b"data: {\n  \"a\": 1\n}\n\n"), 2);
        assert_eq!(ignored(b"data: a\n\nda"), 0);
    }
}
