//! Why an alert was told, was not, or when it will be.

use model::series::Labels;
use serde::Serialize;

use super::view::{AlertStatus, time};
use super::{Dispatcher, Reason, SendId};

/// All that decides about one alert.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// 16 hexadecimal digits.
    pub fingerprint: String,
    /// Its labels: `{alertname="A"}`.
    pub labels: String,
    /// Since when it fires, RFC 3339.
    pub starts_at: String,
    /// When it ends unless it is reported again, RFC 3339.
    pub ends_at: String,
    /// Whether it has ended.
    pub is_resolved: bool,
    /// Whether it is inhibited or silenced.
    pub status: AlertStatus,
    /// Groups that it is in, one for each route that it takes.
    pub groups: Vec<GroupExplained>,
}

/// A group that the alert is in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupExplained {
    /// Matchers from the root to the route.
    pub route: String,
    /// Who is told.
    pub receiver: String,
    /// Its key as Alertmanager writes it.
    pub group_key: String,
    /// Number of its alerts.
    pub alerts: usize,
    /// When it is looked at next, RFC 3339; by then channels are told what they have not been told.
    pub next_flush: String,
    /// What it waits for: `group_wait` or `group_interval`.
    pub waits_for: &'static str,
    /// How long that is, seconds.
    pub wait_seconds: f64,
    /// Time intervals because of which nothing is told now.
    pub muted_by: Vec<String>,
    /// Each channel of the receiver.
    pub channels: Vec<ChannelExplained>,
}

/// What a channel knows of the group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelExplained {
    /// Its key.
    pub channel: String,
    /// When it was last told, RFC 3339.
    pub told_at: Option<String>,
    /// Whether the alert was among what it was told, as firing.
    pub knows_firing: bool,
    /// Whether it was given something that it has not told yet.
    pub is_busy: bool,
    /// Why it will be told at the next look if nothing changes until then; none if it will not.
    pub next_reason: Option<Reason>,
    /// When it is told at the latest if nothing changes: the first look after the repeat interval, RFC 3339.
    pub repeats_at: Option<String>,
}

impl Dispatcher {
    /// All that decides about one alert; none if it is not known.
    pub fn explain(&self, fingerprint: u64, now_ms: i64) -> Option<Explained> {
        let alert = self.alerts.get(&fingerprint)?;
        let groups = alert.groups.iter().filter_map(|id| self.explain_group(id, fingerprint, now_ms));
        Some(Explained {
            fingerprint: format!("{fingerprint:016x}"),
            labels: alert.labels.to_string(),
            starts_at: time(alert.starts_at_ms),
            ends_at: time(alert.ends_at_ms),
            is_resolved: alert.is_resolved(now_ms),
            status: self.status(&alert.labels, now_ms),
            groups: groups.collect(),
        })
    }

    /// Labels of an alert, and where its expression is shown; none if it is not known.
    pub fn subject(&self, fingerprint: u64) -> Option<(&Labels, &str)> {
        self.alerts.get(&fingerprint).map(|alert| (&alert.labels, &*alert.generator_url))
    }

    fn explain_group(&self, id: &str, fingerprint: u64, now_ms: i64) -> Option<GroupExplained> {
        let group = self.groups.get(id)?;
        let route = self.setup.routes.get(group.route)?;
        let is_new = group.timer.flushed_at_ms.is_none();
        let wait_ms = if is_new { route.group_wait_ms } else { route.group_interval_ms };
        let channels = self.setup.channels(&group.receiver).iter();
        let channels = channels.map(|channel| self.explain_channel(id, &channel.key, fingerprint));
        Some(GroupExplained {
            route: route.key.clone(),
            receiver: group.receiver.clone(),
            group_key: group.key.clone(),
            alerts: group.members.len(),
            next_flush: time(group.timer.next_flush_ms),
            waits_for: if is_new { "group_wait" } else { "group_interval" },
            wait_seconds: wait_ms as f64 / 1000.0,
            muted_by: self.muting(group.route, now_ms).unwrap_or_default(),
            channels: channels.flatten().collect(),
        })
    }

    fn explain_channel(&self, id: &str, channel: &str, fingerprint: u64) -> Option<ChannelExplained> {
        let group = self.groups.get(id)?;
        let route = self.setup.routes.get(group.route)?;
        let spec = self.setup.channels(&group.receiver).iter().find(|spec| spec.key == channel)?;
        let key =
            SendId { group: id.to_owned(), receiver: group.receiver.clone(), channel: channel.to_owned() };
        let next_ms = group.timer.next_flush_ms;
        let told = self.would_tell(group, next_ms);
        let is_told = !told.firing.is_empty() || !told.resolved.is_empty();
        let entry = self.log.entries.get(&key);
        let repeats_at = entry.filter(|entry| !entry.told.firing.is_empty()).map(|entry| {
            let (due_ms, interval_ms) =
                (entry.at_ms + route.repeat_interval_ms, route.group_interval_ms.max(1));
            let looks = (due_ms - next_ms).div_euclid(interval_ms) + 1;
            time(next_ms + looks.max(0) * interval_ms)
        });
        Some(ChannelExplained {
            channel: channel.to_owned(),
            told_at: entry.map(|entry| time(entry.at_ms)),
            knows_firing: entry.is_some_and(|entry| entry.told.firing.contains(&fingerprint)),
            is_busy: group.timer.given.contains_key(channel),
            next_reason: is_told
                .then(|| self.log.judge(&key, &told, spec.sends_resolved, route.repeat_interval_ms, next_ms))
                .flatten(),
            repeats_at,
        })
    }
}
