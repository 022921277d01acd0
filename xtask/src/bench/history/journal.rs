//! Closed connections of one route and reason among all of one day. The records are made up and written by the
//! benchmark of the store (`cargo run --example bench`), the question is asked of a gateway.

use std::process::Command;
use std::time::Instant;

use super::engine::{Directory, Engine};
use super::options::Options;
use super::{Row, ms};
use crate::root;

/// The day of the made up records, in which they are evenly spread.
const QUESTION: &str = "/api/v1/connections?set=closed&route=chat&reason=abnormal&limit=100\
                        &from=2026-09-21T00:00:00Z&to=2026-09-21T23:59:59.999Z";

/// Longest that an answer may take, seconds.
const SECONDS_MAX: f64 = 1.0;

/// How often it is asked.
const ASKED: usize = 7;

/// See the module.
///
/// # Errors
/// It could not be measured.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let directory = Directory::new("journal")?;
    let mut fill = Command::new("cargo");
    fill.args(["run", "--release", "--quiet", "--package", "store", "--example", "bench", "--"])
        .arg(directory.path())
        .args(["journal", &options.records.to_string()])
        .current_dir(root());
    match fill.status() {
        Ok(status) if status.success() => {}
        other => return Err(format!("the records were not written: {other:?}")),
    }
    let engine = Engine::heartline_alone(directory.path(), &directory.path().join("journal"))?;
    let (mut times, mut total) = (Vec::new(), 0);
    for _ in 0..ASKED {
        let begun = Instant::now();
        let answer = engine.json("GET", QUESTION)?;
        times.push(begun.elapsed().as_secs_f64());
        let entries = answer["items"].as_array().map_or(0, Vec::len);
        total = answer["total"].as_u64().unwrap_or_default();
        if entries == 0 || answer["is_complete"] != true {
            return Err(format!("{entries} entries of {total} are answered"));
        }
    }
    let first = times[0];
    times.sort_by(f64::total_cmp);
    Ok(vec![
        Row::plain("records found", format!("{total} of {}", options.records)),
        Row::plain("first answer after a start", ms(first)),
        Row::plain("median answer", ms(times[ASKED / 2])),
        Row::within(format!("slowest of {ASKED} answers"), times[ASKED - 1], SECONDS_MAX),
    ])
}
