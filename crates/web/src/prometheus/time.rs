//! Instants and durations as Prometheus' HTTP API takes them.

use model::WallTime;

/// Longest time from 1970, seconds; what is beyond is no instant.
const SECONDS_MAX: f64 = 9e12;

/// Units of durations, greatest first, with milliseconds; they must stand in this order (Prometheus `ParseDuration`).
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Seconds since 1970, or RFC 3339.
pub(crate) fn instant_ms(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.abs() <= SECONDS_MAX).then(|| (seconds * 1000.0).round() as i64);
    }
    let (local, offset_ms) = match text.len().checked_sub(6).and_then(|at| text.split_at_checked(at)) {
        Some((local, offset)) if !text.ends_with('Z') => (format!("{local}Z"), offset_of(offset)?),
        _ => (text.to_owned(), 0),
    };
    let time: WallTime = local.parse().ok()?;
    i64::try_from(time.0 / 1_000_000).ok().map(|ms| ms - offset_ms)
}

/// `+01:00` in milliseconds.
fn offset_of(text: &str) -> Option<i64> {
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let minutes = i64::from(hours.parse::<u8>().ok()?) * 60 + i64::from(minutes.parse::<u8>().ok()?);
    match text.as_bytes()[0] {
        b'+' => Some(minutes * 60_000),
        b'-' => Some(minutes * -60_000),
        _ => None,
    }
}

/// Seconds, or a duration such as `1h30m`.
pub(super) fn duration_ms(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.abs() <= SECONDS_MAX).then_some((seconds * 1000.0) as i64);
    }
    let mut rest = text;
    let mut sum = 0_i64;
    let mut units = UNITS.as_slice();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let name = &rest[..rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len())];
        let at = units.iter().position(|(unit, _)| *unit == name)?;
        sum = sum.checked_add(count.checked_mul(units[at].1)?)?;
        units = &units[at + 1..];
        rest = &rest[name.len()..];
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        let check = |text: &str, expected| assert_eq!(instant_ms(text), expected, "{text}");
        check("0", Some(0));
        check("1700000000.123", Some(1_700_000_000_123));
        check("1.5e3", Some(1_500_000));
        check("-1", Some(-1000));
        check("2023-11-14T22:13:20Z", Some(1_700_000_000_000));
        check("2023-11-14T23:13:20.5+01:00", Some(1_700_000_000_500));
        for bad in ["", "NaN", "Inf", "1e300", "now", "2023-11-14"] {
            check(bad, None);
        }
    }

    #[test]
    fn durations() {
        let check = |text: &str, expected| assert_eq!(duration_ms(text), expected, "{text}");
        check("15", Some(15_000));
        check("0.5", Some(500));
        check("-1", Some(-1000));
        check("1h30m", Some(5_400_000));
        check("2m5ms", Some(120_005));
        check("1y", Some(31_536_000_000));
        for bad in ["", "h", "1", "1x", "1m1h", "1m1m", "1h 1m", "NaN", "99999999999999y"] {
            check(bad, if bad == "1" { Some(1000) } else { None });
        }
    }
}
