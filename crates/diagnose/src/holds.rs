//! What the ends of held streams have in common: a silence, an age, or a moment.

use model::Protocol;
use model::finding::{Place, Said};
use model::words::Http2Error;

use crate::attempt::{Attempt, End, Sign, Woken};
use crate::cause::Cause;
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Conduct, Vary, Via};

/// What the probe did on a held stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Beat {
    /// Nothing.
    None,
    /// A Ping each so many seconds.
    Ping(f64),
    /// A message each so many seconds.
    Message(f64),
}

impl Beat {
    /// Of an attempt that held a stream.
    pub fn of(attempt: &Attempt) -> Option<Beat> {
        match attempt.experiment.conduct {
            Conduct::Hold { message_seconds: Some(period), .. } => Some(Beat::Message(period)),
            Conduct::Hold { ping_seconds: Some(period), .. } => Some(Beat::Ping(period)),
            Conduct::Hold { .. } => Some(Beat::None),
            _ => None,
        }
    }

    /// How often; none for a silent hold.
    pub fn period(self) -> Option<f64> {
        match self {
            Beat::None => None,
            Beat::Ping(period) | Beat::Message(period) => Some(period),
        }
    }
}

/// How a stream ended, by who said what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As announced: nothing is wrong with it.
    Announced,
    /// The connection ended without a word.
    Wordless,
    /// A Close frame; 1005 for one without a code (RFC 6455, section 7.1.5).
    Close(u16),
    /// One stream of an HTTP/2 connection was reset.
    Reset(Http2Error),
    /// The HTTP/2 connection goes away.
    Away(Http2Error),
    /// A status of gRPC that is not OK.
    Status(u32),
    /// What came breaks the protocol.
    Broken,
}

impl Manner {
    /// Of the end that an attempt saw.
    pub fn of(attempt: &Attempt, end: &End) -> Manner {
        let status = attempt.stream.as_ref().and_then(|stream| stream.grpc.as_ref()?.code);
        match (&end.sign, status) {
            (Sign::BodyEnd, Some(code)) if code != 0 => Manner::Status(code),
            (Sign::BodyEnd, _) => Manner::Announced,
            (Sign::Close(code, _), _) => Manner::Close(code.map_or(1005, |code| code.0)),
            (Sign::RstStream(error), _) => Manner::Reset(*error),
            (Sign::GoAway(error, _), _) => Manner::Away(*error),
            (Sign::Broken(_), _) => Manner::Broken,
            (Sign::Fin | Sign::Rst | Sign::TcpTimeout | Sign::BodyCut | Sign::Tls(_), _) => Manner::Wordless,
        }
    }

    /// A normal end: the work is done (RFC 6455, section 7.4.1).
    pub fn is_normal(self) -> bool {
        matches!(self, Manner::Announced | Manner::Close(1000 | 1005))
    }
}

/// What starts a timer anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Any byte.
    Silence,
    /// Messages; Pings do not.
    Messages,
    /// Nothing: it runs from the opening.
    Age,
    /// What the probe sends does not; of messages of the service it is not known.
    NotPings,
    /// It is not known.
    Unknown,
}

/// Streams that end when the same time is over.
#[derive(Clone, Debug)]
pub struct Timer<'a> {
    /// The time.
    pub seconds: f64,
    /// What starts it anew.
    pub clock: Clock,
    /// How the streams ended, all alike.
    pub manner: Manner,
    /// The streams.
    pub ends: Vec<(&'a Attempt, &'a End)>,
    /// They did not end at one moment, or others lived on at that moment: it is not one event that ended all.
    pub is_apart: bool,
    /// A heartbeat of this period kept a stream alive so long.
    pub survived: Option<(f64, f64)>,
    /// Silent streams that lived longer.
    pub outlived: usize,
}

