//! When the results of a load are a failure: `p99>50ms`, `errors>0`, `handshake_errors>1%`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::results::Results;

/// A condition under which a load has failed.
#[derive(Clone, Debug, PartialEq)]
pub struct FailIf {
    /// As it was written.
    text: String,
    measure: Measure,
    is_above: bool,
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Quantile(Quantile),
    Errors,
    HandshakeErrors,
    Messages,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantile {
    P50,
    P90,
    P99,
    P999,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    Time(Duration),
    Count(u64),
    Percent(f64),
}

const MEASURES: [(&str, Measure); 8] = [
    ("p50", Measure::Quantile(Quantile::P50)),
    ("p90", Measure::Quantile(Quantile::P90)),
    ("p99", Measure::Quantile(Quantile::P99)),
    ("p999", Measure::Quantile(Quantile::P999)),
    ("max", Measure::Quantile(Quantile::Max)),
    ("errors", Measure::Errors),
    ("handshake_errors", Measure::HandshakeErrors),
    ("messages", Measure::Messages),
];

impl FromStr for FailIf {
    type Err = String;

    fn from_str(text: &str) -> Result<FailIf, String> {
        let at = text.find(['>', '<']).ok_or("say MEASURE>LIMIT or MEASURE<LIMIT, such as p99>50ms")?;
        let (name, limit) = (text[..at].trim(), text[at + 1..].trim());
        let (_, measure) = *MEASURES.iter().find(|(known, _)| *known == name).ok_or_else(|| {
            let known: Vec<_> = MEASURES.iter().map(|(name, _)| *name).collect();
            format!("`{name}` is not measured; these are: {}", known.join(", "))
        })?;
        let limit = match measure {
            Measure::Quantile(_) => time(limit).map(Limit::Time),
            Measure::Messages => limit.parse().ok().map(Limit::Count),
            Measure::Errors | Measure::HandshakeErrors => match limit.strip_suffix('%') {
                Some(share) => {
                    share.parse().ok().filter(|share| (0.0..=100.0).contains(share)).map(Limit::Percent)
                }
                None => limit.parse().ok().map(Limit::Count),
            },
        };
        let limit = limit.ok_or_else(|| match measure {
            Measure::Quantile(_) => {
                format!("`{name}` is a time: say a number with us, ms or s, such as 50ms")
            }
            Measure::Messages => format!("`{name}` is a number, such as 1000"),
            _ => format!("`{name}` is a number or a share, such as 0 or 1%"),
        })?;
        Ok(FailIf { text: text.to_owned(), measure, is_above: text[at..].starts_with('>'), limit })
    }
}

fn time(text: &str) -> Option<Duration> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let number: f64 = number.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * unit).ok()
}

impl FailIf {
    /// Whether the results fail by it. A quantile of nothing fails neither way; of nothing, `messages<1` tells.
    pub fn holds(&self, results: &Results) -> bool {
        let (value, limit) = match (self.measure, self.limit) {
            (Measure::Quantile(quantile), Limit::Time(limit)) => {
                match results.latency.quantile(quantile.share()) {
                    Some(time) => (time.as_secs_f64(), limit.as_secs_f64()),
                    None => return false,
                }
            }
            (Measure::Errors, limit) => {
                shared(results.errors_total(), results.attempts + results.sent.max(results.received), limit)
            }
            (Measure::HandshakeErrors, limit) => shared(results.handshake_errors, results.attempts, limit),
            (Measure::Messages | Measure::Quantile(_), limit) => {
                shared(results.received, results.received, limit)
            }
        };
        if self.is_above { value > limit } else { value < limit }
    }
}

impl Quantile {
    fn share(self) -> f64 {
        match self {
            Quantile::P50 => 0.5,
            Quantile::P90 => 0.9,
            Quantile::P99 => 0.99,
            Quantile::P999 => 0.999,
            Quantile::Max => 1.0,
        }
    }
}

/// A number and its limit, both as the limit counts.
fn shared(value: u64, of: u64, limit: Limit) -> (f64, f64) {
    match limit {
        Limit::Percent(limit) => (100.0 * value as f64 / of.max(1) as f64, limit),
        Limit::Count(limit) => (value as f64, limit as f64),
        Limit::Time(limit) => (value as f64, limit.as_secs_f64()),
    }
}

impl fmt::Display for FailIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dial::Stages;
    use crate::error::ErrorKind;

    /// 98 fast answers and two slow ones, one of three handshakes refused.
    fn results() -> Results {
        let mut results = Results { sent: 97, received: 100, ..Results::default() };
        results.opened(Stages::default());
        results.opened(Stages::default());
        results.not_opened(ErrorKind::Refused);
        for ms in std::iter::repeat_n(10, 98).chain([100, 200]) {
            results.latency.record(Duration::from_millis(ms));
        }
        results
    }

    #[track_caller]
    fn check(text: &str, expected: bool) {
        let condition: FailIf = text.parse().expect(text);
        assert_eq!(condition.holds(&results()), expected, "{text}");
    }

    #[test]
    fn conditions() {
        check("p50>9ms", true);
        check("p50 > 11ms", false);
        check("p50<11ms", true);
        check("p99>90ms", true);
        check("p99>0.11s", false);
        check("p999>150000us", true);
        check("max>201ms", false);
        check("errors>0", true);
        check("errors>1", false);
        check("errors>0.9%", true);
        check("errors>1%", false);
        check("handshake_errors>33%", true);
        check("handshake_errors>34%", false);
        check("messages<101", true);
        check("messages<100", false);
    }

    #[test]
    fn nothing_measured_has_no_quantile() {
        for text in ["p99>0s", "p99<1s"] {
            let condition: FailIf = text.parse().expect(text);
            assert!(!condition.holds(&Results::default()), "{text}");
        }
    }

    #[test]
    fn mistakes() {
        let check = |text: &str, part: &str| {
            let error = text.parse::<FailIf>().expect_err(text);
            assert!(error.contains(part), "{error}");
        };
        check("p99", "such as p99>50ms");
        check("p98>1s", "these are: p50, p90");
        check("p99>50", "such as 50ms");
        check("p99>50%", "such as 50ms");
        check("p99>-1s", "such as 50ms");
        check("errors>1ms", "such as 0 or 1%");
        check("errors>101%", "such as 0 or 1%");
        check("messages>1%", "such as 1000");
    }
}
