//! This process' own metrics as series, taken straight from the meters, as a scraping Prometheus would keep them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use meter::expose::Sink;
use meter::families::Family;
use model::series::{Labels, METRIC_NAME, STALE_MARKER, Sample};
use store::Store;
use store::series::{DropReason, SeriesId};

use super::{Kept, now_ms};
use crate::Failure;

/// Value of the label `job`.
const JOB: &str = "heartline";

/// Labels that a scraping Prometheus adds.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Label `instance`.
    pub(crate) instance: String,
}

/// The thread that keeps own metrics.
#[derive(Debug)]
pub(crate) struct OwnMetrics {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl OwnMetrics {
    /// Calls `visit` once an interval, and keeps what it gives, until this is dropped.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(crate) fn start(
        kept: Arc<Kept>,
        target: Target,
        interval: Duration,
        visit: impl Fn(&mut dyn Sink) + Send + 'static,
    ) -> Result<OwnMetrics, Failure> {
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("own-metrics".to_owned())
            .spawn(move || run(&kept, target, interval, &stopped, &visit))
            .map_err(|error| Failure::Running(format!("own metrics: {error}")))?;
        Ok(OwnMetrics { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for OwnMetrics {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that keeps own metrics panicked");
        }
    }
}

fn run(
    kept: &Kept,
    target: Target,
    interval: Duration,
    stopped: &Receiver<()>,
    visit: &dyn Fn(&mut dyn Sink),
) {
    let store = &kept.store;
    let mut known = Known::new(target, kept.sends_on());
    let mut next = Instant::now();
    loop {
        let timestamp_ms = now_ms();
        known.scrape(store, timestamp_ms, visit);
        kept.send_on(std::mem::take(&mut known.sent));
        next += interval;
        let wait = next.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            next = Instant::now();
        }
        if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            known.end(store, now_ms().max(timestamp_ms + 1));
            kept.send_on(known.sent);
            return;
        }
    }
}

/// The series of the scrapes so far.
struct Known {
    target: Target,
    series: HashMap<Box<str>, Found>,
    /// Counts scrapes.
    scrape: u64,
    sends_on: bool,
    /// What was kept and is to be sent on.
    sent: remote::Samples,
}

struct Found {
    id: SeriesId,
    labels: Labels,
    /// The last scrape that it was in.
    scrape: u64,
}

impl Known {
    fn new(target: Target, sends_on: bool) -> Known {
        Known { target, series: HashMap::new(), scrape: 0, sends_on, sent: Vec::new() }
    }

    fn scrape(&mut self, store: &Store, timestamp_ms: i64, visit: &dyn Fn(&mut dyn Sink)) {
        let began = Instant::now();
        self.scrape += 1;
        let mut page =
            Page { known: self, store, timestamp_ms, name: "", key: String::new(), samples: Vec::new() };
        visit(&mut page);
        let count = page.samples.len() as f64;
        let about = [
            ("up", 1.0),
            ("scrape_samples_scraped", count),
            ("scrape_duration_seconds", began.elapsed().as_secs_f64()),
        ];
        for (name, value) in about {
            page.name = name;
            page.sample("", &[], value);
        }
        let samples = page.samples;
        let appended = store.series.append_batch(timestamp_ms, &samples).appended;
        self.mark_vanished(store, timestamp_ms);
        if appended.dropped_for(DropReason::UnknownSeries) > 0 {
            self.series.clear();
        }
    }

    fn mark_vanished(&mut self, store: &Store, timestamp_ms: i64) {
        let current = self.scrape;
        let found: Vec<&Found> = self.series.values().filter(|found| found.scrape != current).collect();
        if !found.is_empty() {
            let vanished: Vec<SeriesId> = found.iter().map(|found| found.id).collect();
            store.series.mark_stale(timestamp_ms, &vanished);
            if self.sends_on {
                let marker = Sample { timestamp_ms, value: STALE_MARKER };
                self.sent.extend(found.iter().map(|found| (found.labels.clone(), marker)));
            }
            self.series.retain(|_, found| found.scrape == current);
        }
    }

    fn end(&mut self, store: &Store, timestamp_ms: i64) {
        self.scrape += 1;
        self.mark_vanished(store, timestamp_ms);
    }

