//! What waits for one destination and when it goes, without a clock: the time and chance come in.
//!
//! `give`, `withdraw` and `take_back` say what happened outside; `poll` says what to do next; `done` says what came of it. Then
//! `reports`, `changes` and `withdrawals` are taken.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use alert::notice::{Notice, NoticeAlert};

use super::letter;
use crate::channel::Traits;
use crate::http::ASKED_MAX;
use crate::outcome::{Outcome, Reason};

/// Groups that may wait for one channel.
pub const WAITING_MAX: usize = 1000;

/// Groups in one digest.
const DIGEST_MAX: usize = 100;

/// How long a message is tried, from when it was given.
const TRY_MS: i64 = 3_600_000;

/// The first wait after a failure; each further one doubles it, up to the last.
const WAIT_FIRST_MS: f64 = 1000.0;
const WAIT_LAST_MS: f64 = 300_000.0;

/// Alerts of which it is remembered that people know of them.
const KNOWN_MAX: usize = 100_000;

/// What came of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// People have it, or the vendor has.
    Delivered {
        /// The name under which it can be taken back, where that can be.
        withdraw: Option<String>,
    },
    /// They will not have it.
    Failed {
        /// Why, in a word.
        reason: Reason,
        /// What the vendor said.
        detail: String,
    },
    /// It had to leave for others: too many waited.
    Dropped,
    /// It need not be told any more: it ended before anyone was told, or it was withdrawn.
    Cancelled,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing waits.
    Idle,
    /// Nothing before this time, milliseconds since the Unix epoch.
    Until(i64),
    /// Tell of what `message` gives, then `done`.
    Send,
}

/// A notice that waits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Waiting {
    pub(super) notice: Notice,
    /// Identity of the message.
    pub(super) id: String,
    pub(super) given_ms: i64,
    /// Alerts that fire and that nobody was told of yet.
    pub(super) unknown: BTreeSet<u64>,
    /// Attempts so far.
    tries: u32,
    /// To be told by itself, since a digest with it was refused.
    is_alone: bool,
    last_failure: Option<(Reason, String)>,
}

/// What waits for one destination.
#[derive(Debug)]
pub(super) struct Queue {
    traits: Traits,
    sends_resolved: bool,
    can_withdraw: bool,
    started_ms: i64,
    waiting: VecDeque<Waiting>,
    /// What is being told.
    flight: Vec<Waiting>,
    /// When the newest attempts were, as many as the rates count.
    attempts: VecDeque<i64>,
    hold_until_ms: i64,
    failures: u32,
    /// Group and fingerprint of alerts that people know to fire.
    known: BTreeSet<(String, u64)>,
    /// Groups in flight that are not to be tried again.
    withdrawn: BTreeSet<String>,
    changed: BTreeSet<String>,
    reports: Vec<(Notice, Told)>,
    withdrawals: Vec<String>,
    counts: BTreeMap<(&'static str, &'static str), u64>,
}

impl Queue {
    /// `letters` are those that a process before this one has left.
    pub(super) fn new(
        traits: Traits,
        sends_resolved: bool,
        can_withdraw: bool,
        letters: BTreeMap<String, String>,
        now_ms: i64,
    ) -> Queue {
        let mut queue = Queue {
            traits,
            sends_resolved,
            can_withdraw,
            started_ms: now_ms,
            waiting: VecDeque::new(),
            flight: Vec::new(),
            attempts: VecDeque::new(),
            hold_until_ms: 0,
            failures: 0,
            known: BTreeSet::new(),
            withdrawn: BTreeSet::new(),
            changed: BTreeSet::new(),
            reports: Vec::new(),
            withdrawals: Vec::new(),
            counts: BTreeMap::new(),
        };
        let mut left: Vec<Waiting> = Vec::new();
        for (group, text) in letters {
            match letter::read(&text) {
                Some(letter) => left.push(Waiting::new(letter.notice, letter.id, letter.given_ms)),
                None => {
                    queue.changed.insert(group);
                }
            }
        }
        left.sort_by_key(|waiting| waiting.given_ms);
        queue.waiting = left.into();
        queue
    }

