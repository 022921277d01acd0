//! What a dispatcher is told to do.

use std::collections::BTreeMap;

use crate::alertmanager::{InhibitRule, Routes, TimeInterval};

/// Who is told of what, and when.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which alerts go where.
    pub routes: Routes,
    /// Which alerts silence others while they fire.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Time intervals by name.
    pub time_intervals: BTreeMap<String, Vec<TimeInterval>>,
    /// Channels of receivers, by name. A receiver that is not there has none.
    pub receivers: BTreeMap<String, Vec<ChannelSpec>>,
    /// What holds for all.
    pub options: Options,
}

/// A channel of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSpec {
    /// Its identity within the receiver, the same after a restart, such as `slack/0`.
    pub key: String,
    /// Whether it is told of alerts that have ended.
    pub sends_resolved: bool,
}

/// What holds for all. Times are in milliseconds.
#[derive(Clone, Debug)]
pub struct Options {
    /// After which time an alert without an end is taken for ended unless it comes again.
    pub resolve_timeout_ms: i64,
    /// How long it is known what was told, and what was silenced.
    pub retention_ms: i64,
    /// Where people reach this server.
    pub external_url: String,
    /// Most alerts; new ones are refused.
    pub alerts_max: usize,
    /// Most groups; alerts of new ones are told to nobody until there is room.
    pub groups_max: usize,
    /// Most silences, those that have expired among them; new ones are refused.
    pub silences_max: usize,
    /// Largest alert, bytes of its labels and annotations.
    pub alert_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            resolve_timeout_ms: 300_000,
            retention_ms: 120 * 3_600_000,
            external_url: String::new(),
            alerts_max: 20_000,
            groups_max: 10_000,
            silences_max: 10_000,
            alert_bytes_max: 64 << 10,
        }
    }
}

impl Setup {
    /// Channels of a receiver.
    pub(super) fn channels(&self, receiver: &str) -> &[ChannelSpec] {
        self.receivers.get(receiver).map_or(&[], Vec::as_slice)
    }

    /// Those of some named time intervals that a moment is in.
    pub(super) fn intervals_at<'a>(&self, names: &'a [String], at_ms: i64) -> Vec<&'a String> {
        let is_in = |name: &&String| {
            self.time_intervals
                .get(*name)
                .is_some_and(|all| all.iter().any(|interval| interval.contains(at_ms)))
        };
        names.iter().filter(is_in).collect()
    }
}
