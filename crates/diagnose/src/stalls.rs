//! Moments at which nothing was answered on any stream, and then everything: a process that stands still as a whole.

use crate::attempt::Attempt;
use crate::examination::Examination;
use crate::experiment::Via;

/// A time in which all streams stood still. Seconds after the first attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stall {
    /// The first of what waited was sent.
    pub from: f64,
    /// All of it was answered.
    pub to: f64,
    /// Streams on which something waited for its end.
    pub streams: usize,
}

/// A round trip: which stream, when it began, and when it was over.
#[derive(Clone, Copy, Debug)]
struct Trip {
    stream: usize,
    sent: f64,
    answered: f64,
}

impl Trip {
    fn seconds(&self) -> f64 {
        self.answered - self.sent
    }
}

/// A wait is long from here, and from so many times the middle one. Shorter ones are ordinary for programs with garbage
/// collection on busy machines.
const LATE_SECONDS: f64 = 0.4;
const LATE_TIMES: f64 = 10.0;
/// Answers that waited for the same moment come within so many seconds of one another.
const TOGETHER: f64 = 0.15;
/// Round trips that tell anything.
const TRIPS_MIN: usize = 16;

/// The stalls that several streams there saw together, and in which none was answered.
pub fn stalls(seen: &Examination, via: Via) -> Vec<Stall> {
    let trips = all(seen, via);
    let mut times: Vec<f64> = trips.iter().map(Trip::seconds).collect();
    times.sort_by(f64::total_cmp);
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    let mut late: Vec<Trip> = trips
        .iter()
        .copied()
        .filter(|trip| trip.seconds() >= LATE_SECONDS && trip.seconds() >= LATE_TIMES * middle)
        .collect();
    // Where half of all is late, it is slow and does not stand still.
    if trips.len() < TRIPS_MIN || late.len() * 2 > trips.len() {
        return Vec::new();
    }
    late.sort_by(|a, b| a.answered.total_cmp(&b.answered));
    let mut found = Vec::new();
    while let Some(first) = late.first().copied() {
        let end = late.partition_point(|trip| trip.answered <= first.answered + TOGETHER);
        let together: Vec<Trip> = late.drain(..end).collect();
        found.extend(stall(&together, &trips));
    }
    found
}

/// Whether a stream straight at the service stood still as well in these; none when nothing was sent on one then.
pub fn straight(seen: &Examination, stalls: &[Stall]) -> Option<bool> {
    let trips = all(seen, Via::Direct);
    let within = |stall: &Stall| -> Vec<bool> {
        let is_within = |trip: &&Trip| (stall.from..stall.to - LATE_SECONDS).contains(&trip.sent);
        trips.iter().filter(is_within).map(|trip| trip.answered > stall.to - TOGETHER).collect()
    };
    let waited: Vec<bool> = stalls.iter().flat_map(within).collect();
    (!waited.is_empty()).then(|| waited.iter().all(|waited| *waited))
}

fn all(seen: &Examination, via: Via) -> Vec<Trip> {
    seen.of_open(via).enumerate().flat_map(|(stream, attempt)| trips(stream, attempt)).collect()
}

fn stall(together: &[Trip], all: &[Trip]) -> Option<Stall> {
    let mut streams: Vec<usize> = together.iter().map(|trip| trip.stream).collect();
    streams.sort_unstable();
    streams.dedup();
    let from = together.iter().map(|trip| trip.sent).reduce(f64::min)?;
    let to = together.iter().map(|trip| trip.answered).reduce(f64::max)?;
    // The last that was sent has waited at least that long: within it nobody was served.
    let shortest = together.iter().map(Trip::seconds).reduce(f64::min)?;
    let is_within = |trip: &&Trip| trip.sent > to - shortest && trip.answered < to - TOGETHER;
    let is_served = all.iter().any(|trip| is_within(&trip));
    (streams.len() > 1 && !is_served).then_some(Stall { from, to, streams: streams.len() })
}

