//! The text, and its agreement with the table.

use std::collections::BTreeSet;
use std::time::Duration;

use model::probe::{Outcome, ProbeRun, ProbeStage, StageName};
use model::{AdmissionReason, Decision, Initiator, WallTime};
use proptest::prelude::*;

use super::*;
use crate::registry::Build;
use crate::scrape::{
    Certificate, NotificationFacts, NotificationQueue, ProbeFacts, RemoteFacts, StorePart, Waiting,
};

fn scraped() -> (Registry, Scrape) {
    let registry = Registry::new(Build { version: "1.2.3" }, 2, Duration::from_secs(60));
    let meter = registry.route("chat");
    let cells = &meter.shard(0).websocket;
    cells.messages[Direction::ClientToServer].add(3);
    cells.latency_seconds[Direction::ServerToClient].observe(0.1);
    meter.shard(1).websocket.latency_seconds[Direction::ServerToClient].observe(7.0);
    meter.shard(0).websocket.reconnect_seconds.observe(0.1);
    meter.shard(1).sse.reconnects_resumed.inc();
    meter.shard(0).sse.generation_delay_min.observe(7);
    meter.shard(1).sse.generation_delay_min.observe(-250_000_000);
    let route = RouteLive {
        name: "chat".into(),
        websocket: Census { opened: 5, closed: vec![((Initiator::Client, Reason::Normal), 2)], active: 3 },
        websocket_oldest_start: Some(WallTime(1_500_000_000)),
        backlog: model::PerDirection {
            client_to_server: Waiting::default(),
            server_to_client: Waiting {
                messages: 2,
                bytes: 10,
                oldest_age_seconds: 1.5,
                age_sum_seconds: 3.0,
            },
        },
        idle_timeout_seconds: Some(60.0),
        heartbeat_interval_seconds: model::PerLeg { client: Some(20.0), upstream: None },
        ..RouteLive::default()
    };
    let certificate = Certificate { role: "listener", name: "a\"b\\c\nd".to_owned(), not_after: 1.0 };
    let scrape = Scrape { routes: vec![route], certificates: vec![certificate], ..Scrape::default() };
    (registry, scrape)
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "no line `{line}` in\n{text}");
}

#[test]
fn prometheus_text() {
    let (registry, scrape) = scraped();
    let text = to_text(&registry, &scrape, MetricsFormat::Text);
    has(&text, "# TYPE websocket_messages_total counter");
    has(&text, "websocket_active_connections{route=\"chat\"} 3");
    has(&text, "websocket_handshakes_total{route=\"chat\",result=\"success\"} 5");
    has(&text, "websocket_handshakes_total{route=\"chat\",result=\"timeout\"} 0");
    has(&text, "websocket_connections_closed_total{route=\"chat\",initiator=\"client\",reason=\"normal\"} 2");
    has(&text, "websocket_messages_total{route=\"chat\",direction=\"client_to_server\"} 3");
    let bucket = "websocket_message_latency_seconds_bucket{route=\"chat\",direction=\"server_to_client\"";
    has(&text, &format!("{bucket},le=\"0.1\"}} 1"));
    has(&text, &format!("{bucket},le=\"1.0\"}} 1"));
    has(&text, &format!("{bucket},le=\"+Inf\"}} 2"));
    has(&text, "websocket_message_latency_seconds_count{route=\"chat\",direction=\"server_to_client\"} 2");
    has(&text, "websocket_message_latency_seconds_mean{route=\"chat\",direction=\"server_to_client\"} 2.525");
    has(&text, "websocket_heartbeat_rtt_seconds_count{route=\"chat\",peer=\"upstream\"} 0");
    has(&text, "websocket_heartbeats_missed_total{route=\"chat\",peer=\"client\"} 0");
    has(&text, "websocket_heartbeat_interval_seconds{route=\"chat\",peer=\"client\"} 20");
    assert!(
        !text.contains("heartbeat_interval_seconds{route=\"chat\",peer=\"upstream\"}"),
        "absent when unknown"
    );
    assert!(
        !text.contains("seconds_mean{route=\"chat\",direction=\"client_to_server\"}"),
        "absent without messages"
    );
    has(
        &text,
        "heartline_tls_certificate_not_after_timestamp_seconds{role=\"listener\",name=\"a\\\"b\\\\c\\nd\"} 1",
    );
    has(&text, "sse_event_generation_delay_min_seconds{route=\"chat\"} -0.25");
    has(&text, "sse_event_clock_ahead_seconds{route=\"chat\"} 0.25");
    has(&text, "websocket_reconnects_total{route=\"chat\"} 1");
    has(&text, "websocket_reconnect_interval_seconds_bucket{route=\"chat\",le=\"0.1\"} 1");
    has(&text, "sse_reconnects_total{route=\"chat\",resumed=\"false\"} 0");
    has(&text, "sse_reconnects_total{route=\"chat\",resumed=\"true\"} 1");
    has(&text, "heartline_build_info{version=\"1.2.3\"} 1");
    assert!(!text.contains("# UNIT") && !text.contains("# EOF"));
}

