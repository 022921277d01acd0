//! What a healthy stream shows, as one list. What deviates from it is abnormal, also when no cause explains it.

use model::finding::Said;
use model::words::{Http2Error, Opcode};

use crate::attempt::{Attempt, Sign, Stage, StageName, Stream, Woken};
use crate::examination::Examination;
use crate::experiment::{Alpn, Conduct, Vary, Via};
use crate::holds::{FLOW_MESSAGES, Manner};
use crate::sizes::sent;

/// One thing that each healthy stream shows.
#[derive(Debug)]
pub struct Expectation {
    /// Code of the sentence that tells of attempts that do not; it has the gaps `count` and `all`.
    pub deviation: &'static str,
    /// Code of the measurement that would decide why.
    pub next: &'static str,
    /// Fewest attempts that are more than chance.
    pub least: usize,
    /// What is looked at.
    pub asks: Asks,
}

/// How it is seen whether it is so.
#[derive(Clone, Copy, Debug)]
pub enum Asks {
    /// Whether an attempt shows it; none when nothing can be seen of it there.
    Each(fn(&Attempt) -> Option<bool>),
    /// The same, but told only where all attempts straight at the service show it: by itself it may be as the service
    /// means it.
    Beside(fn(&Attempt) -> Option<bool>),
    /// Of attempts side by side: how many do not show it, and how many could.
    Together(fn(&[&Attempt]) -> (usize, usize)),
}

/// The list.
pub const ALL: &[Expectation] = &[
    expect("odd_opening", "vary_alone", 1, opens_as_browsers_ask),
    expect("odd_stages", "time_hops", 2, opens_soon),
    expect("odd_end", "read_log_then", 1, ends_in_order),
    expect("odd_farewell", "read_log_then", 1, goes_on_while_held),
    expect("odd_status", "read_log_then", 1, status_is_of_the_application),
    expect("odd_trailers", "capture_end", 1, has_status),
    expect("odd_pings", "ask_reader", 1, answers_pings),
    expect("odd_wake", "ask_reader", 1, is_there_after_silence),
    expect("odd_goodbye", "ask_reader", 2, answers_close),
    expect("odd_stall", "ask_reader", 1, takes_what_is_sent),
    expect("odd_echoes", "count_hops", 1, echoes_all_or_none),
    expect("odd_echo_time", "time_hops", 1, echoes_soon),
    expect("odd_jitter", "time_hops", 1, echoes_evenly),
    expect("odd_change", "count_hops", 1, echoes_unchanged),
    expect("odd_opcode", "capture_end", 1, echoes_in_kind),
    expect("odd_twice", "count_hops", 1, echoes_once),
    expect("odd_frames", "capture_end", 1, keeps_frames),
    expect("odd_text", "capture_end", 1, texts_are_utf8),
    expect("odd_ids", "count_hops", 1, ids_differ),
    expect("odd_order", "count_hops", 1, ids_go_up),
    expect("odd_turn", "count_hops", 1, numbers_keep_their_order),
    expect("odd_gaps", "count_hops", 1, ids_have_no_gaps),
    beside("odd_holes", "count_hops", 1, numbers_go_by_one),
    expect("odd_nul", "read_lines", 1, ids_are_kept),
    expect("odd_charset", "read_lines", 1, is_told_as_utf8),
    expect("odd_lines", "read_lines", 1, lines_are_fields),
    expect("odd_coding", "time_hops", 1, is_coded_as_asked),
    expect("odd_http2", "capture_end", 1, keeps_http2),
    expect("odd_unreadable", "capture_end", 1, can_be_read),
    expect("odd_cut", "capture_end", 1, ends_behind_a_message),
    expect("odd_replaced", "capture_end", 1, texts_are_as_written),
    expect("odd_room", "two_streams", 1, has_room_for_streams),
    expect("odd_stop", "count_hops", 2, flow_goes_on),
    together("odd_mute", "count_hops", 1, echoes_on_each),
    together("odd_waking", "count_hops", 1, echoes_after_silence),
];

const fn expect(
    deviation: &'static str,
    next: &'static str,
    least: usize,
    is_met: fn(&Attempt) -> Option<bool>,
) -> Expectation {
    Expectation { deviation, next, least, asks: Asks::Each(is_met) }
}

