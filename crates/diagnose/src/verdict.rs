//! The answer of an examination: all causes are asked, then findings are ordered and what they repeat is dropped.

use model::finding::{Finding, Level};
use model::words;

use crate::cause::Signs;
use crate::causes;
use crate::examination::Examination;

words! {
    /// What an examination comes to.
    Outcome {
        /// No check found anything wrong.
        Healthy = "healthy",
        /// Something is wrong, and at least one finding says what.
        Problem = "problem",
        /// Something is wrong, and no measurement tells what.
        Inconclusive = "inconclusive",
        /// It could not be tested.
        CouldNotTest = "could_not_test",
    }
}

/// What an examination comes to, with its findings, surest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// In one word.
    pub outcome: Outcome,
    /// Why.
    pub findings: Vec<Finding>,
}

/// Asks all causes.
pub fn verdict(seen: &Examination) -> Verdict {
    let mut findings: Vec<Finding> = causes::ALL
        .iter()
        .filter_map(|cause| match &cause.signs {
            Signs::Seen { probe: Some(probe), .. } => probe(seen),
            _ => None,
        })
        .collect();
    findings.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let is_sure = |finding: &Finding| matches!(finding.level, Level::High | Level::Medium);
    let outcome = match seen.plain() {
        None => Outcome::CouldNotTest,
        Some(_) if findings.iter().any(is_sure) => Outcome::Problem,
        Some(plain) if plain.is_open() && findings.is_empty() => Outcome::Healthy,
        Some(_) => Outcome::Inconclusive,
    };
    Verdict { outcome, findings }
}
