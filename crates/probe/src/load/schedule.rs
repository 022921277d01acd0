//! When connections are opened and when messages are sent. Pure: times come in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use model::Moment;

/// Most times a second that make sense: times are whole nanoseconds.
const PER_SECOND_MAX: f64 = 1e9;

/// How often something happens; more than never.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate {
    per_second: f64,
}

impl Rate {
    /// So many times a second.
    ///
    /// # Errors
    /// It is not more than 0, more than a billion, or not a number.
    pub fn per_second(per_second: f64) -> Result<Rate, String> {
        let is_rate = per_second > 0.0 && per_second <= PER_SECOND_MAX;
        let wrong = || "a rate is more than 0 and at most a billion a second".to_owned();
        is_rate.then_some(Rate { per_second }).ok_or_else(wrong)
    }

    /// Times a second.
    pub fn as_f64(self) -> f64 {
        self.per_second
    }

    /// From the first time, which is at once, to time `number` counted from 0.
    fn after(self, number: u64) -> Duration {
        Duration::try_from_secs_f64(number as f64 / self.per_second).unwrap_or(Duration::MAX)
    }

    /// The share of one of `parts`.
    #[must_use]
    pub fn share(self, part: u32, whole: u32) -> Rate {
        Rate { per_second: self.per_second * f64::from(part) / f64::from(whole.max(1)) }
    }
}

impl FromStr for Rate {
    type Err = String;

    /// `50`, `50/s`, `30/m` or `10/h`.
    fn from_str(text: &str) -> Result<Rate, String> {
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(format!("`{unit}` is no unit of time: a rate is such as 50/s, 30/m or 10/h")),
        };
        let number: f64 =
            number.parse().map_err(|_| format!("`{number}` is no number: a rate is such as 50/s"))?;
        Rate::per_second(number / seconds)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.per_second)
    }
}

/// Times at equal distances. Each is computed from the start, so that no error adds up.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    start: Moment,
    rate: Rate,
}

impl Beat {
    /// The first time is `start`.
    pub fn new(start: Moment, rate: Rate) -> Beat {
        Beat { start, rate }
    }

    /// Time number `number`, counted from 0.
    pub fn at(&self, number: u64) -> Moment {
        self.start + self.rate.after(number)
    }

    /// Number of the first time that is not before `now`.
    pub fn first_from(&self, now: Moment) -> u64 {
        let passed = now.since(self.start).as_secs_f64() * self.rate.per_second;
        let mut number = passed.floor() as u64;
        while self.at(number) < now {
            number += 1;
        }
        number
    }
}

/// One connection's share of a beat: every `count`-th time, from its own number on.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    beat: Beat,
    count: u64,
    next: u64,
}

impl Lane {
    /// The share of connection `number` of `count`, from `now` on: what was meant for a connection before it was
    /// open is nobody's.
    pub fn new(beat: Beat, number: u64, count: u64, now: Moment) -> Lane {
        let first = beat.first_from(now);
        let turn = (number + count - first % count) % count;
        Lane { beat, count, next: first + turn }
    }

    /// The next time.
    pub fn next(&self) -> Moment {
        self.beat.at(self.next)
    }

    /// On to the one behind it.
    pub fn advance(&mut self) {
        self.next += self.count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().expect("a rate")
    }

    #[test]
    fn rates() {
        let check = |text: &str, expected: Result<f64, &str>| match (text.parse::<Rate>(), expected) {
            (Ok(rate), Ok(expected)) => assert_eq!(rate.as_f64(), expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (got, _) => panic!("{text}: {got:?}"),
        };
        check("50", Ok(50.0));
        check("50/s", Ok(50.0));
        check("30/m", Ok(0.5));
        check("36/h", Ok(0.01));
        check("0.5/s", Ok(0.5));
        check("0/s", Err("more than 0"));
        check("-1", Err("more than 0"));
        check("inf", Err("more than 0"));
        check("1000000000/s", Ok(1e9));
        check("1000000001/s", Err("at most a billion"));
        check("5/d", Err("no unit"));
        check("five", Err("no number"));
    }

    #[test]
    fn a_beat_does_not_drift() {
        let beat = Beat::new(Moment(1_000), rate("3"));
        assert_eq!(beat.at(0), Moment(1_000));
        assert_eq!(beat.at(1), Moment(333_334_333));
        assert_eq!(beat.at(3_000_000_000), Moment(1_000_000_000_000_001_000));
    }

    #[test]
    fn numbers_of_times() {
        let check = |per_second: &str, now, expected| {
            assert_eq!(Beat::new(Moment(7), rate(per_second)).first_from(Moment(now)), expected);
        };
        check("10", 0, 0);
        check("10", 7, 0);
        check("10", 8, 1);
        check("10", 100_000_007, 1);
        check("10", 100_000_008, 2);
        check("3", 333_333_341, 2);
        check("1000000000", 1_000_000_007, 1_000_000_000);
    }

    #[test]
    fn lanes_share_a_beat_without_gap_and_overlap() {
        let beat = Beat::new(Moment(0), rate("10"));
        let check = |number, now: u64, expected: [u64; 3]| {
            let mut lane = Lane::new(beat, number, 4, Moment(now * 1_000_000));
            let times = [(); 3].map(|()| {
                let at = lane.next().0 / 1_000_000;
                lane.advance();
                at
            });
            assert_eq!(times, expected, "lane {number} from {now} ms");
        };
        check(0, 0, [0, 400, 800]);
        check(1, 0, [100, 500, 900]);
        check(3, 0, [300, 700, 1100]);
        check(0, 1, [400, 800, 1200]);
        check(1, 100, [100, 500, 900]);
        check(1, 101, [500, 900, 1300]);
        check(3, 1001, [1100, 1500, 1900]);
    }
}
