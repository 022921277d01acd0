//! What is kept, and the queries over it.

use model::Word as _;

use super::{Sink, histogram};
use crate::families::{self as f, Family};
use crate::queries::{QueryMeter, QueryResult};
use crate::scrape::{
    ActiveFinding, AlertmanagerFacts, FindingFacts, NotificationFacts, QueryEngineFacts, RemoteFacts,
    SharedLimitsFacts, StoreFacts, StorePart,
};

/// Gives `sink` the samples of one family.
pub fn visit(family: &'static Family, queries: &QueryMeter, store: &StoreFacts, sink: &mut dyn Sink) {
    let mut value = |value: u64| sink.sample("", &[], value as f64);
    match *family {
        f::STORE_SERIES => value(store.series),
        f::STORE_SAMPLES => value(store.samples),
        f::STORE_SAMPLES_LOST => value(store.samples_lost),
        f::STORE_HEAD_BYTES => value(store.head_bytes),
        f::JOURNAL_WRITTEN => value(store.journal_written),
        f::JOURNAL_DROPPED => value(store.journal_dropped),
        f::JOURNAL_LOST => value(store.journal_lost),
        f::QUERIES_RUNNING => value(queries.running()),
        f::STORE_SAMPLES_DROPPED => {
            for (reason, count) in &store.samples_dropped {
                sink.sample("", &[("reason", reason)], *count as f64);
            }
        }
        f::QUERIES => {
            for &result in QueryResult::ALL {
                sink.sample("", &[("result", result.as_str())], queries.results.get(result) as f64);
            }
        }
        f::QUERY_SECONDS => {
            let observed = queries.seconds.observed();
            histogram(&[], f::LATENCY_BOUNDS, &observed, |suffix, labels, value| {
                sink.sample(suffix, labels, value);
            });
        }
        _ => {
            for (name, part) in &store.parts {
                if let Some(value) = of_part(family, part) {
                    sink.sample("", &[("part", name)], value);
                }
            }
        }
    }
}

fn of_part(family: &'static Family, part: &StorePart) -> Option<f64> {
    match *family {
        f::STORE_KEPT => Some(f64::from(u8::from(part.is_kept))),
        f::STORE_DISK_BYTES => Some(part.disk_bytes as f64),
        f::STORE_WAITING => Some(part.waiting as f64),
        f::STORE_WRITE_ERRORS => Some(part.write_errors as f64),
        f::STORE_DAMAGED => Some(part.damaged as f64),
        f::STORE_WRITTEN => Some(part.written_at),
        _ => None,
    }
}

/// Gives `sink` the samples of one family about engines elsewhere.
pub fn visit_remotes(family: &'static Family, remotes: &[RemoteFacts], sink: &mut dyn Sink) {
    for remote in remotes {
        let mut counts = |label: &str, counts: &[(&'static str, u64)]| {
            for (word, count) in counts {
                sink.sample("", &[("remote", &remote.name), (label, word)], *count as f64);
            }
        };
        match *family {
            f::REMOTE_SAMPLES => counts("outcome", &remote.samples),
            f::REMOTE_FAILURES => counts("reason", &remote.failures),
            f::REMOTE_WAITING_SAMPLES => {
                sink.sample("", &[("remote", &remote.name)], remote.waiting_samples as f64);
            }
            f::REMOTE_WAITING => sink.sample("", &[("remote", &remote.name)], remote.waiting_bytes as f64),
            f::REMOTE_LAG => sink.sample("", &[("remote", &remote.name)], remote.lag_seconds),
            _ => {}
        }
    }
}

/// Gives `sink` the samples of one family about limits that several gateways hold together.
pub fn visit_shared_limits(family: &'static Family, facts: Option<&SharedLimitsFacts>, sink: &mut dyn Sink) {
    let Some(facts) = facts else { return };
    match *family {
        f::SHARED_LIMITS_UP => sink.sample("", &[], f64::from(u8::from(facts.is_up))),
        f::SHARED_LIMIT_ASKS => {
            let counts = [("granted", facts.granted), ("refused", facts.refused), ("unknown", facts.unknown)];
            for (result, count) in counts {
                sink.sample("", &[("result", result)], count as f64);
            }
        }
        _ => {}
    }
}

/// Gives `sink` the samples of one family about what people are told.
pub fn visit_notifications(family: &'static Family, facts: &NotificationFacts, sink: &mut dyn Sink) {
    match *family {
        f::NOTIFICATIONS => {
            for queue in &facts.queues {
                for (result, reason, count) in &queue.counts {
                    let labels = [
                        ("channel", &*queue.channel),
                        ("type", queue.kind),
                        ("result", result),
                        ("reason", reason),
                    ];
                    sink.sample("", &labels, *count as f64);
                }
            }
        }
        f::NOTIFICATIONS_WAITING => {
            for queue in &facts.queues {
                sink.sample("", &[("channel", &queue.channel)], queue.waiting as f64);
            }
        }
        f::NOTIFICATION_SECONDS => {
            for (kind, observed) in &facts.seconds {
                histogram(&[("type", kind)], f::LATENCY_BOUNDS, observed, |suffix, labels, value| {
                    sink.sample(suffix, labels, value);
                });
            }
        }
        _ => {}
    }
}

/// Gives `sink` the samples of one family about findings.
pub fn visit_findings(family: &'static Family, facts: &FindingFacts, sink: &mut dyn Sink) {
    match *family {
        f::FINDING_ACTIVE => {
            for finding in &facts.active {
                let ActiveFinding { id, route, level } = finding;
                sink.sample("", &[("finding", id), ("route", route), ("level", level)], 1.0);
            }
        }
        f::FINDING_LOOKS => sink.sample("", &[], facts.looks as f64),
        f::FINDING_RECORDS_DROPPED => {
            for (reason, count) in &facts.dropped {
                sink.sample("", &[("reason", reason)], *count as f64);
            }
        }
        _ => {}
    }
}

/// Gives `sink` the samples of one family about Alertmanagers elsewhere.
pub fn visit_alertmanagers(family: &'static Family, all: &[AlertmanagerFacts], sink: &mut dyn Sink) {
    for facts in all {
        match *family {
            f::ALERTMANAGER_ALERTS => {
                for (result, count) in &facts.alerts {
                    sink.sample("", &[("alertmanager", &facts.name), ("result", result)], *count as f64);
                }
            }
            f::ALERTMANAGER_WAITING => {
                sink.sample("", &[("alertmanager", &facts.name)], facts.waiting as f64);
            }
            _ => {}
        }
    }
}

/// Gives `sink` the samples of one family about the engine that answers queries.
pub fn visit_query_engine(family: &'static Family, engine: &QueryEngineFacts, sink: &mut dyn Sink) {
    match *family {
        f::QUERY_ENGINE_UP => sink.sample("", &[("engine", &engine.name)], f64::from(u8::from(engine.is_up))),
        f::QUERY_ENGINE_REQUESTS => {
            for (word, count) in &engine.requests {
                sink.sample("", &[("engine", &engine.name), ("outcome", word)], *count as f64);
            }
        }
        _ => {}
    }
}
