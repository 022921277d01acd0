//! What a sample takes on the disk and a series in memory, beside Prometheus with the same samples: an hour at 5 s,
//! sent as fast as it is taken.
//!
//! Prometheus' bytes are those of a snapshot with the head, which is a block as it stays; its log is left out.
//! Memory is what the process has gained, so it includes the hour's samples and, of Prometheus, what its garbage
//! collector has not returned.

use std::path::Path;
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
    let samples = engine.metric("heartline_store_samples_total")?;
    engine.stop()?;
    rows.push(per_sample("heartline", bytes_below(&data), samples));
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

/// Bytes of Prometheus' samples as a block.
fn snapshot(engine: &Engine, directory: &Path) -> Result<u64, String> {
    let answer = engine.json("POST", "/api/v1/admin/tsdb/snapshot")?;
    let name = answer["data"]["name"].as_str().ok_or_else(|| format!("no snapshot: {answer}"))?;
    match bytes_below(&directory.join("prometheus/snapshots").join(name)) {
        0 => Err("the snapshot is empty".to_owned()),
        bytes => Ok(bytes),
    }
}