#[test]
fn openmetrics_text() {
    let (registry, scrape) = scraped();
    let text = to_text(&registry, &scrape, MetricsFormat::OpenMetrics);
    has(&text, "# TYPE websocket_messages counter");
    has(&text, "websocket_messages_total{route=\"chat\",direction=\"client_to_server\"} 3");
    has(&text, "# UNIT websocket_message_latency_seconds seconds");
    assert!(!text.contains("# UNIT websocket_message_latency_seconds_mean"));
    assert!(text.ends_with("# EOF\n"));
}

/// A run in which everything was seen.
fn everything() -> ProbeRun {
    let stage = |(name, seconds)| ProbeStage { name, seconds, fault: None };
    ProbeRun {
        at: WallTime(1_500_000_000),
        seconds: 6.5,
        is_deep: false,
        is_success: true,
        outcome: Outcome::Healthy,
        error: None,
        stages: StageName::ALL
            .iter()
            .copied()
            .zip([0.5, 0.25, 0.125, 1.0, 2.0, 4.0, 8.0])
            .map(stage)
            .collect(),
        status: Some(101),
        ip_version: Some(6),
        tls_version: Some("1.3".to_owned()),
        certificate_ends_at: Some(2e9),
        ping_rtt_seconds: Some(0.002),
    }
}

fn probed(last: Option<ProbeRun>) -> ProbeFacts {
    ProbeFacts {
        name: "echo".into(),
        target: "ws://example.com/echo".into(),
        last: last.map(std::sync::Arc::new),
        outcomes: [3, 2, 0, 1],
        skipped: 7,
        findings: 2,
    }
}

#[test]
fn probes_have_the_names_of_blackbox_exporter() {
    let (registry, mut scrape) = scraped();
    scrape.probes = vec![probed(Some(everything()))];
    let text = to_text(&registry, &scrape, MetricsFormat::Text);
    let labels = "probe=\"echo\",target=\"ws://example.com/echo\"";
    for (name, label, value) in [
        ("probe_success", "", "1"),
        ("probe_duration_seconds", "", "15.875"),
        ("probe_dns_lookup_time_seconds", "", "0.5"),
        ("probe_http_duration_seconds", ",phase=\"resolve\"", "0.5"),
        ("probe_http_duration_seconds", ",phase=\"connect\"", "0.25"),
        ("probe_http_duration_seconds", ",phase=\"tls\"", "0.125"),
        ("probe_http_duration_seconds", ",phase=\"processing\"", "3"),
        ("probe_http_duration_seconds", ",phase=\"transfer\"", "12"),
        ("probe_http_status_code", "", "101"),
        ("probe_ssl_earliest_cert_expiry", "", "2000000000"),
        ("probe_tls_version_info", ",version=\"TLS 1.3\"", "1"),
        ("probe_ip_protocol", "", "6"),
        ("heartline_probe_ping_rtt_seconds", "", "0.002"),
        ("heartline_probe_last_run_timestamp_seconds", "", "1.5"),
        ("heartline_probe_runs_total", ",outcome=\"problem\"", "2"),
        ("heartline_probe_runs_skipped_total", "", "7"),
        ("heartline_probe_findings", "", "2"),
    ] {
        has(&text, &format!("{name}{{{labels}{label}}} {value}"));
    }
}

#[test]
fn a_probe_that_has_not_run_has_only_counts() {
    let (registry, mut scrape) = scraped();
    scrape.probes = vec![probed(None)];
    let text = to_text(&registry, &scrape, MetricsFormat::Text);
    assert!(!text.contains("probe_success{") && text.contains("heartline_probe_runs_total{"));
}