const fn beside(
    deviation: &'static str,
    next: &'static str,
    least: usize,
    is_met: fn(&Attempt) -> Option<bool>,
) -> Expectation {
    Expectation { deviation, next, least, asks: Asks::Beside(is_met) }
}

const fn together(
    deviation: &'static str,
    next: &'static str,
    least: usize,
    unmet: fn(&[&Attempt]) -> (usize, usize),
) -> Expectation {
    Expectation { deviation, next, least, asks: Asks::Together(unmet) }
}

/// A stage of an opening that takes longer is felt.
const STAGE_SECONDS: f64 = 1.0;
/// An echo of a small message that takes longer is felt.
const ECHO_SECONDS: f64 = 1.0;
/// Who takes nothing for so long does not read: a busy peer has room in its buffers.
const STALL_SECONDS: f64 = 3.0;
/// HTTP/2's flow control holds a sender back sooner: what is not let go for so long waits for a reader.
pub const HELD_SECONDS: f64 = 1.5;
/// Fewer streams at once on a connection than a client with a few windows or subscriptions has (RFC 9113, section 6.5.2,
/// recommends 100).
const STREAMS_MIN: u64 = 10;
/// A flow has stopped when so many times its longest gap is over, and so many seconds.
const FLOW_GAPS: f64 = 12.0;
const FLOW_SECONDS: f64 = 3.0;

impl Expectation {
    /// How many attempts there deviate, and how many could.
    pub fn count(&self, seen: &Examination, via: Via) -> (usize, usize) {
        let of_crowd = seen.attempts.iter().flat_map(|attempt| &attempt.crowd);
        let all = seen.attempts.iter().chain(of_crowd).filter(|attempt| attempt.experiment.via == via);
        match self.asks {
            Asks::Each(is_met) | Asks::Beside(is_met) => {
                let met: Vec<bool> = all.filter_map(is_met).collect();
                (met.iter().filter(|is_met| !**is_met).count(), met.len())
            }
            Asks::Together(unmet) => unmet(&all.collect::<Vec<_>>()),
        }
    }

    /// What is told when attempts at the URL deviate.
    pub fn told(&self, seen: &Examination) -> Option<Said> {
        let (count, all) = self.count(seen, Via::Url);
        if matches!(self.asks, Asks::Beside(_)) && !matches!(self.count(seen, Via::Direct), (0, 1..)) {
            return None;
        }
        (count >= self.least).then(|| Said::new(self.deviation).with("count", count).with("all", all))
    }
}

/// It does not differ from the plain request in what a service may mind.
fn is_ordinary(attempt: &Attempt) -> bool {
    matches!(
        attempt.experiment.vary,
        None | Some(
            Vary::Compression(true) | Vary::Alpn(Alpn::Both) | Vary::LastEventId(_) | Vary::RequestEnded
        )
    )
}

fn ordinary(attempt: &Attempt) -> Option<&Stream> {
    attempt.stream.as_ref().filter(|_| is_ordinary(attempt))
}

/// A stream that the peer did not end.
fn left_open(attempt: &Attempt) -> Option<&Stream> {
    ordinary(attempt).filter(|_| attempt.peer_end().is_none())
}

fn opens_as_browsers_ask(attempt: &Attempt) -> Option<bool> {
    let differs = attempt.experiment.vary.is_some() && is_ordinary(attempt) && attempt.is_over();
    (differs && !is_without_rfc8441(attempt)).then(|| attempt.is_open())
}

/// It agreed on HTTP/2 and does not offer extended CONNECT, as it may (RFC 8441, section 3): a WebSocket is asked for on a
/// connection of HTTP/1.1 then.
fn is_without_rfc8441(attempt: &Attempt) -> bool {
    let is_http2 = attempt.tls.as_ref().and_then(|tls| tls.alpn.as_deref()) == Some("h2");
    let was_unasked =
        attempt.answer.is_none() && attempt.failed().is_some_and(|it| it.name == StageName::Upgrade);
    is_http2 && was_unasked
}

/// A head of gRPC or of an event stream may wait for the first message.
fn opens_soon(attempt: &Attempt) -> Option<bool> {
    ordinary(attempt)?;
    let is_asked = attempt.status() == Some(101);
    let counts = |stage: &&Stage| match stage.name {
        StageName::Http => is_asked,
        StageName::FirstMessage => false,
        _ => true,
    };
    Some(attempt.stages.iter().filter(counts).all(|stage| stage.seconds < STAGE_SECONDS))
}

