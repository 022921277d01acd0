//! What a configuration says of who is told, and how.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alert::alertmanager::{self, Config as Alertmanager};
use alert::dispatch::{ChannelSpec, Options, Setup};
use alert::escalation::{self, DestinationKind, PolicyConfig};
use notify::{Channel, Context, Destination, Language, Reach, Texts};
use remote::Alertmanagers;
use serde_json::{Value, json};

use crate::config::{AlertingConfig, AlertmanagerConfig, EvaluationConfig};
use crate::routes;
use crate::rules::files;

/// Most incidents.
const INCIDENTS_MAX: usize = 1000;

/// Kinds of channels to products that escalate by themselves.
const DELEGATES: [&str; 2] = ["pagerduty", "opsgenie"];

/// By what people are reached through a kind of channel.
fn kind_of(channel: &str) -> DestinationKind {
    match channel {
        "voice" => DestinationKind::Voice,
        "sms" => DestinationKind::Sms,
        _ => DestinationKind::Message,
    }
}

/// A configuration that was read and judged.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// For the machine.
    pub(super) setup: Setup,
    /// For the machine of incidents.
    pub(crate) escalations: escalation::Setup,
    /// Where people reach this server.
    pub(crate) external_url: String,
    /// Alertmanagers elsewhere.
    pub(super) alertmanagers: Vec<AlertmanagerConfig>,
    /// Whether alerts of rules are told of here.
    pub(super) is_told_here: bool,
    /// What is odd about `alertmanager.yml`, with places.
    pub(crate) warnings: Vec<String>,
    /// The text of `alertmanager.yml`; may be empty.
    pub(super) text: String,
    channels: Vec<Described>,
    templates: Vec<(String, String)>,
    reach: Reach,
}

/// A channel of a receiver, as it is described.
#[derive(Clone, Debug, PartialEq)]
struct Described {
    receiver: String,
    key: String,
    kind: String,
    language: Language,
    settings: Secretive,
    /// Whether it tells of the end of alerts by default, as it would not in Alertmanager.
    tells_end: bool,
    /// Where names of files begin that are relative.
    directory: PathBuf,
    /// Where it stands, for errors.
    place: String,
}

/// Settings, which may be secret.
#[derive(Clone, PartialEq)]
struct Secretive(Value);

impl std::fmt::Debug for Secretive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<settings>")
    }
}

/// Name of a receiver's channel among all destinations.
pub(super) fn destination(receiver: &str, channel: &str) -> String {
    format!("{receiver}/{channel}")
}