impl Timer<'_> {
    /// The same time, within what clocks and polling allow.
    pub fn is_same(&self, seconds: f64) -> bool {
        (self.seconds - seconds).abs() <= tolerance(self.seconds)
    }

    /// Each of its streams had brought the same number of messages in a flow, and ended right behind the last one or when
    /// the next one was due: a counter looks the same.
    pub fn is_on_message(&self) -> bool {
        let flow = |(attempt, end): &(&Attempt, &End)| {
            let stream = attempt.stream.as_ref().filter(|stream| stream.messages.len() >= FLOW_MESSAGES)?;
            let (first, last) = (stream.messages.first()?.at, stream.messages.last()?.at);
            let gap = (last - first) / (stream.messages.len() - 1) as f64;
            let near = (0.15 * gap).max(0.02);
            let is_on = end.silence < near || (end.silence - gap).abs() < near;
            Some((stream.messages_seen, is_on))
        };
        let flows: Vec<Option<(u64, bool)>> = self.ends.iter().map(flow).collect();
        flows.len() > 1 && flows.iter().all(|flow| flow.is_some_and(|(_, is_on)| is_on) && *flow == flows[0])
    }

    /// Each of its streams was an even flow until a moment before: the silence may be the beginning of the end, as where
    /// a hop stops passing on first and cuts then.
    fn follows_a_flow(&self) -> bool {
        self.ends.iter().all(|(attempt, end)| {
            let flow = attempt.stream.as_ref().filter(|stream| stream.messages.len() >= FLOW_MESSAGES);
            flow.is_some() && end.silence < STOPPING_GAPS * longest_gap(attempt, end)
        })
    }

    /// What was seen of it, in a sentence.
    pub fn told(&self) -> Said {
        let code = match self.clock {
            Clock::Silence | Clock::Messages => "timer_silence",
            Clock::Age => "timer_age",
            Clock::NotPings | Clock::Unknown => "timer_unknown",
        };
        Said::new(code).with("count", self.ends.len()).seconds("seconds", self.seconds)
    }

    /// A claim of this timer: its ends, the heartbeat that survives it, and what speaks against one.
    pub fn claim(&self, cause: &'static Cause, place: Place) -> Claim {
        let survived = self.survived.map(|(period, lived)| {
            Said::new("heartbeat_survives").seconds("period", period).seconds("lived", lived)
        });
        let is_one_event = self.ends.len() > 1 && !self.is_apart;
        let claim = Claim::of(cause, place, self.told())
            .corroborated(survived)
            .noted(self.is_apart.then(|| Said::new("not_one_moment")))
            .noted(self.word())
            .unless(is_one_event.then(|| Said::new("one_event")))
            .unless((self.ends.len() == 1).then(|| Said::new("one_end_only")));
        let outlived = (self.outlived > 0).then(|| Said::new("some_outlived").with("count", self.outlived));
        let claim = claim.against(outlived);
        let claim =
            if self.clock == Clock::Unknown && self.follows_a_flow() { claim.suspected() } else { claim };
        if self.ends.len() == 1 || is_one_event { claim.next(Said::new("repeat_hold")) } else { claim }
    }

    /// The Close frame that ended the first of them.
    fn word(&self) -> Option<Said> {
        let Sign::Close(code, reason) = &self.ends.first()?.1.sign else { return None };
        Some(said_close(code.as_ref().map_or(1005, |code| code.0), reason))
    }
}

/// A silence of a few gaps between messages is no silence yet.
const STOPPING_GAPS: f64 = 6.0;

/// Fewer messages are no flow.
pub const FLOW_MESSAGES: usize = 6;

/// Where a timer sits, by comparison with the service itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Straight at the service it is not there.
    Hop,
    /// Straight at the service it is the same.
    Service,
    /// The service was not asked.
    Unknown,
}

/// Least age of an end that a timer of a held stream explains; ends before it belong to the opening.
pub const EARLY_SECONDS: f64 = 1.0;

/// How far apart two ends of the same timer may be: polling every 100 ms, and 2 % for coarse wheels above 10 s.
pub fn tolerance(seconds: f64) -> f64 {
    let share = if seconds > 10.0 { 0.02 } else { 0.05 };
    (seconds * share).max(0.15)
}

/// All attempts that held a stream.
pub fn holds(seen: &Examination, via: Via) -> impl Iterator<Item = (&Attempt, Beat)> {
    seen.attempts.iter().filter_map(move |attempt| {
        let is_plain = !matches!(attempt.experiment.vary, Some(Vary::DeadlineMs(Some(_))));
        let beat = Beat::of(attempt).filter(|_| attempt.is_open() && is_plain)?;
        (attempt.experiment.via == via).then_some((attempt, beat))
    })
}

