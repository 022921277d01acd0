//! Durations as Prometheus writes them: `1h30m`, `15s`, `100ms`; units from the longest to the shortest, each once.

/// Units with their length in milliseconds, the longest first.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Longest duration: that of a 64-bit count of nanoseconds, as in Prometheus.
const MAX_MS: i64 = i64::MAX / 1_000_000;

/// Milliseconds of a duration; `0` needs no unit.
///
/// # Errors
/// What is wrong, for a person.
pub fn parse(text: &str) -> Result<i64, String> {
    if text == "0" {
        return Ok(0);
    }
    let wrong = || format!("`{text}` is not a duration, such as 30s, 5m or 1h30m");
    let (mut rest, mut total_ms, mut next_unit) = (text, 0_i64, 0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0).ok_or_else(wrong)?;
        let word = rest[digits..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - digits);
        let word = &rest[digits..digits + word];
        let unit = UNITS.iter().position(|(known, _)| *known == word).ok_or_else(wrong)?;
        if unit < next_unit {
            return Err(wrong());
        }
        let part = rest[..digits].parse().ok().and_then(|count: i64| count.checked_mul(UNITS[unit].1));
        total_ms = part
            .and_then(|part| total_ms.checked_add(part))
            .filter(|total| *total <= MAX_MS)
            .ok_or_else(|| format!("`{text}` is longer than a duration may be"))?;
        next_unit = unit + 1;
        rest = &rest[digits + word.len()..];
    }
    if text.is_empty() { Err("a duration must not be empty".to_owned()) } else { Ok(total_ms) }
}

/// The text of a duration; years and weeks only where they divide it.
pub fn format(duration_ms: i64) -> String {
    if duration_ms == 0 {
        return "0s".to_owned();
    }
    let (mut left, mut text) = (duration_ms, String::new());
    for (index, (unit, length)) in UNITS.iter().enumerate() {
        if index < 2 && left % length != 0 {
            continue;
        }
        if left / length > 0 {
            text += &format!("{}{unit}", left / length);
            left %= length;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(i64, &str), &str>) {
        let found = parse(text).map(|ms| (ms, format(ms)));
        match (&found, expected) {
            (Ok((ms, shown)), Ok(expected)) => assert_eq!((*ms, &**shown), expected),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            _ => panic!("{text}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn durations_are_read_and_written() {
        check("0", Ok((0, "0s")));
        check("0s", Ok((0, "0s")));
        check("1m", Ok((60_000, "1m")));
        check("90s", Ok((90_000, "1m30s")));
        check("1h30m", Ok((5_400_000, "1h30m")));
        check("1d12h", Ok((129_600_000, "1d12h")));
        check("14d", Ok((1_209_600_000, "2w")));
        check("8d", Ok((691_200_000, "8d")));
        check("1y", Ok((31_536_000_000, "1y")));
        check("1y1w", Ok((32_140_800_000, "372d")));
        check("1s500ms", Ok((1_500, "1s500ms")));
        check("", Err("must not be empty"));
        check("5", Err("is not a duration"));
        check("5x", Err("is not a duration"));
        check("1m1h", Err("is not a duration"));
        check("1m1m", Err("is not a duration"));
        check("-5m", Err("is not a duration"));
        check("1.5h", Err("is not a duration"));
        check("5m ", Err("is not a duration"));
        check("300y", Err("longer than"));
        check("99999999999999999999s", Err("longer than"));
    }
}