    fn labels(&self, name: &str, suffix: &str, labels: &[(&str, &str)]) -> Labels {
        let own = [
            (METRIC_NAME, format!("{name}{suffix}")),
            ("job", JOB.to_owned()),
            ("instance", self.target.instance.clone()),
        ];
        let exported = labels.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Labels::new(exported.chain(own))
    }
}

/// Takes the samples of one scrape.
struct Page<'a> {
    known: &'a mut Known,
    store: &'a Store,
    timestamp_ms: i64,
    name: &'static str,
    key: String,
    samples: Vec<(SeriesId, f64)>,
}

impl Sink for Page<'_> {
    fn family(&mut self, family: &'static Family) {
        self.name = family.name;
    }

    fn sample(&mut self, suffix: &'static str, labels: &[(&str, &str)], value: f64) {
        self.key.clear();
        for part in
            [self.name, suffix].into_iter().chain(labels.iter().flat_map(|&(name, text)| [name, text]))
        {
            self.key.push_str(part);
            self.key.push('\0');
        }
        let scrape = self.known.scrape;
        let sample = Sample { timestamp_ms: self.timestamp_ms, value };
        if let Some(found) = self.known.series.get_mut(self.key.as_str()) {
            found.scrape = scrape;
            self.samples.push((found.id, value));
            if self.known.sends_on {
                self.known.sent.push((found.labels.clone(), sample));
            }
            return;
        }
        let labels = self.known.labels(self.name, suffix, labels);
        if self.known.sends_on {
            self.known.sent.push((labels.clone(), sample));
        }
        match self.store.series.resolve(&labels) {
            Ok(id) => {
                self.known.series.insert(self.key.as_str().into(), Found { id, labels, scrape });
                self.samples.push((id, value));
            }
            // It is counted there.
            Err(_) => {
                self.store.series.append_labelled(&[(labels, sample)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use meter::families::{SSE_ACTIVE, WEBSOCKET_ACTIVE};
    use model::series::{MatchOp, Matcher, SeriesSource as _, TimeRange, is_stale_marker};

    use super::*;

    fn visit(routes: &'static [&'static str]) -> impl Fn(&mut dyn Sink) {
        move |sink| {
            for family in [&WEBSOCKET_ACTIVE, &SSE_ACTIVE] {
                sink.family(family);
                routes.iter().for_each(|route| sink.sample("", &[("route", route)], 3.0));
            }
        }
    }

    #[track_caller]
    fn check(store: &Store, name: &str, route: &str, expected: &[(i64, Option<f64>)]) {
        let matcher = |name: &str, value: &str| Matcher {
            name: name.to_owned(),
            op: MatchOp::Equal,
            value: value.to_owned(),
        };
        let matchers = [
            matcher(METRIC_NAME, name),
            matcher("route", route),
            matcher("job", JOB),
            matcher("instance", "gw"),
        ];
        let always = TimeRange { from_ms: 0, to_ms: i64::MAX / 2 };
        let found = store.series.select(&matchers, always, 1000).expect("is read");
        let samples: Vec<(i64, Option<f64>)> = found
            .iter()
            .flat_map(|series| &series.samples)
            .map(|sample| (sample.timestamp_ms, (!is_stale_marker(sample.value)).then_some(sample.value)))
            .collect();
        assert_eq!(samples, expected, "{name} {route}");
    }

    #[test]
    fn what_vanishes_ends_and_may_come_back() {
        let store = Store::in_memory(store::Options::default()).expect("starts");
        let mut known = Known::new(Target { instance: "gw".to_owned() }, true);
        known.scrape(&store, 1000, &visit(&["a", "b"]));
        known.scrape(&store, 2000, &visit(&["a"]));
        known.scrape(&store, 3000, &visit(&["a"]));
        known.scrape(&store, 4000, &visit(&["a", "b"]));
        known.end(&store, 5000);
        let here = Some(3.0);
        let a = [(1000, here), (2000, here), (3000, here), (4000, here), (5000, None)];
        check(&store, "websocket_active_connections", "a", &a);
        check(
            &store,
            "sse_active_subscriptions",
            "b",
            &[(1000, here), (2000, None), (4000, here), (5000, None)],
        );
        let about = [4.0, 2.0, 2.0, 4.0].into_iter().zip([1000, 2000, 3000, 4000]);
        let about: Vec<_> = about.map(|(count, at)| (at, Some(count))).chain([(5000, None)]).collect();
        check(&store, "scrape_samples_scraped", "", &about);
    }
}
