//! From signs to confidence: one rule for all causes.
//!
//! A decisive sign alone is a suspicion as strong as the look-alikes that it leaves. `high` takes a decisive sign,
//! at least one independent corroboration (the other leg, a counter of the host, an experiment that flips the
//! outcome), nothing against it and no look-alike left.

use std::sync::Arc;

use model::WallTime;
use model::finding::{Affected, Finding, Fix, Level, Place, Said, Severity};

use crate::cause::Cause;

/// A finding that is being put together.
#[derive(Debug)]
pub struct Claim {
    finding: Finding,
    corroborations: u32,
    is_weak: bool,
}

/// Confidence of a decisive sign that one independent observation supports, with nothing against it.
const HIGH: f64 = 0.9;
/// Confidence of a decisive sign alone.
const MEDIUM: f64 = 0.8;
/// Least confidence that is called medium.
const MEDIUM_MIN: f64 = 0.6;
/// What each look-alike that is not excluded takes.
const LOOK_ALIKE: f64 = 0.08;
/// What each measurement against it takes.
const AGAINST: f64 = 0.2;

impl Claim {
    /// The cause is suspected at this place, for this decisive sign.
    pub fn of(cause: &'static Cause, place: Place, decisive: Said) -> Claim {
        let finding = Finding {
            id: cause.id.into(),
            severity: cause.severity,
            level: Level::Low,
            confidence: 0.0,
            place,
            title: Said::new("title"),
            evidence: vec![decisive],
            against: Vec::new(),
            not_excluded: Vec::new(),
            next_measurement: None,
            fixes: Vec::new(),
            route: None,
            since: None,
            until: None,
            affected: None,
        };
        Claim { finding, corroborations: 0, is_weak: false }
    }

    /// The sign is not decisive: it fits, but others fit too. Never more than `low`.
    #[must_use]
    pub fn suspected(mut self) -> Claim {
        self.is_weak = true;
        self
    }

    /// It hurts more, or less, than its cause does mostly.
    #[must_use]
    pub fn weighing(mut self, severity: Severity) -> Claim {
        self.finding.severity = severity;
        self
    }

    /// The title has gaps.
    #[must_use]
    pub fn titled(mut self, title: Said) -> Claim {
        self.finding.title = title;
        self
    }

    /// An independent observation says the same.
    #[must_use]
    pub fn corroborated(mut self, by: impl Into<Option<Said>>) -> Claim {
        if let Some(said) = by.into() {
            self.finding.evidence.push(said);
            self.corroborations += 1;
        }
        self
    }

    /// The decisive sign is a fact of protocol: the bytes that were seen are the fault itself, and need no second
    /// observation.
    #[must_use]
    pub fn proven(mut self) -> Claim {
        self.corroborations += 1;
        self
    }

    /// An observation that is worth telling and proves nothing more.
    #[must_use]
    pub fn noted(mut self, said: impl Into<Option<Said>>) -> Claim {
        self.finding.evidence.extend(said.into());
        self
    }

    /// A measurement speaks against it.
    #[must_use]
    pub fn against(mut self, said: impl Into<Option<Said>>) -> Claim {
        self.finding.against.extend(said.into());
        self
    }

    /// A look-alike that no measurement excludes.
    #[must_use]
    pub fn unless(mut self, look_alike: impl Into<Option<Said>>) -> Claim {
        self.finding.not_excluded.extend(look_alike.into());
        self
    }

    /// The measurement that would decide.
    #[must_use]
    pub fn next(mut self, measurement: impl Into<Option<Said>>) -> Claim {
        self.finding.next_measurement = measurement.into();
        self
    }

    /// Something that helps.
    #[must_use]
    pub fn fix(mut self, text: Said) -> Claim {
        self.finding.fixes.push(Fix { text, config: None });
        self
    }

    /// Something that helps, with lines to paste.
    #[must_use]
    pub fn fix_by(mut self, text: Said, config: Said) -> Claim {
        self.finding.fixes.push(Fix { text, config: Some(config) });
        self
    }

    /// What it concerns in a gateway.
    #[must_use]
    pub fn concerns(mut self, route: Arc<str>, since: WallTime, affected: Affected) -> Claim {
        self.finding.route = Some(route);
        self.finding.since = Some(since);
        self.finding.affected = Some(affected);
        self
    }

    /// The finding, with its confidence.
    pub fn finding(mut self) -> Finding {
        let (level, confidence) = self.judged();
        (self.finding.level, self.finding.confidence) = (level, confidence);
        self.finding
    }

    fn judged(&self) -> (Level, f64) {
        let count = |said: &[Said]| f64::from(u32::try_from(said.len()).unwrap_or(u32::MAX));
        let doubt = LOOK_ALIKE * count(&self.finding.not_excluded) + AGAINST * count(&self.finding.against);
        if self.is_weak {
            return (Level::Low, (0.5 - doubt).max(0.2));
        }
        if self.corroborations > 0 && doubt == 0.0 {
            return (Level::High, (HIGH + 0.04 * f64::from(self.corroborations - 1)).min(0.98));
        }
        let confidence = (MEDIUM + 0.05 * f64::from(self.corroborations.min(2)) - doubt).min(0.89);
        let level = if confidence >= MEDIUM_MIN { Level::Medium } else { Level::Low };
        (level, confidence.max(0.2))
    }
}