    /// Takes a notice. `id` is the identity of its message.
    pub(super) fn give(&mut self, mut notice: Notice, id: String, now_ms: i64) {
        let group = notice.group_key.clone();
        if !self.sends_resolved {
            notice.alerts.retain(|alert| !alert.is_resolved);
        }
        let earlier = self.remove(&group);
        if notice.alerts.is_empty() {
            self.reports.push((earlier.map_or(notice, |earlier| earlier.notice), Told::Cancelled));
            return;
        }
        let mut new = Waiting::new(notice, id, now_ms);
        new.unknown = new
            .notice
            .firing()
            .filter(|alert| self.is_unknown(&group, alert))
            .map(NoticeAlert::fingerprint)
            .collect();
        self.put(earlier, new);
    }

    /// Forgets what waits of a group; what is being told is not tried again.
    pub(super) fn withdraw(&mut self, group: &str) {
        if let Some(waiting) = self.remove(group) {
            self.reports.push((waiting.notice, Told::Cancelled));
        }
        if self.flight.iter().any(|flying| flying.notice.group_key == group) {
            self.withdrawn.insert(group.to_owned());
        }
    }

    /// Takes back what was delivered under a name.
    pub(super) fn take_back(&mut self, id: String) {
        self.withdrawals.push(id);
    }

    /// An alert from before the start may have been told of by a process before this one.
    fn is_unknown(&self, group: &str, alert: &NoticeAlert) -> bool {
        let fingerprint = alert.fingerprint();
        let flies = self.flight.iter().any(|flying| {
            flying.notice.group_key == group
                && flying.notice.firing().any(|other| other.fingerprint() == fingerprint)
        });
        alert.starts_at_ms >= self.started_ms
            && !flies
            && !self.known.contains(&(group.to_owned(), fingerprint))
    }

    fn remove(&mut self, group: &str) -> Option<Waiting> {
        let at = self.waiting.iter().position(|waiting| waiting.notice.group_key == group)?;
        self.changed.insert(group.to_owned());
        self.waiting.remove(at)
    }

    /// Puts a notice behind the others, merged with an earlier one of its group.
    fn put(&mut self, earlier: Option<Waiting>, new: Waiting) {
        self.changed.insert(new.notice.group_key.clone());
        let merged = match earlier {
            None => new,
            Some(earlier) => {
                self.count("merged", "");
                let notice = new.notice.clone();
                match merge(&earlier, new) {
                    Some(merged) => merged,
                    None => return self.reports.push((notice, Told::Cancelled)),
                }
            }
        };
        if self.waiting.len() >= WAITING_MAX {
            self.drop_one();
        }
        self.waiting.push_back(merged);
    }

    /// The oldest of those that have ended goes first.
    fn drop_one(&mut self) {
        let ended = self.waiting.iter().position(|waiting| waiting.notice.is_resolved());
        if let Some(dropped) = self.waiting.remove(ended.unwrap_or_default()) {
            self.changed.insert(dropped.notice.group_key.clone());
            self.count("dropped", "queue_full");
            self.reports.push((dropped.notice, Told::Dropped));
        }
    }

    /// What to do next.
    pub(super) fn poll(&mut self, now_ms: i64) -> Step {
        self.expire(now_ms);
        let Some(first) = self.waiting.front() else { return Step::Idle };
        let (free, free_at_ms) = self.free(now_ms);
        let due_ms = self.hold_until_ms.max(free_at_ms);
        if now_ms < due_ms {
            let expires_ms = self.waiting.iter().map(|waiting| waiting.given_ms + TRY_MS).min();
            return Step::Until(due_ms.min(expires_ms.unwrap_or(due_ms)));
        }
        let is_digest = self.traits.has_digests && !first.is_alone && self.waiting.len() > free;
        if is_digest {
            let (alone, together): (VecDeque<_>, VecDeque<_>) =
                self.waiting.drain(..).partition(|waiting| waiting.is_alone);
            let mut together: Vec<_> = together.into();
            let rest = together.split_off(together.len().min(DIGEST_MAX));
            self.flight = together;
            self.waiting = rest.into_iter().chain(alone).collect();
            self.count_by("merged", "", self.flight.len() as u64 - 1);
        } else {
            self.flight.extend(self.waiting.pop_front());
        }
        // What costs is not kept while it is told: should this process end meanwhile, it is not told twice. Of the others
        // it is kept that they are being told.
        self.changed.extend(self.flight.iter().map(|flying| flying.notice.group_key.clone()));
        self.flight.iter_mut().for_each(|flying| flying.tries += 1);
        self.attempts.push_back(now_ms);
        let kept = self.traits.rates.iter().map(|rate| rate.count).max().unwrap_or_default();
        while self.attempts.len() > kept {
            self.attempts.pop_front();
        }
        Step::Send
    }

