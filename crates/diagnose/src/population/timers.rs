//! Timers in the ends of a population: the same silence before each, or the same age.

use model::record::CloseRecord;
use model::{Initiator, Reason, WallTime};

use super::{Manner, Population, Spike, between, spike};

/// Ends within so many seconds may be of one moment.
const MOMENT: f64 = 1.0;

/// What a timer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Time since the last byte.
    Silence,
    /// Time since the opening.
    Age,
    /// It cannot be told: what ended had been silent from its opening on.
    Either,
}

/// Ends that a timer made.
#[derive(Debug)]
pub struct Timer<'a> {
    /// What it counts.
    pub clock: Clock,
    /// After how long.
    pub seconds: f64,
    /// How it ends connections.
    pub manner: Manner,
    /// The code that most of the ends have.
    pub code: Option<u16>,
    /// The ends.
    pub ends: Vec<&'a CloseRecord>,
    /// Their share of the ends of the same manner.
    pub share: f64,
    /// Connections that lived longer than this, since they were not silent for so long.
    pub outlived: usize,
    /// Of the ends, those that had been silent for longer before and had lived on.
    pub silent_longer: usize,
    /// Median of the gaps between the Pings of the ends that had any.
    pub heartbeat: Option<f64>,
}

impl<'a> Population<'a> {
    /// All timers that show in the ends, one for each manner of ending.
    pub fn timers(&self) -> &[Timer<'a>] {
        self.known.timers.get_or_init(|| self.find_timers())
    }

    fn find_timers(&self) -> Vec<Timer<'a>> {
        let mut manners: Vec<Manner> = self.ends.iter().filter_map(|record| Manner::of(record)).collect();
        manners.sort_unstable();
        manners.dedup();
        manners.into_iter().filter_map(|manner| self.timer(manner)).collect()
    }

    fn timer(&self, manner: Manner) -> Option<Timer<'a>> {
        let ends = self.ends_where(|record| Manner::of(record) == Some(manner));
        let age = spike(ends.iter().map(|record| record.duration_seconds));
        // A beat that begins with the opening leaves the same silence before each end at the same age.
        let silence = spike(ends.iter().map(|record| record.idle_seconds.any)).filter(|silence| {
            let members: Vec<_> =
                ends.iter().filter(|record| silence.holds(record.idle_seconds.any)).collect();
            let lived = members.iter().filter(|record| has_outlived_silence(record, age.is_some())).count();
            lived * 2 < members.len()
        });
        let (found, value): (Spike, fn(&CloseRecord) -> f64) = match (silence, age) {
            (Some(silence), _) => (silence, |record| record.idle_seconds.any),
            (None, Some(age)) => (age, |record| record.duration_seconds),
            (None, None) => return None,
        };
        let members: Vec<_> = ends.into_iter().filter(|record| found.holds(value(record))).collect();
        if is_one_moment(&members) {
            return None;
        }
        let outlived = self.outlived(found.at);
        let clock = match (silence, age) {
            (Some(_), None) => Clock::Silence,
            (None, _) => Clock::Age,
            // Nothing was ever said on them: both clocks ran alike.
            (Some(_), Some(_)) if outlived >= 3 => Clock::Silence,
            (Some(_), Some(_)) => Clock::Either,
        };
        let mut beats: Vec<f64> = members.iter().filter_map(|record| beat(record)).collect();
        beats.sort_by(f64::total_cmp);
        Some(Timer {
            clock,
            seconds: found.at,
            manner,
            code: common(members.iter().map(|record| code(record, manner.initiator))),
            share: found.share,
            outlived,
            silent_longer: members.iter().filter(|record| has_outlived_silence(record, true)).count(),
            heartbeat: (beats.len() * 2 >= members.len())
                .then(|| beats.get(beats.len() / 2).copied())
                .flatten(),
            ends: members,
        })
    }

    /// Connections older than that, which never were silent for so long.
    fn outlived(&self, seconds: f64) -> usize {
        let longer = 1.3 * seconds + 0.5;
        let closed = self.ends.iter().chain(&self.orderly);
        let ended = closed
            .filter(|record| record.duration_seconds > longer && record.idle_seconds.any < 0.9 * seconds);
        let open =
            self.open.iter().filter(|open| open.age_seconds > longer && open.idle_seconds < 0.9 * seconds);
        ended.count() + open.count()
    }

    /// Whether the gateway's own limit of time made this end.
    pub fn is_own(record: &CloseRecord) -> bool {
        record.initiator == Some(Initiator::Proxy)
            && matches!(
                record.reason,
                Some(Reason::Timeout | Reason::HeartbeatTimeout | Reason::SlowConsumer | Reason::Limit)
            )
    }
}

/// Whether it had been silent for longer than before its end and lived on, so that no timer of silence ended it; where
/// there is another explanation already (`by_age`), also whether it had lived through silences as long each time.
fn has_outlived_silence(record: &CloseRecord, by_age: bool) -> bool {
    let Some(stream) = record.event_stream.as_deref() else { return false };
    let idle = record.idle_seconds.any;
    let is_longer = stream.longest_silence_seconds > 1.1 * idle + 0.05;
    let mean = (record.duration_seconds - idle) / stream.reads.max(1) as f64;
    is_longer || (by_age && stream.reads >= 3 && mean > 0.9 * idle)
}

/// Whether the ends are nearer to each other than the openings were: one moment ended them all, not a timer of each.
pub(super) fn is_one_moment(ends: &[&CloseRecord]) -> bool {
    let closed = spread(ends, |record| record.closed_at);
    let opened = spread(ends, |record| record.opened_at);
    closed < MOMENT && closed * 2.0 < opened
}

/// Seconds over which most of the times are: without the first and the last tenth, since some are told late.
pub(super) fn spread(ends: &[&CloseRecord], at: fn(&CloseRecord) -> WallTime) -> f64 {
    let mut times: Vec<WallTime> = ends.iter().map(|record| at(record)).collect();
    times.sort_unstable();
    let tenth = times.len() / 10;
    let most = times.get(tenth).zip(times.get(times.len().saturating_sub(1 + tenth)));
    most.map_or(0.0, |(low, high)| between(*low, *high))
}

/// The gap between the Pings of a connection, whichever side they went to.
fn beat(record: &CloseRecord) -> Option<f64> {
    let gap = |heartbeat: &Option<model::heartbeat::Heartbeat>| heartbeat.as_ref()?.interval_seconds;
    gap(&record.heartbeat.client).or_else(|| gap(&record.heartbeat.upstream))
}

/// The code of the Close frame by which this side ended it.
pub fn code(record: &CloseRecord, initiator: Initiator) -> Option<u16> {
    let code = match initiator {
        Initiator::Client => record.codes.from_client,
        Initiator::Upstream => record.codes.from_upstream,
        Initiator::Proxy => None,
    };
    code.map(|code| code.0)
}

/// The value that more than half have.
pub fn common<T: PartialEq + Copy>(values: impl Iterator<Item = Option<T>>) -> Option<T> {
    let values: Vec<Option<T>> = values.collect();
    let is_most =
        |value: &T| values.iter().filter(|other| **other == Some(*value)).count() * 2 > values.len();
    values.iter().copied().flatten().find(is_most)
}