/// Ends of held streams are judged together, and limits of size by the sizes that pass.
fn ends_in_order(attempt: &Attempt) -> Option<bool> {
    ordinary(attempt)?;
    let is_in_order = |manner: Manner| match manner {
        Manner::Close(1009) => sent(attempt).is_some(),
        Manner::Status(_) | Manner::Away(Http2Error::NoError) => true,
        manner => manner.is_normal(),
    };
    let is_judged = !matches!(attempt.experiment.conduct, Conduct::Hold { .. });
    is_judged.then(|| attempt.peer_end().is_none_or(|end| is_in_order(Manner::of(attempt, end))))
}

/// A normal Close says that the work is done (RFC 6455, section 7.4.1), and nobody had asked for any. Others are told by
/// what held streams have in common.
fn goes_on_while_held(attempt: &Attempt) -> Option<bool> {
    ordinary(attempt)?;
    let is_close = |manner: Manner| matches!(manner, Manner::Close(1000 | 1005));
    let is_held = matches!(attempt.experiment.conduct, Conduct::Hold { message_seconds: None, .. });
    is_held.then(|| !attempt.peer_end().is_some_and(|end| is_close(Manner::of(attempt, end))))
}

/// Those of calls that break, and of methods that are not there; the others are what an application says to a message
/// without fields (grpc/grpc, doc/statuscodes.md).
fn status_is_of_the_application(attempt: &Attempt) -> Option<bool> {
    let code = ordinary(attempt)?.grpc.as_ref()?.code?;
    let is_size = code == 8 && sent(attempt).is_some();
    Some(is_size || !matches!(code, 1 | 2 | 4 | 8 | 12..=15))
}

/// A call that is over has a status (grpc/grpc, doc/PROTOCOL-HTTP2.md).
fn has_status(attempt: &Attempt) -> Option<bool> {
    let stream = ordinary(attempt)?;
    let manner = Manner::of(attempt, attempt.peer_end()?);
    let is_call =
        attempt.answer.as_ref().is_some_and(|answer| answer.media_type().starts_with("application/grpc"));
    let is_over = is_call && matches!(manner, Manner::Announced | Manner::Status(_));
    is_over.then(|| stream.grpc.as_ref().is_some_and(|end| end.code.is_some()))
}

/// RFC 6455, section 5.5.2; RFC 9113, section 6.7. Those of the last second of a hold may be on their way when the probe
/// leaves.
fn answers_pings(attempt: &Attempt) -> Option<bool> {
    let stream =
        left_open(attempt).filter(|stream| !stream.pings.is_empty() && stream.violations.is_empty())?;
    let may_miss = match attempt.experiment.conduct {
        Conduct::Hold { ping_seconds, .. } => (1.0 / ping_seconds.unwrap_or(1.0)).clamp(1.0, 10.0),
        _ => 0.0,
    };
    Some(stream.pings.iter().filter(|ping| ping.is_none()).count() as f64 <= may_miss)
}

fn is_there_after_silence(attempt: &Attempt) -> Option<bool> {
    let woken = left_open(attempt)?.woken.as_ref()?;
    Some(matches!(woken, Woken::Answered(seconds) if *seconds < ECHO_SECONDS))
}

/// RFC 6455, section 5.5.1.
fn answers_close(attempt: &Attempt) -> Option<bool> {
    left_open(attempt)?.is_close_answered
}

fn takes_what_is_sent(attempt: &Attempt) -> Option<bool> {
    let stream = ordinary(attempt).filter(|stream| !stream.sent.is_empty())?;
    let is_held = stream.unsent > 0 && stream.stalled >= HELD_SECONDS;
    Some(!is_held && stream.stalled < STALL_SECONDS)
}

/// Echoes of small messages.
fn echoes(attempt: &Attempt) -> Option<&[Option<f64>]> {
    let stream = left_open(attempt).filter(|stream| stream.violations.is_empty() && stream.altered == 0)?;
    sent(attempt).is_none().then_some(&stream.echoes)
}

