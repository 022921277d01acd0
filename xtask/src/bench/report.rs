//! The report: tables in Markdown, and a chart.

use std::fmt::Write as _;
use std::fs;

use super::chart;
use super::rounds::{Results, Row};
use super::stats::{Quartiles, paired, quartiles};
use crate::root;

/// The page, and the lines in it between which the report stands.
const PAGE: &str = "docs/performance.md";
const CHART: &str = "docs/performance.svg";
const BEGIN: &str = "<!-- cargo xtask bench --report -->";
const END: &str = "<!-- end -->";

/// The whole report.
pub fn tables(results: &Results) -> String {
    format!("{}\n{}\n{}", medians(results), ratios(results), foreign(&results.foreign))
}

/// Medians, a row for each figure and a column for each peer.
fn medians(results: &Results) -> String {
    let peers = results.peers();
    let mut text = format!("| | {} |\n|---|{}\n", peers.join(" | "), "--:|".repeat(peers.len()));
    for row in &results.rows {
        let cells = peers.iter().map(|peer| row.median(peer).map_or(String::new(), number));
        let _ = writeln!(text, "| {} | {} |", row.figure.title, cells.collect::<Vec<_>>().join(" | "));
    }
    text
}

/// Paired ratios to other peers, and limits.
fn ratios(results: &Results) -> String {
    let peers = results.peers();
    let Some((first, others)) = peers.split_first() else { return String::new() };
    let mut text = format!("| {first} | to | ratio (quartiles) | limit | |\n|---|---|--:|--:|---|\n");
    for row in &results.rows {
        if let (Some(most), Some(median)) = (row.figure.most, row.median(first)) {
            let verdict = verdict(median, most);
            let _ = writeln!(
                text,
                "| {} | | {} | {} | {verdict} |",
                row.figure.title,
                number(median),
                number(most)
            );
        }
        for other in others {
            let Some(Quartiles { low, median, high }) = ratio(row, first, other) else { continue };
            let limit = row.figure.ratios.iter().find(|(peer, _)| peer == other).map(|(_, limit)| *limit);
            let _ = writeln!(
                text,
                "| {} | {other} | {median:.2} ({low:.2}-{high:.2}) | {} | {} |",
                row.figure.title,
                limit.map_or(String::new(), |limit| format!("{limit:.2}")),
                limit.map_or("", |limit| verdict(median, limit)),
            );
        }
    }
    text
}

fn ratio(row: &Row, first: &str, other: &str) -> Option<Quartiles> {
    quartiles(&paired(row.of(first)?, row.of(other)?))
}

fn verdict(found: f64, most: f64) -> &'static str {
    if found <= most { "holds" } else { "missed" }
}

fn foreign(parts: &[f64]) -> String {
    let parts = parts.iter().map(|part| format!("{:.0} %", part * 100.0));
    format!("Foreign load of the machine by round: {}.\n", parts.collect::<Vec<_>>().join(", "))
}

/// As many digits as mean something.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => thousands(value.round() as i64),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    format!("{}{}", if value < 0 { "-" } else { "" }, groups.join(","))
}

/// Writes the report into the documentation.
pub fn write(results: &Results) -> Result<(), String> {
    let page = root().join(PAGE);
    let text = fs::read_to_string(&page).map_err(|error| format!("{PAGE}: {error}"))?;
    let text = between(&text, &tables(results)).ok_or(format!("{PAGE}: has no `{BEGIN}` and `{END}`"))?;
    fs::write(&page, text).map_err(|error| format!("{PAGE}: {error}"))?;
    fs::write(root().join(CHART), chart::draw(results)).map_err(|error| format!("{CHART}: {error}"))
}

/// The page with other lines between its markers.
fn between(page: &str, lines: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{lines}\n{END}{after}"))
}

/// Fails where a figure of the first peer is beyond a limit that does not depend on the machine, or is missing.
pub fn judge(results: &Results) -> Result<(), String> {
    let peers = results.peers();
    let first = peers.first().copied().unwrap_or_default();
    let judged = results.rows.iter().filter_map(|row| Some((row, row.figure.most?)));
    let beyond = judged.filter(|(row, most)| row.median(first).is_none_or(|median| median > *most));
    let told = beyond.map(|(row, most)| {
        let found = row.median(first).map_or("not measured".to_owned(), number);
        format!("{}: {found}, at most {}", row.figure.title, number(most))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { Ok(()) } else { Err(told.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::FIGURES;
    use crate::bench::peers::PEERS;

    #[test]
    fn numbers_are_short() {
        let check = |value: f64, expected: &str| assert_eq!(number(value), expected);
        check(1_234_567.8, "1,234,568");
        check(-4_738.2, "-4,738");
        check(126.4, "126");
        check(18.63, "18.6");
        check(6.0, "6.00");
    }

    fn results(heartline: f64) -> Results {
        let figure = FIGURES.iter().find(|figure| figure.name == "instructions").expect("it is there");
        let peers = PEERS.iter().filter(|peer| ["heartline", "nginx"].contains(&peer.name));
        let values = [vec![Some(heartline), Some(heartline)], vec![Some(2_000.0), None]];
        Results { rows: vec![Row { figure, peers: peers.zip(values).collect() }], foreign: vec![0.04, 0.2] }
    }

    #[test]
    fn medians_ratios_and_limits_are_told() {
        let expected = "\
            | | heartline | nginx |\n\
            |---|--:|--:|\n\
            | user instructions / echo | 8,000 | 2,000 |\n\n\
            | heartline | to | ratio (quartiles) | limit | |\n\
            |---|---|--:|--:|---|\n\
            | user instructions / echo | | 8,000 | 6,500 | missed |\n\
            | user instructions / echo | nginx | 4.00 (4.00-4.00) |  |  |\n\n\
            Foreign load of the machine by round: 4 %, 20 %.\n";
        assert_eq!(tables(&results(8_000.0)), expected);
    }

    #[test]
    fn limits_are_judged() {
        assert_eq!(judge(&results(6_000.0)), Ok(()));
        let beyond = "user instructions / echo: 8,000, at most 6,500";
        assert_eq!(judge(&results(8_000.0)), Err(beyond.to_owned()));
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = format!("# A\n\n{BEGIN}\nold\n{END}\n\nB\n");
        assert_eq!(between(&page, "new").as_deref(), Some(&*format!("# A\n\n{BEGIN}\n\nnew\n{END}\n\nB\n")));
        assert_eq!(between("# A\n", "new"), None);
    }
}
