//! Findings over time, from the inside and from the outside: what the same vantage says again is the same finding; what
//! it no longer says ends after a while; what two vantages say of one route is one finding.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use model::WallTime;
use model::finding::{Doubt, Finding, Param, Place, Vantage};

use super::between;
use crate::claim::joined;
use crate::verdict::is_about_opening;

/// What a vantage sees again.
fn is_same(a: &Finding, b: &Finding) -> bool {
    is_same_cause(a, b) && a.place == b.place
}

/// What two vantages see of one thing. What a probe sees of no route is another thing for each probe.
fn is_same_cause(a: &Finding, b: &Finding) -> bool {
    a.id == b.id && a.route == b.route
}

/// Whether a doubt about one holds for the other: its sentence is the same, in what is no number, and it is as sure.
fn says_the_same(a: &Finding, b: &Finding) -> bool {
    let words = |finding: &Finding| -> Vec<String> {
        let texts = finding.title.params.values().filter_map(|param| match param {
            Param::Text(text) => Some(text.clone()),
            _ => None,
        });
        texts.chain([finding.title.code.to_string()]).collect()
    };
    a.level == b.level && words(a) == words(b)
}

/// A finding of the inside is over when it was not seen for so long, seconds: a look may miss what comes in waves.
const GONE: f64 = 60.0;
/// A finding of a probe is over after so many runs in a row that could have seen it and did not; a deep run that could
/// have is enough alone.
const GONE_RUNS: u32 = 3;
/// Findings that are kept: those of the inside that go on, of each probe, and all that are over.
const ACTIVE_MAX: usize = 200;
const OF_A_PROBE_MAX: usize = 20;
const OVER_MAX: usize = 500;

/// What a run of a probe could have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Long and hard experiments were made.
    pub is_deep: bool,
    /// The stream opened, and there was time for all experiments.
    pub is_whole: bool,
}

/// A finding of a probe.
#[derive(Debug)]
struct Probed {
    finding: Finding,
    /// Runs in a row that could have seen it and did not.
    missed: u32,
    /// Only deep runs have seen it.
    is_deep: bool,
}

/// The findings of a gateway, and when each was seen.
#[derive(Debug, Default)]
pub struct Ledger {
    inside: Vec<(Finding, WallTime)>,
    outside: BTreeMap<Arc<str>, Vec<Probed>>,
    over: VecDeque<Finding>,
    left_out: u64,
}

impl Ledger {
    /// Takes in what a look at the connections found.
    pub fn looked(&mut self, found: Vec<Finding>, now: WallTime) {
        for finding in found {
            let finding = Finding { vantages: vec![Vantage::Inside], ..finding };
            let has_room = self.inside.len() < ACTIVE_MAX;
            match self.inside.iter_mut().find(|(known, _)| is_same(known, &finding)) {
                Some((known, seen)) => {
                    *known = again(known, finding);
                    *seen = now;
                }
                None if has_room => self.inside.push((finding, now)),
                None => self.left_out += 1,
            }
        }
        let (inside, gone): (Vec<_>, Vec<_>) =
            self.inside.drain(..).partition(|(_, seen)| between(*seen, now) <= GONE);
        self.inside = inside;
        for (finding, seen) in gone {
            self.end(finding, seen);
        }
    }

    /// Takes in what a run of a probe found.
    pub fn probed(&mut self, probe: &Arc<str>, found: Vec<Finding>, reach: Reach, now: WallTime) {
        let known = self.outside.entry(Arc::clone(probe)).or_default();
        for one in &mut *known {
            let is_seen = found.iter().any(|finding| is_same(&one.finding, finding));
            match one.could_be_seen(reach) {
                _ if is_seen => one.missed = 0,
                true => one.missed += if reach.is_deep { GONE_RUNS } else { 1 },
                false => {}
            }
        }
        for finding in found {
            let vantages = vec![Vantage::Probe(Arc::clone(probe))];
            let finding = Finding { vantages, since: finding.since.or(Some(now)), ..finding };
            let has_room = known.len() < OF_A_PROBE_MAX;
            match known.iter_mut().find(|one| is_same(&one.finding, &finding)) {
                Some(one) => {
                    one.finding = again(&one.finding, finding);
                    one.is_deep &= reach.is_deep;
                }
                None if has_room => known.push(Probed { finding, missed: 0, is_deep: reach.is_deep }),
                None => self.left_out += 1,
            }
        }
        let gone: Vec<Probed> = known.extract_if(.., |one| one.missed >= GONE_RUNS).collect();
        for one in gone {
            self.end(one.finding, now);
        }
    }

