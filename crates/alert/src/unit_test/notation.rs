//! promtool's notation of series: `name{label="value"}` with `1 2+3x4 _ stale`.

use model::series::{Labels, MatchOp, STALE_MARKER};
use promql::{Options, Query};

/// Most values of one series.
const VALUES_MAX: usize = 10_000_000;

/// Labels of a series.
pub(super) fn labels(text: &str) -> Result<Labels, String> {
    let text = text.trim();
    if text == "{}" {
        return Ok(Labels::default());
    }
    let wrong = || format!("`{text}` is not a series, such as name{{label=\"value\"}}");
    if !text.ends_with('}') && text.contains(char::is_whitespace) {
        return Err(wrong());
    }
    let query = Query::parse(text, &Options::default()).map_err(|error| format!("{}: {error}", wrong()))?;
    match query.selectors().as_slice() {
        [only] if only.range_ms.is_none() && only.position == (0..text.len()) => {
            if only.matchers.iter().any(|matcher| matcher.op != MatchOp::Equal) {
                return Err(wrong());
            }
            Ok(Labels::new(only.matchers.iter().map(|matcher| (&*matcher.name, &*matcher.value))))
        }
        _ => Err(wrong()),
    }
}

/// Values of a series; none where there is no sample.
pub(super) fn values(text: &str) -> Result<Vec<Option<f64>>, String> {
    let mut values = Vec::new();
    for item in text.split_whitespace() {
        if item.starts_with("{{") {
            return Err("native histograms are not supported".to_owned());
        }
        expand(item, &mut values).ok_or_else(|| {
            format!("`{item}` is not a value, such as 3, 1+2x10 (eleven values that grow by 2), _ or stale")
        })?;
    }
    Ok(values)
}

/// `3`, `_`, `_x5` (five gaps), `stale`, `1x4` (five times the same) and `1+2x4` (five values that grow).
fn expand(item: &str, values: &mut Vec<Option<f64>>) -> Option<()> {
    let (what, times) = match item.rsplit_once('x') {
        Some((what, times)) => (what, Some(times.parse::<usize>().ok()?)),
        None => (item, None),
    };
    if times.unwrap_or(0) > VALUES_MAX - values.len().min(VALUES_MAX) {
        return None;
    }
    match (what, times) {
        ("_", times) => values.extend(vec![None; times.unwrap_or(1)]),
        ("stale", None) => values.push(Some(STALE_MARKER)),
        (what, times) => {
            let (mut value, step) = progression(what, times.is_some())?;
            for _ in 0..=times.unwrap_or(0) {
                values.push(Some(value));
                value += step;
            }
        }
    }
    Some(())
}

fn progression(text: &str, is_repeated: bool) -> Option<(f64, f64)> {
    if let Ok(value) = text.parse() {
        return Some((value, 0.0));
    }
    let mut signs = text.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-'));
    let split = signs.find_map(|(at, _)| Some((text[..at].parse().ok()?, text[at..].parse().ok()?)));
    split.filter(|_| is_repeated)
}
