//! Two kinds of time, both handed in by a shell: [`Moment`] to measure with, [`WallTime`] to show to people.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Monotonic time in nanoseconds since an origin that the shell chose at start (`CLOCK_MONOTONIC`,
/// clock_gettime(2)). Two moments of one process can be subtracted; a moment alone says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// Time from `earlier` to `self`; zero when `earlier` is not earlier.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, rhs: Duration) -> Moment {
        Moment(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Wall-clock time in nanoseconds since the Unix epoch. Shown and serialized as RFC 3339 in UTC with nine
/// digits of fraction, so that text order is time order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(type = "string"))]
pub struct WallTime(pub u64);

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

impl WallTime {
    /// Seconds since the Unix epoch, as Prometheus writes timestamps.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND as f64
    }
}

impl From<std::time::SystemTime> for WallTime {
    fn from(at: std::time::SystemTime) -> Self {
        let since_epoch = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        WallTime(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl std::ops::Add<Duration> for WallTime {
    type Output = WallTime;

    fn add(self, rhs: Duration) -> WallTime {
        WallTime(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / NANOS_PER_SECOND;
        let (year, month, day) = civil_from_days(seconds / SECONDS_PER_DAY);
        let of_day = seconds % SECONDS_PER_DAY;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:09}Z",
            of_day / 3600,
            of_day / 60 % 60,
            of_day % 60,
            self.0 % NANOS_PER_SECOND
        )
    }
}

/// Proleptic Gregorian date of a day counted from 1970-01-01, by 400-year eras that begin on 1 March
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let era = year / 400;
    let year_of_era = year % 400;
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

impl std::str::FromStr for WallTime {
    type Err = String;

    /// Parses what [`fmt::Display`] writes: RFC 3339 in UTC, with or without a fraction.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no RFC 3339 time in UTC, such as 2026-01-28T09:30:00Z");
        let body = text.strip_suffix('Z').ok_or_else(wrong)?;
        let (whole, fraction) = body.split_once('.').unwrap_or((body, "0"));
        let mut numbers = [0u64; 6];
        let mut fields = whole.split(['-', 'T', ':']);
        for number in &mut numbers {
            *number = fields.next().and_then(|field| field.parse().ok()).ok_or_else(wrong)?;
        }
        let [year, month, day, hour, minute, second] = numbers;
        let in_range = (1970..=2500).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        if !in_range
            || hour > 23
            || minute > 59
            || second > 60
            || fraction.len() > 9
            || fields.next().is_some()
        {
            return Err(wrong());
        }
        let nanos: u64 = format!("{fraction:0<9}").parse().map_err(|_| wrong())?;
        let seconds =
            days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
        Ok(WallTime(seconds * NANOS_PER_SECOND + nanos))
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(WallTime)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(nanos: u64, text: &str) {
        assert_eq!(WallTime(nanos).to_string(), text);
        assert_eq!(text.parse(), Ok(WallTime(nanos)));
    }

    #[test]
    fn wall_time_is_rfc_3339() {
        check(0, "1970-01-01T00:00:00.000000000Z");
        check(951_782_400 * NANOS_PER_SECOND, "2000-02-29T00:00:00.000000000Z");
        check(1_769_592_645_000_000_001, "2026-01-28T09:30:45.000000001Z");
        check(4_102_444_799_999_999_999, "2099-12-31T23:59:59.999999999Z");
        assert!("yesterday".parse::<WallTime>().is_err());
        assert!("2026-13-01T00:00:00Z".parse::<WallTime>().is_err());
    }

    #[test]
    fn moments_never_go_below_zero() {
        assert_eq!(Moment(5).since(Moment(9)), Duration::ZERO);
        assert_eq!((Moment(5) + Duration::from_nanos(4)).since(Moment(5)), Duration::from_nanos(4));
    }
}
