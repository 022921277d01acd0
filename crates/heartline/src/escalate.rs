//! `heartline escalate`: who is told next, from a configuration alone; `heartline ack`: somebody cares.

mod rehearse;

use std::path::{Path, PathBuf};

use alert::duration;
use alert::escalation::{Escalations, Row, Setup};
use clap::{Args, Subcommand};
use model::series::Labels;
use serde_json::{Value, json};

use crate::Failure;
use crate::ask::AdminOptions;
use crate::telling::Plan;
use rehearse::Script;

/// Sub-commands of `escalate`.
#[derive(Debug, Subcommand)]
pub enum EscalateCommand {
    /// Print the timetable for an alert: who is told when if nobody acknowledges.
    Explain(AlertOptions),
    /// Run the steps for an alert on virtual time, with channels that tell nobody, and print what happens when.
    Rehearse(RehearseOptions),
}

/// An alert, and the configuration it meets.
#[derive(Args, Clone, Debug)]
pub struct AlertOptions {
    /// Configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "heartline.yaml")]
    config: PathBuf,
    /// Labels of the alert, such as `alertname=Down,severity=critical`.
    #[arg(long, value_name = "NAME=VALUE,...")]
    labels: String,
}

/// Options of `escalate rehearse`.
#[derive(Args, Clone, Debug)]
pub struct RehearseOptions {
    /// Which alert.
    #[command(flatten)]
    alert: AlertOptions,
    /// Receivers that cannot be reached.
    #[arg(long, value_name = "RECEIVER")]
    failing: Vec<String>,
    /// When somebody acknowledges, from the start.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    ack: Option<i64>,
    /// When the alert ends, from the start.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    end: Option<i64>,
    /// How long to go on.
    #[arg(long, value_name = "DURATION", default_value = "6h", value_parser = duration::parse)]
    until: i64,
}

/// Options of `ack`.
#[derive(Args, Clone, Debug)]
pub struct AckOptions {
    /// Number of the incident, as messages and `/api/v1/incidents` have it.
    id: u64,
    /// Who cares; those who were told are told this name [default: your user name].
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Where to ask.
    #[command(flatten)]
    admin: AdminOptions,
}

/// `heartline escalate`.
///
/// # Errors
/// The configuration or the labels cannot be used.
pub fn run(command: EscalateCommand) -> Result<(), Failure> {
    let text = match command {
        EscalateCommand::Explain(AlertOptions { config, labels }) => {
            explain(setup(&config)?, &parsed(&labels)?)
        }
        EscalateCommand::Rehearse(options) => {
            let labels = parsed(&options.alert.labels)?;
            let script = Script {
                failing: options.failing,
                ack_ms: options.ack,
                end_ms: options.end,
                until_ms: options.until,
            };
            rehearse::rehearse(setup(&options.alert.config)?, labels, &script, crate::telling::now_ms())
        }
    };
    crate::look::print(text.map_err(Failure::Usage)?.as_bytes())
}

/// `heartline ack`.
///
/// # Errors
/// The gateway cannot be reached, or it refuses.
pub async fn ack(AckOptions { id, by, admin }: AckOptions) -> Result<(), Failure> {
    let by = by.or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "somebody".to_owned());
    let answer = admin.post(&format!("/api/v1/incidents/{id}/ack"), &json!({ "by": by })).await?;
    let incident: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let told: Vec<&str> =
        incident["told"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let told = if told.is_empty() { "nobody has been told of it".to_owned() } else { told.join(", ") };
    let key = incident["group_key"].as_str().unwrap_or_default();
    let text = format!("incident {id} is acknowledged by {by}: {key}\ntold so: {told}\n");
    crate::look::print(text.as_bytes())
}

fn setup(config: &Path) -> Result<Setup, Failure> {
    let config = crate::config::load(config).map_err(|errors| Failure::Usage(errors.to_string()))?;
    let plan = Plan::read(&config.alerting, &config.evaluation).map_err(Failure::Usage)?;
    Ok(plan.escalations)
}

