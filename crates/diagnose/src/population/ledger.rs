//! Findings over time: what the same look says again is the same finding; what it no longer says ends after a while.

use std::collections::VecDeque;
use std::sync::Arc;

use model::WallTime;
use model::finding::{Doubt, Finding, Param, Place};

use super::between;

/// What makes two findings the same.
fn is_same(a: &Finding, b: &Finding) -> bool {
    let key = |finding: &Finding| -> (String, Option<Arc<str>>, Place) {
        (finding.id.to_string(), finding.route.clone(), finding.place)
    };
    key(a) == key(b)
}

/// Whether a doubt about one holds for the other: its sentence is the same, in what is no number, and it is as sure.
fn says_the_same(a: &Finding, b: &Finding) -> bool {
    let words = |finding: &Finding| -> Vec<String> {
        let texts = finding.title.params.values().filter_map(|param| match param {
            Param::Text(text) => Some(text.clone()),
            _ => None,
        });
        texts.chain([finding.title.code.to_string()]).collect()
    };
    a.level == b.level && words(a) == words(b)
}

/// A finding is over when it was not seen for so long, seconds: a look may miss what comes in waves.
const GONE: f64 = 60.0;
/// Findings that are kept, those that go on and those that are over.
const ACTIVE_MAX: usize = 200;
const OVER_MAX: usize = 500;

/// The findings of a gateway, and when each was seen.
#[derive(Debug, Default)]
pub struct Ledger {
    active: Vec<(Finding, WallTime)>,
    over: VecDeque<Finding>,
    left_out: u64,
}

impl Ledger {
    /// Takes in what a look found.
    pub fn looked(&mut self, found: Vec<Finding>, now: WallTime) {
        for finding in found {
            let has_room = self.active.len() < ACTIVE_MAX;
            match self.active.iter_mut().find(|(known, _)| is_same(known, &finding)) {
                Some((known, seen)) => {
                    let since = [known.since, finding.since].into_iter().flatten().min();
                    let doubt = known.doubt.take().filter(|_| says_the_same(known, &finding));
                    *known = Finding { since, doubt, ..finding };
                    *seen = now;
                }
                None if has_room => self.active.push((finding, now)),
                None => self.left_out += 1,
            }
        }
        let (active, gone): (Vec<_>, Vec<_>) =
            self.active.drain(..).partition(|(_, seen)| between(*seen, now) <= GONE);
        self.active = active;
        for (mut finding, seen) in gone {
            finding.until = Some(seen);
            self.over.push_front(finding);
        }
        self.over.truncate(OVER_MAX);
    }

    /// Findings that go on, surest first.
    pub fn active(&self) -> Vec<Finding> {
        let mut active: Vec<Finding> = self.active.iter().map(|(finding, _)| finding.clone()).collect();
        active.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        active
    }

    /// Findings that are over, newest first.
    pub fn over(&self) -> Vec<Finding> {
        self.over.iter().cloned().collect()
    }

    /// Takes a doubt about the findings that go on of a cause, on a route and at a place where these are given; none
    /// takes it back. Says how many there are.
    pub fn doubt(
        &mut self,
        id: &str,
        route: Option<&str>,
        place: Option<Place>,
        doubt: Option<&Doubt>,
    ) -> usize {
        let findings = self.active.iter_mut().map(|(finding, _)| finding);
        let meant = findings.filter(|finding| {
            finding.id == id
                && (route.is_none() || finding.route.as_deref() == route)
                && place.is_none_or(|place| finding.place == place)
        });
        meant.map(|finding| finding.doubt = doubt.cloned()).count()
    }

    /// Findings that there was no room for.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes;
    use crate::claim::Claim;
    use model::finding::Said;

    fn finding(count: u64, header: &str) -> Finding {
        let cause = causes::by_id("ws-upgrade-stripped").expect("a cause");
        let title = Said::new("title").with("count", count).with("header", header);
        Claim::of(cause, Place::Upstream, Said::new("x")).titled(title).finding()
    }

    fn second(second: u64) -> WallTime {
        WallTime(second * 1_000_000_000)
    }

    #[test]
    fn a_doubt_holds_until_the_finding_says_something_else() {
        let mut ledger = Ledger::default();
        let is_doubted = |ledger: &Ledger| ledger.active()[0].doubt.is_some();
        let doubt = Doubt { at: second(1), note: "ours".to_owned() };
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, None, Some(&doubt)), 0);
        ledger.looked(vec![finding(1, "a")], second(1));
        assert_eq!(ledger.doubt("ws-upgrade-stripped", Some("chat"), None, Some(&doubt)), 0);
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, Some(Place::Client), Some(&doubt)), 0);
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, Some(Place::Upstream), Some(&doubt)), 1);
        ledger.looked(vec![finding(2, "a")], second(2));
        assert!(is_doubted(&ledger), "numbers alone say nothing else");
        ledger.looked(vec![finding(2, "b")], second(3));
        assert!(!is_doubted(&ledger));
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, None, Some(&doubt)), 1);
        let surer = Finding { level: model::finding::Level::High, ..finding(2, "b") };
        ledger.looked(vec![surer], second(4));
        assert!(!is_doubted(&ledger));
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, None, Some(&doubt)), 1);
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, None, None), 1);
        assert!(!is_doubted(&ledger));
    }
}
