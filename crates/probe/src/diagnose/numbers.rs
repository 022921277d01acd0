//! Numbers in the payload of a message: the time of its making, and what may count it.

use model::Moment;

use crate::clock;

/// Bytes of a payload that are looked at.
const LOOKED_AT_MAX: usize = 512;
/// How far from now a time may be, seconds.
const FAR: f64 = 86_400.0;

/// Most whole numbers that are kept, and most digits of one.
const WHOLE_MAX: usize = 4;
const DIGITS_MAX: usize = 15;

/// When a message says that it was made: the first number that is a time of these days, in seconds after `began` by the
/// producer's clock; none when the payload carries no time. Recognised are Unix times in seconds with a fraction,
/// milliseconds, microseconds and nanoseconds.
pub(super) fn made_at(payload: &[u8], began: Moment) -> Option<f64> {
    let now = clock::wall().as_secs_f64();
    let start = now - clock::now().since(began).as_secs_f64();
    let text = &payload[..payload.len().min(LOOKED_AT_MAX)];
    let at = numbers(text).filter_map(unix_time).find(|at| (at - now).abs() < FAR)?;
    Some(at - start)
}

/// The first whole numbers.
pub(super) fn whole(payload: &[u8]) -> Vec<u64> {
    let text = &payload[..payload.len().min(LOOKED_AT_MAX)];
    let short = numbers(text).filter(|number| number.len() <= DIGITS_MAX);
    short.filter_map(|number| number.parse().ok()).take(WHOLE_MAX).collect()
}

/// Runs of digits, with a fraction when there is one.
fn numbers(text: &[u8]) -> impl Iterator<Item = &str> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    text.split(move |byte| !is_part(byte)).filter_map(|run| std::str::from_utf8(run).ok())
}

fn unix_time(number: &str) -> Option<f64> {
    let whole = number.split('.').next()?;
    let value: f64 = number.parse().ok()?;
    match whole.len() {
        10 if number.contains('.') => Some(value),
        13 => Some(value / 1e3),
        16 => Some(value / 1e6),
        19 => Some(value / 1e9),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_payloads() {
        let check = |text: &str, expected: Option<f64>| {
            assert_eq!(numbers(text.as_bytes()).find_map(unix_time), expected, "{text}");
        };
        check("{\"id\":7,\"ts\":1764170000123}", Some(1_764_170_000.123));
        check("1764170000.5", Some(1_764_170_000.5));
        check("seq 1764170000", None);
        check("no time", None);
    }

    #[test]
    fn whole_numbers_in_payloads() {
        let check = |text: &str, expected: &[u64]| assert_eq!(whole(text.as_bytes()), expected, "{text}");
        check("{\"seq\":7,\"price\":1.5,\"of\":12}", &[7, 12]);
        check("1 2 3 4 5 1764170000123456", &[1, 2, 3, 4]);
        check("1764170000123456789 is a time", &[]);
        check("none", &[]);
    }
}
