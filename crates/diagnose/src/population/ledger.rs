//! Findings over time: what the same look says again is the same finding; what it no longer says ends after a while.

use std::collections::VecDeque;
use std::sync::Arc;

use model::WallTime;
use model::finding::{Finding, Place};

use super::between;

/// What makes two findings the same.
fn is_same(a: &Finding, b: &Finding) -> bool {
    let key = |finding: &Finding| -> (String, Option<Arc<str>>, Place) {
        (finding.id.to_string(), finding.route.clone(), finding.place)
    };
    key(a) == key(b)
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
                    *known = Finding { since, ..finding };
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

    /// Findings that there was no room for.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}
