//! Who is told in which order: what a configuration says, and what it must not say.

use std::collections::BTreeMap;

use model::series::Labels;
use serde::Deserialize;

use crate::alertmanager::{Matchers, TimeInterval, parse_matchers};
use crate::duration;

/// The name of a time interval that is always.
const ALWAYS: &str = "always";

/// Shortest time from the last step to the first one of the next round, milliseconds.
const ROUND_GAP_MIN_MS: i64 = 60_000;

/// Most steps of a policy.
const STEPS_MAX: usize = 50;

/// Most rounds beside the first.
const REPEAT_MAX: u32 = 100;

/// A policy as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    /// Which alerts: conditions in Alertmanager's syntax that must all hold.
    pub when: Vec<String>,
    /// Who is told, in order.
    pub steps: Vec<StepConfig>,
    /// How often the list is run again.
    #[serde(default)]
    pub repeat: u32,
    /// After which time an acknowledgement lapses if it still fires, such as `30m`; never if it is not there.
    #[serde(default)]
    pub ack_ttl: Option<String>,
    /// Time intervals outside which only the first step is run; `always` if none is named.
    #[serde(default)]
    pub active: Vec<String>,
    /// Whether steps go on after one has handed the incident to a product that escalates by itself.
    #[serde(default)]
    pub also: bool,
}

/// A step as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepConfig {
    /// How long after the incident has opened, such as `5m`; at once if it is not there.
    #[serde(default)]
    pub after: Option<String>,
    /// Receivers.
    pub notify: Vec<String>,
    /// Only for alerts for which all these conditions hold.
    #[serde(default)]
    pub only: Vec<String>,
}

/// A policy that may be used. Times are in milliseconds.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Which alerts.
    pub when: Matchers,
    /// Who is told, in order; at least one step.
    pub steps: Vec<Step>,
    /// How often the list is run again.
    pub repeat: u32,
    /// After which time an acknowledgement lapses if it still fires.
    pub ack_ttl_ms: Option<i64>,
    /// Names of time intervals outside which only the first step is run; none is always.
    pub active: Vec<String>,
    /// Whether steps go on after one has handed the incident over.
    pub also: bool,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// How long after the incident has opened.
    pub after_ms: i64,
    /// Receivers.
    pub notify: Vec<String>,
    /// Which alerts it is for.
    pub only: Matchers,
}

/// How a receiver reaches people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    /// By what.
    pub kind: DestinationKind,
    /// Whether it is a product that escalates by itself.
    pub delegates: bool,
}

/// By what people are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DestinationKind {
    /// Messages that wake nobody.
    #[default]
    Message,
    /// Text messages to a phone.
    Sms,
    /// Calls.
    Voice,
}

impl PolicyConfig {
    /// The policy, if it may be used with these receivers and time intervals.
    ///
    /// # Errors
    /// All that is wrong with it, for a person.
    pub fn judged(
        &self,
        name: &str,
        receivers: &BTreeMap<String, Destination>,
        intervals: &BTreeMap<String, Vec<TimeInterval>>,
    ) -> Result<Policy, Vec<String>> {
        let mut faults = Vec::new();
        let when = matchers("when", &self.when, &mut faults);
        if when.is_empty() && faults.is_empty() {
            faults.push("`when` needs at least one condition".to_owned());
        }
        if self.steps.is_empty() || self.steps.len() > STEPS_MAX {
            faults.push(format!("`steps` needs 1 to {STEPS_MAX} steps"));
        }
        if self.repeat > REPEAT_MAX {
            faults.push(format!("`repeat` is at most {REPEAT_MAX}"));
        }
        let mut steps: Vec<Step> = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            let after_ms = time(step.after.as_deref(), &mut faults).unwrap_or(0);
            if steps.last().is_some_and(|before| before.after_ms > after_ms) {
                faults.push(format!("step {} is before the one above it", number + 1));
            }
            if step.notify.is_empty() {
                faults.push(format!("step {} notifies nobody", number + 1));
            }
            let unknown = step.notify.iter().filter(|receiver| !receivers.contains_key(*receiver));
            faults.extend(unknown.map(|receiver| {
                let hint = crate::rules::nearest(receiver, receivers.keys().map(String::as_str));
                let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                format!("there is no receiver `{receiver}`{hint}")
            }));
            let only = matchers("only", &step.only, &mut faults);
            steps.push(Step { after_ms, notify: step.notify.clone(), only });
        }
        let active = self.active.iter().filter(|name| *name != ALWAYS || intervals.contains_key(ALWAYS));
        let active: Vec<String> = active.cloned().collect();
        let unknown = active.iter().filter(|name| !intervals.contains_key(*name));
        faults.extend(unknown.map(|name| format!("there is no time interval `{name}`")));
        let ack_ttl_ms = time(self.ack_ttl.as_deref(), &mut faults);
        if ack_ttl_ms == Some(0) {
            faults.push("`ack_ttl` must not be zero".to_owned());
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let (name, repeat, also) = (name.to_owned(), self.repeat, self.also);
        Ok(Policy { name, when, steps, repeat, ack_ttl_ms, active, also })
    }
}

fn matchers(key: &str, spelled: &[String], faults: &mut Vec<String>) -> Matchers {
    let mut all = Vec::new();
    for text in spelled {
        match parse_matchers(text) {
            Ok(matchers) => all.extend(matchers),
            Err(fault) => faults.push(format!("`{key}`: {fault}")),
        }
    }
    Matchers::new(all)
}

fn time(spelled: Option<&str>, faults: &mut Vec<String>) -> Option<i64> {
    duration::parse(spelled?).map_err(|fault| faults.push(fault)).ok()
}

impl Policy {
    /// When a step is run, milliseconds after the incident has opened. A round begins as long after the last step of
    /// the one before as that step is after its predecessor, at least a minute.
    pub(super) fn offset_ms(&self, at: Next) -> i64 {
        let last_ms = self.steps.last().map_or(0, |step| step.after_ms);
        let before_ms = self.steps.iter().rev().nth(1).map_or(0, |step| step.after_ms);
        let round_ms = last_ms + (last_ms - before_ms).max(ROUND_GAP_MIN_MS);
        let after_ms = self.steps.get(at.step).map_or(0, |step| step.after_ms);
        i64::from(at.round).saturating_mul(round_ms).saturating_add(after_ms)
    }

    /// The step after one; none after the last of the last round.
    pub(super) fn following(&self, at: Next) -> Option<Next> {
        if at.step + 1 < self.steps.len() {
            Some(Next { step: at.step + 1, ..at })
        } else {
            (at.round < self.repeat).then(|| Next { round: at.round + 1, step: 0 })
        }
    }

    /// Whether an alert may wake people by what a destination is.
    pub(super) fn permits(kind: DestinationKind, labels: &Labels) -> bool {
        kind == DestinationKind::Message || labels.get("page") == "true"
    }
}

/// A step of a round, both from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
pub(super) struct Next {
    pub round: u32,
    pub step: usize,
}
