//! Times at which routes are mute or active (Alertmanager, `timeinterval`).

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A set of moments: all that is named must hold, and of what is listed one.
#[derive(Clone, Debug, Default)]
pub struct TimeInterval {
    /// Minutes of a day, the end not included.
    pub times: Option<Vec<Span>>,
    /// Days of the week, 0 for Sunday.
    pub weekdays: Option<Vec<Span>>,
    /// Days of the month; negative ones are counted from its end.
    pub days_of_month: Option<Vec<Span>>,
    /// Months, 1 for January.
    pub months: Option<Vec<Span>>,
    /// Years.
    pub years: Option<Vec<Span>>,
    /// Where; UTC if none is named.
    pub location: Option<TimeZone>,
}

/// From one number to another; both are included but for times of day.
pub type Span = (i32, i32);

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl TimeInterval {
    /// Whether a moment, in milliseconds since the Unix epoch, is one of the set.
    pub fn contains(&self, at_ms: i64) -> bool {
        let Ok(at) = Timestamp::from_millisecond(at_ms) else { return false };
        let local = self.location.as_ref().unwrap_or(&TimeZone::UTC).to_datetime(at);
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let weekday = i32::from(local.date().weekday().to_sunday_zero_offset());
        let day = i32::from(local.day());
        let days = i32::from(local.date().days_in_month());
        let is_in = |spans: &Option<Vec<Span>>, value: i32| {
            spans.as_ref().is_none_or(|spans| spans.iter().any(|(from, to)| (*from..=*to).contains(&value)))
        };
        let is_day_in = |spans: &Vec<Span>| {
            spans.iter().any(|span| clamped(*span, days).is_some_and(|(from, to)| (from..=to).contains(&day)))
        };
        let is_time_in = |spans: &Vec<Span>| spans.iter().any(|(from, to)| (*from..*to).contains(&minute));
        self.times.as_ref().is_none_or(is_time_in)
            && self.days_of_month.as_ref().is_none_or(is_day_in)
            && is_in(&self.months, i32::from(local.month()))
            && is_in(&self.weekdays, weekday)
            && is_in(&self.years, i32::from(local.year()))
    }
}

/// Days of a month of so many days; none if they begin behind its end.
fn clamped((from, to): Span, days: i32) -> Option<Span> {
    let counted = |day: i32| if day < 0 { days + day + 1 } else { day };
    let (from, to) = (counted(from), counted(to));
    (from <= days).then(|| (from.clamp(-days, days), to.clamp(-days, days)))
}

/// `09:00` to `17:30`, with an end of `24:00` for the end of the day.
pub(super) fn times(start: &str, end: &str) -> Result<Span, String> {
    if start.is_empty() || end.is_empty() {
        return Err("a time needs `start_time` and `end_time`".to_owned());
    }
    let (start, end) = (minute(start)?, minute(end)?);
    if start >= end { Err("`start_time` must be before `end_time`".to_owned()) } else { Ok((start, end)) }
}

fn minute(text: &str) -> Result<i32, String> {
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text.split_once(':').filter(|(hour, minute)| digits(hour) && digits(minute));
    let parsed = parts.and_then(|(hour, minute)| Some((hour.parse().ok()?, minute.parse().ok()?)));
    parsed
        .filter(|(hour, minute): &(i32, i32)| (*hour < 24 && *minute < 60) || (*hour, *minute) == (24, 0))
        .map(|(hour, minute)| hour * 60 + minute)
        .ok_or_else(|| format!("`{text}` is not a time, such as 09:00 or 24:00"))
}

/// `monday:friday` or `saturday`.
pub(super) fn weekdays(text: &str) -> Result<Span, String> {
    let day =
        |word: &str| WEEKDAYS.iter().position(|known| *known == word).and_then(|at| i32::try_from(at).ok());
    let (from, to) = span(text, day, "a day of the week, such as monday or monday:friday")?;
    if from > to {
        Err(format!("`{text}` ends before it begins; a week begins on Sunday"))
    } else {
        Ok((from, to))
    }
}

/// `january:march`, `1:3` or `may`.
pub(super) fn months(text: &str) -> Result<Span, String> {
    let month = |word: &str| {
        let named = MONTHS.iter().position(|known| *known == word).and_then(|at| i32::try_from(at + 1).ok());
        named.or_else(|| word.parse().ok())
    };
    let (from, to) = span(text, month, "a month, such as may, 5 or january:march")?;
    if from > to { Err(format!("`{text}` ends before it begins")) } else { Ok((from, to)) }
}

/// `2026` or `2026:2030`.
pub(super) fn years(text: &str) -> Result<Span, String> {
    let (from, to) = span(text, |word| word.parse().ok(), "a year, such as 2026 or 2026:2030")?;
    if from > to { Err(format!("`{text}` ends before it begins")) } else { Ok((from, to)) }
}

/// `1:7`, `-1` for the last day or `-7:-1` for the last seven.
pub(super) fn days_of_month(text: &str) -> Result<Span, String> {
    let (from, to) = span(text, |word| word.parse().ok(), "a day of the month, such as 1:7 or -1")?;
    let out = [from, to].into_iter().find(|day| *day == 0 || !(-31..=31).contains(day));
    if let Some(day) = out {
        return Err(format!("{day} is not a day of the month"));
    }
    if from < 0 && to > 0 {
        return Err("an end must be negative if the begin is".to_owned());
    }
    // Of the shortest month, as in Alertmanager.
    let counted = |day: i32| if day < 0 { 28 + day } else { day };
    if counted(from) > counted(to) {
        Err(format!("day {to} is always before day {from}"))
    } else {
        Ok((from, to))
    }
}

