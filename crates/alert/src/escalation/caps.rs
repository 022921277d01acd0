//! How often people are called at most.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::DestinationKind;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Most calls within a time, milliseconds; the same as GoAlert's (`engine/message/ratelimit.go`).
const VOICE: [(usize, i64); 4] = [(1, MINUTE_MS), (3, 15 * MINUTE_MS), (7, HOUR_MS), (15, 3 * HOUR_MS)];
const SMS: [(usize, i64); 4] = [(1, MINUTE_MS), (5, 15 * MINUTE_MS), (11, HOUR_MS), (21, 3 * HOUR_MS)];

/// How long calls are remembered.
const MEMORY_MS: i64 = 3 * HOUR_MS;

/// When people were called, milliseconds since the Unix epoch; no more than the caps allow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Caps {
    /// Text messages and calls, by destination.
    called: BTreeMap<String, VecDeque<i64>>,
    /// Calls to all phones.
    phones: VecDeque<i64>,
}

impl Caps {
    /// Takes note of a call, unless there have been too many.
    pub(super) fn take(
        &mut self,
        destination: &str,
        kind: DestinationKind,
        phone_calls_per_hour: usize,
        now_ms: i64,
    ) -> bool {
        let limits = match kind {
            DestinationKind::Message => return true,
            DestinationKind::Sms => SMS,
            DestinationKind::Voice => VOICE,
        };
        self.forget(now_ms);
        let within = |called: &VecDeque<i64>, ms: i64| called.iter().filter(|at| now_ms - **at < ms).count();
        let called = self.called.get(destination);
        let is_free = |(most, ms): &(usize, i64)| called.is_none_or(|called| within(called, *ms) < *most);
        let is_voice = kind == DestinationKind::Voice;
        if !limits.iter().all(is_free) || (is_voice && within(&self.phones, HOUR_MS) >= phone_calls_per_hour)
        {
            return false;
        }
        self.called.entry(destination.to_owned()).or_default().push_back(now_ms);
        if is_voice {
            self.phones.push_back(now_ms);
        }
        true
    }

    fn forget(&mut self, now_ms: i64) {
        for called in self.called.values_mut() {
            called.retain(|at| now_ms - at < MEMORY_MS);
        }
        self.called.retain(|_, called| !called.is_empty());
        self.phones.retain(|at| now_ms - at < HOUR_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of calls that come every so many seconds within an hour are let through.
    #[track_caller]
    fn check(kind: DestinationKind, seconds: i64, per_hour: usize, destinations: i64, expected: usize) {
        let mut caps = Caps::default();
        let times = (0..3600).filter(|second| second % seconds == 0);
        let taken = times.filter(|second| {
            let destination = (second / seconds % destinations).to_string();
            caps.take(&destination, kind, per_hour, second * 1000)
        });
        assert_eq!(taken.count(), expected);
    }

    #[test]
    fn calls_are_capped() {
        check(DestinationKind::Message, 1, 0, 1, 3600);
        check(DestinationKind::Voice, 1, 100, 1, 7);
        check(DestinationKind::Sms, 1, 0, 1, 11);
        check(DestinationKind::Voice, 600, 100, 1, 6);
        check(DestinationKind::Voice, 1, 5, 1, 5);
        check(DestinationKind::Voice, 1, 20, 10, 20);
        check(DestinationKind::Sms, 30, 0, 1, 11);
    }
}
