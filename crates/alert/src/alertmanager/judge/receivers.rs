//! Receivers of an `alertmanager.yml`, and what holds for all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::setting::Setting;
use super::super::{ChannelSetting, Global, RETIRED, Receiver};
use super::Judge;
use crate::duration;
use crate::rules::{Issue, nearest};

/// After which time an alert without an end is taken for ended (`config/config.go`), milliseconds.
const RESOLVE_TIMEOUT_MS: i64 = 300_000;

/// What keys of receivers end with.
const CONFIGS: &str = "_configs";

/// Types of Alertmanager's channels.
const KINDS: [&str; 18] = [
    "discord",
    "email",
    "incidentio",
    "jira",
    "mattermost",
    "msteams",
    "msteamsv2",
    "opsgenie",
    "pagerduty",
    "pushover",
    "rocketchat",
    "slack",
    "sns",
    "telegram",
    "victorops",
    "webex",
    "webhook",
    "wechat",
];

/// Keys of `global`, each with the type of channel that it is for; an empty one for all.
const GLOBALS: [(&str, &str); 42] = [
    ("resolve_timeout", ""),
    ("http_config", ""),
    ("jira_api_url", "jira"),
    ("mattermost_webhook_url", "mattermost"),
    ("mattermost_webhook_url_file", "mattermost"),
    ("opsgenie_api_key", "opsgenie"),
    ("opsgenie_api_key_file", "opsgenie"),
    ("opsgenie_api_url", "opsgenie"),
    ("pagerduty_url", "pagerduty"),
    ("rocketchat_api_url", "rocketchat"),
    ("rocketchat_token", "rocketchat"),
    ("rocketchat_token_file", "rocketchat"),
    ("rocketchat_token_id", "rocketchat"),
    ("rocketchat_token_id_file", "rocketchat"),
    ("slack_api_url", "slack"),
    ("slack_api_url_file", "slack"),
    ("slack_app_token", "slack"),
    ("slack_app_token_file", "slack"),
    ("slack_app_url", "slack"),
    ("smtp_auth_identity", "email"),
    ("smtp_auth_password", "email"),
    ("smtp_auth_password_file", "email"),
    ("smtp_auth_secret", "email"),
    ("smtp_auth_secret_file", "email"),
    ("smtp_auth_username", "email"),
    ("smtp_force_implicit_tls", "email"),
    ("smtp_from", "email"),
    ("smtp_hello", "email"),
    ("smtp_require_tls", "email"),
    ("smtp_smarthost", "email"),
    ("smtp_tls_config", "email"),
    ("telegram_api_url", "telegram"),
    ("telegram_bot_token", "telegram"),
    ("telegram_bot_token_file", "telegram"),
    ("victorops_api_key", "victorops"),
    ("victorops_api_key_file", "victorops"),
    ("victorops_api_url", "victorops"),
    ("webex_api_url", "webex"),
    ("wechat_api_corp_id", "wechat"),
    ("wechat_api_secret", "wechat"),
    ("wechat_api_secret_file", "wechat"),
    ("wechat_api_url", "wechat"),
];

impl Judge {
    pub(super) fn global(&mut self, settings: Option<Setting>, kinds: &[&str]) -> Global {
        let mut resolve_timeout_ms = RESOLVE_TIMEOUT_MS;
        let settings = settings.filter(|settings| !settings.is_null());
        if settings.as_ref().is_some_and(|settings| !settings.is_map()) {
            self.report(settings.as_ref().map_or((0, 0), |settings| settings.place), "`global` is a map");
        }
        if let Some(settings) = &settings {
            self.warn_of_trust(settings);
        }
        for (key, at, value) in settings.iter().flat_map(Setting::entries) {
            match GLOBALS.iter().find(|(known, _)| *known == key) {
                None => self.unknown(key, at, GLOBALS.iter().map(|(known, _)| *known)),
                Some((_, kind)) if !kind.is_empty() && !kinds.contains(kind) => {
                    self.warn(at, format!("`{key}` does nothing here: {kind} is not supported"));
                }
                Some(_) => {}
            }
            if key == "resolve_timeout" && !value.is_null() {
                let spelled = value.text().unwrap_or_default();
                resolve_timeout_ms =
                    self.take(value.place, duration::parse(&spelled)).unwrap_or(resolve_timeout_ms);
            }
        }
        settings.iter().for_each(|settings| self.single_secrets(settings));
        Global { resolve_timeout_ms, settings }
    }