fn echoes_all_or_none(attempt: &Attempt) -> Option<bool> {
    let echoes = echoes(attempt).filter(|echoes| echoes.len() > 1)?;
    Some(echoes.iter().all(Option::is_some) || echoes.iter().all(Option::is_none))
}

fn echoes_soon(attempt: &Attempt) -> Option<bool> {
    let mut trips: Vec<f64> = echoes(attempt)?.iter().flatten().copied().collect();
    trips.sort_by(f64::total_cmp);
    Some(*trips.get(trips.len() / 2)? < ECHO_SECONDS)
}

/// The latest is not far behind most. Shorter waits are ordinary for programs with garbage collection.
fn echoes_evenly(attempt: &Attempt) -> Option<bool> {
    const LATE_SECONDS: f64 = 0.5;
    let mut trips: Vec<f64> = echoes(attempt)?.iter().flatten().copied().collect();
    trips.sort_by(f64::total_cmp);
    let (middle, latest) = (*trips.get(trips.len() / 2)?, *trips.last()?);
    (trips.len() >= 8).then_some(latest < LATE_SECONDS || latest < 20.0 * middle)
}

/// As far as it is known for an echo at all.
fn echoes_unchanged(attempt: &Attempt) -> Option<bool> {
    let stream = ordinary(attempt).filter(|stream| !stream.sent.is_empty())?;
    Some(stream.altered == 0)
}

/// A text comes back as a text: browsers give programs something else for binary messages.
fn echoes_in_kind(attempt: &Attempt) -> Option<bool> {
    let stream = left_open(attempt)?;
    let are_echoes = !stream.echoes.is_empty()
        && stream.echoes.iter().all(Option::is_some)
        && stream.messages.len() == stream.echoes.len();
    are_echoes.then(|| stream.messages.iter().all(|message| message.opcode != Some(Opcode::Binary)))
}

fn echoes_once(attempt: &Attempt) -> Option<bool> {
    let stream = ordinary(attempt).filter(|stream| stream.echoes.iter().any(Option::is_some))?;
    Some(stream.repeated == 0)
}

fn keeps_frames(attempt: &Attempt) -> Option<bool> {
    Some(ordinary(attempt)?.violations.is_empty())
}

fn texts_are_utf8(attempt: &Attempt) -> Option<bool> {
    let stream = ordinary(attempt).filter(|stream| !stream.messages.is_empty())?;
    Some(stream.messages.iter().all(|message| message.broken_at.is_none()))
}

/// Ids of events in their order; a client comes back with the last one, which must name one place in the stream (WHATWG
/// HTML, section 9.2.4). Those that were cut may differ behind the cut.
fn ids(attempt: &Attempt) -> Option<&[String]> {
    const CUT_AT: usize = 64;
    let ids = &ordinary(attempt)?.ids;
    (ids.len() > 2 && ids.iter().all(|id| id.chars().count() < CUT_AT)).then_some(ids)
}

fn ids_differ(attempt: &Attempt) -> Option<bool> {
    let mut ids = ids(attempt)?.to_vec();
    ids.sort();
    Some(ids.windows(2).all(|pair| pair[0] != pair[1]))
}

/// Clients ignore an id with a NUL, and come back with an older one (WHATWG HTML, section 9.2.6).
fn ids_are_kept(attempt: &Attempt) -> Option<bool> {
    let ids = &ordinary(attempt)?.ids;
    (!ids.is_empty()).then(|| ids.iter().all(|id| !id.contains('\0')))
}

/// An event stream is always read as UTF-8, whatever else its type says (WHATWG HTML, section 9.2.5).
fn is_told_as_utf8(attempt: &Attempt) -> Option<bool> {
    let answer = attempt.answer.as_ref().filter(|_| ordinary(attempt).is_some())?;
    let value = answer.field("content-type").filter(|_| answer.media_type() == "text/event-stream")?;
    let charset = value.split(';').skip(1).filter_map(|part| part.split_once('='));
    let charset =
        charset.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset")).map(|(_, value)| value);
    let is_utf8 = |value: &str| {
        ["utf-8", "utf8"].iter().any(|it| value.trim().trim_matches('"').eq_ignore_ascii_case(it))
    };
    Some(charset.into_iter().all(is_utf8))
}