fn trips(stream: usize, attempt: &Attempt) -> Vec<Trip> {
    let Some(seen) = &attempt.stream else { return Vec::new() };
    let messages =
        seen.sent.iter().zip(&seen.echoes).filter_map(|(sent, echo)| Some((*sent, sent + (*echo)?)));
    let pings = seen.pings.iter().flatten().zip(&seen.pongs).map(|(trip, at)| (at - trip, *at));
    let began = attempt.began;
    messages
        .chain(pings)
        .map(|(sent, answered)| Trip { stream, sent: began + sent, answered: began + answered })
        .collect()
}

/// The time from one stall to the next, when it is always the same; none of fewer than three.
pub fn period(stalls: &[Stall]) -> Option<f64> {
    let gaps: Vec<f64> = stalls.windows(2).map(|pair| pair[1].to - pair[0].to).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len().max(1) as f64;
    let is_steady = gaps.iter().all(|gap| (gap - mean).abs() <= 0.15 * mean);
    (gaps.len() > 1 && is_steady).then_some(mean)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::experiment::Check;
    use crate::scene::{Scene, lives, pinged};

    /// A stream that began then and sends a Ping each 250 ms for 7 s; what is sent in one of these times is answered at its
    /// end.
    pub(crate) fn watched(via: Via, began: f64, stills: &[(f64, f64)]) -> Attempt {
        let sent: Vec<f64> = (1..28).map(|nth| 0.25 * f64::from(nth)).collect();
        let answer = |sent: &f64| {
            let still = stills.iter().find(|(from, to)| (*from..*to).contains(&(began + sent)));
            Some(still.map_or(0.002, |(_, to)| to - began - sent))
        };
        let mut attempt = lives(via, pinged(0.25), began, 7.0).stream_with(|stream| {
            stream.pings = sent.iter().map(answer).collect();
            stream.pongs =
                sent.iter().zip(&stream.pings).filter_map(|(sent, trip)| Some(sent + (*trip)?)).collect();
        });
        attempt.experiment.check = Check::Latency;
        attempt
    }

    fn found(streams: impl IntoIterator<Item = Attempt>) -> Vec<Stall> {
        stalls(&Scene::opened().attempts(streams).seen(), Via::Url)
    }

    #[test]
    fn all_streams_wait_for_one_moment() {
        let stills = [(1.0, 1.8), (3.0, 3.8), (5.0, 5.8)];
        let two = [watched(Via::Url, 0.0, &stills), watched(Via::Url, 0.11, &stills)];
        let stalls = found(two);
        assert_eq!(stalls.len(), 3, "{stalls:?}");
        assert!(stalls.iter().all(|stall| stall.streams == 2 && stall.to - stall.from > 0.5), "{stalls:?}");
        assert!(period(&stalls).is_some_and(|period| (period - 2.0).abs() < 0.01));
        let talks = |began| {
            let mut attempt = watched(Via::Url, began, &stills);
            let stream = attempt.stream.get_or_insert_default();
            (stream.echoes, stream.pings) = (std::mem::take(&mut stream.pings), Vec::new());
            let answered = std::mem::take(&mut stream.pongs).into_iter();
            stream.sent = answered.zip(&stream.echoes).filter_map(|(at, trip)| Some(at - (*trip)?)).collect();
            attempt
        };
        assert_eq!(found([talks(0.0), talks(0.11)]).len(), 3, "messages tell it as well");
    }

    #[test]
    fn one_stream_that_waits_is_no_process_that_stands_still() {
        assert_eq!(found([watched(Via::Url, 0.0, &[(1.0, 1.8)]), watched(Via::Url, 0.11, &[])]), []);
        let others = [watched(Via::Url, 0.0, &[(1.0, 1.8)]), watched(Via::Url, 0.11, &[(2.0, 2.8)])];
        assert_eq!(found(others), []);
        let slow = [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 5.0), (5.0, 6.0), (6.0, 7.0)];
        assert_eq!(found([watched(Via::Url, 0.0, &slow), watched(Via::Url, 0.11, &slow)]), []);
    }

    #[test]
    fn who_is_served_meanwhile_shows_that_it_does_not_stand_still() {
        let stills = [(1.0, 2.8)];
        let third = watched(Via::Url, 0.05, &[]);
        assert_eq!(found([watched(Via::Url, 0.0, &stills), watched(Via::Url, 0.11, &stills), third]), []);
    }
}
