//! The time at which a pushed message was made, when it says so.
//!
//! It says `ts=` or `"ts":` in its first bytes, and then the time since the Unix epoch as a decimal number. How many
//! digits it has tells its unit: 10 are seconds, 13 milliseconds, 16 microseconds, 19 nanoseconds. Seconds may
//! have a fraction. So `data: ts=1790000000123`, `{"ts": 1790000000.5, ...}` and `ts=1790000000123456789 xxx` are
//! understood, and for a service of one's own one line suffices.

use model::WallTime;

use crate::session::BEGINNING_BYTES_MAX;

/// What stands in front of the number, apart from quotes, colon or equals sign, and spaces.
const KEY: &[u8] = b"ts";

/// The time that a message says, from its beginning.
pub fn find(beginning: &[u8]) -> Option<WallTime> {
    let beginning = &beginning[..beginning.len().min(BEGINNING_BYTES_MAX)];
    let mut places = (0..beginning.len().saturating_sub(KEY.len())).filter(|&at| {
        let is_whole_word = at.checked_sub(1).is_none_or(|before| !is_word(beginning[before]));
        is_whole_word && beginning[at..].starts_with(KEY)
    });
    places.find_map(|at| number(&beginning[at + KEY.len()..]))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn number(text: &[u8]) -> Option<WallTime> {
    let begin = text.iter().position(|byte| !b"\"'=: ".contains(byte))?;
    let has_sign = text[..begin].iter().any(|byte| b"=:".contains(byte));
    let text = text.get(begin..).filter(|_| has_sign)?;
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(count);
    let whole = decimal(digits)?;
    let nanoseconds = match count {
        10 => whole.checked_mul(1_000_000_000)?.checked_add(fraction(rest))?,
        13 => whole.checked_mul(1_000_000)?,
        16 => whole.checked_mul(1_000)?,
        19 => whole,
        _ => return None,
    };
    Some(WallTime(nanoseconds))
}

/// Nanoseconds of `.5`.
fn fraction(text: &[u8]) -> u64 {
    let Some((b'.', digits)) = text.split_first() else { return 0 };
    let digits = digits.iter().copied().take_while(u8::is_ascii_digit);
    digits.chain(std::iter::repeat(b'0')).take(9).fold(0, |all, digit| all * 10 + u64::from(digit - b'0'))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(find(text.as_bytes()).map(|at| at.0), expected, "{text}");
        };
        check("ts=1790000000123456789", Some(1_790_000_000_123_456_789));
        check("ts=1790000000123456 xx", Some(1_790_000_000_123_456_000));
        check("id: 7\ndata: {\"a\": 1, \"ts\": 1790000000123}\n\n", Some(1_790_000_000_123_000_000));
        check("{\"ts\":\"1790000000\"}", Some(1_790_000_000_000_000_000));
        check("{\"ts\": 1790000000.25}", Some(1_790_000_000_250_000_000));
        check("ts: 1790000000.1234567891", Some(1_790_000_000_123_456_789));
        check("\u{81}\u{1}ts=1790000000123", Some(1_790_000_000_123_000_000));
        check("bolts=1 ts=1790000000123", Some(1_790_000_000_123_000_000));
        check("parts=1790000000123", None);
        check("ts1790000000123", None);
        check("ts=179000000012", None);
        check("ts=99999999999999999999", None);
        check("ts=now", None);
        check("ts=", None);
        check("ts", None);
        check("", None);
    }
}