/// The timer that ends held streams there, when one does.
pub fn timer(seen: &Examination, via: Via) -> Option<Timer<'_>> {
    let all: Vec<_> = holds(seen, via).collect();
    let cuts: Vec<_> = all
        .iter()
        .filter_map(|&(attempt, beat)| {
            let end = attempt.peer_end().filter(|end| end.age >= EARLY_SECONDS)?;
            Some((attempt, end, beat, Manner::of(attempt, end)))
        })
        .filter(|(attempt, end, _, manner)| match manner {
            // The service, asked straight, was far from done.
            Manner::Announced => via == Via::Url && goes_on(seen, attempt, end),
            Manner::Broken => false,
            _ => true,
        })
        .collect();
    let is_silent = |beat: Beat| beat == Beat::None;
    let (.., manner) = *cuts.iter().find(|(_, _, beat, _)| is_silent(*beat)).or(cuts.first())?;
    let alike: Vec<_> = cuts.into_iter().filter(|(.., other)| *other == manner).collect();
    let silent: Vec<_> = alike.iter().filter(|(_, _, beat, _)| is_silent(*beat)).collect();
    let chosen: Vec<_> = if silent.is_empty() { alike.iter().collect() } else { silent };
    let ends: Vec<(&Attempt, &End)> = chosen.iter().map(|&&(attempt, end, ..)| (attempt, end)).collect();
    if ends_inside_alike(&ends).is_some() {
        return None;
    }
    let ages: Vec<f64> = ends.iter().map(|(_, end)| end.age).collect();
    let silences: Vec<f64> = ends.iter().map(|(_, end)| end.silence).collect();
    let (age, silence) = (agreed(&ages), agreed(&silences).filter(|silence| *silence >= EARLY_SECONDS));
    let (seconds, told) = match (silence, age) {
        (Some(silence), None) => (silence, Clock::Silence),
        (None, Some(age)) => (age, Clock::Age),
        (Some(silence), Some(_)) => (silence, Clock::Unknown),
        (None, None) => return None,
    };
    // A longer silence was survived; or straight at the service there is no such silence, so that who ends the streams
    // had stopped passing on what the service sends.
    let is_age = told == Clock::Unknown
        && (ends.iter().any(|(attempt, end)| longest_gap(attempt, end) > 1.1 * end.silence)
            || (via == Via::Url && age.is_some_and(|age| flows_on(seen, age, seconds))));
    let (seconds, told) = match age.filter(|_| is_age) {
        Some(age) => (age, Clock::Age),
        None => (seconds, told),
    };
    let told = if ends.len() < 2 { Clock::Unknown } else { told };

    let busy: Vec<_> = all
        .iter()
        .filter_map(|&(attempt, beat)| {
            Some((attempt, beat, beat.period().filter(|period| *period < 0.95 * seconds)?))
        })
        .collect();
    let survived = busy
        .iter()
        .filter(|(attempt, ..)| attempt.lived() >= 2.0 * seconds)
        .max_by(|(a, ..), (b, ..)| a.lived().total_cmp(&b.lived()));
    // Messages that the service does not answer are traffic of one direction alone.
    let is_answered = |attempt: &Attempt| {
        seen.target.protocol == Protocol::WebSocket
            || attempt.stream.as_ref().is_some_and(|stream| stream.messages_seen > 1)
    };
    let cut_alike = |wanted: &dyn Fn(&Attempt, Beat) -> bool| {
        busy.iter().any(|&(attempt, beat, _)| {
            wanted(attempt, beat)
                && attempt
                    .peer_end()
                    .is_some_and(|end| (end.age - age.unwrap_or(seconds)).abs() <= tolerance(seconds))
        })
    };
    let pings_do_not_help = cut_alike(&|attempt, beat| match beat {
        Beat::Ping(_) => true,
        Beat::Message(_) => !is_answered(attempt),
        Beat::None => false,
    });
    let clock = match survived {
        Some((_, Beat::Message(_), _)) if pings_do_not_help => Clock::Messages,
        Some(_) => Clock::Silence,
        None if cut_alike(&|attempt, beat| matches!(beat, Beat::Message(_)) && is_answered(attempt)) => {
            Clock::Age
        }
        None if pings_do_not_help => Clock::NotPings,
        None => told,
    };
    let seconds = if clock == Clock::Age { age.unwrap_or(seconds) } else { seconds };
    let moment = |(attempt, end): &(&Attempt, &End)| attempt.began + end.at;
    let is_apart =
        ends.iter().any(|end| (moment(end) - moment(&ends[0])).abs() > tolerance(seconds).max(1.0))
            || all.iter().any(|(other, _)| {
                ends.iter().any(|end| {
                    other.began + 0.5 < moment(end)
                        && other.began + other.lived() > moment(end) + tolerance(seconds).max(1.0)
                })
            });
    let outlived = all
        .iter()
        .filter(|(attempt, beat)| {
            let quiet =
                attempt.stream.as_ref().and_then(|stream| stream.end.as_ref()).map_or(0.0, |end| end.silence);
            is_silent(*beat) && quiet > seconds * 1.3
        })
        .count();
    let survived = survived.map(|(attempt, _, period)| (*period, attempt.lived()));
    Some(Timer { seconds, clock, manner, ends, is_apart, survived, outlived })
}

