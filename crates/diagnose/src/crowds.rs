//! Crowds: connections opened at once, of which only the first ones get in.

use model::finding::{Place, Said};

use crate::attempt::{Attempt, Fault, StageName};
use crate::examination::Examination;
use crate::experiment::Via;
use crate::openings;

/// A limit that a crowd has met, through the URL.
pub struct Limit<'a> {
    /// Connections of the crowd.
    pub connections: usize,
    /// Those that opened, one of them at least.
    pub opened: usize,
    /// The others, which began after them.
    pub others: Vec<&'a Attempt>,
    /// A crowd as large straight at the service.
    pub straight: Straight,
}

/// What became of a crowd straight at the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Straight {
    /// There was none.
    NotAsked,
    /// All opened.
    Open,
    /// So many opened, and others did not.
    Limited(usize),
}

impl<'a> Limit<'a> {
    /// The limit that was met; none when one connection alone does not open, or those that did not open are spread.
    pub fn of(seen: &'a Examination) -> Option<Limit<'a>> {
        seen.plain().filter(|plain| plain.is_open())?;
        let crowd = openings::crowd(seen, Via::Url)?;
        let opened = openings::cut_off(crowd)?;
        let others = crowd.iter().filter(|attempt| !attempt.is_open()).collect();
        let direct = openings::crowd(seen, Via::Direct);
        let count = direct.map(|direct| direct.iter().filter(|attempt| attempt.is_open()).count());
        let straight = match direct.zip(count) {
            Some((direct, opened)) if opened < direct.len() => Straight::Limited(opened),
            Some((direct, _)) if direct.len() >= crowd.len() => Straight::Open,
            _ => Straight::NotAsked,
        };
        Some(Limit { connections: crowd.len(), opened, others, straight })
    }

    /// The status that all others were answered with.
    pub fn status(&self) -> Option<u16> {
        let status = self.others.first()?.status()?;
        self.others.iter().all(|attempt| attempt.status() == Some(status)).then_some(status)
    }

    /// All others failed so, before any answer.
    pub fn all_failed(&self, stage: StageName, fault: impl Fn(Fault) -> bool) -> bool {
        self.others.iter().all(|attempt| openings::failed(attempt, stage).is_some_and(&fault))
    }

    /// The least and the most time that the others waited for their answer, or their end.
    pub fn waited(&self) -> (f64, f64) {
        let waited = self.others.iter().filter_map(|attempt| {
            let answered = attempt.answer.as_ref().map(|answer| answer.seconds);
            answered.or_else(|| attempt.failed().map(|failed| failed.seconds))
        });
        waited.fold((f64::INFINITY, 0.0), |(least, most), seconds| (seconds.min(least), seconds.max(most)))
    }

    /// Where the limit is, as far as a comparison with the service itself tells.
    pub fn place(&self) -> Place {
        match self.straight {
            Straight::NotAsked => Place::Unknown,
            Straight::Open => Place::UpstreamLeg,
            Straight::Limited(_) => Place::Upstream,
        }
    }

    /// A sentence about how many opened and how many did not.
    pub fn said(&self, code: &'static str) -> Said {
        let said = Said::new(code).with("connections", self.connections).with("opened", self.opened);
        said.with("others", self.others.len()).seconds("seconds", self.waited().1)
    }

    /// All open straight at the service, as a sentence.
    pub fn open_straight(&self, seen: &Examination) -> Option<Said> {
        let upstream = seen.target.direct.as_deref().unwrap_or_default();
        let said = Said::new("crowd_opens_straight").with("upstream", upstream);
        (self.straight == Straight::Open).then(|| said.with("connections", self.connections))
    }
}