#[test]
fn what_the_guard_decides_is_told_where_there_are_limits() {
    let (registry, mut scrape) = scraped();
    let without = to_text(&registry, &scrape, MetricsFormat::Text);
    assert!(
        !without.contains("heartline_admissions_total{") && !without.contains("heartline_connection_limit{")
    );
    scrape.routes[0].admission =
        Some(crate::scrape::AdmissionFacts { connections: Some(3), ..Default::default() });
    registry.route("chat").admissions.inc(Decision::Refused, AdmissionReason::Connections);
    let text = to_text(&registry, &scrape, MetricsFormat::Text);
    let count = |labels: &str| format!("heartline_admissions_total{{route=\"chat\",{labels}}}");
    has(&text, &format!("{} 1", count("decision=\"refused\",reason=\"connections\"")));
    has(&text, &format!("{} 0", count("decision=\"admitted\",reason=\"within_limits\"")));
    has(&text, "heartline_connection_limit{route=\"chat\"} 3");
    assert!(!text.contains("decision=\"admitted\",reason=\"connections\""), "it cannot occur");
}

/// Notes which families gave samples, and with which labels.
#[derive(Default)]
struct Names {
    family: Option<&'static Family>,
    seen: BTreeSet<&'static str>,
}

impl Sink for Names {
    fn family(&mut self, family: &'static Family) {
        self.family = Some(family);
    }

    fn sample(&mut self, suffix: &'static str, labels: &[(&str, &str)], _: f64) {
        let family = self.family.expect("a family comes before its samples");
        let names: Vec<&str> = labels.iter().map(|(name, _)| *name).filter(|name| *name != "le").collect();
        assert_eq!(names, family.labels, "{}", family.name);
        assert_eq!(!suffix.is_empty(), family.kind == Kind::Histogram, "{}", family.name);
        self.seen.insert(family.name);
    }
}

#[test]
fn every_family_of_the_table_has_samples_and_its_labels() {
    let (registry, mut scrape) = scraped();
    registry.route("chat").grpc.method("demo.Chat", "Talk");
    registry.route("chat").queue.class("high").delivered.inc();
    scrape.routes[0].admission = Some(crate::scrape::AdmissionFacts {
        connections: Some(1),
        waiting: Some(1),
        clients_left_out: Some(1),
    });
    let host = host::tests::everything();
    (scrape.process, scrape.host) = (host.process, Some(std::sync::Arc::new(host)));
    scrape.store.samples_dropped = vec![("duplicate", 1)];
    scrape.store.parts = vec![("series", StorePart::default())];
    scrape.rules = vec![crate::scrape::RuleGroupFacts::default()];
    scrape.reloaded = Some(true);
    let counts = vec![("any", 1)];
    scrape.remotes =
        vec![RemoteFacts { samples: counts.clone(), failures: counts.clone(), ..RemoteFacts::default() }];
    scrape.shared_limits = Some(crate::scrape::SharedLimitsFacts::default());
    scrape.alertmanagers =
        vec![crate::scrape::AlertmanagerFacts { alerts: counts.clone(), ..Default::default() }];
    scrape.findings =
        crate::scrape::FindingFacts { active: vec![Default::default()], looks: 1, dropped: counts.clone() };
    scrape.probes = vec![probed(Some(everything()))];
    scrape.countries = Some([(None, Default::default())].into());
    scrape.query_engine = Some(crate::scrape::QueryEngineFacts { requests: counts, ..Default::default() });
    scrape.notifications = NotificationFacts {
        queues: vec![NotificationQueue {
            counts: vec![("failed", "auth", 1)],
            ..NotificationQueue::default()
        }],
        seconds: vec![("slack", crate::cells::Histogram::new(f::LATENCY_BOUNDS).observed())],
    };
    let mut names = Names::default();
    visit(&registry, &scrape, &mut names);
    for family in f::ALL {
        assert!(names.seen.contains(family.name), "{}", family.name);
    }
}

proptest! {
    #[test]
    fn a_number_is_read_back_as_it_was(bits: u64, whole: i64) {
        for value in [f64::from_bits(bits), whole as f64, f64::from_bits(bits).trunc()] {
            let mut text = String::new();
            push_number(&mut text, value);
            let read: f64 = text.parse().expect("it is a number");
            prop_assert!(read == value || (read.is_nan() && value.is_nan()), "{value:?} was written as {text}");
        }
    }

    #[test]
    fn what_is_special_in_a_label_is_escaped(text in "[a\"\\\\\né]*") {
        let mut escaped = String::new();
        push_escaped(&mut escaped, &text);
        let mut read = String::new();
        let mut characters = escaped.chars();
        while let Some(character) = characters.next() {
            prop_assert!(!matches!(character, '"' | '\n'), "the label ends early: {escaped}");
            read.push(match character {
                '\\' => characters.next().map(|next| if next == 'n' { '\n' } else { next }).expect("an escape"),
                other => other,
            });
        }
        prop_assert_eq!(read, text);
    }
}