/// Bytes at which several streams all ended inside a message, each at the same one: who ends them counts bytes, since a
/// clock would cut between two messages.
pub fn ends_inside_alike(ends: &[(&Attempt, &End)]) -> Option<u64> {
    let cut = |(attempt, _): &(&Attempt, &End)| {
        attempt.stream.as_ref().filter(|stream| stream.is_end_inside).map(|stream| stream.bytes_seen)
    };
    let bytes = ends.first().and_then(cut)?;
    (ends.len() > 1 && ends.iter().all(|end| cut(end) == Some(bytes))).then_some(bytes)
}

/// The end says that the credentials do not do (any longer): 1008, 3000 and 3003 of IANA's registry, 4xxx after the
/// status of HTTP, UNAUTHENTICATED.
pub fn is_for_credentials(manner: Manner) -> bool {
    matches!(manner, Manner::Close(1008 | 3000 | 3003 | 4001 | 4003 | 4401 | 4403) | Manner::Status(16))
}

/// A Close frame, in a sentence.
pub fn said_close(code: u16, reason: &str) -> Said {
    let reason = if reason.is_empty() { "-" } else { reason };
    Said::new("says_close").with("code", code).with("reason", reason)
}

/// That it is the same straight at the service, or not there at all, in a sentence; none when that is not known.
pub fn compared(seen: &Examination, owner: Owner, seconds: f64) -> Option<Said> {
    let code = match owner {
        Owner::Hop => "direct_outlives",
        Owner::Service => "direct_same_time",
        Owner::Unknown => return None,
    };
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let said = Said::new(code).with("upstream", upstream);
    Some(if owner == Owner::Hop { said.seconds("seconds", seconds) } else { said })
}

/// The server ends whole connections of gRPC at an age, as MAX_CONNECTION_AGE does when its grace is over: a proxy
/// that limits the duration of calls resets the one stream.
pub fn recycles(seen: &Examination, timer: &Timer<'_>) -> bool {
    seen.target.protocol == Protocol::Grpc
        && matches!(timer.manner, Manner::Wordless | Manner::Status(14))
        && matches!(timer.clock, Clock::Age | Clock::NotPings)
        && owner(seen, timer) != Owner::Hop
}

/// The service's own heartbeat, when it comes no more often than the timer allows: its period.
pub fn late_heartbeat(timer: &Timer<'_>) -> Option<f64> {
    let gaps = timer.ends.iter().filter_map(|(attempt, _)| {
        let stream = attempt.stream.as_ref()?;
        let beats = if stream.server_pings.len() > 1 { &stream.server_pings } else { &stream.comments };
        let gaps: Vec<f64> = beats.windows(2).map(|pair| pair[1] - pair[0]).collect();
        agreed(&gaps)
    });
    gaps.min_by(f64::total_cmp).filter(|gap| (0.85..=1.1).contains(&(gap / timer.seconds)))
}

