//! How long range queries over a week of samples take, beside how long reading the samples takes.
//!
//! `cargo run --release -p promql --example speed`

use std::time::{Duration, Instant};

use model::series::{Labels, Matcher, ReadError, Sample, Series, SeriesSource, TimeRange};
use promql::{Limits, Options, Query, Range};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Counters of one metric, and how long reading them has taken.
struct Counters {
    series: Vec<Series>,
    reading: std::sync::Mutex<Duration>,
}

impl Counters {
    fn new(count: usize, scrape_ms: i64, duration_ms: i64) -> Counters {
        let series = (0..count).map(|index| {
            let labels = [
                ("__name__", "x".to_owned()),
                ("route", "chat".to_owned()),
                ("reason", format!("reason-{}", index % 10)),
                ("instance", index.to_string()),
            ];
            let samples = (0..duration_ms / scrape_ms).map(|tick| Sample {
                timestamp_ms: tick * scrape_ms,
                value: (tick * (index as i64 + 1) % 100_000) as f64,
            });
            Series { labels: Labels::new(labels), samples: samples.collect() }
        });
        Counters { series: series.collect(), reading: Default::default() }
    }
}

impl SeriesSource for Counters {
    fn select(&self, _: &[Matcher], range: TimeRange, _: usize) -> Result<Vec<Series>, ReadError> {
        let began = Instant::now();
        let within = |series: &Series| {
            let from = series.samples.partition_point(|sample| sample.timestamp_ms < range.from_ms);
            let to = series.samples.partition_point(|sample| sample.timestamp_ms <= range.to_ms);
            Series { labels: series.labels.clone(), samples: series.samples[from..to].to_vec() }
        };
        let found = self.series.iter().map(within).collect();
        *self.reading.lock().expect("nobody panics with it") += began.elapsed();
        Ok(found)
    }

    fn identities(&self, _: &[Matcher], _: TimeRange, _: usize) -> Result<Vec<Labels>, ReadError> {
        Ok(Vec::new())
    }
}

fn main() -> Result<(), promql::Error> {
    let week = Counters::new(50, 5_000, 7 * DAY_MS);
    let many = Counters::new(20_000, 15_000, HOUR_MS);
    for (name, source, hours, step_ms, text) in [
        (
            "50 series, a week at 5 s",
            &week,
            7 * 24,
            HOUR_MS / 4,
            "sum by (reason) (rate(x{route=\"chat\"}[5m]))",
        ),
        (
            "50 series, a week at 5 s",
            &week,
            7 * 24,
            HOUR_MS / 4,
            "sum by (reason) (rate(x{route=\"chat\"}[1h]))",
        ),
        ("50 series, a week at 5 s", &week, 7 * 24, HOUR_MS / 4, "max_over_time(sum(rate(x[5m]))[1h:5m])"),
        (
            "50 series, a week at 5 s",
            &week,
            7 * 24,
            HOUR_MS / 4,
            "x / on (instance) group_left sum by (instance) (x)",
        ),
        ("20,000 series, an hour at 15 s", &many, 1, HOUR_MS, "sum by (reason) (rate(x[5m]))"),
        ("20,000 series, an hour at 15 s", &many, 1, HOUR_MS / 240, "sum by (reason) (rate(x[5m]))"),
        (
            "20,000 series, an hour at 15 s",
            &many,
            1,
            HOUR_MS / 240,
            "topk(5, x) + on (instance) group_left x",
        ),
    ] {
        let query = Query::parse(text, &Options::default())?;
        let range = Range { start_ms: 0, end_ms: hours * HOUR_MS, step_ms };
        *source.reading.lock().expect("nobody panics with it") = Duration::ZERO;
        let limits = Limits { samples_max: 1_000_000_000, ..Limits::default() };
        let began = Instant::now();
        let answer = query.range(source, range, &limits)?;
        let whole = began.elapsed();
        let reading = *source.reading.lock().expect("nobody panics with it");
        let own = whole.saturating_sub(reading);
        println!(
            "{name}: {text}: {own:.1?} beside {reading:.1?} of reading, {} series",
            answer.value.0.len()
        );
    }
    Ok(())
}