/// How far each id is from the one before, where all are numbers.
fn steps(attempt: &Attempt) -> Option<Vec<i128>> {
    let numbers: Option<Vec<i64>> = ids(attempt)?.iter().map(|id| id.parse().ok()).collect();
    Some(numbers?.windows(2).map(|pair| i128::from(pair[1]) - i128::from(pair[0])).collect())
}

fn ids_go_up(attempt: &Attempt) -> Option<bool> {
    let steps = steps(attempt)?;
    let is_down = |step: &&i128| **step < 0;
    let down = steps.iter().filter(is_down).count();
    // A stream that counts down, or whose numbers are no order, is as its service means it.
    let is_order =
        || ids(attempt).is_some_and(|ids| is_shuffled(ids.iter().filter_map(|id| id.parse().ok())));
    Some(down == 0 || (down * 4 > steps.len() && !is_order()))
}

/// Numbers of a message that are looked at.
const NUMBERS_MAX: usize = 4;

/// Fewest numbers whose order tells anything.
const ORDERED_MIN: usize = 12;

/// Numbers that count, each there once, of which some come behind one or a few that they should come before: what counts
/// up and down has a number twice, and what counts down has all behind all.
fn is_shuffled(numbers: impl Iterator<Item = u64>) -> bool {
    let came: Vec<u64> = numbers.collect();
    let mut sorted = came.clone();
    sorted.sort_unstable();
    let by_one = sorted.windows(2).filter(|pair| pair[1] - pair[0] == 1).count();
    let late = |(index, number): (usize, &u64)| came[..index].iter().filter(|other| *other > number).count();
    let inversions: usize = came.iter().enumerate().map(late).sum();
    let is_count = came.len() >= ORDERED_MIN
        && by_one * 5 >= (came.len() - 1) * 4
        && sorted.windows(2).all(|pair| pair[0] != pair[1]);
    is_count && (1..=came.len() / 2).contains(&inversions)
}

/// Numbers that the messages of a service carry, where it sends unasked: at each place of which all have one.
fn numbers(attempt: &Attempt) -> Option<Vec<Vec<u64>>> {
    let stream = ordinary(attempt).filter(|stream| stream.sent.is_empty() && stream.ids.is_empty())?;
    let messages = Some(&stream.messages).filter(|messages| messages.len() >= ORDERED_MIN)?;
    let at = |place: usize| messages.iter().map(|message| message.numbers.get(place).copied()).collect();
    Some((0..NUMBERS_MAX).map_while(at).collect())
}

fn numbers_keep_their_order(attempt: &Attempt) -> Option<bool> {
    Some(!numbers(attempt)?.iter().any(|numbers| is_shuffled(numbers.iter().copied())))
}

/// Messages that are numbered one by one, none left out and none twice.
fn numbers_go_by_one(attempt: &Attempt) -> Option<bool> {
    let by_one = |numbers: &Vec<u64>| {
        let is_next = |pair: &[u64]| pair[1] == pair[0] + 1;
        let next = numbers.windows(2).filter(|pair| is_next(pair)).count();
        let is_count = next * 5 >= (numbers.len() - 1) * 4 && numbers.is_sorted();
        is_count.then_some(next + 1 == numbers.len())
    };
    numbers(attempt)?.iter().filter_map(by_one).reduce(|all, it| all && it)
}

/// Numbers that go up by one and sometimes leave some out.
fn ids_have_no_gaps(attempt: &Attempt) -> Option<bool> {
    let steps = steps(attempt).filter(|steps| steps.len() >= 8)?;
    let by_one = steps.iter().filter(|step| **step == 1).count();
    let gaps = steps.iter().filter(|step| **step > 1).count();
    Some(gaps == 0 || by_one * 5 < steps.len() * 4)
}

fn lines_are_fields(attempt: &Attempt) -> Option<bool> {
    let stream = ordinary(attempt).filter(|stream| stream.bytes_seen > 0)?;
    Some(stream.ignored_lines == 0)
}

/// Who offers no compression gets none (RFC 9110, section 12.5.3).
fn is_coded_as_asked(attempt: &Attempt) -> Option<bool> {
    let answer =
        attempt.answer.as_ref().filter(|_| attempt.is_open() && attempt.experiment.vary.is_none())?;
    let coding = answer.field("content-encoding").unwrap_or("identity");
    Some(coding.eq_ignore_ascii_case("identity"))
}

