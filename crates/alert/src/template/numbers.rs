//! Numbers for people, as Prometheus' template functions write them.

use std::sync::Arc;

use gotmpl::Value;
use model::time::WallTime;

/// A value whose text is that of Go's `%v`: the template engine writes floats as Rust does.
pub(super) fn shown(value: &Value) -> Value {
    match value {
        Value::Nil => Value::String("".into()),
        Value::Float(value) => Value::String(general(*value).into()),
        Value::List(items) => Value::List(items.iter().map(shown).collect()),
        Value::Map(entries) => {
            Value::Map(Arc::new(entries.iter().map(|(key, value)| (key.clone(), shown(value))).collect()))
        }
        other => other.clone(),
    }
}

/// The fewest digits, with an exponent below -4 and from 6 on (Go's `%v`; `strconv.FormatFloat(v, 'g', -1, 64)`).
fn general(value: f64) -> String {
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !value.is_finite() || (-4..6).contains(&exponent) {
        return promql::format::float(value);
    }
    with_exponent(digits, exponent)
}

fn with_exponent(digits: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Four significant digits (Go's `%.4g`).
fn short(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let text = format!("{value:.3e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..4).contains(&exponent) {
        let decimals = usize::try_from(3 - exponent).unwrap_or(0);
        return trimmed(&format!("{value:.decimals$}")).to_owned();
    }
    with_exponent(trimmed(digits), exponent)
}

/// Without the zeros that end a fraction.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// With an SI prefix.
pub(super) fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return short(value);
    }
    if value.abs() < 1.0 {
        return below_one(value);
    }
    scaled(value, 1000.0, &["", "k", "M", "G", "T", "P", "E", "Z", "Y"])
}

/// With a binary prefix.
pub(super) fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return short(value);
    }
    scaled(value, 1024.0, &["", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"])
}

fn scaled(mut value: f64, base: f64, prefixes: &[&str]) -> String {
    let mut index = 0;
    while value.abs() >= base && index + 1 < prefixes.len() {
        value /= base;
        index += 1;
    }
    short(value) + prefixes[index]
}

fn below_one(mut value: f64) -> String {
    let mut prefix = "";
    for smaller in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        (prefix, value) = (smaller, value * 1000.0);
    }
    short(value) + prefix
}

/// Seconds as days, hours, minutes and seconds, or with an SI prefix.
pub fn humanize_duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return short(seconds);
    }
    if seconds == 0.0 || seconds.abs() < 1.0 {
        return if seconds == 0.0 { short(seconds) } else { below_one(seconds) } + "s";
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let whole = seconds.abs() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", short(seconds.abs())),
        (0, 0, _) => format!("{sign}{minutes}m {}s", whole % 60),
        (0, _, _) => format!("{sign}{hours}h {minutes}m {}s", whole % 60),
        _ => format!("{sign}{days}d {hours}h {minutes}m {}s", whole % 60),
    }
}

/// A share of one as percent.
pub(super) fn humanize_percentage(value: f64) -> String {
    short(value * 100.0) + "%"
}

/// Unix seconds as Go prints a time in UTC, to the millisecond.
pub(super) fn timestamp(seconds: f64) -> String {
    if !seconds.is_finite() {
        return short(seconds);
    }
    let milliseconds = (seconds * 1000.0).max(0.0) as u64;
    let text = WallTime(milliseconds.saturating_mul(1_000_000)).to_string();
    let text = trimmed(text.trim_end_matches('Z')).replace('T', " ");
    format!("{text} +0000 UTC")
}

/// Seconds as Go prints a duration: `1h2m3.5s`.
pub fn go_duration(seconds: f64) -> String {
    let nanos = (seconds * 1e9) as i64;
    let size = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    let fraction = |unit: u64| promql::format::float(size as f64 / unit as f64);
    match size {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{size}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", fraction(1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", fraction(1_000_000)),
        _ => {
            let (hours, minutes) = (size / 3_600_000_000_000, size / 60_000_000_000 % 60);
            let rest = promql::format::float((size % 60_000_000_000) as f64 / 1e9);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{rest}s"),
                (0, _) => format!("{sign}{minutes}m{rest}s"),
                _ => format!("{sign}{hours}h{minutes}m{rest}s"),
            }
        }
    }
}