    /// Only these probes are there still: what others have found is over.
    pub fn keep_probes(&mut self, is_kept: impl Fn(&str) -> bool, now: WallTime) {
        let gone: Vec<Probed> =
            self.outside.extract_if(.., |name, _| !is_kept(name)).flat_map(|(_, found)| found).collect();
        for one in gone {
            self.end(one.finding, now);
        }
    }

    /// It is over, unless another vantage sees it still.
    fn end(&mut self, finding: Finding, until: WallTime) {
        let of_probes = || self.outside.values().flatten().map(|one| &one.finding);
        let mut others = self.inside.iter().map(|(other, _)| other).chain(of_probes());
        if finding.route.is_some() && others.any(|other| is_same_cause(other, &finding)) {
            return;
        }
        self.over.push_front(Finding { until: Some(until), ..finding });
        self.over.truncate(OVER_MAX);
    }

    /// Findings that go on, surest first.
    pub fn active(&self) -> Vec<Finding> {
        let mut active: Vec<Finding> = self.inside.iter().map(|(finding, _)| finding.clone()).collect();
        for one in self.outside.values().flatten() {
            let outside = one.finding.clone();
            let same = active.iter().position(|known| is_same_cause(known, &outside));
            match same.filter(|_| outside.route.is_some()) {
                Some(index) => {
                    let inside = active.remove(index);
                    active.insert(index, joined(inside, outside));
                }
                None => active.push(outside),
            }
        }
        active.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        active
    }

    /// Findings that are over, newest first.
    pub fn over(&self) -> Vec<Finding> {
        self.over.iter().cloned().collect()
    }

    /// Findings that a probe sees now.
    pub fn of_probe(&self, probe: &str) -> usize {
        self.outside.get(probe).map_or(0, Vec::len)
    }

    /// Takes a doubt about the findings that go on of a cause, on a route and at a place where these are given; none
    /// takes it back. Says how many there are.
    pub fn doubt(
        &mut self,
        id: &str,
        route: Option<&str>,
        place: Option<Place>,
        doubt: Option<&Doubt>,
    ) -> usize {
        let of_probes = self.outside.values_mut().flatten().map(|one| &mut one.finding);
        let findings = self.inside.iter_mut().map(|(finding, _)| finding).chain(of_probes);
        let meant = findings.filter(|finding| {
            finding.id == id
                && (route.is_none() || finding.route.as_deref() == route)
                && place.is_none_or(|place| finding.place == place)
        });
        meant.map(|finding| finding.doubt = doubt.cloned()).count()
    }

    /// Findings that there was no room for.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

impl Probed {
    fn could_be_seen(&self, reach: Reach) -> bool {
        let is_in_reach = reach.is_whole && (reach.is_deep || !self.is_deep);
        is_in_reach || is_about_opening(&self.finding.id)
    }
}

/// What is said again, since when it was said first; what people doubt is doubted still.
fn again(known: &Finding, finding: Finding) -> Finding {
    let since = [known.since, finding.since].into_iter().flatten().min();
    let doubt = known.doubt.clone().filter(|_| says_the_same(known, &finding));
    Finding { since, doubt, ..finding }
}

#[cfg(test)]
mod tests {
    use model::finding::{Affected, Level, Place, Said};

    use super::*;
    use crate::causes::by_id;
    use crate::claim::Claim;

