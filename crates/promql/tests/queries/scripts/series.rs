//! Notation of series in scripts: `name{label="value"} 1 2+3x4 _ stale`.

use model::series::{Labels, STALE_MARKER};

/// Labels with their values, one per step; none where there is no sample.
pub type Described = (Labels, Vec<Option<f64>>);

/// Reads one line. Instead of the values there is nothing if they are not plain numbers.
///
/// # Panics
/// If there are no labels.
pub fn describe(line: &str) -> (Labels, Option<Vec<Option<f64>>>) {
    let (labels, rest) = labels(line).unwrap_or_else(|| panic!("labels are not understood: {line}"));
    let mut values = Vec::new();
    let plain = rest.split_whitespace().try_for_each(|item| expand(item, &mut values));
    (labels, plain.map(|()| values))
}

fn labels(line: &str) -> Option<(Labels, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let length = line.find(|c: char| !is_name(c)).unwrap_or(line.len());
    let mut pairs = Vec::new();
    if length > 0 {
        pairs.push(("__name__".to_owned(), line[..length].to_owned()));
    }
    let behind = line[length..].trim_start();
    let Some(mut rest) = behind.strip_prefix('{').filter(|rest| !rest.starts_with('{')) else {
        return Some((Labels::new(pairs), behind));
    };
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t']);
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((Labels::new(pairs), behind));
        }
        let (name, behind) = match rest.chars().next()? {
            '"' | '\'' | '`' => quoted(rest)?,
            _ => {
                let end = rest.find(|c: char| !is_name(c) && c != '.').filter(|end| *end > 0)?;
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        match behind.trim_start().strip_prefix('=') {
            Some(behind) => {
                let (value, behind) = quoted(behind.trim_start())?;
                pairs.push((name, value));
                rest = behind;
            }
            None => {
                pairs.push(("__name__".to_owned(), name));
                rest = behind;
            }
        }
    }
}

/// A quoted string at the start, and what is behind it.
pub fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote != '`' => out.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'x' => return None,
                c => c,
            }),
            c if c == quote => return Some((out, &text[at + 1..])),
            c => out.push(c),
        }
    }
    None
}

/// `3`, `_`, `_x5`, `stale`, `1x4` (five times the same) and `1+2x4` (five values, ascending).
fn expand(item: &str, values: &mut Vec<Option<f64>>) -> Option<()> {
    let (what, times) = match item.rsplit_once('x') {
        Some((what, times)) => (what, times.parse::<usize>().ok()?),
        _ => (item, 0),
    };
    match what {
        "_" => values.extend(vec![None; times.max(1)]),
        "stale" => values.extend(vec![Some(STALE_MARKER); times + 1]),
        _ => {
            let (start, step) = progression(what)?;
            let mut value = start;
            for _ in 0..=times {
                values.push(Some(value));
                value += step;
            }
        }
    }
    Some(())
}

fn progression(text: &str) -> Option<(f64, f64)> {
    if let Ok(value) = text.parse() {
        return Some((value, 0.0));
    }
    let sign = text.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-'));
    sign.filter_map(|(at, _)| Some((text[..at].parse().ok()?, text[at..].parse().ok()?))).next()
}
