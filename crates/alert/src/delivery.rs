//! Attempts to tell people, for those who ask why somebody was not told.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::notice::{Notice, NoticeAlert};

/// Names of alerts that an attempt lists.
const NAMES_MAX: usize = 8;

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The vendor has it, by the vendor's own criterion.
    Delivered,
    /// It is tried again.
    Retried,
    /// It will not go through.
    Failed,
}

/// One attempt to hand a message to a channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Delivery {
    /// Names it among the attempts since the start, from 1.
    pub number: u64,
    /// When it began, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The channel's name.
    pub channel: String,
    /// Its kind, such as `slack`.
    pub kind: String,
    /// Name of the receiver.
    pub receiver: String,
    /// Names of its alerts, each once, at most eight.
    pub alerts: Vec<String>,
    /// Alerts in it that fire.
    pub firing: usize,
    /// Alerts in it that have ended.
    pub resolved: usize,
    /// What came of it.
    pub outcome: DeliveryOutcome,
    /// Why it did not go through, in a word; empty when it did.
    pub reason: String,
    /// What the vendor said, without what is secret.
    pub detail: String,
    /// Which attempt of this message it was, from 1.
    pub tries: u32,
    /// How long it took, seconds.
    pub seconds: f64,
    /// When it is tried again, milliseconds since the Unix epoch.
    pub next_at_ms: Option<i64>,
    /// Whether somebody may ask to send it again: it failed, and nobody else goes on with it.
    pub is_repeatable: bool,
    /// Keys of the groups that it told of.
    #[serde(skip)]
    #[cfg_attr(feature = "ts", ts(skip))]
    pub groups: BTreeSet<String>,
}

/// Why nothing is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgainError {
    /// No attempt of this number is known.
    Unknown,
    /// It did not fail, or an escalation goes on with it.
    NotRepeatable,
    /// There is nothing to tell any more: its alerts are over, silenced, or were told since.
    Over,
    /// Its group was looked at a moment ago.
    TooSoon,
}

impl Delivery {
    /// An attempt with these notices that went through, on its first try.
    pub fn of(channel: &str, kind: &str, notices: &[Notice], at_ms: i64) -> Delivery {
        let alerts = || notices.iter().flat_map(|notice| &notice.alerts);
        let name = |alert: &NoticeAlert| alert.labels.get("alertname").to_owned();
        let names: BTreeSet<String> = alerts().map(name).collect();
        Delivery {
            number: 0,
            at_ms,
            channel: channel.to_owned(),
            kind: kind.to_owned(),
            receiver: notices.first().map(|notice| notice.receiver.clone()).unwrap_or_default(),
            alerts: names.into_iter().take(NAMES_MAX).collect(),
            firing: alerts().filter(|alert| !alert.is_resolved).count(),
            resolved: alerts().filter(|alert| alert.is_resolved).count(),
            outcome: DeliveryOutcome::Delivered,
            reason: String::new(),
            detail: String::new(),
            tries: 1,
            seconds: 0.0,
            next_at_ms: None,
            is_repeatable: false,
            groups: notices.iter().map(|notice| notice.group_key.clone()).collect(),
        }
    }
}

/// What waits for a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ChannelState {
    /// Its name.
    pub channel: String,
    /// Its kind.
    pub kind: String,
    /// Groups of alerts that wait or are being told of.
    pub waiting: u64,
    /// Messages that went through since the start.
    pub delivered: u64,
    /// Messages that did not and will not.
    pub failed: u64,
}

/// Attempts and channels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct DeliveryList {
    /// The newest attempts, newest first.
    pub items: Vec<Delivery>,
    /// How many they are.
    pub total: usize,
    /// All channels, by name.
    pub channels: Vec<ChannelState>,
}
