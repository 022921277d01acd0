//! Whether anything stays behind: what is looked at between cycles, and what it must be.

use std::fmt::Write as _;
use std::time::Duration;

use super::load::Totals;
use crate::bench::stats::quartiles;

/// The gateway between two cycles, with no connection open.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Since the start.
    pub at: Duration,
    /// Its memory.
    pub rss_bytes: u64,
    /// Of it, what it says that it holds of the past: samples in memory and flight recorders.
    pub kept_bytes: u64,
    /// Its open files.
    pub files: u64,
    /// Its threads.
    pub threads: u64,
    /// Connections and streams up to now.
    pub opened: u64,
}

/// Fewer looks tell nothing.
pub const LOOKS_MIN: usize = 6;

/// Most that memory may grow between the first and the last third of all looks.
const GROWTH_MAX: f64 = 0.05;

/// Open files that may differ: connections to upstreams that are kept.
const FILES_MORE_MAX: f64 = 4.0;

/// Names of the columns of [`row`].
pub const HEADER: &str =
    "   min    RSS MB   kept MB  files  threads   opened so far   opened    broken    messages    faults";

/// One cycle.
pub fn row(look: &Look, busy: &Totals) -> String {
    format!(
        "{:6.1} {:9.2} {:9.2} {:6} {:8} {:15} {:8} {:9} {:11} {:9}",
        look.at.as_secs_f64() / 60.0,
        look.rss_bytes as f64 / 1e6,
        look.kept_bytes as f64 / 1e6,
        look.files,
        look.threads,
        look.opened,
        busy.handshakes,
        busy.broken,
        busy.messages,
        busy.faults,
    )
}

/// What is wrong by the looks behind the warm-up.
pub fn judge(looks: &[Look]) -> Vec<String> {
    if looks.len() < LOOKS_MIN {
        return vec![format!("{} looks tell nothing, {LOOKS_MIN} are needed", looks.len())];
    }
    let mut problems = Vec::new();
    let memory = Change::of(looks, |look| look.rss_bytes as f64);
    if memory.to > memory.from * (1.0 + GROWTH_MAX) {
        problems.push(format!("memory grows: {}", memory.in_mb()));
    }
    let files = Change::of(looks, |look| look.files as f64);
    if files.to > files.from + FILES_MORE_MAX {
        problems.push(format!("open files grow: from {} to {}", files.from, files.to));
    }
    let threads = Change::of(looks, |look| look.threads as f64);
    if threads.to > threads.from {
        problems.push(format!("threads grow: from {} to {}", threads.from, threads.to));
    }
    problems
}

/// What it comes to.
pub fn summary(looks: &[Look]) -> String {
    let mut text = String::new();
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else { return text };
    let minutes = (last.at - first.at).as_secs_f64() / 60.0;
    let _ = writeln!(
        text,
        "{minutes:.0} minutes behind the warm-up, {} cycles, {} connections and streams",
        looks.len(),
        last.opened - first.opened
    );
    if looks.len() >= LOOKS_MIN {
        let _ = writeln!(text, "memory at rest {}", Change::of(looks, |look| look.rss_bytes as f64).in_mb());
        let _ = writeln!(text, "of it kept {}", Change::of(looks, |look| look.kept_bytes as f64).in_mb());
        let files = Change::of(looks, |look| look.files as f64);
        let _ = writeln!(text, "open files at rest from {} to {}", files.from, files.to);
    }
    text
}

/// Medians of the first and of the last third.
struct Change {
    from: f64,
    to: f64,
}

impl Change {
    fn of(looks: &[Look], value: impl Fn(&Look) -> f64) -> Change {
        let values: Vec<f64> = looks.iter().map(value).collect();
        let third = (values.len() / 3).max(1);
        let median = |part: &[f64]| quartiles(part).map_or(0.0, |quartiles| quartiles.median);
        Change { from: median(&values[..third]), to: median(&values[values.len() - third..]) }
    }

    fn in_mb(&self) -> String {
        let growth = (self.to / self.from - 1.0) * 100.0;
        format!("from {:.2} MB to {:.2} MB: {growth:+.1} %", self.from / 1e6, self.to / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_behind_is_found() {
        let looks = |rss_mb: &[f64], files: u64, threads: u64| -> Vec<Look> {
            let count = rss_mb.len() as u64;
            let look = |(place, rss): (usize, &f64)| Look {
                rss_bytes: (rss * 1e6) as u64,
                files: 20 + files * place as u64 / (count - 1),
                threads: 5 + threads * place as u64 / (count - 1),
                ..Look::default()
            };
            rss_mb.iter().enumerate().map(look).collect()
        };
        let check = |looks: &[Look], expected: &[&str]| assert_eq!(judge(looks), expected);
        let flat = [41.0, 39.0, 40.0, 41.0, 40.0, 39.0, 41.0, 40.0, 40.0, 41.0];
        check(&looks(&flat, 0, 0), &[]);
        check(&looks(&flat, 4, 0), &[]);
        check(&looks(&flat[..5], 0, 0), &["5 looks tell nothing, 6 are needed"]);
        check(&looks(&flat, 20, 0), &["open files grow: from 22 to 37"]);
        check(&looks(&flat, 0, 9), &["threads grow: from 6 to 13"]);
        let grows: Vec<f64> = (0..10).map(|place| 40.0 + f64::from(place)).collect();
        check(&looks(&grows, 0, 0), &["memory grows: from 41.00 MB to 48.00 MB: +17.1 %"]);
        let shrinks: Vec<f64> = grows.iter().rev().copied().collect();
        check(&looks(&shrinks, 0, 0), &[]);
        let peak_in_the_middle = [40.0, 40.0, 40.0, 40.0, 90.0, 90.0, 40.0, 40.0, 40.0];
        check(&looks(&peak_in_the_middle, 0, 0), &[]);
    }
}
