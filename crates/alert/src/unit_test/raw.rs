//! The YAML of test files as it stands. Unknown keys are errors.

use serde::{Deserialize, Deserializer};

use crate::rules::{Map, Text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default, deserialize_with = "or_empty")]
    pub rule_files: Vec<String>,
    pub evaluation_interval: Option<Text>,
    #[serde(default, deserialize_with = "or_empty")]
    pub group_eval_order: Vec<String>,
    #[serde(default)]
    pub fuzzy_compare: bool,
    #[serde(default, deserialize_with = "or_empty")]
    pub tests: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub interval: Option<Text>,
    #[serde(default, deserialize_with = "or_empty")]
    pub input_series: Vec<InputSeries>,
    #[serde(default, deserialize_with = "or_empty")]
    pub alert_rule_test: Vec<AlertTest>,
    #[serde(default, deserialize_with = "or_empty")]
    pub promql_expr_test: Vec<QueryTest>,
    pub external_labels: Option<Map>,
    pub external_url: Option<String>,
    pub name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputSeries {
    pub series: Text,
    pub values: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertTest {
    pub eval_time: Option<Text>,
    pub alertname: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    pub exp_alerts: Vec<ExpectedAlert>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedAlert {
    pub exp_labels: Option<Map>,
    pub exp_annotations: Option<Map>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryTest {
    pub expr: String,
    pub eval_time: Option<Text>,
    #[serde(default, deserialize_with = "or_empty")]
    pub exp_samples: Vec<ExpectedSample>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedSample {
    pub labels: Option<Text>,
    #[serde(default)]
    pub value: f64,
}

/// A list; none is as good as an empty one.
fn or_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