    /// What is to be told: the identity of the message, and its notices.
    pub(super) fn message(&self) -> (String, Vec<Notice>) {
        let id = self.flight.first().map(|flying| flying.id.clone()).unwrap_or_default();
        (id, self.flight.iter().map(|flying| flying.notice.clone()).collect())
    }

    /// Which attempt at what is to be told this is, from 1.
    pub(super) fn tries(&self) -> u32 {
        self.flight.iter().map(|flying| flying.tries).max().unwrap_or_default()
    }

    /// Nothing is told before this time, milliseconds since the Unix epoch.
    pub(super) fn hold_until_ms(&self) -> i64 {
        self.hold_until_ms
    }

    /// Takes what came of telling. `chance` is from 0 to 1.
    pub(super) fn done(&mut self, outcome: Outcome, now_ms: i64, chance: f64) {
        let flight = std::mem::take(&mut self.flight);
        match outcome {
            Outcome::Delivered { id } => {
                self.failures = 0;
                self.count("delivered", "");
                flight.into_iter().for_each(|flying| self.delivered(flying, id.clone()));
            }
            Outcome::Final { reason, detail } => {
                self.failures = 0;
                self.count("failed", reason.word());
                // One of them may be what the vendor does not like.
                let is_for_one = flight.len() > 1 && matches!(reason, Reason::BadRequest | Reason::TooLarge);
                for flying in flight {
                    if is_for_one {
                        self.back(Waiting { is_alone: true, ..flying });
                    } else {
                        self.failed(flying, reason, detail.clone());
                    }
                }
            }
            Outcome::Retry { after, reason, detail } => {
                self.failures = self.failures.saturating_add(1);
                self.count("retried", reason.word());
                let wait_ms = after.map_or_else(|| backoff_ms(self.failures, chance), asked_ms);
                self.hold_until_ms = now_ms + wait_ms;
                let may_have_arrived = matches!(reason, Reason::Timeout | Reason::Server | Reason::Unknown);
                for mut flying in flight {
                    if may_have_arrived {
                        self.remember(&flying.notice);
                        flying.unknown.clear();
                    }
                    flying.last_failure = Some((reason, detail.clone()));
                    self.back(flying);
                }
                self.expire(now_ms);
            }
        }
        self.withdrawn.clear();
    }

    fn delivered(&mut self, flying: Waiting, id: Option<String>) {
        let group = &flying.notice.group_key;
        self.remember(&flying.notice);
        if self.waiting.iter().all(|waiting| waiting.notice.group_key != *group) {
            self.changed.insert(group.clone());
        }
        let withdraw = id.filter(|_| self.can_withdraw);
        self.reports.push((flying.notice, Told::Delivered { withdraw }));
    }

    fn remember(&mut self, notice: &Notice) {
        for alert in &notice.alerts {
            let key = (notice.group_key.clone(), alert.fingerprint());
            if alert.is_resolved {
                self.known.remove(&key);
            } else if self.known.len() < KNOWN_MAX {
                self.known.insert(key);
            }
        }
    }

    fn failed(&mut self, failed: Waiting, reason: Reason, detail: String) {
        self.changed.insert(failed.notice.group_key.clone());
        self.reports.push((failed.notice, Told::Failed { reason, detail }));
    }

    /// Puts back what was not told, behind the others; a newer notice of the group takes its place.
    fn back(&mut self, flying: Waiting) {
        let group = flying.notice.group_key.clone();
        if self.withdrawn.remove(&group) {
            self.changed.insert(group);
            return self.reports.push((flying.notice, Told::Cancelled));
        }
        match self.remove(&group) {
            Some(newer) => self.put(Some(flying), newer),
            None => self.put(None, flying),
        }
    }

    fn expire(&mut self, now_ms: i64) {
        let is_over = |waiting: &Waiting| now_ms - waiting.given_ms >= TRY_MS;
        if !self.waiting.iter().any(is_over) {
            return;
        }
        let (over, left): (VecDeque<_>, VecDeque<_>) = self.waiting.drain(..).partition(is_over);
        self.waiting = left;
        for waiting in over {
            let never = || (Reason::Timeout, "it could not be told in time".to_owned());
            let (reason, detail) = waiting.last_failure.clone().unwrap_or_else(never);
            self.count("failed", reason.word());
            self.failed(waiting, reason, detail);
        }
    }

