//! What a sample takes on the disk and a series in memory, beside Prometheus with the same samples: an hour at 5 s,
//! sent as fast as it is taken.
//!
//! Of both it is the samples' bytes as they stay, indexes included, and not those of the logs: of Prometheus a snapshot
//! with its head, which is a block; of Heartline the database without the batches that are not needed once their
//! samples are in chunks. When an hour is sent in seconds, nearly all of them are there yet, since its own metrics,
//! which come in their own time, need the oldest.
//! Memory is what the process has gained, so it includes the hour's samples and, of Prometheus, what its garbage
//! collector has not returned.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::Row;
use super::engine::{Directory, Engine, bytes_below};
use super::options::Options;
use super::samples::{STEP_MS, Series, now_ms};
use super::wire::Request;

/// An hour.
const STEPS: usize = 720;

/// Bytes of one request.
const REQUEST_BYTES: usize = 2 << 20;

/// What the database has: bytes of all pages, bytes and samples of chunks, bytes of batches.
const LOOK: &str = "
import sqlite3, sys
ask = lambda text: sqlite3.connect(sys.argv[1]).execute(text).fetchone()
print(ask('PRAGMA page_count')[0] * ask('PRAGMA page_size')[0])
print(*ask('SELECT sum(length(bytes)), sum(samples) FROM chunks'))
print(*ask('SELECT coalesce(sum(length(bytes)), 0) FROM batches'))
";

/// See the module.
///
/// # Errors
/// It could not be measured.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let directory = Directory::new("size")?;
    let data = directory.path().join("data");
    let engine = Engine::heartline_alone(directory.path(), &data)?;
    let mut rows = filled("heartline", &engine, options.series)?;
    engine.settle()?;
    engine.stop()?;
    rows.extend(database(&data.join("series.db"))?);
    let engine = Engine::prometheus(directory.path())?;
    rows.extend(filled("prometheus", &engine, options.series)?);
    let snapshot = snapshot(&engine, directory.path())?;
    rows.push(per_sample("prometheus", snapshot, (options.series * STEPS) as f64));
    Ok(rows)
}

fn filled(name: &str, engine: &Engine, count: usize) -> Result<Vec<Row>, String> {
    let (before, begun) = (engine.memory(), Instant::now());
    let mut series = Series::many(count);
    let begin_ms = now_ms() - STEPS as i64 * STEP_MS;
    let mut request = Request::default();
    for step in 0..STEPS {
        for number in 0..series.len() {
            let value = series.next(number, step);
            request.push(series.labels(number), [(begin_ms + step as i64 * STEP_MS, value)]);
            if request.len() > REQUEST_BYTES {
                engine.write(&std::mem::take(&mut request))?;
            }
        }
    }
    engine.write(&request)?;
    let (gained, seconds) = (engine.memory().saturating_sub(before), begun.elapsed().as_secs_f64());
    let rate = (count * STEPS) as f64 / seconds;
    Ok(vec![
        Row::plain(format!("{name}: samples taken"), format!("{rate:.0}/s")),
        Row::plain(
            format!("{name}: memory of a series with an hour"),
            format!("{} B", gained / count as u64),
        ),
    ])
}

fn per_sample(name: &str, bytes: u64, samples: f64) -> Row {
    Row::plain(format!("{name}: disk of a sample"), format!("{:.2} B", bytes as f64 / samples))
}

/// Bytes of Heartline's samples.
fn database(file: &Path) -> Result<Vec<Row>, String> {
    let output = Command::new("python3").args(["-c", LOOK]).arg(file).output();
    let output = output.map_err(|error| format!("python3: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = said.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let [whole, chunks, samples, batches] = numbers[..] else {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} tells nothing: {said}{errors}", file.display()));
    };
    let samples = samples as f64;
    Ok(vec![
        per_sample("heartline", whole.saturating_sub(batches), samples),
        Row::plain("heartline: of it in chunks", format!("{:.2} B", chunks as f64 / samples)),
        Row::plain("heartline: batches beside", format!("{:.1} MB", batches as f64 / 1e6)),
    ])
}

/// Bytes of Prometheus' samples as a block.
fn snapshot(engine: &Engine, directory: &Path) -> Result<u64, String> {
    let answer = engine.json("POST", "/api/v1/admin/tsdb/snapshot")?;
    let name = answer["data"]["name"].as_str().ok_or_else(|| format!("no snapshot: {answer}"))?;
    match bytes_below(&directory.join("prometheus/snapshots").join(name)) {
        0 => Err("the snapshot is empty".to_owned()),
        bytes => Ok(bytes),
    }
}
