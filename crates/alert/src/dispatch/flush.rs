//! Looking at groups: what is told to whom, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use super::alert::{Alert, order};
use super::group::{Given, Group, Timer};
use super::log::Told;
use super::{ChannelSpec, Counters, Dispatcher, Flush, Send, SendId};
use crate::delivery::AgainError;
use crate::notice::{Notice, NoticeAlert};

/// How often what is too old is looked for, milliseconds.
const SWEEP_INTERVAL_MS: i64 = 60_000;

/// Least time between two looks at a group that somebody asks for, milliseconds.
const AGAIN_MIN_MS: i64 = 5_000;

impl Dispatcher {
    /// When the next group is due; none without groups.
    pub fn next_at_ms(&self) -> Option<i64> {
        self.groups.values().map(|group| group.timer.next_flush_ms).min()
    }

    /// Looks at all groups that are due, the one that has been due for the longest time first.
    pub fn flush(&mut self, now_ms: i64) -> Vec<Flush> {
        self.sweep(now_ms);
        let due = self.groups.iter().filter(|(_, group)| group.timer.next_flush_ms <= now_ms);
        let mut due: Vec<(i64, usize, String)> =
            due.map(|(id, group)| (group.timer.next_flush_ms, group.route, id.clone())).collect();
        due.sort();
        due.into_iter().filter_map(|(.., id)| self.flush_group(&id, now_ms)).collect()
    }

    /// A channel has told what it was given.
    pub fn delivered(&mut self, id: &SendId, now_ms: i64) {
        let Some(group) = self.groups.get_mut(&id.group).filter(|group| group.receiver == id.receiver) else {
            return;
        };
        let Some(given) = group.timer.given.remove(&id.channel) else { return };
        let route = group.route;
        self.changed_groups.insert(id.group.clone());
        self.write_log(id.clone(), route, given.told, now_ms);
        self.settle(&id.group, now_ms);
    }

    /// A channel has not told what it was given. It is given what there is to tell when the group is looked at next.
    pub fn failed(&mut self, id: &SendId) {
        let Some(group) = self.groups.get_mut(&id.group).filter(|group| group.receiver == id.receiver) else {
            return;
        };
        if group.timer.given.remove(&id.channel).is_some() {
            group.timer.is_incomplete = true;
            self.changed_groups.insert(id.group.clone());
        }
    }

    /// Looks at a group of a receiver now rather than when it is due, so that a channel that failed is given what there
    /// is to tell.
    ///
    /// # Errors
    /// [`AgainError::Over`] and [`AgainError::TooSoon`].
    pub fn hasten(&mut self, key: &str, receiver: &str, now_ms: i64) -> Result<(), AgainError> {
        let is_meant = |group: &Group| group.key == key && group.receiver == receiver;
        let Some((id, _)) = self.groups.iter().find(|(_, group)| is_meant(group)) else {
            return Err(AgainError::Over);
        };
        let id = id.clone();
        let is_silent = self.look(&id, now_ms).is_none_or(|flush| flush.alerts.is_empty());
        let Some(group) = self.groups.get_mut(&id).filter(|group| group.timer.is_incomplete && !is_silent)
        else {
            return Err(AgainError::Over);
        };
        let since_ms = group.timer.flushed_at_ms.map_or(i64::MAX, |at_ms| now_ms.saturating_sub(at_ms));
        if (0..AGAIN_MIN_MS).contains(&since_ms) {
            return Err(AgainError::TooSoon);
        }
        group.timer.next_flush_ms = now_ms;
        self.changed_groups.insert(id);
        Ok(())
    }

    /// What channels were given and have not answered yet.
    pub fn given(&self) -> Vec<SendId> {
        let groups = self.groups.iter();
        let each = groups.flat_map(|(id, group)| {
            group.timer.given.keys().map(move |channel| SendId {
                group: id.clone(),
                receiver: group.receiver.clone(),
                channel: channel.clone(),
            })
        });
        each.collect()
    }

    /// Name of a group's receiver; none if the group is no more.
    pub fn receiver_of(&self, group: &str) -> Option<&str> {
        self.groups.get(group).map(|group| &*group.receiver)
    }

    /// A group as it is now, with nothing to be told; none if it is no more.
    pub fn look(&self, group: &str, now_ms: i64) -> Option<Flush> {
        self.look_at(group, now_ms).map(|(flush, ..)| flush)
    }

