//! The process as its operator sees it: ceilings, what is kept, what it sends to.

use std::collections::BTreeMap;
use std::sync::Arc;

use diagnose::population::OwnHeartbeat;
use gateway::config::RouteConfig;
use guard::heartbeat::HeartbeatConfig;
use guard::shared::OnFailure;
use meter::scrape::{Scrape, SharedLimitsFacts, StoreFacts};
use model::host::HostFacts;
use model::live::LiveConnection;
use model::overview::Ceiling;
use model::system::{
    KeptFacts, KeptPart, Limit, LimitedResource, SharedLimits, SharedLimitsOutage, Sink, SinkKind,
    SystemFacts,
};
use model::{PerLeg, WallTime};
use remote::{Limiter, Outage};

use crate::config::Config;

/// Upstreams whose ports are counted.
const UPSTREAMS_MAX: usize = 256;

/// All ceilings that are known, whether near or not: the `own` ones of the configuration, and those of what there is.
pub(crate) fn limits(
    own: Vec<Limit>,
    scrape: &Scrape,
    ceiling: Ceiling,
    config: &Config,
    live: impl Iterator<Item = LiveConnection>,
) -> Vec<Limit> {
    use LimitedResource::*;
    let mut limits = own;
    let mut add = |resource, subject: &str, used: Option<u64>, limit: Option<u64>| {
        if let (Some(used), Some(limit)) = (used, limit)
            && limit > 0
        {
            limits.push(Limit { resource, subject: subject.to_owned(), used, limit });
        }
    };
    let by_upstream = by_upstream(live);
    let open =
        scrape.routes.iter().map(|route| route.websocket.active + route.sse.active + route.grpc.active);
    add(Connections, "", Some(open.sum()), Some(ceiling.connections));
    add(OpenFiles, "", scrape.process.open_fds, scrape.process.max_fds);
    if let Some(HostFacts { machine, cgroup, listeners, .. }) = scrape.host.as_deref() {
        for queue in listeners {
            add(AcceptQueue, &queue.listener, Some(queue.waiting), Some(queue.limit));
        }
        for (upstream, count) in &by_upstream {
            add(UpstreamPorts, upstream, Some(*count), machine.tcp.ephemeral_ports);
        }
        add(MachineFiles, "", machine.files.open, machine.files.limit);
        add(Conntrack, "", machine.conntrack.entries, machine.conntrack.limit);
        add(SocketMemory, "", machine.tcp.memory_bytes, machine.tcp.memory_limit_bytes);
        match cgroup.as_ref().and_then(|group| Some((group.memory_bytes?, group.memory_limit_bytes?))) {
            Some((used, limit)) => add(Memory, "", Some(used), Some(limit)),
            None => {
                let total = machine.memory.total_bytes;
                let used =
                    total.zip(machine.memory.available_bytes).map(|(total, free)| total - free.min(total));
                add(Memory, "", used, total);
            }
        }
    }
    add(RecorderMemory, "", Some(scrape.recorder_bytes), Some(config.recorder.total_memory.0));
    let series_max = config.data.options().series.series_max;
    add(Series, "", Some(scrape.store.series), u64::try_from(series_max).ok());
    for queue in &scrape.notifications.queues {
        add(Notifications, &queue.channel, Some(queue.waiting), Some(notify::WAITING_MAX as u64));
    }
    limits
}

/// How many open connections each upstream has: each takes a port there.
fn by_upstream(live: impl Iterator<Item = LiveConnection>) -> BTreeMap<Arc<str>, u64> {
    let mut counts = BTreeMap::new();
    for connection in live {
        let has_room = counts.len() < UPSTREAMS_MAX;
        if has_room || counts.contains_key(&connection.upstream) {
            *counts.entry(connection.upstream).or_default() += 1;
        }
    }
    counts
}

/// What it keeps and what it sends to.
pub(crate) fn facts(scrape: &Scrape, config: &Config) -> SystemFacts {
    SystemFacts {
        kept: kept(&scrape.store, config),
        sinks: sinks(scrape),
        shared_limits: None,
        reloaded: scrape.reloaded,
        finding_looks: scrape.findings.looks,
        observers_failed: scrape.observers_failed,
        access_log_dropped: scrape.access_log_dropped,
    }
}

