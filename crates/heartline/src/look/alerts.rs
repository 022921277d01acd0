//! `heartline alerts`: what fires, and why someone was told or was not.

use ::diagnose::text::{Told, certainty};
use clap::{Args, Subcommand};
use model::Language;
use serde::Deserialize;

use super::list::table;
use super::text::visible;
use super::{ListFormat, print};
use crate::Failure;
use crate::ask::{AdminOptions, escaped};

/// Options of `alerts`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AlertsOptions {
    /// Form of the output.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ListFormat,
    /// Where to ask.
    #[command(flatten)]
    admin: AdminOptions,
    /// What else to do.
    #[command(subcommand)]
    command: Option<AlertsCommand>,
}

/// Sub-commands of `alerts`.
#[derive(Clone, Debug, Subcommand)]
pub enum AlertsCommand {
    /// Tell which routes an alert takes, what it waits for and when someone is told next.
    Explain(ExplainOptions),
}

/// Options of `alerts explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainOptions {
    /// The alert's fingerprint, such as `alerts` lists.
    id: String,
    /// Form of the output.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ListFormat,
    /// Where to ask.
    #[command(flatten)]
    admin: AdminOptions,
}

/// An alert as `/api/v2/alerts` has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    fingerprint: String,
    labels: std::collections::BTreeMap<String, String>,
    starts_at: String,
    status: Status,
    receivers: Vec<Receiver>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    inhibited_by: Vec<String>,
    silenced_by: Vec<String>,
}

#[derive(Deserialize)]
struct Receiver {
    name: String,
}

/// What `/api/v1/alerts/ID` tells.
#[derive(Deserialize)]
struct Explained {
    labels: String,
    starts_at: String,
    is_resolved: bool,
    status: Status,
    groups: Vec<Group>,
    #[serde(default)]
    findings: Vec<Told>,
}

#[derive(Deserialize)]
struct Group {
    route: String,
    receiver: String,
    alerts: usize,
    next_flush: String,
    waits_for: String,
    muted_by: Vec<String>,
    channels: Vec<Channel>,
}

#[derive(Deserialize)]
struct Channel {
    channel: String,
    told_at: Option<String>,
    is_busy: bool,
    next_reason: Option<String>,
    repeats_at: Option<String>,
}

/// `heartline alerts`.
///
/// # Errors
/// The API cannot be reached, or knows no such alert.
pub async fn alerts(AlertsOptions { format, admin, command }: AlertsOptions) -> Result<(), Failure> {
    match (command, format) {
        (Some(AlertsCommand::Explain(options)), _) => explain(options).await,
        (None, ListFormat::Json) => print(&admin.get("/api/v2/alerts").await?),
        (None, ListFormat::Text) => {
            print(listed(&admin.get_json::<Vec<Alert>>("/api/v2/alerts").await?).as_bytes())
        }
    }
}

async fn explain(ExplainOptions { id, format, admin }: ExplainOptions) -> Result<(), Failure> {
    let path = format!("/api/v1/alerts/{}", escaped(&id));
    match format {
        ListFormat::Json => print(&admin.get(&path).await?),
        ListFormat::Text => print(explained(&admin.get_json(&path).await?).as_bytes()),
    }
}

fn listed(alerts: &[Alert]) -> String {
    let row = |one: &Alert| {
        let name = one.labels.get("alertname").map_or("-", String::as_str);
        let others = one.labels.iter().filter(|(label, _)| *label != "alertname");
        let others: Vec<String> = others.map(|(label, value)| format!("{label}={value}")).collect();
        let receivers: Vec<&str> = one.receivers.iter().map(|receiver| &*receiver.name).collect();
        vec![
            one.fingerprint.clone(),
            visible(name),
            instant(&one.starts_at),
            one.status.word().to_owned(),
            visible(&receivers.join(",")),
            visible(&others.join(" ")),
        ]
    };
    let head = ["ID", "ALERT", "FIRES SINCE", "STATE", "RECEIVERS", "LABELS"];
    table(&head, alerts.iter().map(row), alerts.len())
}