impl Plan {
    /// Reads what the configuration names, and judges it.
    ///
    /// # Errors
    /// All that is wrong, with places.
    pub(crate) fn read(alerting: &AlertingConfig, evaluation: &EvaluationConfig) -> Result<Plan, String> {
        let external_url =
            evaluation.external_url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned();
        let (text, file) = match &alerting.alertmanager_config {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    format!("`alerting.alertmanager_config`: {}: {error}", path.display())
                })?;
                (text, path.display().to_string())
            }
            None => (own_routes(alerting), "alerting".to_owned()),
        };
        let config = alertmanager::parse(&text, &routes::kinds()).map_err(|issues| {
            let lines: Vec<String> = issues.iter().map(|issue| format!("{file}:{issue}")).collect();
            lines.join("\n")
        })?;
        let directory = match &alerting.alertmanager_config {
            Some(path) => path.parent().unwrap_or(Path::new("")),
            None => &alerting.directory,
        };
        let mut plan = Plan {
            setup: setup(&config, &external_url),
            escalations: escalation::Setup {
                policies: Vec::new(),
                destinations: BTreeMap::new(),
                time_intervals: config.time_intervals.clone(),
                phone_calls_per_hour: alerting.phone_calls_per_hour,
                incidents_max: INCIDENTS_MAX,
            },
            external_url,
            alertmanagers: alerting.alertmanagers.clone(),
            is_told_here: alerting.alertmanagers.is_empty() || alerting.also,
            warnings: config.warnings.iter().map(|warning| format!("{file}:{warning}")).collect(),
            text: if alerting.alertmanager_config.is_some() { text } else { String::new() },
            channels: described(&config, alerting, (&file, directory)),
            templates: templates(&config, directory, &file)?,
            reach: Reach { is_trusted: true, allowed: alerting.allow_private.clone() },
        };
        let known: Vec<&str> = config.receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        if let Some(stranger) = alerting.receivers.iter().find(|own| !known.contains(&own.name.as_str())) {
            return Err(format!(
                "`alerting.receivers`: {file} has no receiver `{}`: add `- name: {}` to its `receivers`",
                stranger.name, stranger.name
            ));
        }
        plan.fill_receivers()?;
        let names = config.receivers.iter().map(|receiver| receiver.name.clone());
        plan.escalations.destinations = names.map(|name| (name.clone(), plan.reaches(&name))).collect();
        plan.fill_policies(alerting)?;
        Ok(plan)
    }

    /// What sends alerts to Alertmanagers elsewhere, if there are any.
    ///
    /// # Errors
    /// Credentials or authorities to trust that cannot be read, a thread that cannot be started.
    pub(super) fn alertmanagers(&self) -> Result<Option<Alertmanagers>, String> {
        let all: Vec<_> = self.alertmanagers.iter().filter_map(AlertmanagerConfig::access).collect();
        if all.is_empty() { Ok(None) } else { Alertmanagers::start(all).map(Some) }
    }

    /// Logs what is odd.
    pub(crate) fn warn(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }

    /// Whether the channels of another plan are the same.
    pub(super) fn has_the_channels_of(&self, other: &Plan) -> bool {
        self.channels == other.channels
            && self.templates == other.templates
            && self.reach.allowed == other.reach.allowed
    }

    /// The channels, ready to be used.
    ///
    /// # Errors
    /// What is wrong with their settings.
    pub(crate) fn destinations(&self) -> Result<Vec<Destination>, String> {
        let named = self.made()?.into_iter();
        Ok(named
            .map(|(receiver, key, channel)| Destination {
                name: destination(&receiver, &key).into(),
                channel,
            })
            .collect())
    }

    /// Each channel with its receiver and its key.
    fn made(&self) -> Result<Vec<(String, String, Channel)>, String> {
        let (mut made, mut wrong) = (Vec::new(), Vec::new());
        let texts = |language| Texts::new(language, &self.templates).map(Arc::new);
        let (english, chinese) = (texts(Language::English)?, texts(Language::Chinese)?);
        for one in &self.channels {
            let texts = if one.language == Language::Chinese { &chinese } else { &english };
            let (texts, reach) = (Arc::clone(texts), self.reach.clone());
            let (directory, tells_end) = (one.directory.clone(), one.tells_end);
            let context = Context { directory, texts, reach, tells_end };
            match Channel::read(&one.kind, one.settings.0.clone(), &context) {
                Ok(channels) => {
                    let is_one = channels.len() == 1;
                    made.extend(channels.into_iter().enumerate().map(|(number, channel)| {
                        let key = if is_one { one.key.clone() } else { format!("{}/{number}", one.key) };
                        (one.receiver.clone(), key, channel)
                    }));
                }
                Err(why) => wrong.push(format!("{}: {why}", one.place)),
            }
        }
        if wrong.is_empty() { Ok(made) } else { Err(wrong.join("\n")) }
    }

    fn fill_receivers(&mut self) -> Result<(), String> {
        for (receiver, key, channel) in self.made()? {
            let spec = ChannelSpec { key, sends_resolved: channel.sends_resolved() };
            self.setup.receivers.entry(receiver).or_default().push(spec);
        }
        Ok(())
    }

    /// How a receiver reaches people: by the most urgent of its channels.
    fn reaches(&self, receiver: &str) -> escalation::Destination {
        let channels = self.channels.iter().filter(|channel| channel.receiver == receiver);
        channels.fold(escalation::Destination::default(), |reach, channel| escalation::Destination {
            kind: reach.kind.max(kind_of(&channel.kind)),
            delegates: reach.delegates || DELEGATES.contains(&&*channel.kind),
        })
    }

    fn fill_policies(&mut self, alerting: &AlertingConfig) -> Result<(), String> {
        let mut wrong = Vec::new();
        for (name, config) in &alerting.escalations.0 {
            let setup = &self.escalations;
            match PolicyConfig::from(config).judged(name, &setup.destinations, &setup.time_intervals) {
                Ok(policy) => self.escalations.policies.push(policy),
                Err(faults) => {
                    wrong
                        .extend(faults.iter().map(|fault| format!("`alerting.escalations.{name}`: {fault}")));
                }
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    /// Names of a receiver's destinations.
    pub(super) fn destinations_of(&self, receiver: &str) -> Vec<String> {
        let channels = self.setup.receivers.get(receiver).into_iter().flatten();
        channels.map(|channel| destination(receiver, &channel.key)).collect()
    }

    /// Whether a destination is a telephone.
    pub(super) fn is_phone(&self, name: &str) -> bool {
        self.channel_of(name).is_some_and(|one| kind_of(&one.kind) != DestinationKind::Message)
    }

    /// The channel that a destination is of: one that has several numbers has a destination for each.
    fn channel_of(&self, name: &str) -> Option<&Described> {
        self.channels.iter().find(|one| {
            name.strip_prefix(&*destination(&one.receiver, &one.key))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Language of what a destination is told.
    pub(super) fn language_at(&self, name: &str) -> model::Language {
        let Some(channel) = self.channel_of(name) else { return model::Language::English };
        let own = channel.settings.0.get("language").and_then(Value::as_str);
        let of_receiver = match channel.language {
            Language::English => model::Language::English,
            Language::Chinese => model::Language::Chinese,
        };
        own.and_then(model::Language::of_tag).unwrap_or(of_receiver)
    }

    /// Language of a receiver's messages.
    pub(super) fn language(&self, receiver: &str) -> Language {
        let channel = self.channels.iter().find(|channel| channel.receiver == receiver);
        channel.map_or(Language::English, |channel| channel.language)
    }

    /// Names of all destinations.
    pub(crate) fn names(&self) -> Vec<String> {
        let each = self.setup.receivers.iter();
        each.flat_map(|(receiver, channels)| {
            channels.iter().map(move |channel| destination(receiver, &channel.key))
        })
        .collect()
    }
}

/// Routes without an `alertmanager.yml`: the first receiver is told of everything.
fn own_routes(alerting: &AlertingConfig) -> String {
    const NOBODY: &str = "nobody";
    let first = alerting.receivers.first().map_or(NOBODY, |receiver| receiver.name.as_str());
    let mut names: Vec<&str> = alerting.receivers.iter().map(|receiver| receiver.name.as_str()).collect();
    if names.is_empty() {
        names.push(NOBODY);
    }
    let receivers: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    let route = json!({ "receiver": first, "group_by": ["alertname", "route"] });
    json!({ "route": route, "receivers": receivers }).to_string()
}

fn setup(config: &Alertmanager, external_url: &str) -> Setup {
    Setup {
        routes: config.routes.clone(),
        inhibit_rules: config.inhibit_rules.clone(),
        time_intervals: config.time_intervals.clone(),
        receivers: BTreeMap::new(),
        options: Options {
            resolve_timeout_ms: config.global.resolve_timeout_ms,
            external_url: external_url.to_owned(),
            ..Options::default()
        },
    }
}

/// Channels of both configurations, Alertmanager's first.
fn described(
    config: &Alertmanager,
    alerting: &AlertingConfig,
    (file, directory): (&str, &Path),
) -> Vec<Described> {
    let global = config.global.settings.as_ref().map_or(Value::Null, alertmanager::Setting::json);
    let language = |name: &str| {
        let own = alerting.receivers.iter().find(|own| own.name == name);
        own.map_or(Language::English, |own| own.language.into())
    };
    let mut channels = Vec::new();
    for receiver in &config.receivers {
        for channel in &receiver.channels {
            let mut settings = channel.settings.json();
            notify::inherit(&channel.kind, &mut settings, &global);
            let (line, column) = channel.settings.place_of([]);
            channels.push(Described {
                receiver: receiver.name.clone(),
                key: format!("{}/{}", channel.kind, channel.index),
                kind: channel.kind.clone(),
                language: language(&receiver.name),
                settings: Secretive(settings),
                tells_end: false,
                directory: directory.to_owned(),
                place: format!("{file}:{line}:{column}"),
            });
        }
    }
    for own in &alerting.receivers {
        for (kind, all) in &own.channels {
            let is_before = |one: &&Described| one.receiver == own.name && one.kind == *kind;
            let before = channels.iter().filter(is_before).count();
            for (index, settings) in all.iter().enumerate() {
                channels.push(Described {
                    receiver: own.name.clone(),
                    key: format!("{kind}/{}", before + index),
                    kind: kind.clone(),
                    language: own.language.into(),
                    settings: Secretive(settings.0.clone()),
                    tells_end: true,
                    directory: alerting.directory.clone(),
                    place: format!("`alerting.receivers`: {}", own.name),
                });
            }
        }
    }
    channels
}

/// The files of templates, with their texts.
fn templates(config: &Alertmanager, directory: &Path, file: &str) -> Result<Vec<(String, String)>, String> {
    let mut read = Vec::new();
    for ((line, column), pattern) in &config.templates {
        for path in files::matching(&directory.join(pattern)) {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("{file}:{line}:{column}: {}: {error}", path.display()))?;
            read.push((path.display().to_string(), text));
        }
    }
    Ok(read)
}
