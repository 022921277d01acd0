//! Who is told of alerts, and how.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use remote::Access;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use web::config::Secret;

use super::access::{AccessParts, BasicAuthConfig};
use super::{EscalationsConfig, Problem};
use crate::routes::own_kinds;

/// Time for a request to an Alertmanager.
const ALERTMANAGER_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// Alertmanagers elsewhere that alerts of rules are sent to, each all of them, as Prometheus does. Routes and escalations
    /// here then tell of alerts that come by `/api/v2/alerts` alone, unless `also` is set.
    pub alertmanagers: Vec<AlertmanagerConfig>,
    /// Whether routes and escalations here tell of alerts that Alertmanagers elsewhere are sent, too.
    pub also: bool,
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
            alertmanagers: Vec::new(),
            also: false,
            escalations: EscalationsConfig::default(),
            phone_calls_per_hour: 20,
            directory: PathBuf::new(),
        }
    }
}

/// An Alertmanager elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerConfig {
    /// Its address, such as `http://10.0.0.9:9093`: what stands before `/api/v2/alerts`.
    pub url: String,
    /// File with a token for `Authorization: Bearer`, read for each request.
    pub bearer_token_file: Option<PathBuf>,
    /// The token itself, instead of a file.
    pub bearer_token: Option<Secret>,
    /// Name and password for `Authorization: Basic`, instead of a token.
    pub basic_auth: Option<BasicAuthConfig>,
    /// Further headers.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub headers: BTreeMap<String, Secret>,
    /// PEM file with the authorities to trust with `https://`, instead of this system's.
    pub ca_file: Option<PathBuf>,
}

impl AlertmanagerConfig {
    /// Where it is, and how it is asked; only what has no problems has access.
    pub(crate) fn access(&self) -> Option<Access> {
        self.parts().access()
    }

    fn parts(&self) -> AccessParts<'_> {
        AccessParts {
            url: &self.url,
            bearer_token_file: self.bearer_token_file.as_ref(),
            bearer_token: self.bearer_token.as_ref(),
            basic_auth: self.basic_auth.as_ref(),
            headers: &self.headers,
            ca_file: self.ca_file.as_ref(),
            timeout: ALERTMANAGER_TIMEOUT,
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
        if self.also && self.alertmanagers.is_empty() {
            let message = "`also` is beside `alertmanagers`, which is not set".to_owned();
            problems.push(Problem { path: vec!["alerting".to_owned(), "also".to_owned()], message });
        }
        for (number, one) in self.alertmanagers.iter().enumerate() {
            let mut of_one = one.parts().problems("http://10.0.0.9:9093");
            if one.url.trim_end_matches('/').ends_with("/alerts") {
                of_one.push(("url", "give what stands before `/api/v2/alerts`".to_owned()));
            }
            let host = |one: &AlertmanagerConfig| one.access().map(|access| access.host().to_owned());
            let own = host(one);
            if own.is_some() && self.alertmanagers[..number].iter().any(|other| host(other) == own) {
                of_one.push(("url", "an earlier Alertmanager has this host and port".to_owned()));
            }
            let path = |key: &str| {
                ["alerting", "alertmanagers", &number.to_string(), key].map(str::to_owned).to_vec()
            };
            problems.extend(of_one.into_iter().map(|(key, message)| Problem { path: path(key), message }));
        }
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