    /// A secret is either written or in a file.
    fn single_secrets(&mut self, settings: &Setting) {
        let is_set = |key: &str| settings.get(key).is_some_and(|value| value.text().as_deref() != Some(""));
        for (key, at, _) in settings.entries() {
            let plain = key.strip_suffix("_file").filter(|plain| is_set(plain) && is_set(key));
            if let Some(plain) = plain {
                self.report(at, format!("say either `{plain}` or `{key}`"));
            }
        }
    }

    fn unknown<'a>(&mut self, key: &str, at: (u64, u64), known: impl Iterator<Item = &'a str>) {
        let mut issue = Issue::new(at, format!("unknown field `{key}`"));
        issue.hint = nearest(key, known);
        self.issues.push(issue);
    }

    pub(super) fn receivers(&mut self, all: &[Setting], kinds: &[&str]) -> Vec<Receiver> {
        let mut names = BTreeSet::new();
        let receivers: Vec<Receiver> =
            all.iter().map(|settings| self.one_receiver(settings, kinds)).collect();
        for receiver in receivers.iter().filter(|receiver| !receiver.name.is_empty()) {
            if !names.insert(&receiver.name) {
                self.report(receiver.place, format!("the receiver `{}` is repeated", receiver.name));
            }
        }
        receivers
    }

    fn one_receiver(&mut self, settings: &Setting, kinds: &[&str]) -> Receiver {
        let name = settings.get("name").and_then(Setting::text).unwrap_or_default();
        let place = settings.place_of(["name"]);
        if name.is_empty() {
            self.report(place, "a receiver needs a `name`");
        }
        let mut labels = BTreeMap::new();
        let mut channels = Vec::new();
        for (key, at, value) in settings.entries() {
            let kind = key.strip_suffix(CONFIGS).unwrap_or_default();
            if kind == RETIRED {
                self.warn(
                    at,
                    "Microsoft has retired connectors: make a workflow, and call it `msteamsv2_configs`",
                );
            }
            match key {
                "name" => {}
                "labels" => labels = self.receiver_labels(&name, value),
                _ if kinds.contains(&kind) => {
                    self.warn_of_trust(value);
                    channels.extend(self.channels(key, kind, value));
                }
                _ if KINDS.contains(&kind) => self.unsupported(&name, key, at, kind),
                _ => {
                    let known: Vec<String> = kinds.iter().map(|kind| format!("{kind}{CONFIGS}")).collect();
                    self.unknown(key, at, known.iter().map(String::as_str).chain(["name", "labels"]));
                }
            }
        }
        Receiver { name, place, labels, channels }
    }

    /// Warns where servers are not asked who they are, however deep that is said.
    pub(super) fn warn_of_trust(&mut self, settings: &Setting) {
        for item in settings.items().into_iter().flatten() {
            self.warn_of_trust(item);
        }
        for (key, at, value) in settings.entries() {
            if key == "insecure_skip_verify" && value.text().as_deref() == Some("true") {
                self.warn(at, "anyone can pass for this server: trust its own authority, by `ca_file`");
            }
            self.warn_of_trust(value);
        }
    }

    fn unsupported(&mut self, name: &str, key: &str, at: (u64, u64), kind: &str) {
        let mut issue =
            Issue::new(at, format!("the receiver `{name}` has `{key}`: {kind} is not supported here"));
        issue.hint = Some(
            "let a real Alertmanager notify (`alertmanagers:`), or reach it by `webhook_configs`".to_owned(),
        );
        self.issues.push(issue);
    }

    fn receiver_labels(&mut self, receiver: &str, settings: &Setting) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        for (name, at, value) in settings.entries() {
            let value = value.text().unwrap_or_default();
            if name == "name" && value != receiver {
                self.report(at, format!("the label `name` must be the receiver's, `{receiver}`"));
            }
            labels.insert(name.to_owned(), value);
        }
        labels
    }

    fn channels(&mut self, key: &str, kind: &str, list: &Setting) -> Vec<ChannelSetting> {
        if list.is_null() {
            return Vec::new();
        }
        let Some(items) = list.items() else {
            self.report(list.place, format!("`{key}` is a list"));
            return Vec::new();
        };
        for item in items.iter().filter(|item| !item.is_map()) {
            self.report(item.place, format!("each of `{key}` is a map of settings"));
        }
        let channel = |(index, item): (usize, &Setting)| ChannelSetting {
            kind: kind.to_owned(),
            index,
            settings: item.clone(),
        };
        items.iter().enumerate().map(channel).collect()
    }
}
