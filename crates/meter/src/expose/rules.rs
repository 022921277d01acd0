//! What came of evaluating rules, and of reading them.

use super::Sink;
use crate::families::{self as f, Family};
use crate::scrape::{RuleGroupFacts, Scrape};

/// Gives `sink` the samples of one family.
pub fn visit(family: &'static Family, scrape: &Scrape, sink: &mut dyn Sink) {
    if *family == f::CONFIG_RELOADED {
        scrape.reloaded.into_iter().for_each(|is_done| sink.sample("", &[], f64::from(u8::from(is_done))));
        return;
    }
    for group in &scrape.rules {
        if let Some(value) = of_group(family, group) {
            sink.sample("", &[("rule_group", &group.name)], value);
        }
    }
}

fn of_group(family: &'static Family, group: &RuleGroupFacts) -> Option<f64> {
    match *family {
        f::RULE_EVALUATIONS => Some(group.evaluations as f64),
        f::RULE_FAILURES => Some(group.failures as f64),
        f::RULE_ITERATIONS => Some(group.iterations as f64),
        f::RULE_MISSED => Some(group.missed as f64),
        f::RULE_INTERVAL => Some(group.interval_seconds),
        f::RULE_LAST_DURATION => Some(group.last_seconds),
        f::RULE_LAST_EVALUATION => Some(group.last_at),
        _ => None,
    }
}
