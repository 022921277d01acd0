//! Whether an opening succeeds depends on how many streams are open at that moment: the sign of a limit, whichever
//! attempts came up against it.

use model::finding::{Place, Said};

use crate::attempt::Attempt;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::openings;

/// So many streams and no more.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit<'a> {
    /// Most streams that were open together.
    pub streams: usize,
    /// Attempts that came when so many were open, and did not open.
    pub refused: Vec<&'a Attempt>,
}

/// All attempts, those of crowds one by one.
pub fn attempts(seen: &Examination) -> impl Iterator<Item = &Attempt> {
    seen.attempts.iter().flat_map(|attempt| match attempt.crowd.as_slice() {
        [] => std::slice::from_ref(attempt),
        crowd => crowd,
    })
}

/// All attempts at the URL, those of crowds one by one.
pub fn at_url(seen: &Examination) -> impl Iterator<Item = &Attempt> {
    attempts(seen).filter(|attempt| attempt.experiment.via == Via::Url)
}

/// The limit that explains which of these opened: each one that was refused came when at least as many were open as
/// each one that opened. One place of overtaking is allowed for, since openings that begin together overlap.
pub fn limit<'a>(
    attempts: impl Iterator<Item = &'a Attempt>,
    is_refused: impl Fn(&Attempt) -> bool,
) -> Option<Limit<'a>> {
    const REFUSED_MIN: usize = 2;
    let (refused, others): (Vec<&Attempt>, Vec<&Attempt>) = attempts.partition(|attempt| is_refused(attempt));
    let opened: Vec<&Attempt> = others.into_iter().filter(|attempt| attempt.is_open()).collect();
    let beside = |attempt: &Attempt| {
        let is_there = |other: &&&Attempt| other.began < attempt.began && attempt.began < ended(other);
        opened.iter().filter(is_there).count()
    };
    let most = opened.iter().map(|attempt| beside(attempt)).max()?;
    let fewest = refused.iter().map(|attempt| beside(attempt)).min()?;
    let is_limit = refused.len() >= REFUSED_MIN && fewest > 0 && fewest >= most;
    is_limit.then_some(Limit { streams: most + 1, refused })
}

/// A limit at the URL, beside what became of a crowd straight at the service.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared<'a> {
    /// The limit.
    pub limit: Limit<'a>,
    /// What became of the crowd.
    pub straight: Straight,
}

/// What became of a crowd straight at the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Straight {
    /// There was none, or it tells nothing.
    Unknown,
    /// So many opened, more than the limit is, and none did not.
    Open(usize),
    /// Some did not open, in whatever way: a proxy may tell of it in another.
    Limited,
}

/// The limit that plain requests at the URL met; none when one alone is refused.
pub fn compared<'a>(seen: &'a Examination, is_refused: impl Fn(&Attempt) -> bool) -> Option<Compared<'a>> {
    seen.plain().filter(|plain| plain.is_open())?;
    let plain = at_url(seen).filter(|attempt| attempt.experiment.vary.is_none());
    let limit = limit(plain, &is_refused)?;
    let is_out = |attempt: &Attempt| !attempt.is_open() || is_refused(attempt);
    let straight = match openings::crowd(seen, Via::Direct) {
        Some(crowd) if crowd.iter().any(is_out) => Straight::Limited,
        Some(crowd) if crowd.len() > limit.streams => Straight::Open(crowd.len()),
        _ => Straight::Unknown,
    };
    Some(Compared { limit, straight })
}

impl Compared<'_> {
    /// Where the limit is.
    pub fn place(&self) -> Place {
        match self.straight {
            Straight::Unknown => Place::Unknown,
            Straight::Open(_) => Place::UpstreamLeg,
            Straight::Limited => Place::Upstream,
        }
    }

    /// The least and the most time that those that were refused waited for their answer, or their end.
    pub fn waited(&self) -> (f64, f64) {
        let waited = self.limit.refused.iter().filter_map(|attempt| waited(attempt));
        waited.fold((f64::INFINITY, 0.0), |(least, most), seconds| (seconds.min(least), seconds.max(most)))
    }

    /// A sentence with the limit, how many were refused, and the most time that they waited.
    pub fn said(&self, code: &'static str) -> Said {
        let said =
            Said::new(code).with("streams", self.limit.streams).with("refused", self.limit.refused.len());
        said.seconds("seconds", self.waited().1)
    }

    /// A crowd opens straight at the service, as a sentence.
    pub fn opens_straight(&self, seen: &Examination) -> Option<Said> {
        let Straight::Open(connections) = self.straight else { return None };
        let upstream = seen.target.direct.as_deref().unwrap_or_default();
        Some(Said::new("crowd_opens_straight").with("upstream", upstream).with("connections", connections))
    }
}

/// How long an answer was waited for, whether it came or not.
pub fn waited(attempt: &Attempt) -> Option<f64> {
    let answered = attempt.answer.as_ref().map(|answer| answer.seconds);
    answered.or_else(|| Some(attempt.failed()?.seconds))
}

/// When its stream ended; one whose end was not seen is there still.
fn ended(attempt: &Attempt) -> f64 {
    let end = attempt.stream.as_ref().and_then(|stream| stream.end.as_ref());
    end.map_or(f64::INFINITY, |end| attempt.began + end.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, answer};

    /// Attempts that begin one after the other, 10 ms apart, and stay open.
    fn streams(statuses: &[u16]) -> Option<usize> {
        let scene = statuses.iter().fold(Scene::websocket(), |scene, status| scene.plain(answer(*status)));
        let mut seen = scene.seen();
        for (number, attempt) in seen.attempts.iter_mut().enumerate() {
            attempt.began = 0.01 * number as f64;
        }
        limit(attempts(&seen), |attempt| attempt.status() == Some(503)).map(|limit| limit.streams)
    }

    #[test]
    fn what_opens_below_a_number_and_not_at_it() {
        assert_eq!(streams(&[101, 101, 101, 503, 503, 503]), Some(3));
        assert_eq!(streams(&[101, 101, 503, 101, 503, 503]), Some(3));
    }

    #[test]
    fn what_fails_whatever_is_open_is_no_limit() {
        assert_eq!(streams(&[101, 503, 101, 503, 101, 503, 101]), None);
        assert_eq!(streams(&[503, 503, 101]), None);
        assert_eq!(streams(&[101, 101, 503]), None);
        assert_eq!(streams(&[101, 101, 101]), None);
    }
}
