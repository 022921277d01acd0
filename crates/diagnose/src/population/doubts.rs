//! Doubts of people that are remembered: a finding that comes back and says the same is doubted still, also after another
//! start of the process.

use std::collections::VecDeque;
use std::sync::Arc;

use model::finding::{Doubt, Finding, Level, Param, Place, Vantage};
use model::{WallTime, Word as _};
use serde::{Deserialize, Serialize};

use super::between;

/// Doubts that are remembered; the one whose finding was not seen for longest goes first.
pub const DOUBTS_MAX: usize = 200;

/// For how long after its finding was last seen, or the process began, a doubt is remembered, seconds.
const REMEMBERED: f64 = 7.0 * 86_400.0;

/// A doubt, and what the finding said then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubted {
    id: String,
    route: Option<Arc<str>>,
    place: Place,
    vantages: Vec<Vantage>,
    level: Level,
    words: Vec<String>,
    doubt: Doubt,
    #[serde(skip, default = "never")]
    seen: WallTime,
}

fn never() -> WallTime {
    WallTime(0)
}

/// All that are remembered.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    all: VecDeque<Doubted>,
    /// They are others than were taken last.
    is_changed: bool,
}

impl Doubted {
    fn of(finding: &Finding, doubt: &Doubt) -> Doubted {
        Doubted {
            id: finding.id.to_string(),
            route: finding.route.clone(),
            place: finding.place,
            vantages: finding.vantages.clone(),
            level: finding.level,
            words: words(finding),
            doubt: doubt.clone(),
            seen: doubt.at,
        }
    }

    fn is_of(&self, finding: &Finding) -> bool {
        self.id == finding.id
            && self.route == finding.route
            && self.place == finding.place
            && self.vantages == finding.vantages
    }

    /// Whether the doubt holds: the sentence is the same, in what is no number, and it is no surer. After a start of the
    /// process it is less sure until as much was seen again.
    fn holds_for(&self, finding: &Finding) -> bool {
        finding.level.index() >= self.level.index() && self.words == words(finding)
    }
}

/// What a finding says, but for numbers.
fn words(finding: &Finding) -> Vec<String> {
    let texts = finding.title.params.values().filter_map(|param| match param {
        Param::Text(text) => Some(text.clone()),
        _ => None,
    });
    texts.chain([finding.title.code.to_string()]).collect()
}

impl Doubts {
    /// Takes what an earlier process remembered.
    pub(super) fn restore(&mut self, doubts: Vec<Doubted>, now: WallTime) {
        self.all.extend(doubts.into_iter().take(DOUBTS_MAX).map(|one| Doubted { seen: now, ..one }));
    }

    /// All of them when they have changed since this was last asked.
    pub(super) fn take_changed(&mut self) -> Option<Vec<Doubted>> {
        std::mem::take(&mut self.is_changed).then(|| self.all.iter().cloned().collect())
    }

    /// A finding that was seen has the doubt that is remembered of it; when it says something else now, that is forgotten.
    pub(super) fn recall(&mut self, finding: &mut Finding, now: WallTime) {
        finding.doubt = None;
        let Some(index) = self.all.iter().position(|one| one.is_of(finding)) else { return };
        if self.all[index].holds_for(finding) {
            self.all[index].seen = now;
            finding.doubt = Some(self.all[index].doubt.clone());
        } else {
            self.all.remove(index);
            self.is_changed = true;
        }
    }

    /// Somebody doubts a finding, or no longer does.
    pub(super) fn judged(&mut self, finding: &Finding, doubt: Option<&Doubt>) {
        self.all.retain(|one| !one.is_of(finding));
        self.is_changed = true;
        let Some(doubt) = doubt else { return };
        if self.all.len() >= DOUBTS_MAX
            && let Some((oldest, _)) = self.all.iter().enumerate().min_by_key(|(_, one)| one.seen)
        {
            self.all.remove(oldest);
        }
        self.all.push_back(Doubted::of(finding, doubt));
    }

    /// Forgets those whose finding was not seen for long.
    pub(super) fn forget_old(&mut self, now: WallTime) {
        let before = self.all.len();
        self.all.retain(|one| between(one.seen, now) <= REMEMBERED);
        self.is_changed |= self.all.len() < before;
    }
}
