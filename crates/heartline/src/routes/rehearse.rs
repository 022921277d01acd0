//! `heartline routes rehearse`: what would be told when, on virtual time.

use std::collections::BTreeMap;

use alert::alertmanager::{ChannelSetting, Config};
use alert::dispatch::{ChannelSpec, Dispatcher, Incoming, Options, Send, Setup};
use alert::duration;
use model::series::Labels;

use super::label;

/// Types of channels that are not told of alerts that have ended unless they ask for it (Alertmanager,
/// `config/notifiers.go`).
const SILENT_ABOUT_ENDS: [&str; 3] = ["email", "slack", "wechat"];

/// An alert that fires for as long as it is not said to end.
const FOREVER_MS: i64 = 100 * 365 * 86_400_000;

/// Something that happens: when, milliseconds; whether the alert fires; its labels.
#[derive(Debug, PartialEq)]
struct Event {
    at_ms: i64,
    fires: bool,
    labels: Labels,
}

/// One line for each notification until `more_ms` after the last event. Lines of `events` are a time, `fires` or
/// `ends`, and labels.
///
/// # Errors
/// What is wrong with a line, for a person.
pub(super) fn rehearse(config: Config, events: &str, more_ms: i64) -> Result<String, String> {
    let lines =
        events.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let mut parsed = Vec::new();
    for (number, line) in lines {
        parsed.push(event(line).map_err(|fault| format!("line {}: {fault}", number + 1))?);
    }
    parsed.sort_by_key(|event| event.at_ms);
    let end_ms = parsed.last().map_or(0, |event| event.at_ms).saturating_add(more_ms);
    let mut dispatcher = Dispatcher::new(setup(config));
    let mut told = String::new();
    for event in parsed {
        pass(&mut dispatcher, event.at_ms, &mut told);
        let ends_at_ms = if event.fires { event.at_ms + FOREVER_MS } else { event.at_ms };
        let starts_at_ms = event.fires.then_some(event.at_ms);
        let incoming = Incoming {
            labels: event.labels,
            starts_at_ms,
            ends_at_ms: Some(ends_at_ms),
            ..Incoming::default()
        };
        if let Some(refused) = dispatcher.take([incoming], event.at_ms).first() {
            return Err(refused.clone());
        }
    }
    pass(&mut dispatcher, end_ms, &mut told);
    Ok(told)
}

fn event(line: &str) -> Result<Event, String> {
    let mut words = line.split_whitespace();
    let at_ms = duration::parse(words.next().unwrap_or_default())?;
    let fires = match words.next() {
        Some("fires") => true,
        Some("ends") => false,
        _ => return Err(format!("`{line}` is no event, such as: 90s fires alertname=A severity=critical")),
    };
    let labels = words.map(label).collect::<Result<Vec<_>, _>>()?;
    Ok(Event { at_ms, fires, labels: Labels::new(labels) })
}

/// All looks at groups up to a time.
fn pass(dispatcher: &mut Dispatcher, until_ms: i64, told: &mut String) {
    while let Some(at_ms) = dispatcher.next_at_ms().filter(|at_ms| *at_ms <= until_ms) {
        for send in dispatcher.flush(at_ms).into_iter().flat_map(|flush| flush.sends) {
            *told += &line(&send, at_ms);
            dispatcher.delivered(&send.id, at_ms);
        }
    }
}

/// Time, receiver, channel, key of the group, what fires and what has ended, separated by tabs.
fn line(send: &Send, at_ms: i64) -> String {
    let named = |is_resolved: bool| {
        let alerts = send.notice.alerts.iter().filter(|alert| alert.is_resolved == is_resolved);
        alerts.map(|alert| alert.labels.to_string()).collect::<Vec<_>>().join(" ")
    };
    let (at, firing, resolved) = (duration::format(at_ms), named(false), named(true));
    let (receiver, channel, key) = (&send.id.receiver, &send.id.channel, &send.notice.group_key);
    format!("{at}\t{receiver}\t{channel}\t{key}\tfiring {firing}\tresolved {resolved}\n")
}

fn setup(config: Config) -> Setup {
    let spec = |channel: &ChannelSetting| ChannelSpec {
        key: format!("{}/{}", channel.kind, channel.index),
        sends_resolved: channel.settings.json()["send_resolved"]
            .as_bool()
            .unwrap_or(!SILENT_ABOUT_ENDS.contains(&&*channel.kind)),
    };
    let receivers: BTreeMap<String, Vec<ChannelSpec>> = config
        .receivers
        .iter()
        .map(|receiver| (receiver.name.clone(), receiver.channels.iter().map(spec).collect()))
        .collect();
    let resolve_timeout_ms = config.global.resolve_timeout_ms;
    Setup {
        routes: config.routes,
        inhibit_rules: config.inhibit_rules,
        time_intervals: config.time_intervals,
        receivers,
        options: Options { resolve_timeout_ms, ..Options::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "route: {receiver: ops, group_wait: 10s, group_interval: 1m, repeat_interval: 2m}\n\
                          receivers: [{name: ops, webhook_configs: [{}], slack_configs: [{}]}]\n";

    #[track_caller]
    fn check(events: &str, expected: Result<&str, &str>) {
        let config = alert::alertmanager::parse(CONFIG, &["slack", "webhook"]).expect("it is valid");
        let told = rehearse(config, events, 120_000);
        assert_eq!(told.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn what_would_be_told_is_told() {
        check("# nothing\n\n", Ok(""));
        let a = "{}:{}\tfiring {alertname=\"A\"}";
        let told = format!(
            "10s\tops\twebhook/0\t{a}\tresolved \n10s\tops\tslack/0\t{a}\tresolved \n\
             1m10s\tops\twebhook/0\t{{}}:{{}}\tfiring \tresolved {{alertname=\"A\"}}\n"
        );
        check("30s ends alertname=A\n0s fires alertname=A\n", Ok(&told));
        check("A\n", Err("line 1: `A` is not a duration, such as 30s, 5m or 1h30m"));
        check("0s\n", Err("line 1: `0s` is no event, such as: 90s fires alertname=A severity=critical"));
        check("0s fires A\n", Err("line 1: `A` is not a label, such as severity=critical"));
        check("0s fires\n", Err("an alert needs at least one label"));
    }
}