impl Status {
    fn word(&self) -> &'static str {
        match (self.silenced_by.is_empty(), self.inhibited_by.is_empty()) {
            (false, _) => "silenced",
            (true, false) => "inhibited",
            (true, true) => "active",
        }
    }
}

fn explained(one: &Explained) -> String {
    let state = if one.is_resolved { "has ended" } else { one.status.word() };
    let mut text = format!("{}\nfires since {}, {state}", visible(&one.labels), instant(&one.starts_at));
    for (what, ids) in [("silenced by", &one.status.silenced_by), ("inhibited by", &one.status.inhibited_by)]
    {
        if !ids.is_empty() {
            text += &format!("\n{what} {}", visible(&ids.join(", ")));
        }
    }
    for finding in &one.findings {
        let sure = certainty(finding.level, Language::English);
        text += &format!("\nmay be due to {}: {} ({sure})", finding.code, visible(&finding.title));
    }
    for group in &one.groups {
        let route = if group.route.is_empty() { "{}" } else { &group.route };
        text += &format!(
            "\n\nroute {} to `{}`, in a group of {}\n  next look at {}, the end of {}",
            visible(route),
            visible(&group.receiver),
            group.alerts,
            instant(&group.next_flush),
            group.waits_for
        );
        if !group.muted_by.is_empty() {
            text +=
                &format!("\n  nothing is told now: time interval {}", visible(&group.muted_by.join(", ")));
        }
        if group.channels.is_empty() {
            text += "\n  the receiver has no channels: nobody is told";
        }
        for channel in &group.channels {
            text += &format!("\n  {}: {}", visible(&channel.channel), told(channel));
        }
    }
    text
}

fn told(channel: &Channel) -> String {
    let told = match &channel.told_at {
        Some(at) => format!("told at {}", instant(at)),
        None => "not told yet".to_owned(),
    };
    let next = match (&channel.next_reason, &channel.repeats_at) {
        _ if channel.is_busy => "being told now".to_owned(),
        (Some(reason), _) => format!("will be told at the next look ({reason})"),
        (None, Some(at)) => format!("repeated at {} if nothing changes", instant(at)),
        (None, None) => "nothing to tell".to_owned(),
    };
    format!("{told}; {next}")
}

/// Without parts of a second.
fn instant(text: &str) -> String {
    text.chars().take(19).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_explained() {
        let one: Explained = serde_json::from_str(
            r#"{"labels": "{alertname=\"A\"}", "starts_at": "2026-01-28T00:00:00.000Z", "is_resolved": false,
                "status": {"inhibitedBy": [], "silencedBy": ["s1"], "state": "suppressed"},
                "groups": [{"route": "{}", "receiver": "ops", "group_key": "k", "alerts": 2,
                  "next_flush": "2026-01-28T00:05:00.000Z", "waits_for": "group_interval", "wait_seconds": 300,
                  "muted_by": ["nights"], "channels": [
                    {"channel": "slack/0", "told_at": "2026-01-28T00:00:30.000Z", "knows_firing": true,
                     "is_busy": false, "next_reason": null, "repeats_at": "2026-01-28T04:00:30.000Z"},
                    {"channel": "webhook/0", "told_at": null, "knows_firing": false,
                     "is_busy": false, "next_reason": "new_alerts", "repeats_at": null}]}]}"#,
        )
        .expect("as the API tells it");
        let expected = "{alertname=\"A\"}\nfires since 2026-01-28T00:00:00, silenced\nsilenced by s1\n\n\
            route {} to `ops`, in a group of 2\n  next look at 2026-01-28T00:05:00, the end of group_interval\n  \
            nothing is told now: time interval nights\n  \
            slack/0: told at 2026-01-28T00:00:30; repeated at 2026-01-28T04:00:30 if nothing changes\n  \
            webhook/0: not told yet; will be told at the next look (new_alerts)";
        assert_eq!(explained(&one), expected);
    }
}