    const REFUSED: &str = "upstream-down-502-503";
    const CUT: &str = "idle-timeout-l7-proxy";

    fn at(second: u64) -> WallTime {
        WallTime(second * 1_000_000_000)
    }

    fn claim(id: &str, place: Place, sign: &'static str) -> Claim {
        Claim::of(by_id(id).expect("is in the catalogue"), place, Said::new(sign))
    }

    fn inside(id: &str) -> Claim {
        let affected = Affected { connections: 9, share_of_closes: Some(0.5) };
        claim(id, Place::Upstream, "inside").concerns("chat".into(), at(5), affected)
    }

    fn outside(id: &str) -> Finding {
        Finding { route: Some("chat".into()), ..claim(id, Place::Unknown, "outside").finding() }
    }

    const SHALLOW: Reach = Reach { is_deep: false, is_whole: true };
    const DEEP: Reach = Reach { is_deep: true, is_whole: true };
    const CLOSED: Reach = Reach { is_deep: false, is_whole: false };

    fn ids(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.id.as_ref()).collect()
    }

    #[test]
    fn two_vantages_of_one_route_are_one_finding() {
        let mut ledger = Ledger::default();
        let left = inside(REFUSED).unless(Said::new("look-alike"));
        ledger.looked(vec![left.finding()], at(10));
        assert_eq!(ledger.active()[0].level, Level::Medium);
        ledger.probed(&"echo".into(), vec![outside(REFUSED)], SHALLOW, at(11));
        let active = ledger.active();
        let [one] = active.as_slice() else { panic!("{active:?}") };
        assert_eq!((one.level, one.confidence), (Level::High, 0.9), "the outside leaves no look-alike");
        assert_eq!((one.place, one.since), (Place::Upstream, Some(at(5))));
        let signs: Vec<&str> = one.evidence.iter().map(|said| said.code.as_ref()).collect();
        assert_eq!(signs, ["inside", "outside"]);
        assert_eq!(one.vantages, [Vantage::Inside, Vantage::Probe("echo".into())]);
        assert_eq!(one.affected.map(|affected| affected.connections), Some(9));
    }

    #[test]
    fn a_suspicion_beside_a_decisive_sign_proves_nothing_more() {
        let mut ledger = Ledger::default();
        ledger.looked(vec![inside(REFUSED).finding()], at(10));
        let alone = ledger.active()[0].confidence;
        let weak = claim(REFUSED, Place::Upstream, "outside").suspected().finding();
        let weak = Finding { route: Some("chat".into()), ..weak };
        ledger.probed(&"echo".into(), vec![weak], SHALLOW, at(11));
        assert_eq!(ledger.active()[0].confidence, alone);
    }

    #[test]
    fn a_second_probe_proves_nothing_more() {
        let mut ledger = Ledger::default();
        ledger.looked(vec![inside(REFUSED).finding()], at(10));
        ledger.probed(&"a".into(), vec![outside(REFUSED)], SHALLOW, at(11));
        let confidence = ledger.active()[0].confidence;
        ledger.probed(&"b".into(), vec![outside(REFUSED)], SHALLOW, at(12));
        let active = ledger.active();
        assert_eq!((active.len(), active[0].confidence, active[0].vantages.len()), (1, confidence, 3));
    }

    #[test]
    fn other_causes_and_other_routes_stand_beside_each_other() {
        let mut ledger = Ledger::default();
        ledger.looked(vec![inside(REFUSED).finding()], at(10));
        let elsewhere = Finding { route: None, ..outside(REFUSED) };
        ledger.probed(&"a".into(), vec![outside(CUT), elsewhere.clone()], SHALLOW, at(11));
        ledger.probed(&"b".into(), vec![elsewhere], SHALLOW, at(11));
        assert_eq!(ledger.active().len(), 4);
    }

