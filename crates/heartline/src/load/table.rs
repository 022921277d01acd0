//! The live table and the result, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use probe::load::gather::Glance;
use probe::load::report::{Quantiles, Report};
use probe::load::tally::Durations;

use crate::look::text::{duration, size, visible};

/// Rows of the live table between two heads.
const ROWS: u32 = 20;

/// A line a second.
#[derive(Debug, Default)]
pub(super) struct Live {
    rows: u32,
}

impl Live {
    /// Writes the next line to standard error, unless there is nothing to tell any more.
    pub(super) fn show(&mut self, glance: &Glance) {
        if glance.open > 0 || glance.recent.received > 0 {
            eprintln!("{}", self.line(glance));
        }
    }

    /// The next line, sometimes with a head above it.
    fn line(&mut self, glance: &Glance) -> String {
        let recent = &glance.recent;
        let shown = if recent.latency.count() > 0 { &recent.latency } else { &recent.delivery };
        let quantile = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), duration);
        let errors = recent.errors.total() + recent.handshake_errors.total();
        let line = format!(
            "{:>7} {:>9} {:>10} {:>10} {:>9} {:>9} {:>9} {:>7}",
            format!("{:.0} s", glance.since_start.as_secs_f64()),
            glance.open,
            recent.handshakes,
            recent.received,
            quantile(shown.quantile(0.5)),
            quantile(shown.quantile(0.99)),
            quantile(Durations::max(shown)),
            errors,
        );
        let head = self.rows.is_multiple_of(ROWS).then(|| {
            format!(
                "{:>7} {:>9} {:>10} {:>10} {:>9} {:>9} {:>9} {:>7}\n",
                "TIME", "OPEN", "HANDSHAKES", "MESSAGES", "P50", "P99", "MAX", "ERRORS"
            )
        });
        self.rows += 1;
        head.unwrap_or_default() + &line
    }
}

/// The result.
pub(super) fn result(report: &Report) -> String {
    let mut out = String::new();
    let how = match (report.mode, report.rate_per_second) {
        ("push", _) => "taking what comes".to_owned(),
        (_, Some(rate)) => format!("open loop, {rate}/s"),
        (_, None) => "closed loop".to_owned(),
    };
    let mut row = |name: &str, value: String| {
        if writeln!(out, "{name:<12} {value}").is_err() {
            unreachable!("a string takes all text");
        }
    };
    row("target", format!("{} ({how})", visible(&report.url)));
    row(
        "connections",
        format!(
            "{} of {} open, {} handshakes",
            report.connections_open_max, report.connections, report.handshakes_total
        ),
    );
    row(
        "messages",
        format!(
            "{} in {}, {:.1}/s, {}",
            report.messages_total,
            duration(report.elapsed_seconds),
            report.messages_per_second,
            size(report.received_bytes_total)
        ),
    );
    if report.mode == "echo" {
        row("unanswered", format!("{} of {} sent", report.unanswered_total, report.messages_sent_total));
    }
    row("errors", errors(&report.errors, &report.error_examples));
    row("not opened", errors(&report.handshake_errors, &report.error_examples));
    out + "\n" + &quantiles(report)
}

fn errors(counts: &BTreeMap<String, u64>, examples: &BTreeMap<String, String>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let shown = counts.iter().map(|(kind, count)| match examples.get(kind).filter(|text| !text.is_empty()) {
        Some(example) => format!("{count} {kind} ({})", visible(example)),
        None => format!("{count} {kind}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn quantiles(report: &Report) -> String {
    let all = [
        ("connect", report.connect_seconds),
        ("TLS", report.tls_seconds),
        ("answer", report.answer_seconds),
        ("latency", report.latency_seconds),
        ("delivery", report.delivery_seconds),
        ("gap", report.gap_seconds),
    ];
    let head = ["P50", "P90", "P99", "P99.9", "MAX", "MEAN", "COUNT"].map(|name| format!("{name:>10}"));
    let rows = all.iter().filter_map(|(name, of)| of.map(|of| format!("\n{name:<10}{}", columns(&of))));
    format!("{:<10}{}{}", "", head.concat(), rows.collect::<String>())
}

fn columns(of: &Quantiles) -> String {
    let durations =
        [of.p50, of.p90, of.p99, of.p999, of.max, of.mean].map(|of| format!("{:>10}", duration(of)));
    format!("{}{:>10}", durations.concat(), of.count)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use probe::load::tally::Tally;

    use super::*;

    #[test]
    fn live() {
        let mut recent = Tally { handshakes: 5, received: 1200, ..Tally::default() };
        recent.latency.record(Duration::from_millis(2));
        let glance = Glance { open: 10, since_start: Duration::from_secs(3), recent };
        let mut live = Live::default();
        let first = live.line(&glance);
        let expected = [
            "   TIME      OPEN HANDSHAKES   MESSAGES       P50       P99       MAX  ERRORS",
            "    3 s        10          5       1200   2.00 ms   2.00 ms   2.00 ms       0",
        ];
        assert_eq!(first.lines().collect::<Vec<_>>(), expected);
        assert_eq!(live.line(&glance), expected[1]);
    }

    #[test]
    fn errors_with_examples() {
        let counts = BTreeMap::from([("closed_1011".to_owned(), 2), ("reset".to_owned(), 1)]);
        let examples = BTreeMap::from([("closed_1011".to_owned(), "a\u{7}b".to_owned())]);
        assert_eq!(errors(&counts, &examples), "2 closed_1011 (a\\u{7}b), 1 reset");
        assert_eq!(errors(&BTreeMap::new(), &examples), "none");
    }
}
