//! Parts of dates in UTC, from seconds since 1970 (the civil calendar, proleptic).

/// A point in time as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: i64,
    day_of_week: i64,
    hour: i64,
    minute: i64,
}

/// Beyond this many seconds a date is that of the bound: 100,000 years are enough.
const SECONDS_MAX: i64 = 100_000 * 31_556_952;

impl Date {
    /// From seconds since 1970.
    pub fn of(seconds: i64) -> Date {
        let seconds = seconds.clamp(-SECONDS_MAX, SECONDS_MAX);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        Date {
            year,
            month,
            day,
            day_of_year: days - days_before(year) + 1,
            day_of_week: (days + 4).rem_euclid(7),
            hour: second / 3600,
            minute: second / 60 % 60,
        }
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 1970 to the first of January of a year.
fn days_before(year: i64) -> i64 {
    let y = year - 1;
    365 * (year - 1970) + (y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400)) - 477
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of days since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let mut year = 1970 + (days as f64 / 365.2425).floor() as i64;
    while days_before(year) > days {
        year -= 1;
    }
    while days_before(year + 1) <= days {
        year += 1;
    }
    let mut left = days - days_before(year);
    let mut month = 1;
    while left >= days_of_month(year, month) {
        left -= days_of_month(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

pub(super) fn year(date: Date) -> f64 {
    date.year as f64
}

pub(super) fn month(date: Date) -> f64 {
    date.month as f64
}

pub(super) fn day_of_month(date: Date) -> f64 {
    date.day as f64
}

pub(super) fn day_of_year(date: Date) -> f64 {
    date.day_of_year as f64
}

/// Sunday is 0.
pub(super) fn day_of_week(date: Date) -> f64 {
    date.day_of_week as f64
}

pub(super) fn days_in_month(date: Date) -> f64 {
    days_of_month(date.year, date.month) as f64
}

pub(super) fn hour(date: Date) -> f64 {
    date.hour as f64
}

pub(super) fn minute(date: Date) -> f64 {
    date.minute as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: i64, expected: [i64; 7]) {
        let d = Date::of(seconds);
        let found = [d.year, d.month, d.day, d.day_of_year, d.day_of_week, d.hour, d.minute];
        assert_eq!(found, expected);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        check(0, [1970, 1, 1, 1, 4, 0, 0]);
        check(-1, [1969, 12, 31, 365, 3, 23, 59]);
        check(951_782_400, [2000, 2, 29, 60, 2, 0, 0]);
        check(1_709_251_199, [2024, 2, 29, 60, 4, 23, 59]);
        check(4_107_542_400, [2100, 3, 1, 60, 1, 0, 0]);
        check(-62_135_596_800, [1, 1, 1, 1, 1, 0, 0]);
    }
}