    /// How many attempts the rates allow now, and when there is the next when it is none.
    fn free(&self, now_ms: i64) -> (usize, i64) {
        let mut free = usize::MAX;
        let mut free_at_ms = 0;
        for rate in self.traits.rates {
            let per_ms = i64::try_from(rate.per.as_millis()).unwrap_or(i64::MAX);
            let recent = self.attempts.iter().filter(|at_ms| now_ms - **at_ms < per_ms).count();
            free = free.min(rate.count.saturating_sub(recent));
            if recent >= rate.count
                && let Some(oldest_ms) = self.attempts.iter().rev().nth(rate.count - 1)
            {
                free_at_ms = free_at_ms.max(oldest_ms + per_ms);
            }
        }
        (free, free_at_ms)
    }

    fn count(&mut self, result: &'static str, reason: &'static str) {
        self.count_by(result, reason, 1);
    }

    fn count_by(&mut self, result: &'static str, reason: &'static str, n: u64) {
        if n > 0 {
            *self.counts.entry((result, reason)).or_default() += n;
        }
    }

    /// How often what came of messages, by result and reason.
    pub(super) fn counts(&self) -> &BTreeMap<(&'static str, &'static str), u64> {
        &self.counts
    }

    /// Groups that wait or are being told.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.flight.len()
    }

    /// What came of notices since the last look.
    pub(super) fn reports(&mut self) -> Vec<(Notice, Told)> {
        std::mem::take(&mut self.reports)
    }

    /// Names of messages to be taken back.
    pub(super) fn withdrawals(&mut self) -> Vec<String> {
        std::mem::take(&mut self.withdrawals)
    }

    /// The letters that are to be kept, or forgotten, since the last look.
    pub(super) fn changes(&mut self) -> Vec<(String, Option<String>)> {
        let changed = std::mem::take(&mut self.changed);
        let kept = |group: &str| {
            let is_it = |waiting: &&Waiting| waiting.notice.group_key == group;
            let flying = || self.flight.iter().filter(|_| !self.traits.is_costly).find(is_it);
            let written = self.waiting.iter().find(is_it).map(|waiting| letter::write(waiting, None));
            written.or_else(|| Some(letter::write(flying()?, self.attempts.back().copied())))
        };
        changed
            .into_iter()
            .map(|group| {
                let text = kept(&group);
                (group, text)
            })
            .collect()
    }
}

impl Waiting {
    pub(super) fn new(notice: Notice, id: String, given_ms: i64) -> Waiting {
        Waiting {
            notice,
            id,
            given_ms,
            unknown: BTreeSet::new(),
            tries: 0,
            is_alone: false,
            last_failure: None,
        }
    }
}

/// The newest state wins. What ended before anyone knew of it is not told of; what has ended and is known stays until it
/// is told. None when nothing is left.
fn merge(earlier: &Waiting, mut new: Waiting) -> Option<Waiting> {
    let known: BTreeSet<u64> = new.notice.alerts.iter().map(NoticeAlert::fingerprint).collect();
    let is_over = |alert: &NoticeAlert| alert.is_resolved && earlier.unknown.contains(&alert.fingerprint());
    new.notice.alerts.retain(|alert| !is_over(alert));
    let left = earlier.notice.resolved().filter(|alert| !known.contains(&alert.fingerprint()));
    new.notice.alerts.extend(left.cloned());
    new.notice.alerts.sort_by_key(|alert| alert.starts_at_ms);
    new.tries = earlier.tries;
    let still: BTreeSet<u64> = new.notice.firing().map(NoticeAlert::fingerprint).collect();
    new.unknown.retain(|fingerprint| still.contains(fingerprint));
    (!new.notice.alerts.is_empty()).then_some(new)
}

fn backoff_ms(failures: u32, chance: f64) -> i64 {
    let doubled = WAIT_FIRST_MS * 2f64.powi(i32::try_from(failures.clamp(1, 30)).unwrap_or(1) - 1);
    (doubled.min(WAIT_LAST_MS) * (1.0 - chance / 2.0)) as i64
}

fn asked_ms(asked: Duration) -> i64 {
    i64::try_from(asked.min(ASKED_MAX).as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
