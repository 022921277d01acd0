//! A range query over a week. The series that it selects have a sample every 5 s, all others one every 15 minutes:
//! they are there to be kept and passed over.

use std::time::Instant;

use super::engine::{Directory, Engine};
use super::options::Options;
use super::samples::{STEP_MS, Series, mixed, now_ms};
use super::wire::{Request, labels};
use super::{Row, ms};

const QUERY: &str = "sum by (reason) (rate(websocket_connections_closed_total{route=\"chat\"}[5m]))";

/// Step of the query, and time between samples of the series that it does not select.
const WINDOW_MS: i64 = 15 * 60 * 1000;

/// Longest that an answer may take, seconds.
const SECONDS_MAX: f64 = 0.3;

/// How often it is asked.
const ASKED: usize = 7;

const REASONS: [&str; 12] = [
    "normal",
    "going_away",
    "abnormal",
    "protocol_error",
    "no_status",
    "too_big",
    "internal_error",
    "reset",
    "timeout",
    "slow_consumer",
    "shutdown",
    "app",
];
const INITIATORS: [&str; 3] = ["client", "server", "proxy"];

/// Bytes of one request.
const REQUEST_BYTES: usize = 2 << 20;

/// See the module.
///
/// # Errors
/// It could not be measured.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let directory = Directory::new("range")?;
    let data = directory.path().join("data");
    let engine = Engine::heartline_alone(directory.path(), &data)?;
    let end_ms = now_ms() / WINDOW_MS * WINDOW_MS;
    let windows = options.days as i64 * (86_400_000 / WINDOW_MS);
    let begin_ms = end_ms - windows * WINDOW_MS;
    let begun = Instant::now();
    let samples = fill(&engine, options.series, begin_ms, windows)?;
    engine.settle()?;
    let filling = begun.elapsed().as_secs_f64();
    let kept = engine.metric("heartline_store_series")?;
    engine.stop()?;
    let engine = Engine::heartline_alone(directory.path(), &data)?;
    let mut times = Vec::new();
    for _ in 0..ASKED {
        let begun = Instant::now();
        let answer = engine.range(QUERY, begin_ms / 1000, end_ms / 1000, WINDOW_MS / 1000)?;
        times.push(begun.elapsed().as_secs_f64());
        let series = answer["data"]["result"].as_array().map_or(0, Vec::len);
        if series != REASONS.len() {
            return Err(format!("{series} series of {} are answered", REASONS.len()));
        }
    }
    let first = times[0];
    times.sort_by(f64::total_cmp);
    Ok(vec![
        Row::plain("series kept", format!("{kept}")),
        Row::plain("samples written", format!("{samples} in {filling:.0} s")),
        Row::plain("first answer after a start", ms(first)),
        Row::plain("median answer", ms(times[ASKED / 2])),
        Row::within(format!("slowest of {ASKED} answers"), times[ASKED - 1], SECONDS_MAX),
    ])
}

/// Writes window by window, in order of time; the answer is how many samples that were.
fn fill(engine: &Engine, count: usize, begin_ms: i64, windows: i64) -> Result<usize, String> {
    let chosen = Series::of(selected());
    let mut others = Series::many(count.saturating_sub(chosen.len()));
    let mut closed = vec![0.0; chosen.len()];
    let (mut request, mut samples) = (Request::default(), 0);
    let mut send = |request: &mut Request, at_least: usize| {
        if request.len() > at_least {
            samples += request.samples;
            engine.write(&std::mem::take(request))?;
        }
        Ok::<_, String>(())
    };
    for window in 0..windows {
        let from_ms = begin_ms + window * WINDOW_MS;
        for (number, closed) in closed.iter_mut().enumerate() {
            let dense = (1..=WINDOW_MS / STEP_MS).map(|step| {
                *closed += (mixed((from_ms + step) as u64 ^ number as u64) % 3) as f64;
                (from_ms + step * STEP_MS, *closed)
            });
            request.push(chosen.labels(number), dense);
            send(&mut request, REQUEST_BYTES)?;
        }
        for number in 0..others.len() {
            let value = others.next(number, window as usize);
            request.push(others.labels(number), [(from_ms + WINDOW_MS, value)]);
            send(&mut request, REQUEST_BYTES)?;
        }
    }
    send(&mut request, 0)?;
    Ok(samples)
}

fn selected() -> Vec<Vec<u8>> {
    let pairs = REASONS.iter().flat_map(|reason| INITIATORS.iter().map(move |initiator| (reason, initiator)));
    let of = |(reason, initiator): (&&str, &&str)| {
        labels(&[
            ("__name__", "websocket_connections_closed_total"),
            ("initiator", initiator),
            ("instance", "gateway-1.example.com:8080"),
            ("job", "heartline"),
            ("reason", reason),
            ("route", "chat"),
        ])
    };
    pairs.map(of).collect()
}
