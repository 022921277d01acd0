//! `cargo xtask bench history`: what history costs, and how fast it answers, on this machine.
//!
//! Where a full week of all series would take a day to write, only what the question is asked of is as dense as a
//! gateway makes it: each part says what it writes.

mod engine;
mod journal;
mod options;
mod range;
mod relay;
mod samples;
mod size;
mod wire;

use options::Options;

pub use self::wire::ask;
use super::{peers, place};

/// How it is used.
pub const HELP: &str = "cargo xtask bench history [PART...] [--series N] [--days N] [--records N] [--pairs N]

  range     a range query over a week, while so many series are kept
  journal   closed connections of one route and reason, of so many records of one day
  size      bytes of a sample and memory of a series, beside Prometheus
  relay     round trips while much is kept, and without history

  --series N    series, 20000 if not given
  --days N      days of the range query, 7 if not given
  --records N   records of the journal, 5000000 if not given
  --ending N    connections that end together, 9000 if not given
  --pairs N     pairs of runs with and without history, 5 if not given";

/// What was measured, and whether it is as it should be.
struct Row {
    title: String,
    measured: String,
    /// Why it is not, if there is a limit and it is missed.
    missed: Option<String>,
}

impl Row {
    /// A figure without a limit.
    fn plain(title: impl Into<String>, measured: impl Into<String>) -> Row {
        Row { title: title.into(), measured: measured.into(), missed: None }
    }

    /// A time in seconds that must be shorter than `most`.
    fn within(title: impl Into<String>, seconds: f64, most: f64) -> Row {
        let missed = (seconds >= most).then(|| format!("at most {}", ms(most)));
        Row { title: title.into(), measured: ms(seconds), missed }
    }
}

/// Measures the parts that are named, or all.
///
/// # Errors
/// A part could not be measured, or misses its limit.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments).map_err(|error| format!("{error}\n\n{HELP}"))?;
    peers::build()?;
    place::allow_files()?;
    let mut missed = Vec::new();
    for part in &options.parts {
        println!("{}:", part.name);
        for row in (part.measure)(&options)? {
            let verdict = row.missed.as_deref().map_or(String::new(), |limit| format!("   MISSED: {limit}"));
            println!("  {}: {}{verdict}", row.title, row.measured);
            missed.extend(row.missed.map(|limit| format!("{}: {limit}", row.title)));
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("beyond limits:\n{}", missed.join("\n"))) }
}

fn ms(seconds: f64) -> String {
    format!("{:.2} ms", seconds * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_can_be_missed() {
        let check = |seconds, missed: Option<&str>| {
            assert_eq!(Row::within("a query", seconds, 0.3).missed.as_deref(), missed, "{seconds}");
        };
        check(-0.1, None);
        check(0.299, None);
        check(0.3, Some("at most 300.00 ms"));
    }
}
