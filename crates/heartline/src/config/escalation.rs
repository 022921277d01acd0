//! Who is told next when nobody answers.

use std::collections::BTreeMap;
use std::fmt;

use alert::escalation::{Destination, PolicyConfig, StepConfig};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Problem;

/// Most policies.
const POLICIES_MAX: usize = 100;

/// Policies by name, in the order in which they are written: the first that fits is that of an incident.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EscalationsConfig(pub Vec<(String, EscalationConfig)>);

/// Who is told in which order when nobody acknowledges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationConfig {
    /// Which alerts: conditions in Alertmanager's syntax, such as `severity="critical"`, that must all hold.
    pub when: Vec<String>,
    /// Who is told, in order.
    pub steps: Vec<EscalationStepConfig>,
    /// How often the list of steps is run again; at most 100.
    #[serde(default)]
    pub repeat: u32,
    /// After which time an acknowledgement lapses if it still fires, such as `30m`; the list is begun again then. Without
    /// it never.
    #[serde(default)]
    pub ack_ttl: Option<String>,
    /// Names of time intervals of the `alertmanager.yml` outside which only the first step is run; without any always.
    #[serde(default)]
    pub active: Vec<String>,
    /// Whether steps go on after one has handed the incident to a product that escalates by itself: PagerDuty or Opsgenie.
    #[serde(default)]
    pub also: bool,
}

/// A step of an escalation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationStepConfig {
    /// How long after the incident has opened, such as `5m`; without it at once.
    #[serde(default)]
    pub after: Option<String>,
    /// Names of the receivers that are told, by all their channels.
    pub notify: Vec<String>,
    /// Only for alerts for which all these conditions hold. Phones are called for alerts with `page="true"` alone.
    #[serde(default)]
    pub only: Vec<String>,
}

impl From<&EscalationConfig> for PolicyConfig {
    fn from(config: &EscalationConfig) -> PolicyConfig {
        let step = |step: &EscalationStepConfig| StepConfig {
            after: step.after.clone(),
            notify: step.notify.clone(),
            only: step.only.clone(),
        };
        PolicyConfig {
            when: config.when.clone(),
            steps: config.steps.iter().map(step).collect(),
            repeat: config.repeat,
            ack_ttl: config.ack_ttl.clone(),
            active: config.active.clone(),
            also: config.also,
        }
    }
}

impl EscalationsConfig {
    /// What is wrong whatever receivers and time intervals there are.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let path = |name: &str| ["alerting", "escalations", name].map(str::to_owned).to_vec();
        let mut problems = Vec::new();
        for (number, (name, config)) in self.0.iter().enumerate() {
            if number == POLICIES_MAX {
                let message = format!("there may be {POLICIES_MAX} policies");
                problems.push(Problem { path: path(name), message });
            }
            let named = config.steps.iter().flat_map(|step| step.notify.clone());
            let receivers: BTreeMap<String, Destination> =
                named.map(|receiver| (receiver, Destination::default())).collect();
            let intervals = config.active.iter().map(|interval| (interval.clone(), Vec::new())).collect();
            let judged = PolicyConfig::from(config).judged(name, &receivers, &intervals);
            let faults = judged.err().into_iter().flatten();
            problems.extend(faults.map(|message| Problem { path: path(name), message }));
        }
        problems
    }
}

impl Serialize for EscalationsConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, config)| (name, config)))
    }
}

impl<'de> Deserialize<'de> for EscalationsConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<EscalationsConfig, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = EscalationsConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("escalations by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<EscalationsConfig, A::Error> {
        let mut all: Vec<(String, EscalationConfig)> = Vec::new();
        while let Some((name, config)) = entries.next_entry::<String, _>()? {
            if all.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format!("two escalations have the name `{name}`")));
            }
            all.push((name, config));
        }
        Ok(EscalationsConfig(all))
    }
}

impl JsonSchema for EscalationsConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EscalationsConfig".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, EscalationConfig>::json_schema(generator)
    }
}