/// What this side could not read as HTTP/2 ends the connection with all its streams (RFC 9113, section 5.4.1).
fn keeps_http2(attempt: &Attempt) -> Option<bool> {
    let end = ordinary(attempt)?.end.as_ref().filter(|_| is_over_http2(attempt))?;
    Some(!matches!(end.sign, Sign::Broken(_)))
}

fn is_over_http2(attempt: &Attempt) -> bool {
    attempt.answer.as_ref().is_some_and(|answer| answer.version == "2")
}

fn can_be_read(attempt: &Attempt) -> Option<bool> {
    let stream = ordinary(attempt).filter(|stream| stream.bytes_seen > 0)?;
    Some(stream.unreadable == 0)
}

/// What is cut is never delivered: clients drop an event without its empty line (WHATWG HTML, section 9.2.6), and a
/// message that is shorter than its prefix says.
fn ends_behind_a_message(attempt: &Attempt) -> Option<bool> {
    let stream = ordinary(attempt).filter(|_| attempt.peer_end().is_some())?;
    Some(!stream.is_end_inside)
}

fn texts_are_as_written(attempt: &Attempt) -> Option<bool> {
    let stream = ordinary(attempt).filter(|stream| !stream.messages.is_empty())?;
    Some(stream.replaced == 0)
}

fn has_room_for_streams(attempt: &Attempt) -> Option<bool> {
    let answer = attempt.answer.as_ref().filter(|_| attempt.is_open() && is_over_http2(attempt))?;
    Some(answer.streams_max.is_none_or(|streams| streams >= STREAMS_MIN))
}

/// Messages that came in an even flow, unasked, and then no more, with no other sign of life: others that begin meanwhile
/// get theirs. What comes at once in the beginning is a history, and no flow.
fn flow_goes_on(attempt: &Attempt) -> Option<bool> {
    let stream = left_open(attempt).filter(|stream| stream.messages.len() >= FLOW_MESSAGES)?;
    let is_unasked = match attempt.experiment.conduct {
        Conduct::Hold { message_seconds, .. } => message_seconds.is_none(),
        Conduct::Listen { .. } => true,
        _ => false,
    };
    let is_known = stream.messages.len() as u64 == stream.messages_seen && stream.violations.is_empty();
    let at: Vec<f64> = stream.messages.iter().map(|message| message.at).collect();
    let mut gaps: Vec<f64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_by(f64::total_cmp);
    let (middle, longest, last) = (gaps[gaps.len() / 2], *gaps.last()?, *at.last()?);
    let is_even = middle > 0.03 && longest < 3.0 * middle;
    let lives = stream.comments.iter().chain(&stream.server_pings).any(|beat| *beat > last);
    let silence = stream.end.as_ref()?.at - last;
    (is_unasked && is_known && is_even).then_some(lives || silence < FLOW_SECONDS.max(FLOW_GAPS * longest))
}

/// Streams on which small messages were sent, none of which came back changed; by whether any came back.
fn talked(all: &[&Attempt]) -> (usize, usize) {
    let heard: Vec<bool> = all
        .iter()
        .filter_map(|attempt| echoes(attempt))
        .filter(|echoes| !echoes.is_empty())
        .map(|echoes| echoes.iter().any(Option::is_some))
        .collect();
    (heard.iter().filter(|heard| **heard).count(), heard.len())
}

/// Streams on which no small message came back, where on others they did: what is lost there says nothing of what it was.
pub fn mute(seen: &Examination, via: Via) -> usize {
    let all: Vec<&Attempt> = seen.attempts.iter().filter(|attempt| attempt.experiment.via == via).collect();
    echoes_on_each(&all).0
}

/// Who answers on one stream answers on the next.
fn echoes_on_each(all: &[&Attempt]) -> (usize, usize) {
    match talked(all) {
        (0, streams) => (0, streams),
        (heard, streams) => (streams - heard, streams),
    }
}

/// The first message behind a silence comes back where others do.
fn echoes_after_silence(all: &[&Attempt]) -> (usize, usize) {
    let waked = || all.iter().filter_map(|attempt| left_open(attempt)?.woken_echo);
    let lost = waked().filter(|came| !came).count();
    (if talked(all).0 > 0 { lost } else { 0 }, waked().count())
}
