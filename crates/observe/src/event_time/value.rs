//! Times in JSON.

use model::{EventTimeError, WallTime};
use serde_json::Value;

/// The time in `data` where `pointer` leads.
pub fn time_in(data: &[u8], pointer: &str) -> Result<WallTime, EventTimeError> {
    let value: Value = serde_json::from_slice(data).map_err(|_| EventTimeError::Invalid)?;
    let time = match value.pointer(pointer) {
        None | Some(Value::Null) => return Err(EventTimeError::Missing),
        Some(Value::Number(number)) => number.as_f64().and_then(of_number),
        Some(Value::String(text)) => of_text(text),
        Some(_) => None,
    };
    time.ok_or(EventTimeError::Invalid)
}

/// A number since the Unix epoch, whose size tells its unit: seconds, milliseconds and so on reach to the year 5138.
fn of_number(number: f64) -> Option<WallTime> {
    let nanos_per_unit = match number {
        0.0..1e11 => 1e9,
        1e11..1e14 => 1e6,
        1e14..1e17 => 1e3,
        1e17..1e20 => 1.0,
        _ => return None,
    };
    let whole = number.trunc() as u64;
    let fraction = (number.fract() * nanos_per_unit) as u64;
    whole.checked_mul(nanos_per_unit as u64)?.checked_add(fraction).map(WallTime)
}

fn of_text(text: &str) -> Option<WallTime> {
    of_rfc3339(text).or_else(|| of_number(text.parse().ok()?))
}

/// RFC 3339, in UTC or with an offset.
fn of_rfc3339(text: &str) -> Option<WallTime> {
    if text.ends_with('Z') {
        return text.parse().ok();
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub("+00:00".len())?)?;
    let [sign, h1, h2, b':', m1, m2] = *offset.as_bytes() else { return None };
    let number = |tens: u8, ones: u8| {
        let digits = [tens, ones].map(|byte| byte.wrapping_sub(b'0'));
        digits.iter().all(|&digit| digit < 10).then(|| u64::from(digits[0] * 10 + digits[1]))
    };
    let (hours, minutes) = (number(h1, h2)?, number(m1, m2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let nanos = (hours * 60 + minutes) * 60 * 1_000_000_000;
    let WallTime(local) = format!("{local}Z").parse().ok()?;
    match sign {
        b'+' => local.checked_sub(nanos).map(WallTime),
        b'-' => local.checked_add(nanos).map(WallTime),
        _ => None,
    }
}
