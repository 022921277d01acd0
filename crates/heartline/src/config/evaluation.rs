//! How rules are evaluated.

use std::collections::BTreeMap;
use std::time::Duration;

use alert::engine::{Options, Restore};
use promql::Features;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;

/// How far in the past another engine is asked for by default: as late as what VictoriaMetrics answers.
const OFFSET_ELSEWHERE: Duration = Duration::from_secs(30);

/// How rules are evaluated; the words are Prometheus'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationConfig {
    /// Time between evaluations of groups that name none; from 1 s to 1 day.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// How far in the past queries of groups look that name nothing; by default 0 s, and 30 s with `query_url`, since
    /// samples take a while to get there.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Option<String>")]
    pub query_offset: Option<Duration>,
    /// After which time an alert that still fires is sent again.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub resend_delay: Duration,
    /// What becomes of alerts when the process starts anew.
    pub restore: RestoreConfig,
    /// State of alerts that is older than this is not restored.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub outage_tolerance: Duration,
    /// With `restore: prometheus`, rules with a shorter `for` are not restored, and others fire no sooner after a start.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub grace_period: Duration,
    /// Where people reach this server, such as `https://heartline.example.com`, for templates and links of alerts.
    pub external_url: Option<String>,
    /// Labels of this server, for templates and alerts that are sent.
    pub external_labels: BTreeMap<String, String>,
    /// Experimental features of PromQL that rules and queries may use, by the names that Prometheus' `--enable-feature`
    /// has for them: `promql-duration-expr`, `promql-binop-fill-modifiers`, `type-and-unit-labels`.
    /// A change takes a restart.
    pub promql_features: Vec<String>,
}

/// What becomes of alerts when the process starts anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestoreConfig {
    /// All of their state comes back; pending alerts are younger by the time in between.
    #[default]
    Full,
    /// As Prometheus does: from the series `ALERTS_FOR_STATE`, rules with a long `for` alone.
    Prometheus,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        let options = Options::default();
        let duration = |ms: i64| Duration::from_millis(ms.unsigned_abs());
        EvaluationConfig {
            interval: duration(options.interval_ms),
            query_offset: None,
            resend_delay: duration(options.resend_delay_ms),
            restore: RestoreConfig::default(),
            outage_tolerance: duration(options.outage_tolerance_ms),
            grace_period: duration(options.grace_period_ms),
            external_url: None,
            external_labels: BTreeMap::new(),
            promql_features: Vec::new(),
        }
    }
}

impl EvaluationConfig {
    /// The engine's part; `is_elsewhere` says that another engine evaluates.
    pub(super) fn options(&self, is_elsewhere: bool) -> Options {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let url = self.external_url.as_deref().unwrap_or_default();
        Options {
            interval_ms: ms(self.interval),
            query_offset_ms: ms(self.query_offset.unwrap_or(if is_elsewhere {
                OFFSET_ELSEWHERE
            } else {
                Duration::ZERO
            })),
            resend_delay_ms: ms(self.resend_delay),
            external_labels: self.external_labels.clone().into_iter().collect(),
            external_url: url.trim_end_matches('/').to_owned(),
            restore: match self.restore {
                RestoreConfig::Full => Restore::Full,
                RestoreConfig::Prometheus => Restore::Prometheus,
            },
            grace_period_ms: ms(self.grace_period),
            outage_tolerance_ms: ms(self.outage_tolerance),
        }
    }

    /// How expressions of rules and queries are understood. Names of features have been judged before.
    pub(crate) fn promql(&self) -> promql::Options {
        promql::Options { features: self.features().unwrap_or_default(), ..promql::Options::default() }
    }

    fn features(&self) -> Result<Features, String> {
        Features::named(self.promql_features.iter().map(String::as_str))
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let day = Duration::from_secs(86_400);
        let within = (Duration::from_secs(1)..=day).contains(&self.interval);
        let is_web = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        let rules = [
            ("interval", within, "the interval must be from 1s to 1d"),
            (
                "query_offset",
                self.query_offset.is_none_or(|offset| offset <= day),
                "the offset must be at most 1d",
            ),
            ("resend_delay", self.resend_delay <= day, "the delay must be at most 1d"),
            ("outage_tolerance", self.outage_tolerance <= 30 * day, "the time must be at most 30d"),
            ("grace_period", self.grace_period <= day, "the time must be at most 1d"),
            (
                "external_url",
                self.external_url.as_ref().is_none_or(is_web),
                "the URL must begin with http:// or https://",
            ),
            (
                "external_labels",
                self.external_labels.keys().all(|name| is_label_name(name)),
                "names of labels have letters, digits and `_`, and do not begin with a digit",
            ),
        ];
        let broken = rules.into_iter().filter(|(_, holds, _)| !holds);
        let path = |key: &str| vec!["evaluation".to_owned(), key.to_owned()];
        let broken = broken.map(|(key, _, message)| Problem { path: path(key), message: message.to_owned() });
        let unknown = self.features().err();
        broken.chain(unknown.map(|message| Problem { path: path("promql_features"), message })).collect()
    }
}

fn is_label_name(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_word) && name.starts_with(|c: char| !c.is_ascii_digit())
}
