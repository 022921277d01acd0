//! All groups at work: when each is due, what its evaluation gives, what stays when the rules are read anew.
//!
//! Usage: ask [`Engine::due`], evaluate what it names, write the samples, send the notifications, keep the group's
//! state, and sleep until [`Engine::next_at_ms`].

mod alerts;
mod group;
mod overlay;
mod restore;
mod saved;
mod view;

use std::collections::BTreeMap;

pub use model::rules::State;
use model::rules::{AlertsView, GroupView, RulesView};
use model::series::{Labels, STALE_MARKER, Sample, SeriesSource};
use promql::Limits;

use crate::rules::{GroupSpec, Pairs};
use group::Group;
pub use saved::SavedGroup;

/// What holds for all groups.
#[derive(Clone, Debug)]
pub struct Options {
    /// Time between evaluations of groups that name none, milliseconds.
    pub interval_ms: i64,
    /// How far in the past queries of groups look that name nothing, milliseconds.
    pub query_offset_ms: i64,
    /// After which time an alert that still fires is sent again, milliseconds.
    pub resend_delay_ms: i64,
    /// Labels of this server, for templates.
    pub external_labels: Pairs,
    /// Where people reach this server, for templates and links.
    pub external_url: String,
    /// What becomes of alerts when the process starts anew.
    pub restore: Restore,
    /// With [`Restore::Prometheus`], rules with a shorter `for` are not restored, and others fire no sooner after a
    /// start, milliseconds.
    pub grace_period_ms: i64,
    /// State that is older than this is not restored, milliseconds.
    pub outage_tolerance_ms: i64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            interval_ms: 60_000,
            query_offset_ms: 0,
            resend_delay_ms: 60_000,
            external_labels: Vec::new(),
            external_url: String::new(),
            restore: Restore::default(),
            grace_period_ms: 600_000,
            outage_tolerance_ms: 3_600_000,
        }
    }
}

/// What becomes of alerts when the process starts anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restore {
    /// All state comes back ([`Engine::restore`]); pending alerts are younger by the time in between.
    #[default]
    Full,
    /// As Prometheus does: from the series `ALERTS_FOR_STATE`, after the second evaluation, rules with a long `for`
    /// alone.
    Prometheus,
}

/// A group whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// File of the group.
    pub file: String,
    /// Name of the group.
    pub group: String,
    /// Time of the evaluation, milliseconds since the Unix epoch.
    pub slot_ms: i64,
    /// The time that it is.
    pub now_ms: i64,
    /// Evaluations that were left out since the last one.
    pub missed: u64,
}

/// The elements of an expression's value at a time, milliseconds since the Unix epoch.
pub type Evaluator<'a> = dyn Fn(&str, i64) -> Result<Vec<(Labels, Sample)>, String> + 'a;

/// What an evaluation reads, and what it may cost.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// Where series are.
    pub source: &'a dyn SeriesSource,
    /// Who evaluates expressions, if another engine does. It cannot know what rules of the same pass have written, so
    /// what reads that is evaluated here over `source`.
    pub elsewhere: Option<&'a Evaluator<'a>>,
    /// Bounds of each query.
    pub limits: Limits<'a>,
    /// Seconds since any origin, to time rules with.
    pub elapsed: &'a dyn Fn() -> f64,
    /// How long the evaluation of one rule may take, seconds.
    pub rule_seconds_max: f64,
}

/// What an evaluation gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Samples to be written, in this order; of several for a series and time the first counts.
    pub samples: Vec<(Labels, Sample)>,
    /// Alerts to be sent.
    pub notifications: Vec<Notification>,
    /// Alerts that changed their state.
    pub transitions: Vec<Transition>,
    /// Rules that failed, with the reason.
    pub failures: Vec<(String, String)>,
    /// How many rules were evaluated.
    pub rules: usize,
    /// Evaluations of the group that were left out before this one.
    pub missed: u64,
}

/// An alert as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Its labels, the alert's name among them.
    pub labels: Labels,
    /// Its texts.
    pub annotations: Pairs,
    /// Since when it fires, milliseconds since the Unix epoch.
    pub starts_at_ms: i64,
    /// When it ended; while it fires, when it shall be taken for ended unless it is sent again.
    pub ends_at_ms: i64,
    /// Whether it has ended.
    pub is_resolved: bool,
    /// Value of its expression when it was last there.
    pub value: f64,
    /// The expression.
    pub query: String,
}

/// An alert that changed its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// Its labels.
    pub labels: Labels,
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Series of a group that is no more: they end after two of its intervals.
#[derive(Clone, Debug)]
struct Retired {
    due_ms: i64,
    at_ms: i64,
    series: Vec<Labels>,
}

/// All groups.
#[derive(Debug)]
pub struct Engine {
    options: Options,
    groups: Vec<Group>,
    retired: Vec<Retired>,
}

impl Engine {
    /// Groups with the files that they are from, in their order. Each is first due at its next time.
    pub fn new(groups: Vec<(String, GroupSpec)>, options: Options, now_ms: i64) -> Engine {
        let is_restored = options.restore == Restore::Full;
        let groups = groups
            .into_iter()
            .map(|(file, spec)| Group::new(file, spec, &options, now_ms, is_restored))
            .collect();
        Engine { options, groups, retired: Vec::new() }
    }