/// Labels as they are written: pairs with commas between them; values may be quoted.
fn parsed(text: &str) -> Result<Labels, Failure> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pairs: Result<Vec<(&str, &str)>, String> = pairs.map(crate::routes::label).collect();
    let pairs = pairs.map_err(Failure::Usage)?;
    if pairs.is_empty() {
        return Err(Failure::Usage(
            "an alert needs at least one label, such as severity=critical".to_owned(),
        ));
    }
    Ok(Labels::new(pairs.into_iter().map(|(name, value)| (name, value.trim_matches('"')))))
}

/// The timetable.
fn explain(setup: Setup, labels: &Labels) -> Result<String, String> {
    let names: Vec<String> = setup.policies.iter().map(|policy| policy.name.clone()).collect();
    let machine = Escalations::new(setup);
    let (policy, rows) = machine.timetable(labels).ok_or_else(|| none_fits(labels, &names))?;
    let mut text = format!("{labels} is escalated by `{}`", policy.name);
    if let Some(ttl_ms) = policy.ack_ttl_ms {
        text += &format!("; an acknowledgement lapses after {}", duration::format(ttl_ms));
    }
    if !policy.active.is_empty() {
        text += &format!("; outside {} only the first step is run", policy.active.join(", "));
    }
    text += "\nafter\tround\tstep\treceiver\tby\n";
    text.extend(rows.iter().map(line));
    Ok(text)
}

fn line(row: &Row) -> String {
    let Row { after_seconds, step, round, destination, kind, left_out } = row;
    let after = duration::format((after_seconds * 1000.0) as i64);
    let left_out = left_out.map(|why| format!("\tnot called: {why}")).unwrap_or_default();
    format!("{after}\t{round}\t{step}\t{destination}\t{kind}{left_out}\n")
}

fn none_fits(labels: &Labels, names: &[String]) -> String {
    if names.is_empty() {
        return "there are no `alerting.escalations`: alerts are told by their routes alone".to_owned();
    }
    format!("none of the escalations {} is for {labels}: it is told by its route alone", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AlertingConfig;

    /// What a configuration of escalations makes of an alert.
    pub(super) fn setup_of(escalations: &str) -> Setup {
        let text = format!(
            "receivers: [{{name: team, webhook: [{{url: 'http://127.0.0.1/'}}]}}, \
             {{name: boss, webhook: [{{url: 'http://127.0.0.1/'}}]}}]\nescalations:\n{escalations}"
        );
        let alerting: AlertingConfig = serde_saphyr::from_str(&text).expect("it is valid");
        Plan::read(&alerting, &Default::default()).expect("it is valid").escalations
    }

    pub(super) const CRITICAL: &str = " critical:\n  when: ['severity=\"critical\"']\n  steps:\n  - notify: [team]\n  \
         - {after: 5m, notify: [team, boss], only: ['page=\"true\"']}\n  repeat: 1\n  ack_ttl: 30m\n";

    #[track_caller]
    fn check(labels: &str, expected: Result<&str, &str>) {
        let labels = parsed(labels).expect("they are labels");
        let told = explain(setup_of(CRITICAL), &labels);
        assert_eq!(told.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn timetables() {
        check(
            "severity=critical, page=\"true\"",
            Ok(
                "{page=\"true\", severity=\"critical\"} is escalated by `critical`; an acknowledgement lapses after \
                 30m\nafter\tround\tstep\treceiver\tby\n0s\t1\t1\tteam\tmessage\n5m\t1\t2\tteam\tmessage\n\
                 5m\t1\t2\tboss\tmessage\n10m\t2\t1\tteam\tmessage\n15m\t2\t2\tteam\tmessage\n15m\t2\t2\tboss\t\
                 message\n",
            ),
        );
        check(
            "severity=warning",
            Err(
                "none of the escalations critical is for {severity=\"warning\"}: it is told by its route alone",
            ),
        );
        let left_out = explain(setup_of(CRITICAL), &parsed("severity=critical").expect("they are labels"));
        assert!(left_out.expect("a policy fits").contains("boss\tmessage\tnot called: the step is only for"));
    }

    #[test]
    fn labels() {
        let check = |text: &str, part: &str| match parsed(text) {
            Ok(labels) => assert_eq!(labels.to_string(), part),
            Err(error) => assert!(error.to_string().contains(part), "{error}"),
        };
        check("a=b,c=\"d\"", "{a=\"b\", c=\"d\"}");
        check(" , ", "at least one label");
        check("a", "`a` is not a label");
    }
}
