//! A chart of the medians: for each figure, a bar for each peer, as long as its share of the longest.

use std::fmt::Write as _;

use super::report::number;
use super::rounds::{Results, Row};

const WIDTH: f64 = 760.0;
const LABEL_WIDTH: f64 = 110.0;
const VALUE_WIDTH: f64 = 80.0;
const BAR_HEIGHT: f64 = 16.0;
const BAR_STEP: f64 = 20.0;
const TITLE_HEIGHT: f64 = 28.0;
const GAP: f64 = 14.0;

/// Colours that can be told apart, and read on white and on black.
const FIRST: &str = "#c2410c";
const OTHERS: &str = "#6b7f95";

/// The chart as SVG.
pub fn draw(results: &Results) -> String {
    let peers = results.peers();
    let mut body = String::new();
    let mut top = GAP;
    for row in &results.rows {
        top = figure(&mut body, row, &peers, top) + GAP;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>What a proxy costs</title>\n\
         <style>text {{ fill: #333 }} @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} }}</style>\n\
         {body}</svg>\n"
    )
}

/// Draws one figure from `top`; tells where it ends.
fn figure(body: &mut String, row: &Row, peers: &[&str], top: f64) -> f64 {
    let medians: Vec<(&str, f64)> =
        peers.iter().filter_map(|peer| Some((*peer, row.median(peer)?.max(0.0)))).collect();
    let longest = medians.iter().map(|(_, median)| *median).fold(f64::MIN_POSITIVE, f64::max);
    let _ =
        writeln!(body, "<text x=\"0\" y=\"{}\" font-weight=\"bold\">{}</text>", top + 14.0, row.figure.title);
    let mut y = top + TITLE_HEIGHT;
    for (peer, median) in medians {
        let length = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) * median / longest;
        let colour = if peers.first() == Some(&peer) { FIRST } else { OTHERS };
        let _ = writeln!(
            body,
            "<text x=\"0\" y=\"{base}\">{peer}</text><rect x=\"{LABEL_WIDTH}\" y=\"{y}\" width=\"{length:.1}\" \
             height=\"{BAR_HEIGHT}\" fill=\"{colour}\"/><text x=\"{after:.1}\" y=\"{base}\">{value}</text>",
            base = y + 12.0,
            after = LABEL_WIDTH + length + 6.0,
            value = number(median),
        );
        y += BAR_STEP;
    }
    y
}