    /// Takes the groups of files that were read anew. Groups that did not change go on; others take what is known of
    /// rules with the same name and labels; what is no more ends.
    pub fn reload(&mut self, groups: Vec<(String, GroupSpec)>, options: Options, now_ms: i64) {
        let mut old: BTreeMap<(String, String), Group> = self
            .groups
            .drain(..)
            .map(|group| ((group.file.clone(), group.spec.name.clone()), group))
            .collect();
        for (file, spec) in groups {
            let known = old.remove(&(file.clone(), spec.name.clone()));
            let mut group = Group::new(file, spec, &options, now_ms, true);
            match known {
                Some(known) if known.is_same(&group) => group = known,
                Some(known) => group.take_over(known),
                None => {}
            }
            self.groups.push(group);
        }
        let ended = old.into_values().map(|group| Retired {
            due_ms: now_ms + 2 * group.interval_ms,
            at_ms: now_ms,
            series: group.series(),
        });
        self.retired.extend(ended);
        self.options = options;
    }

    /// Groups that are not due within their interval are due at their next time: the clock was put back.
    pub fn realign(&mut self, now_ms: i64) {
        let ahead = |group: &&mut Group| group.next_slot_ms > now_ms + group.interval_ms;
        for group in self.groups.iter_mut().filter(ahead) {
            group.next_slot_ms =
                group::next_slot_ms(&group.file, &group.spec.name, group.interval_ms, now_ms);
        }
    }

    /// When the next group is due or the next series end; none without groups.
    pub fn next_at_ms(&self) -> Option<i64> {
        let groups = self.groups.iter().map(|group| group.next_slot_ms);
        groups.chain(self.retired.iter().map(|retired| retired.due_ms)).min()
    }

    /// The group that has been due for the longest time. Evaluations that were missed are not made up for.
    pub fn due(&self, now_ms: i64) -> Option<Due> {
        let group = self.groups.iter().min_by_key(|group| group.next_slot_ms)?;
        let late = now_ms.checked_sub(group.next_slot_ms).filter(|late| *late >= 0)?;
        let missed = late / group.interval_ms;
        Some(Due {
            file: group.file.clone(),
            group: group.spec.name.clone(),
            slot_ms: group.next_slot_ms + missed * group.interval_ms,
            now_ms,
            missed: missed.unsigned_abs(),
        })
    }

    /// Evaluates a group; none if it is no more.
    pub fn evaluate(&mut self, due: &Due, pass: &Pass<'_>) -> Option<Evaluation> {
        let options = &self.options;
        let group = self.groups.iter_mut().find(|group| group.is_named(&due.file, &due.group))?;
        let mut evaluation = group.evaluate(due, pass, options);
        evaluation.missed = due.missed;
        Some(evaluation)
    }

    /// Leaves out the evaluation of a group.
    pub fn skip(&mut self, due: &Due) {
        let group = self.groups.iter_mut().find(|group| group.is_named(&due.file, &due.group));
        group.into_iter().for_each(|group| group.next_slot_ms = due.slot_ms + group.interval_ms);
    }

    /// Markers that end the series of groups that are no more, once they are due.
    pub fn take_ended(&mut self, now_ms: i64) -> Vec<(Labels, Sample)> {
        let ended = self.retired.extract_if(.., |retired| retired.due_ms <= now_ms);
        ended
            .flat_map(|Retired { at_ms, series, .. }| {
                series.into_iter().map(move |labels| ends(labels, at_ms))
            })
            .collect()
    }

    /// State of all groups, to be kept.
    pub fn saved(&self) -> Vec<SavedGroup> {
        self.groups.iter().map(saved::save).collect()
    }

    /// State of one group, to be kept after its evaluation.
    pub fn saved_group(&self, file: &str, name: &str) -> Option<SavedGroup> {
        self.groups.iter().find(|group| group.is_named(file, name)).map(saved::save)
    }

    /// Takes what was kept of groups before this process started, unless it is too old or [`Restore::Prometheus`] is
    /// asked for. Pending alerts become younger by the time in between.
    pub fn restore(&mut self, saved: Vec<SavedGroup>, now_ms: i64) {
        if self.options.restore == Restore::Prometheus {
            return;
        }
        for saved in saved {
            let age_ms = now_ms - saved.slot_ms;
            let group = self.groups.iter_mut().find(|group| group.is_named(&saved.file, &saved.name));
            if let Some(group) = group.filter(|_| age_ms < self.options.outage_tolerance_ms) {
                saved::restore(group, saved, age_ms.max(0));
            }
        }
    }

    /// All groups and rules, as `/api/v1/rules` of Prometheus gives them.
    pub fn rules(&self) -> RulesView {
        view::rules(&self.groups)
    }

    /// One group with its rules.
    pub fn group(&self, file: &str, name: &str) -> Option<GroupView> {
        self.groups.iter().find(|group| group.is_named(file, name)).map(view::group)
    }

    /// All pending and firing alerts, as `/api/v1/alerts` of Prometheus gives them.
    pub fn alerts(&self) -> AlertsView {
        view::alerts(&self.groups)
    }
}

/// The end of a series.
fn ends(labels: Labels, at_ms: i64) -> (Labels, Sample) {
    (labels, Sample { timestamp_ms: at_ms, value: STALE_MARKER })
}

#[cfg(test)]
mod tests;