/// Where a timer seen at the URL sits.
pub fn owner(seen: &Examination, timer: &Timer<'_>) -> Owner {
    let straight: Vec<_> = holds(seen, Via::Direct).collect();
    let is_alike = self::timer(seen, Via::Direct).is_some_and(|direct| timer.is_same(direct.seconds));
    if is_alike {
        return Owner::Service;
    }
    let outlives = straight.iter().any(|(attempt, beat)| {
        let is_comparable = *beat == Beat::None || timer.clock == Clock::Age;
        is_comparable && attempt.peer_end().is_none() && attempt.lived() >= 1.5 * timer.seconds
    });
    if outlives { Owner::Hop } else { Owner::Unknown }
}

/// The longest silence that the stream survived, by what the service sent.
fn longest_gap(attempt: &Attempt, end: &End) -> f64 {
    let Some(stream) = &attempt.stream else { return 0.0 };
    let heard = stream.messages.iter().map(|message| message.at);
    let mut heard: Vec<f64> =
        heard.chain(stream.comments.clone()).chain(stream.server_pings.clone()).collect();
    heard.push(end.at - end.age);
    heard.sort_by(f64::total_cmp);
    heard.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max)
}

/// A stream that brought messages until its end lives on straight at the service, and brings more.
fn goes_on(seen: &Examination, attempt: &Attempt, end: &End) -> bool {
    let flowed = attempt.stream.as_ref().is_some_and(|stream| stream.messages.len() >= FLOW_MESSAGES);
    flowed
        && seen.of_open(Via::Direct).any(|direct| {
            let count = direct.stream.as_ref().map_or(0, |stream| stream.messages_seen);
            let brought = attempt.stream.as_ref().map_or(0, |stream| stream.messages_seen);
            direct.peer_end().is_none() && direct.lived() > 1.4 * end.age && count > brought
        })
}

/// A stream straight at the service speaks beyond that age, and is never silent for nearly so long.
fn flows_on(seen: &Examination, age: f64, silence: f64) -> bool {
    seen.of_open(Via::Direct).any(|attempt| {
        let Some(stream) = &attempt.stream else { return false };
        let Some(end) = &stream.end else { return false };
        let opened = end.at - end.age;
        let is_beyond = stream.messages.last().is_some_and(|last| last.at - opened > age);
        is_beyond && stream.sent.len() <= 1 && longest_gap(attempt, end) < 0.5 * silence
    })
}

/// The value that all of these have in common.
fn agreed(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = *sorted.get(sorted.len() / 2)?;
    sorted.iter().all(|value| (value - middle).abs() <= tolerance(middle)).then_some(middle)
}

/// Streams that ended at one moment though they had begun at different ones.
#[derive(Clone, Debug)]
pub struct Clump<'a> {
    /// When, in seconds after the first attempt.
    pub moment: f64,
    /// Those at the URL.
    pub at_url: Vec<(&'a Attempt, &'a End)>,
    /// Those straight at the service.
    pub direct: Vec<(&'a Attempt, &'a End)>,
    /// Streams at the URL that lived on.
    pub url_lived_on: usize,
    /// Streams straight at the service that lived on.
    pub direct_lived_on: usize,
}

impl Clump<'_> {
    /// How all of them ended; none when they ended in different ways.
    pub fn manner(&self) -> Option<Manner> {
        let mut manners =
            self.at_url.iter().chain(&self.direct).map(|(attempt, end)| Manner::of(attempt, end));
        let first = manners.next()?;
        manners.all(|other| other == first).then_some(first)
    }

    /// Attempts at the URL that began up to 15 s after it.
    pub fn after<'a>(&self, seen: &'a Examination) -> Option<&'a Attempt> {
        let since = |attempt: &&Attempt| attempt.began - self.moment;
        seen.attempts
            .iter()
            .filter(|attempt| attempt.experiment.via == Via::Url && (0.0..15.0).contains(&since(attempt)))
            .min_by(|a, b| a.began.total_cmp(&b.began))
    }
}

