//! Who is told of alerts, and how.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::{EscalationsConfig, Problem};
use crate::routes::own_kinds;

/// Who is told of alerts, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertingConfig {
    /// An `alertmanager.yml` as Alertmanager reads it, relative to this file: routes, receivers, inhibition and time
    /// intervals. Without it the
    /// first receiver is told of all alerts, grouped by `alertname` and `route`.
    pub alertmanager_config: Option<PathBuf>,
    /// Receivers with channels that Alertmanager does not have; they are joined by name with its own.
    pub receivers: Vec<ReceiverConfig>,
    /// Networks inside that URLs of channels may lead to all the same, such as `10.1.2.0/24`; those that are written in a
    /// configuration may lead to private networks in any case.
    #[schemars(with = "Vec<String>")]
    pub allow_private: Vec<IpNet>,
    /// Who is told next when nobody acknowledges, by name; the first that fits an alert is taken. What fits none is told by
    /// its route alone.
    pub escalations: EscalationsConfig,
    /// Most calls to all phones within an hour; text messages and messages are not counted.
    pub phone_calls_per_hour: usize,
    /// Where names of files begin that are relative.
    #[serde(skip)]
    pub(crate) directory: PathBuf,
}

impl Default for AlertingConfig {
    fn default() -> Self {
        AlertingConfig {
            alertmanager_config: None,
            receivers: Vec::new(),
            allow_private: Vec::new(),
            escalations: EscalationsConfig::default(),
            phone_calls_per_hour: 20,
            directory: PathBuf::new(),
        }
    }
}

/// Someone who is told of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiverConfig {
    /// Its name, as routes call it.
    pub name: String,
    /// Language of its messages: `en` or `zh-CN`.
    #[serde(default)]
    pub language: LanguageConfig,
    /// Its channels, by kind: `slack`, `dingtalk`, `webhook`, and so on; each a list. `docs/alerting.md` has the settings.
    #[serde(flatten)]
    pub channels: BTreeMap<String, Vec<ChannelSettings>>,
}

/// Language of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LanguageConfig {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Simplified Chinese.
    #[serde(rename = "zh-CN", alias = "zh")]
    Chinese,
}

/// What a channel is told; it may be secret.
#[derive(Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ChannelSettings(#[schemars(with = "BTreeMap<String, String>")] pub(crate) serde_json::Value);

impl fmt::Debug for ChannelSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<settings>")
    }
}

impl Serialize for ChannelSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("<settings>")
    }
}

impl From<LanguageConfig> for notify::Language {
    fn from(language: LanguageConfig) -> notify::Language {
        match language {
            LanguageConfig::English => notify::Language::English,
            LanguageConfig::Chinese => notify::Language::Chinese,
        }
    }
}

impl AlertingConfig {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = self.escalations.problems();
        for (number, receiver) in self.receivers.iter().enumerate() {
            let path =
                |key: &str| ["alerting", "receivers", &number.to_string(), key].map(str::to_owned).to_vec();
            if receiver.name.is_empty() {
                problems.push(Problem { path: path("name"), message: "a receiver needs a name".to_owned() });
            }
            if self.receivers[..number].iter().any(|other| other.name == receiver.name) {
                let message = format!("two receivers have the name `{}`", receiver.name);
                problems.push(Problem { path: path("name"), message });
            }
            let unknown = receiver.channels.keys().filter(|kind| !own_kinds().any(|known| known == **kind));
            problems.extend(unknown.map(|kind| {
                let known: Vec<&str> = own_kinds().collect();
                let message = format!("`{kind}` is no kind of channel; there are {}", known.join(", "));
                Problem { path: path(kind), message }
            }));
        }
        problems
    }
}