fn span(text: &str, number: impl Fn(&str) -> Option<i32>, what: &str) -> Result<Span, String> {
    let lower = text.to_lowercase();
    let (from, to) = lower.split_once(':').unwrap_or((&lower, &lower));
    let both = number(from).zip(number(to));
    both.ok_or_else(|| format!("`{text}` is not {what}"))
}

/// A zone of the IANA database by its name. None for `Local`, which this program does not know.
pub(super) fn location(name: &str) -> Result<Option<TimeZone>, String> {
    match name {
        "" | "UTC" => Ok(Some(TimeZone::UTC)),
        "Local" => Ok(None),
        name => TimeZoneDatabase::bundled()
            .get(name)
            .map(Some)
            .map_err(|_| format!("`{name}` is not a time zone, such as Asia/Shanghai")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(interval: &TimeInterval, inside: &[&str], outside: &[&str]) {
        let at = |text: &str| text.parse::<Timestamp>().expect("it is a time").as_millisecond();
        for text in inside {
            assert!(interval.contains(at(text)), "{text} is inside");
        }
        for text in outside {
            assert!(!interval.contains(at(text)), "{text} is outside");
        }
    }

    fn one(span: Result<Span, String>) -> Option<Vec<Span>> {
        Some(vec![span.expect("it is valid")])
    }

    #[test]
    fn all_that_is_named_must_hold() {
        check(&TimeInterval::default(), &["1970-01-01T00:00:00Z"], &[]);
        check(
            &TimeInterval { times: Some(Vec::new()), ..Default::default() },
            &[],
            &["2026-01-01T00:00:00Z"],
        );
        let hours = TimeInterval { times: one(times("09:00", "17:00")), ..Default::default() };
        check(
            &hours,
            &["2026-11-26T09:00:00Z", "2026-11-26T16:59:59Z"],
            &["2026-11-26T08:59:59Z", "2026-11-26T17:00:00Z"],
        );
        let night = TimeInterval { times: one(times("22:00", "24:00")), ..Default::default() };
        check(&night, &["2026-11-26T23:59:59Z"], &["2026-11-27T00:00:00Z"]);
        let office = TimeInterval { weekdays: one(weekdays("Monday:Friday")), ..hours.clone() };
        check(&office, &["2026-11-26T09:00:00Z"], &["2026-11-28T09:00:00Z", "2026-11-26T20:00:00Z"]);
        let summer =
            TimeInterval { months: one(months("june:8")), years: one(years("2026")), ..Default::default() };
        check(&summer, &["2026-08-31T00:00:00Z"], &["2026-09-01T00:00:00Z", "2027-08-01T00:00:00Z"]);
    }

    #[test]
    fn days_are_counted_from_both_ends() {
        let interval = |text| TimeInterval { days_of_month: one(days_of_month(text)), ..Default::default() };
        check(&interval("-1"), &["2026-02-28T12:00:00Z", "2024-02-29T12:00:00Z"], &["2024-02-28T12:00:00Z"]);
        check(&interval("1:7"), &["2026-02-07T00:00:00Z"], &["2026-02-08T00:00:00Z"]);
        check(&interval("30:31"), &["2026-01-30T00:00:00Z"], &["2026-02-28T00:00:00Z"]);
        check(&interval("28:31"), &["2026-02-28T00:00:00Z"], &["2026-02-27T00:00:00Z"]);
        check(&interval("15:-10"), &["2026-01-22T00:00:00Z"], &["2026-01-23T00:00:00Z"]);
    }

    #[test]
    fn zones_have_their_summer_time() {
        let location = location("Europe/Berlin").expect("it is known");
        let berlin = TimeInterval { times: one(times("09:00", "10:00")), location, ..Default::default() };
        check(
            &berlin,
            &["2026-07-01T07:30:00Z", "2026-01-01T08:30:00Z"],
            &["2026-07-01T08:30:00Z", "2026-01-01T07:30:00Z"],
        );
        assert!(super::location("Berlin").is_err());
        assert!(super::location("Local").is_ok_and(|zone| zone.is_none()));
    }

    #[test]
    fn what_is_no_interval_is_told() {
        let check = |spelled: Result<Span, String>, part: &str| {
            let error = spelled.expect_err("it is wrong");
            assert!(error.contains(part), "{error}");
        };
        check(times("9:00", "17:00"), "`9:00` is not a time");
        check(times("09:00", "24:01"), "`24:01` is not a time");
        check(times("09:00", "09:00"), "must be before");
        check(times("", "09:00"), "needs `start_time` and `end_time`");
        check(weekdays("someday"), "`someday` is not a day");
        check(weekdays("friday:sunday"), "ends before it begins");
        check(weekdays("monday:tuesday:friday"), "is not a day");
        check(months("13th"), "is not a month");
        check(months("may:april"), "ends before");
        check(years("2030:2026"), "ends before");
        check(days_of_month("0"), "0 is not a day");
        check(days_of_month("1:32"), "32 is not a day");
        check(days_of_month("-5:5"), "must be negative");
        check(days_of_month("20:-15"), "is always before");
    }
}