/// The largest such group, when neither a timer nor a number of bytes explains it.
pub fn clump(seen: &Examination) -> Option<Clump<'_>> {
    const WINDOW_SECONDS: f64 = 1.0;
    let held = |via| holds(seen, via).map(|(attempt, _)| attempt);
    let cut = |attempt: &&Attempt| {
        attempt.peer_end().is_some_and(|end| Manner::of(attempt, end) != Manner::Announced)
    };
    let moment = |attempt: &Attempt| attempt.began + attempt.peer_end().map_or(0.0, |end| end.at);
    let grouped = |at: f64| -> Clump<'_> {
        let within =
            |attempt: &&Attempt| cut(attempt) && (0.0..=WINDOW_SECONDS).contains(&(moment(attempt) - at));
        let ends = |via| -> Vec<_> {
            held(via).filter(within).filter_map(|attempt| Some((attempt, attempt.peer_end()?))).collect()
        };
        let lived_on = |via| {
            held(via)
                .filter(|attempt| {
                    attempt.began + 0.2 < at && attempt.began + attempt.lived() > at + 2.0 * WINDOW_SECONDS
                })
                .count()
        };
        Clump {
            moment: at,
            at_url: ends(Via::Url),
            direct: ends(Via::Direct),
            url_lived_on: lived_on(Via::Url),
            direct_lived_on: lived_on(Via::Direct),
        }
    };
    let starts = held(Via::Url).chain(held(Via::Direct)).filter(cut).map(moment);
    let largest = starts.map(grouped).max_by_key(|clump| clump.at_url.len() + clump.direct.len())?;
    let ages: Vec<f64> = largest.at_url.iter().chain(&largest.direct).map(|(_, end)| end.age).collect();
    let silences: Vec<f64> =
        largest.at_url.iter().chain(&largest.direct).map(|(_, end)| end.silence).collect();
    let is_one_event =
        ages.len() > 1 && agreed(&ages).is_none() && agreed(&silences).is_none_or(|it| it < EARLY_SECONDS);
    (is_one_event && ends_inside_alike(&largest.at_url).is_none()).then_some(largest)
}

/// A hold whose first sign of life came after a long silence and was lost, beside one that spoke more often and lived
/// on.
#[derive(Clone, Copy, Debug)]
pub struct Forgotten<'a> {
    /// Silence after which nothing was answered.
    pub gap: f64,
    /// Silence after which all was.
    pub bridged: Option<f64>,
    /// The hold that was lost.
    pub lost: &'a Attempt,
}

impl Forgotten<'_> {
    /// How the stream ended when something was sent again; none when nothing came.
    pub fn sign(&self) -> Option<&Sign> {
        match self.lost.stream.as_ref()?.woken.as_ref() {
            Some(Woken::Ended(sign)) => Some(sign),
            _ => self.lost.peer_end().map(|end| &end.sign),
        }
    }
}

/// A connection that somebody on the way forgot while it was silent.
pub fn forgotten(seen: &Examination, via: Via) -> Option<Forgotten<'_>> {
    let gap = |attempt: &Attempt, beat: Beat| beat.period().unwrap_or(attempt.lived());
    let answers = |attempt: &Attempt, beat: Beat| -> Vec<Option<f64>> {
        let stream = attempt.stream.as_ref();
        stream.map_or(Vec::new(), |stream| match (beat, &stream.woken) {
            (Beat::Message(_), _) => stream.echoes.clone(),
            (_, Some(Woken::Answered(seconds))) => vec![Some(*seconds)],
            (_, Some(Woken::Unanswered | Woken::Ended(_))) => vec![None],
            (_, None) => stream.pings.clone(),
        })
    };
    let is_lost = |attempt: &Attempt, beat: Beat| {
        let answers = answers(attempt, beat);
        !answers.is_empty() && answers.iter().all(Option::is_none)
    };
    let (lost, gap_seconds) = holds(seen, via)
        .filter(|&(attempt, beat)| is_lost(attempt, beat))
        .map(|(attempt, beat)| (attempt, gap(attempt, beat)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let bridged = holds(seen, via)
        .filter(|&(attempt, beat)| {
            let answers = answers(attempt, beat);
            answers.iter().flatten().count() * 2 > answers.len() && attempt.lived() >= 0.9 * gap_seconds
        })
        .map(|(attempt, beat)| gap(attempt, beat))
        .filter(|gap| *gap < gap_seconds)
        .max_by(f64::total_cmp);
    Some(Forgotten { gap: gap_seconds, bridged, lost })
}