    #[test]
    fn it_is_over_when_no_vantage_sees_it() {
        let mut ledger = Ledger::default();
        ledger.looked(vec![inside(REFUSED).finding()], at(10));
        ledger.probed(&"echo".into(), vec![outside(REFUSED)], SHALLOW, at(11));
        ledger.looked(Vec::new(), at(100));
        assert_eq!((ledger.active().len(), ledger.over().len()), (1, 0), "the probe sees it still");
        for second in 101..103 {
            ledger.probed(&"echo".into(), Vec::new(), SHALLOW, at(second));
            assert_eq!(ledger.active().len(), 1);
        }
        ledger.probed(&"echo".into(), Vec::new(), SHALLOW, at(103));
        assert_eq!((ledger.active().len(), ledger.over()[0].until), (0, Some(at(103))));
    }

    #[test]
    fn only_runs_that_could_see_it_count() {
        let mut ledger = Ledger::default();
        let probe = "echo".into();
        ledger.probed(&probe, vec![outside(CUT), outside(REFUSED)], DEEP, at(1));
        for second in 2..12 {
            ledger.probed(&probe, Vec::new(), SHALLOW, at(second));
        }
        assert_eq!(ids(&ledger.active()), [CUT], "silence is for deep runs");
        ledger.probed(&probe, vec![outside(REFUSED)], CLOSED, at(12));
        ledger.probed(&probe, Vec::new(), DEEP, at(13));
        assert_eq!(ids(&ledger.active()), [] as [&str; 0]);
    }

    #[test]
    fn what_ordinary_runs_have_seen_they_may_end() {
        let mut ledger = Ledger::default();
        let probe = "echo".into();
        ledger.probed(&probe, vec![outside(CUT)], DEEP, at(1));
        ledger.probed(&probe, vec![outside(CUT)], SHALLOW, at(2));
        for second in 3..6 {
            ledger.probed(&probe, Vec::new(), CLOSED, at(second));
        }
        assert_eq!(ledger.active().len(), 1, "what does not open tells nothing of silence");
        for second in 6..9 {
            ledger.probed(&probe, Vec::new(), SHALLOW, at(second));
        }
        assert_eq!(ledger.active().len(), 0);
    }

    #[test]
    fn findings_of_a_probe_end_with_it() {
        let mut ledger = Ledger::default();
        ledger.probed(&"a".into(), vec![outside(CUT)], DEEP, at(1));
        ledger.probed(&"b".into(), vec![outside(REFUSED)], DEEP, at(1));
        ledger.keep_probes(|name| name == "b", at(2));
        assert_eq!((ids(&ledger.active()), ids(&ledger.over())), (vec![REFUSED], vec![CUT]));
    }

    fn said_with(count: u64, header: &str) -> Finding {
        let title = Said::new("title").with("count", count).with("header", header);
        claim("ws-upgrade-stripped", Place::Upstream, "x").titled(title).finding()
    }

    #[test]
    fn a_doubt_holds_until_the_finding_says_something_else() {
        let mut ledger = Ledger::default();
        let is_doubted = |ledger: &Ledger| ledger.active()[0].doubt.is_some();
        let doubt = Doubt { at: at(1), note: "ours".to_owned() };
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, None, Some(&doubt)), 0);
        ledger.looked(vec![said_with(1, "a")], at(1));
        assert_eq!(ledger.doubt("ws-upgrade-stripped", Some("chat"), None, Some(&doubt)), 0);
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, Some(Place::Client), Some(&doubt)), 0);
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, Some(Place::Upstream), Some(&doubt)), 1);
        ledger.looked(vec![said_with(2, "a")], at(2));
        assert!(is_doubted(&ledger), "numbers alone say nothing else");
        ledger.looked(vec![said_with(2, "b")], at(3));
        assert!(!is_doubted(&ledger));
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, None, Some(&doubt)), 1);
        let surer = Finding { level: Level::High, ..said_with(2, "b") };
        ledger.looked(vec![surer], at(4));
        assert!(!is_doubted(&ledger));
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, None, Some(&doubt)), 1);
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, None, None), 1);
        assert!(!is_doubted(&ledger));
    }
}
