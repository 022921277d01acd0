//! Whether keeping history harms who is served: round trips of echoes while connections end by the thousand, with a
//! data directory and samples of all series every 5 s, and without both.
//!
//! The two runs of a pair follow each other, in changing order, so that what else the machine does falls on both.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use super::engine::{Directory, Engine};
use super::options::Options;
use super::samples::{STEP_MS, Series, now_ms};
use super::wire::Request;
use super::{Row, ms};
use crate::bench::load::{Load, Traffic};
use crate::bench::place::{self, PROXY_CORE};
use crate::bench::processes::free_port;
use crate::bench::stats::quartiles;
use crate::bench::upstream::{Kind, Upstream};

/// Echoes whose round trips are measured.
const ECHO: Load = Load { per_second: Some(1_000), seconds: 30, ..Load::echo(Traffic::WebSocket, 50, 128) };

/// Connections that wait for their end; they send next to nothing.
const IDLE: Load = Load { per_second: Some(1), seconds: 3_600, ..Load::echo(Traffic::WebSocket, 0, 128) };

/// Series of one request.
const REQUEST_SERIES: usize = 2_000;

const PAUSE: Duration = Duration::from_millis(100);

/// How much longer the 99th percentile may be: the larger of a part of what it is without, and seconds.
const MORE_PART: f64 = 0.2;
const MORE_SECONDS: f64 = 0.001;

/// What came of one run.
struct Run {
    p99_seconds: f64,
    closed: f64,
    dropped: f64,
}

/// See the module.
///
/// # Errors
/// It could not be measured.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    place::settle()?;
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for pair in 0..options.pairs {
        for has_history in [pair % 2 == 0, pair % 2 == 1] {
            let run = run(options, has_history)?;
            let what = if has_history { "with" } else { "without" };
            let Run { p99_seconds, closed, dropped } = run;
            println!("  {} {what}: p99 {}, {closed} ended, {dropped} not kept", pair + 1, ms(p99_seconds));
            if has_history { on.push(run) } else { off.push(run) }
        }
    }
    let more: Vec<f64> = on.iter().zip(&off).map(|(on, off)| on.p99_seconds - off.p99_seconds).collect();
    let of = |runs: &[Run]| median(&runs.iter().map(|run| run.p99_seconds).collect::<Vec<_>>());
    let allowed = (of(&off) * MORE_PART).max(MORE_SECONDS);
    let dropped: f64 = on.iter().map(|run| run.dropped).sum();
    Ok(vec![
        Row::plain("99th percentile without history", ms(of(&off))),
        Row::plain("99th percentile with history", ms(of(&on))),
        Row::plain("records that were not kept", format!("{dropped}")),
        Row::within("median of what a pair has more with history", median(&more), allowed),
    ])
}

fn median(sample: &[f64]) -> f64 {
    quartiles(sample).map_or(0.0, |quartiles| quartiles.median)
}

fn run(options: &Options, has_history: bool) -> Result<Run, String> {
    let directory = Directory::new("relay")?;
    let data = directory.path().join("data");
    let upstream = Upstream::start(Kind::Load)?;
    let port = free_port()?;
    let data = has_history.then_some(data.as_path());
    let engine = Engine::heartline(directory.path(), data, (port, upstream.address), Some(PROXY_CORE))?;
    let address = (std::net::Ipv4Addr::LOCALHOST, port).into();
    Load { seconds: 2, ..ECHO }.run(address)?;
    let is_over = AtomicBool::new(false);
    let measured = scope(|scope| {
        let writer =
            scope.spawn(|| if has_history { write(&engine, options.series, &is_over) } else { Ok(()) });
        let ends = scope.spawn(|| {
            while !is_over.load(Relaxed) {
                drop(Load { connections: options.ending, ..IDLE }.hold(address)?);
            }
            Ok::<_, String>(())
        });
        let measured = ECHO.run(address);
        is_over.store(true, Relaxed);
        let broken = || "a part of the load panicked".to_owned();
        writer.join().map_err(|_| broken())??;
        ends.join().map_err(|_| broken())??;
        measured
    })?;
    let closed = engine.metric("websocket_connections_closed_total")?;
    let dropped = if has_history { engine.metric("heartline_journal_entries_dropped_total")? } else { 0.0 };
    engine.stop()?;
    let p99_seconds = measured.p99_seconds.ok_or("nothing came back")?;
    Ok(Run { p99_seconds, closed, dropped })
}

/// Sends a sample of each series every 5 s, until it is over.
fn write(engine: &Engine, count: usize, is_over: &AtomicBool) -> Result<(), String> {
    let mut series = Series::many(count);
    for step in 0.. {
        let (begun, at_ms) = (Instant::now(), now_ms());
        let mut number = 0;
        while number < count {
            let mut request = Request::default();
            for number in number..count.min(number + REQUEST_SERIES) {
                let value = series.next(number, step);
                request.push(series.labels(number), [(at_ms, value)]);
            }
            engine.write(&request)?;
            number += REQUEST_SERIES;
        }
        while begun.elapsed() < Duration::from_millis(STEP_MS.unsigned_abs()) {
            if is_over.load(Relaxed) {
                return Ok(());
            }
            sleep(PAUSE);
        }
    }
    Ok(())
}