    /// A group, its alerts that have ended with the times of their last reports, and what is counted.
    fn look_at(&self, id: &str, now_ms: i64) -> Option<(Flush, BTreeMap<u64, i64>, Counters)> {
        let group = self.groups.get(id)?;
        let route = self.setup.routes.get(group.route)?;
        let members = group.members.iter().filter_map(|member| Some((*member, self.alerts.get(member)?)));
        let mut members: Vec<(u64, &Alert)> = members.collect();
        members.sort_by(|(_, a), (_, b)| order(&a.labels, &b.labels));
        let (alerts, counters) = self.passing(group.route, &members, now_ms);
        let ended = members.iter().filter(|(_, alert)| alert.is_resolved(now_ms));
        let ended: BTreeMap<u64, i64> = ended.map(|(member, alert)| (*member, alert.updated_at_ms)).collect();
        let told_firing = alerts.iter().filter(|alert| !alert.is_resolved).count();
        let flush = Flush {
            group: id.to_owned(),
            group_key: group.key.clone(),
            group_labels: group.labels.clone(),
            receiver: group.receiver.clone(),
            suppressed: members.len() - alerts.len(),
            suppressed_firing: members.len() - ended.len() - told_firing,
            group_interval_ms: route.group_interval_ms,
            alerts,
            sends: Vec::new(),
        };
        Some((flush, ended, counters))
    }

    fn flush_group(&mut self, id: &str, now_ms: i64) -> Option<Flush> {
        let (flush, ended, counters) = self.look_at(id, now_ms)?;
        self.counters = counters;
        let timer = Timer {
            next_flush_ms: now_ms + flush.group_interval_ms,
            flushed_at_ms: Some(now_ms),
            given: self.groups.get(id)?.timer.given.clone(),
            ended,
            is_incomplete: false,
        };
        Some(self.give_all(flush, timer, now_ms))
    }

    /// Gives each channel what it has not been told.
    fn give_all(&mut self, mut flush: Flush, timer: Timer, now_ms: i64) -> Flush {
        let told = told(&flush.alerts);
        let channels = self.setup.channels(&flush.receiver).to_vec();
        if let Some(group) = self.groups.get_mut(&flush.group) {
            group.timer = timer;
        }
        for channel in channels.iter().filter(|_| !flush.alerts.is_empty()) {
            let send = self.give(channel, &flush, &told, now_ms);
            flush.sends.extend(send);
        }
        self.changed_groups.insert(flush.group.clone());
        self.settle(&flush.group, now_ms);
        flush
    }

    /// What a channel is to tell, if anything.
    fn give(&mut self, channel: &ChannelSpec, flush: &Flush, told: &Told, now_ms: i64) -> Option<Send> {
        let group = self.groups.get_mut(&flush.group)?;
        let route = self.setup.routes.get(group.route)?;
        let id = SendId {
            group: flush.group.clone(),
            receiver: flush.receiver.clone(),
            channel: channel.key.clone(),
        };
        if group.timer.given.contains_key(&id.channel) {
            group.timer.is_incomplete = true;
            return None;
        }
        let reason = self.log.judge(&id, told, channel.sends_resolved, route.repeat_interval_ms, now_ms)?;
        if !channel.sends_resolved && told.firing.is_empty() {
            let route = group.route;
            self.write_log(id, route, told.clone(), now_ms);
            return None;
        }
        group.timer.given.insert(id.channel.clone(), Given { told: told.clone(), at_ms: now_ms });
        let alerts = flush.alerts.iter().filter(|alert| channel.sends_resolved || !alert.is_resolved);
        let notice = Notice {
            receiver: flush.receiver.clone(),
            group_key: flush.group_key.clone(),
            group_labels: flush.group_labels.clone(),
            alerts: alerts.cloned().collect(),
            external_url: self.setup.options.external_url.clone(),
        };
        Some(Send { id, notice, reason })
    }

    fn write_log(&mut self, id: SendId, route: usize, told: Told, now_ms: i64) {
        let repeat_ms = self.setup.routes.get(route).map_or(0, |route| route.repeat_interval_ms);
        let kept_ms = self.setup.options.retention_ms.min(repeat_ms.saturating_mul(2));
        self.log.write(id, told, now_ms, kept_ms);
    }

    /// Alerts that may be told of (not inhibited, at an active time that is not mute, not silenced), and what is
    /// counted of the others.
    fn passing(&self, route: usize, members: &[(u64, &Alert)], now_ms: i64) -> (Vec<NoticeAlert>, Counters) {
        let mut counters = self.counters;
        let inhibited =
            |alert: &Alert| self.inhibitor.inhibiting(&alert.labels, &self.alerts, now_ms).is_some();
        let (inhibited, mut left): (Vec<&Alert>, Vec<&Alert>) =
            members.iter().map(|(_, alert)| *alert).partition(|alert| inhibited(alert));
        counters.suppressed_inhibited += inhibited.len() as u64;
        if self.muting(route, now_ms).is_some() {
            counters.suppressed_by_time += left.len() as u64;
            left.clear();
        }
        let before = left.len();
        left.retain(|alert| self.silences.silencing(&alert.labels, now_ms).is_empty());
        counters.suppressed_silenced += (before - left.len()) as u64;
        (left.into_iter().map(|alert| alert.told(now_ms)).collect(), counters)
    }

