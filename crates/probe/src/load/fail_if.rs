//! Conditions on a report that make a run a failure: `p99>50ms`, `errors>0`, `handshake_errors>1%`.
//!
//! A condition is a name, one of `>` `>=` `<` `<=`, and a limit.
//!
//! - Durations, with a limit such as `50ms`, `1.5s` or `800us`: `p50` `p90` `p99` `p999` `mean` `max` of the
//!   latency; of something else with its name in front, such as `delivery_p99`: `connect_` `tls_` `answer_`
//!   `delivery_` `gap_`.
//! - Counts, with a plain number or a share such as `1%`: `errors` (of the sessions that were opened),
//!   `handshake_errors` (of the handshakes), `unanswered` (of the messages sent).
//! - Plain numbers: `handshakes`, `messages`, `messages_per_second`.
//!
//! A duration of which there was none breaks every limit: what was not measured is not good.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::report::{Quantiles, Report};

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    value: Value,
    comparison: Comparison,
    limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Duration(Of, Statistic),
    Count(Counted, Scale),
    Handshakes,
    Messages,
    MessagesPerSecond,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Of {
    Latency,
    Connect,
    Tls,
    Answer,
    Delivery,
    Gap,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistic {
    P50,
    P90,
    P99,
    P999,
    Mean,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Counted {
    Errors,
    HandshakeErrors,
    Unanswered,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    Number,
    Percent,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    More,
    MoreOrEqual,
    Less,
    LessOrEqual,
}

impl Condition {
    /// What is true of `report` that should not be; none when the condition does not hold.
    pub fn broken_by(&self, report: &Report) -> Option<String> {
        let Some(value) = self.value.of(report) else {
            return Some(format!("{}: there is none", self.text));
        };
        let holds = match self.comparison {
            Comparison::More => value > self.limit,
            Comparison::MoreOrEqual => value >= self.limit,
            Comparison::Less => value < self.limit,
            Comparison::LessOrEqual => value <= self.limit,
        };
        holds.then(|| format!("{}: it is {}", self.text, self.value.shown(value)))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Value {
    /// In seconds, percent or as it is; none when it was not measured.
    fn of(self, report: &Report) -> Option<f64> {
        match self {
            Value::Duration(of, statistic) => of.quantiles(report).map(|all| statistic.of(&all)),
            Value::Count(counted, scale) => {
                let (count, all) = counted.of(report);
                match scale {
                    Scale::Number => Some(count as f64),
                    Scale::Percent if all == 0 => None,
                    Scale::Percent => Some(100.0 * count as f64 / all as f64),
                }
            }
            Value::Handshakes => Some(report.handshakes_total as f64),
            Value::Messages => Some(report.messages_total as f64),
            Value::MessagesPerSecond => Some(report.messages_per_second),
        }
    }

    fn shown(self, value: f64) -> String {
        match self {
            Value::Duration(..) => format!("{:.3}ms", value * 1e3),
            Value::Count(_, Scale::Percent) => format!("{value:.3}%"),
            Value::Count(_, Scale::Number) | Value::Handshakes | Value::Messages => format!("{value}"),
            Value::MessagesPerSecond => format!("{value:.1}"),
        }
    }
}

impl Of {
    fn quantiles(self, report: &Report) -> Option<Quantiles> {
        match self {
            Of::Latency => report.latency_seconds,
            Of::Connect => report.connect_seconds,
            Of::Tls => report.tls_seconds,
            Of::Answer => report.answer_seconds,
            Of::Delivery => report.delivery_seconds,
            Of::Gap => report.gap_seconds,
        }
    }
}

impl Statistic {
    fn of(self, all: &Quantiles) -> f64 {
        match self {
            Statistic::P50 => all.p50,
            Statistic::P90 => all.p90,
            Statistic::P99 => all.p99,
            Statistic::P999 => all.p999,
            Statistic::Mean => all.mean,
            Statistic::Max => all.max,
        }
    }
}

impl Counted {
    /// How many, and of how many.
    fn of(self, report: &Report) -> (u64, u64) {
        let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        match self {
            Counted::Errors => (sum(&report.errors), report.handshakes_total),
            Counted::HandshakeErrors => {
                let failed = sum(&report.handshake_errors);
                (failed, report.handshakes_total + failed)
            }
            Counted::Unanswered => (report.unanswered_total, report.messages_sent_total),
        }
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Condition, String> {
        let at = text
            .find(['<', '>'])
            .ok_or("a condition is such as p99>50ms, errors>0 or handshake_errors>1%")?;
        let (name, rest) = text.split_at(at);
        let (sign, limit) = rest.split_at(if rest[1..].starts_with('=') { 2 } else { 1 });
        let comparison = match sign {
            ">" => Comparison::More,
            ">=" => Comparison::MoreOrEqual,
            "<" => Comparison::Less,
            _ => Comparison::LessOrEqual,
        };
        let (value, limit) = value_and_limit(name.trim(), limit.trim())?;
        Ok(Condition { text: text.to_owned(), value, comparison, limit })
    }
}

fn value_and_limit(name: &str, limit: &str) -> Result<(Value, f64), String> {
    let counted = match name {
        "errors" => Counted::Errors,
        "handshake_errors" => Counted::HandshakeErrors,
        "unanswered" => Counted::Unanswered,
        "handshakes" => return Ok((Value::Handshakes, number(limit)?)),
        "messages" => return Ok((Value::Messages, number(limit)?)),
        "messages_per_second" => return Ok((Value::MessagesPerSecond, number(limit)?)),
        _ => return Ok((duration_name(name)?, seconds(limit)?)),
    };
    match limit.strip_suffix('%') {
        Some(percent) => Ok((Value::Count(counted, Scale::Percent), number(percent)?)),
        None => Ok((Value::Count(counted, Scale::Number), number(limit)?)),
    }
}

fn duration_name(name: &str) -> Result<Value, String> {
    let (of, statistic) = name.rsplit_once('_').unwrap_or(("latency", name));
    let of = match of {
        "latency" => Some(Of::Latency),
        "connect" => Some(Of::Connect),
        "tls" => Some(Of::Tls),
        "answer" => Some(Of::Answer),
        "delivery" => Some(Of::Delivery),
        "gap" => Some(Of::Gap),
        _ => None,
    };
    let statistic = match statistic {
        "p50" => Some(Statistic::P50),
        "p90" => Some(Statistic::P90),
        "p99" => Some(Statistic::P99),
        "p999" => Some(Statistic::P999),
        "mean" => Some(Statistic::Mean),
        "max" => Some(Statistic::Max),
        _ => None,
    };
    let unknown = || {
        format!(
            "`{name}` is unknown: say p50, p90, p99, p999, mean or max, perhaps behind connect_, tls_, answer_, \
             delivery_ or gap_; errors, handshake_errors, unanswered; handshakes, messages or messages_per_second"
        )
    };
    of.zip(statistic).map(|(of, statistic)| Value::Duration(of, statistic)).ok_or_else(unknown)
}

fn seconds(limit: &str) -> Result<f64, String> {
    let scales = [("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("s", 1.0)];
    let found = scales.iter().find_map(|(unit, scale)| Some((limit.strip_suffix(unit)?, scale)));
    let (digits, scale) =
        found.ok_or_else(|| format!("`{limit}` has no unit: say such as 50ms, 1.5s or 800us"))?;
    Ok(number(digits)? * scale)
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("`{text}` is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::report::Run;
    use crate::load::tally::Tally;
    use crate::load::{Plan, Share, Stop, Work};
    use std::time::Duration;

    fn report(tally: &Tally) -> Report {
        let plan = Plan {
            connections: 1,
            ramp: None,
            work: Work::EchoClosed,
            stop: Stop::default(),
            warmup: Duration::ZERO,
            timeout: Duration::ZERO,
            messages_each: None,
            share: Share::WHOLE,
        };
        let target = "ws://localhost/".parse().expect("a target");
        Report::new(&target, &plan, tally, Run { elapsed: Duration::from_secs(2), ..Run::default() })
    }

    /// 98 answers of 1 ms and two of 60 ms; one of 100 sessions failed, and one of 101 handshakes.
    fn measured() -> Report {
        let mut tally =
            Tally { handshakes: 100, sent: 200, received: 100, unanswered: 3, ..Tally::default() };
        (0..98).for_each(|_| tally.latency.record(Duration::from_millis(1)));
        (0..2).for_each(|_| tally.latency.record(Duration::from_millis(60)));
        let failure = crate::failure::Failure::ended();
        tally.errors.add(&failure);
        tally.handshake_errors.add(&failure);
        report(&tally)
    }

    #[test]
    fn conditions() {
        let report = measured();
        let check = |condition: &str, holds: bool| {
            let parsed: Condition = condition.parse().expect("a condition");
            assert_eq!(parsed.broken_by(&report).is_some(), holds, "{condition}");
        };
        check("p99>50ms", true);
        check("p50>50ms", false);
        check("p50<0.01s", true);
        check("p50 > 900us", true);
        check("max>=60ms", true);
        check("max>61ms", false);
        check("latency_p999<=60ms", false);
        check("errors>0", true);
        check("errors>1", false);
        check("errors>=1", true);
        check("errors>1%", false);
        check("errors>0.9%", true);
        check("handshake_errors>1%", false);
        check("handshake_errors>0.9%", true);
        check("unanswered>1%", true);
        check("unanswered>1.5%", false);
        check("messages<100", false);
        check("messages<101", true);
        check("messages_per_second<50", false);
        check("messages_per_second<=50", true);
        check("handshakes<100", false);
        check("delivery_p99>1s", true);
    }

    #[test]
    fn what_was_not_measured_is_not_good() {
        let report = report(&Tally::default());
        let broken = |text: &str| text.parse::<Condition>().expect("a condition").broken_by(&report);
        assert_eq!(broken("p99>50ms").as_deref(), Some("p99>50ms: there is none"));
        assert!(broken("errors>1%").is_some());
        assert_eq!(broken("errors>0"), None);
    }

    #[test]
    fn mistakes() {
        let check = |text: &str, expected: &str| {
            let error = text.parse::<Condition>().expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("p99", "such as p99>50ms");
        check("p99=50ms", "such as p99>50ms");
        check("p98>50ms", "`p98` is unknown");
        check("errors_p99>50ms", "`errors_p99` is unknown");
        check("p99>50", "has no unit");
        check("p99>50%", "has no unit");
        check("errors>1ms", "`1ms` is no number");
        check("p99>", "has no unit");
        check(">", "is unknown");
        check("errors>nan", "no number");
    }
}
