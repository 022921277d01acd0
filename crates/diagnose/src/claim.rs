//! From signs to confidence: one rule for all causes.
//!
//! A decisive sign alone is a suspicion as strong as the look-alikes that it leaves. `high` takes a decisive sign,
//! at least one independent corroboration (the other leg, a counter of the host, an experiment that flips the
//! outcome), nothing against it and no look-alike left.

use std::sync::Arc;

use model::WallTime;
use model::finding::{Affected, Finding, Fix, Grounds, Level, Place, Said, Selection, Severity, Topic};

use crate::cause::Cause;

/// A finding that is being put together.
#[derive(Debug)]
pub struct Claim {
    finding: Finding,
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
            topic: None,
            selection: None,
            grounds: Grounds::default(),
            vantages: Vec::new(),
            doubt: None,
        };
        Claim { finding }
    }

    /// The sign is not decisive: it fits, but others fit too. Never more than `low`.
    #[must_use]
    pub fn suspected(mut self) -> Claim {
        self.finding.grounds.is_suspicion = true;
        self
    }

    /// It may be as somebody means it: it is told, and is no fault.
    #[must_use]
    pub fn informing(mut self) -> Claim {
        self.finding.severity = Severity::Info;
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
            self.finding.grounds.corroborations += 1;
        }
        self
    }

    /// The decisive sign is a fact of protocol: the bytes that were seen are the fault itself, and need no second
    /// observation.
    #[must_use]
    pub fn proven(mut self) -> Claim {
        self.finding.grounds.corroborations += 1;
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

    /// What it concerns of a gateway as a whole.
    #[must_use]
    pub fn of_all(mut self, since: WallTime, affected: Affected) -> Claim {
        self.finding.since = Some(since);
        self.finding.affected = Some(affected);
        self
    }

    /// What it concerns in a gateway.
    #[must_use]
    pub fn concerns(mut self, route: Arc<str>, since: WallTime, affected: Affected) -> Claim {
        self.finding.route = Some(route);
        self.finding.since = Some(since);
        self.finding.affected = Some(affected);
        let is_about_ends = affected.share_of_closes.is_some();
        self.about(if is_about_ends { Topic::Ends } else { Topic::Delivery })
    }

    /// What it explains, where [`Claim::concerns`] does not say it by the share.
    #[must_use]
    pub fn about(mut self, topic: Topic) -> Claim {
        self.finding.topic = Some(topic);
        self
    }

    /// The ends that it explains.
    #[must_use]
    pub fn selects(mut self, selection: Option<Selection>) -> Claim {
        self.finding.selection = selection;
        self
    }

    /// The finding, with its confidence.
    pub fn finding(self) -> Finding {
        with_confidence(self.finding)
    }
}

/// One finding of two vantages that see the same cause: `inside` by connections of many, `outside` by a probe's own.
///
/// A decisive sign of each corroborates the other when they are independent; a suspicion proves nothing more. What one
/// of them has excluded by measurement does not come back because the other could not exclude it; what was measured
/// against the cause counts, whoever did.
pub fn joined(inside: Finding, outside: Finding, are_independent: bool) -> Finding {
    let (a, b) = (inside.grounds, outside.grounds);
    let corroborations = match are_independent {
        true => a.corroborations + b.corroborations + 1,
        false => a.corroborations.max(b.corroborations),
    };
    let is_first =
        (a.is_suspicion, inside.not_excluded.len()) <= (b.is_suspicion, outside.not_excluded.len());
    let grounds = match (a.is_suspicion, b.is_suspicion) {
        (false, false) => Grounds { corroborations, is_suspicion: false },
        _ if is_first => a,
        _ => b,
    };
    let is_placed = inside.place != Place::Unknown;
    with_confidence(Finding {
        place: if is_placed { inside.place } else { outside.place },
        evidence: together(inside.evidence, outside.evidence),
        against: together(inside.against, outside.against),
        not_excluded: if is_first { inside.not_excluded } else { outside.not_excluded },
        next_measurement: inside.next_measurement.or(outside.next_measurement),
        fixes: together(inside.fixes, outside.fixes),
        since: [inside.since, outside.since].into_iter().flatten().min(),
        affected: inside.affected.or(outside.affected),
        vantages: together(inside.vantages, outside.vantages),
        grounds,
        // What another vantage sees beside it is something else than what was doubted.
        doubt: inside.doubt.filter(|_| outside.doubt.is_some()),
        ..inside
    })
}

fn together<T: PartialEq>(mut first: Vec<T>, second: Vec<T>) -> Vec<T> {
    for one in second {
        if !first.contains(&one) {
            first.push(one);
        }
    }
    first
}

fn with_confidence(mut finding: Finding) -> Finding {
    (finding.level, finding.confidence) = judged(&finding);
    finding
}

/// The one rule.
fn judged(finding: &Finding) -> (Level, f64) {
    let Grounds { corroborations, is_suspicion } = finding.grounds;
    let count = |said: &[Said]| f64::from(u32::try_from(said.len()).unwrap_or(u32::MAX));
    let doubt = LOOK_ALIKE * count(&finding.not_excluded) + AGAINST * count(&finding.against);
    if is_suspicion {
        return (Level::Low, (0.5 - doubt).max(0.2));
    }
    if corroborations > 0 && doubt == 0.0 {
        return (Level::High, (HIGH + 0.04 * f64::from(corroborations - 1)).min(0.98));
    }
    let confidence = (MEDIUM + 0.05 * f64::from(corroborations.min(2)) - doubt).min(0.89);
    let level = if confidence >= MEDIUM_MIN { Level::Medium } else { Level::Low };
    (level, confidence.max(0.2))
}