    /// What would be told of a group at a time if nothing changed until then.
    pub(super) fn would_tell(&self, group: &Group, at_ms: i64) -> Told {
        let members = group.members.iter().filter_map(|member| Some((*member, self.alerts.get(member)?)));
        let members: Vec<(u64, &Alert)> = members.collect();
        told(&self.passing(group.route, &members, at_ms).0)
    }

    /// Names of the time intervals because of which nothing is told on a route: none of its active ones holds, or
    /// some mute ones do.
    pub(super) fn muting(&self, route: usize, now_ms: i64) -> Option<Vec<String>> {
        let route = self.setup.routes.get(route)?;
        if !route.active.is_empty() && self.setup.intervals_at(&route.active, now_ms).is_empty() {
            return Some(route.active.clone());
        }
        let mute = self.setup.intervals_at(&route.mute, now_ms);
        (!mute.is_empty()).then(|| mute.into_iter().cloned().collect())
    }

    /// Once all channels have been told, alerts that had ended leave the group, unless they were reported again; a
    /// group without alerts is no more.
    pub(super) fn settle(&mut self, id: &str, now_ms: i64) {
        let Some(group) = self.groups.get_mut(id).filter(|group| group.timer.is_complete()) else { return };
        for (member, updated_at_ms) in std::mem::take(&mut group.timer.ended) {
            let Some(alert) = self.alerts.get_mut(&member) else { continue };
            if alert.updated_at_ms != updated_at_ms {
                continue;
            }
            group.members.remove(&member);
            alert.groups.remove(id);
            if alert.groups.is_empty() && alert.is_resolved(now_ms) {
                self.inhibitor.remove(member, &alert.labels);
                self.alerts.remove(&member);
                self.changed_alerts.insert(member);
            }
        }
        if group.members.is_empty() {
            self.groups.remove(id);
        }
        self.changed_groups.insert(id.to_owned());
    }

    /// Forgets what is too old.
    fn sweep(&mut self, now_ms: i64) {
        // A clock that was put back must not stop it.
        if (self.next_sweep_ms - SWEEP_INTERVAL_MS..self.next_sweep_ms).contains(&now_ms) {
            return;
        }
        self.next_sweep_ms = now_ms + SWEEP_INTERVAL_MS;
        self.log.forget(|group| self.groups.contains_key(group), now_ms);
        self.silences.forget(self.setup.options.retention_ms, now_ms);
        let gone =
            self.alerts.extract_if(.., |_, alert| alert.groups.is_empty() && alert.is_resolved(now_ms));
        for (fingerprint, alert) in gone {
            self.inhibitor.remove(fingerprint, &alert.labels);
            self.changed_alerts.insert(fingerprint);
        }
        for group in self.groups.values_mut() {
            let interval_ms = self.setup.routes.get(group.route).map_or(0, |route| route.group_interval_ms);
            let wait_ms = self.setup.routes.get(group.route).map_or(0, |route| route.group_wait_ms);
            let latest_ms = now_ms + interval_ms.max(wait_ms);
            group.timer.next_flush_ms = group.timer.next_flush_ms.min(latest_ms);
        }
    }

    /// Puts all alerts where they belong. Groups that were there keep their timers; alerts that have ended stay only
    /// where they were.
    pub(super) fn regroup(&mut self, now_ms: i64) {
        let mut old = std::mem::take(&mut self.groups);
        let fingerprints: Vec<u64> = self.alerts.keys().copied().collect();
        for fingerprint in fingerprints {
            let Some(alert) = self.alerts.get_mut(&fingerprint) else { continue };
            let before = std::mem::take(&mut alert.groups);
            let (labels, is_resolved) = (alert.labels.clone(), alert.is_resolved(now_ms));
            for (id, route) in self.places(&labels) {
                if !is_resolved || before.contains(&id) {
                    self.join(fingerprint, id, route, now_ms);
                }
            }
        }
        for (id, group) in &mut self.groups {
            let Some(old) = old.remove(id) else { continue };
            group.timer = old.timer;
            let channels: BTreeSet<&str> =
                self.setup.channels(&group.receiver).iter().map(|channel| &*channel.key).collect();
            let is_same = old.receiver == group.receiver;
            group.timer.given.retain(|channel, _| is_same && channels.contains(&**channel));
            self.changed_groups.insert(id.clone());
        }
        self.changed_groups.extend(old.into_keys());
    }
}

fn told(alerts: &[NoticeAlert]) -> Told {
    let mut told = Told::default();
    for alert in alerts {
        let set = if alert.is_resolved { &mut told.resolved } else { &mut told.firing };
        set.insert(alert.fingerprint());
    }
    told
}