/// Limits that several gateways hold together, as they stand at `now`.
pub(crate) fn shared_limits(limiter: &Limiter, now: WallTime) -> SharedLimits {
    let SharedLimitsFacts { is_up, granted, refused, unknown } = limiter.facts();
    let on_failure = match limiter.on_failure() {
        OnFailure::Open => "open",
        OnFailure::Closed => "closed",
    };
    let outage = limiter.outage().map(|Outage { seconds, unknown, why }| SharedLimitsOutage {
        since: WallTime(now.0.saturating_sub((seconds * 1e9) as u64)),
        unknown,
        why,
    });
    SharedLimits { on_failure: on_failure.to_owned(), is_up, granted, refused, unknown, outage }
}

/// The gateway's own heartbeats.
pub(crate) fn heartbeats(routes: &[RouteConfig]) -> BTreeMap<Arc<str>, OwnHeartbeat> {
    let beating = routes.iter().filter_map(|route| Some((route, route.heartbeat?)));
    let own = |(route, config): (&RouteConfig, HeartbeatConfig)| {
        let interval_seconds = config.interval.as_secs_f64();
        let is_towards = PerLeg::from_fn(|leg| config.towards.includes(leg));
        (route.name.as_str().into(), OwnHeartbeat { interval_seconds, is_towards })
    };
    beating.map(own).collect()
}

fn kept(store: &StoreFacts, config: &Config) -> KeptFacts {
    let dropped: u64 = store.samples_dropped.iter().map(|(_, count)| count).sum();
    let parts = store.parts.iter().map(|(name, part)| KeptPart {
        name: (*name).to_owned(),
        is_kept: part.is_kept,
        disk_bytes: part.disk_bytes,
        waiting: part.waiting,
        write_errors: part.write_errors,
        written_at: part.written_at,
    });
    KeptFacts {
        directory: config.data.dir.as_ref().map(|dir| dir.display().to_string()),
        retention_seconds: config.data.retention.as_secs_f64(),
        journal_retention_seconds: config.data.journal_retention.as_secs_f64(),
        series: store.series,
        samples: store.samples,
        samples_lost: dropped + store.samples_lost,
        journal_dropped: store.journal_dropped,
        head_bytes: store.head_bytes,
        parts: parts.collect(),
    }
}

fn sinks(scrape: &Scrape) -> Vec<Sink> {
    let remotes = scrape.remotes.iter().map(|remote| {
        let (taken, lost) = counted(&remote.samples);
        let lag_seconds = Some(remote.lag_seconds);
        sink(SinkKind::RemoteWrite, &remote.name, remote.waiting_samples, taken, lost, lag_seconds)
    });
    let alertmanagers = scrape.alertmanagers.iter().map(|one| {
        let (taken, lost) = counted(&one.alerts);
        sink(SinkKind::Alertmanager, &one.name, one.waiting, taken, lost, None)
    });
    let channels = scrape.notifications.queues.iter().map(|queue| {
        let of = |wanted: &str| {
            queue.counts.iter().filter(|(result, ..)| *result == wanted).map(|(.., count)| count).sum::<u64>()
        };
        let lost = of("failed") + of("dropped");
        sink(SinkKind::Channel, &queue.channel, queue.waiting, of("delivered"), lost, None)
    });
    let engines = scrape.query_engine.iter().map(|engine| {
        let (taken, lost) = counted(&engine.requests);
        sink(SinkKind::QueryEngine, &engine.name, 0, taken, lost, None)
    });
    remotes.chain(alertmanagers).chain(channels).chain(engines).collect()
}

/// What was taken, and what was not.
fn counted(counts: &[(&'static str, u64)]) -> (u64, u64) {
    let is_taken = |word: &str| matches!(word, "sent" | "success");
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let taken = counts.iter().filter(|(word, _)| is_taken(word)).map(|(_, count)| count).sum();
    (taken, all - taken)
}

fn sink(kind: SinkKind, name: &str, waiting: u64, taken: u64, lost: u64, lag_seconds: Option<f64>) -> Sink {
    Sink { kind, name: name.to_owned(), waiting, taken, lost, lag_seconds }
}
