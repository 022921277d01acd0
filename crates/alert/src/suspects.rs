//! Which findings may explain an alert: what it is about, and whose.

use model::finding::{Finding, Topic};
use model::series::Labels;

/// Annotations that tell people of an alert's findings, the likeliest first: what, how sure and how much; with `_fix`
/// behind the name what helps, with `_url` where there is more.
pub const NAMES: [&str; 2] = ["finding", "finding_2"];

/// Parts of names, of alerts and of metrics, that say what an alert is about.
const WORDS: [(&str, Topic); 24] = [
    ("handshake", Topic::Openings),
    ("rejected", Topic::Openings),
    ("refused", Topic::Openings),
    ("errorrat", Topic::Openings),
    ("errorrat", Topic::Ends),
    ("close", Topic::Ends),
    ("disconnect", Topic::Ends),
    ("reconnect", Topic::Ends),
    ("reset", Topic::Ends),
    ("abnormal", Topic::Ends),
    ("idletimeout", Topic::Ends),
    ("idle_timeout", Topic::Ends),
    ("heartbeat", Topic::Ends),
    ("pings", Topic::Ends),
    ("unacknowledged", Topic::Ends),
    ("latency", Topic::Delivery),
    ("delay", Topic::Delivery),
    ("ack_seconds", Topic::Delivery),
    ("rtt", Topic::Delivery),
    ("slowconsumer", Topic::Delivery),
    ("slow_consumer", Topic::Delivery),
    ("backlog", Topic::Delivery),
    ("stalled", Topic::Delivery),
    ("silent", Topic::Delivery),
];

/// The findings that may explain an alert, likeliest first; `generator_url` is where its expression is shown.
///
/// An alert with the label `finding` is about that one. Else its label `route` says whose findings are meant, and its
/// name, or else the metrics of its expression, which. Where these say nothing of what it is about, all findings of the
/// route are meant; without a route too, none are. What somebody has called wrong is left out.
pub fn suspects<'a>(labels: &Labels, generator_url: &str, active: &'a [Finding]) -> Vec<&'a Finding> {
    let (route, named) = (labels.get("route"), labels.get("finding"));
    let topics = match topics(labels.get("alertname")) {
        by_name if by_name.is_empty() => topics(generator_url),
        by_name => by_name,
    };
    let is_meant = |finding: &&Finding| {
        let is_of_route = route.is_empty() || finding.route.as_deref().is_none_or(|of| of == route);
        let is_of_topic = match (&*topics, named) {
            ([], "") => !route.is_empty(),
            (topics, "") => finding.topic.is_none_or(|topic| topics.contains(&topic)),
            (_, named) => finding.id == named,
        };
        is_of_route && is_of_topic && finding.doubt.is_none()
    };
    let mut meant: Vec<&Finding> = active.iter().filter(is_meant).collect();
    meant.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    meant.truncate(NAMES.len());
    meant
}

/// What a text is about.
fn topics(text: &str) -> Vec<Topic> {
    let text = text.to_ascii_lowercase();
    let found = WORDS.iter().filter(|(word, _)| text.contains(word));
    found.map(|(_, topic)| *topic).collect()
}

/// How much of what people see it explains, 0 to 1.
fn weight(finding: &Finding) -> f64 {
    let share = finding.affected.and_then(|affected| affected.share_of_closes);
    finding.confidence * share.unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use model::finding::Doubt;
    use serde_json::json;

    use super::*;

    fn finding(id: &str, route: &str, topic: Topic, (confidence, share): (f64, Option<f64>)) -> Finding {
        let finding = json!({
            "id": id, "severity": "warning", "level": "medium", "confidence": confidence, "place": "upstream",
            "title": {"code": "title", "params": {}}, "evidence": [], "against": [], "not_excluded": [], "fixes": [],
            "route": route, "topic": topic, "affected": {"connections": 9, "share_of_closes": share},
        });
        serde_json::from_value(finding).expect("a finding")
    }

    #[track_caller]
    fn check(labels: &[(&str, &str)], expression: &str, expected: &[&str]) {
        let doubt = Some(Doubt { at: Default::default(), note: String::new() });
        let active = [
            finding("minor", "chat", Topic::Ends, (0.9, Some(0.1))),
            finding("timer", "chat", Topic::Ends, (0.8, Some(0.9))),
            finding("crash", "chat", Topic::Ends, (0.9, Some(0.5))),
            finding("refusal", "chat", Topic::Openings, (0.6, None)),
            finding("loss", "feed", Topic::Delivery, (0.5, None)),
            Finding { doubt, ..finding("wrong", "feed", Topic::Delivery, (0.9, None)) },
        ];
        let found = suspects(&Labels::new(labels.iter().copied()), expression, &active);
        assert_eq!(found.iter().map(|finding| &*finding.id).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_name_of_the_alert_says_what_it_is_about() {
        check(&[("alertname", "AbnormalCloseRatioHigh"), ("route", "chat")], "", &["timer", "crash"]);
        check(&[("alertname", "HandshakeBudgetBurn"), ("route", "chat")], "close", &["refusal"]);
        check(&[("alertname", "LatencyHigh"), ("route", "chat")], "", &[]);
        check(&[("alertname", "LatencyHigh"), ("route", "feed")], "", &["loss"]);
    }

    #[test]
    fn so_do_the_metrics_of_its_expression() {
        let url = "http://gw/graph?g0.expr=rate%28websocket_message_latency_seconds_sum%5B5m%5D%29+%3E+1";
        check(&[("alertname", "A"), ("route", "feed")], url, &["loss"]);
        check(
            &[("alertname", "A"), ("route", "chat")],
            "rate(websocket_connections_closed_total)",
            &["timer", "crash"],
        );
    }

    #[test]
    fn without_a_topic_the_route_says_it_and_without_both_nothing_does() {
        check(&[("alertname", "A"), ("route", "chat")], "", &["timer", "refusal"]);
        check(&[("alertname", "A")], "", &[]);
        check(&[("alertname", "DiskFull"), ("route", "other")], "", &[]);
        check(&[("alertname", "ManyHandshakesFail")], "", &["refusal"]);
    }

    #[test]
    fn an_alert_on_a_finding_is_about_it() {
        let labels = [("alertname", "Found"), ("route", "chat"), ("finding", "minor")];
        check(&labels, "heartline_finding_active", &["minor"]);
    }
}
