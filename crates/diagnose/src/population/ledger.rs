//! Findings over time, from the inside and from the outside: what the same vantage says again is the same finding; what
//! it no longer says ends after a while; what two vantages say of one route is one finding.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use model::WallTime;
use model::finding::{Doubt, Finding, Place, Vantage};

use super::between;
use super::doubts::{Doubted, Doubts};
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

/// A finding of the inside is over when it was not seen for so long, seconds: a look may miss what comes in waves.
const GONE: f64 = 60.0;
/// A finding of a probe is over after so many runs in a row that could have seen it and did not; a deep run that could
/// have is enough alone.
const GONE_RUNS: u32 = 3;
/// Findings that are kept: those of the inside that go on, of each probe, and all that are over.
const ACTIVE_MAX: usize = 200;
const OF_A_PROBE_MAX: usize = 20;
const OVER_MAX: usize = 500;
/// Attempts of a probe count among what the inside sees for so long, seconds: its window, and a look.
const OWN: f64 = 660.0;

/// What a run of a probe could have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Long and hard experiments were made.
    pub is_deep: bool,
    /// The stream opened, and there was time for all experiments.
    pub is_whole: bool,
    /// Connections that it has tried to make.
    pub attempts: u64,
}

/// What is known of one probe.
#[derive(Debug, Default)]
struct OfProbe {
    /// The route whose clients it stands for.
    route: Option<Arc<str>>,
    found: Vec<Probed>,
    /// Attempts of its newest runs.
    attempts: VecDeque<(WallTime, u64)>,
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
    outside: BTreeMap<Arc<str>, OfProbe>,
    over: VecDeque<Finding>,
    doubts: Doubts,
    left_out: u64,
}

impl Ledger {
    /// Takes in what a look at the connections found.
    pub fn looked(&mut self, found: Vec<Finding>, now: WallTime) {
        for finding in found {
            let mut finding = Finding { vantages: vec![Vantage::Inside], ..finding };
            self.doubts.recall(&mut finding, now);
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
        self.doubts.forget_old(now);
        let (inside, gone): (Vec<_>, Vec<_>) =
            self.inside.drain(..).partition(|(_, seen)| between(*seen, now) <= GONE);
        self.inside = inside;
        for (finding, seen) in gone {
            self.end(finding, seen);
        }
    }

    /// Takes in what a run of a probe found that stands for the clients of a route, if for any.
    pub fn probed(
        &mut self,
        probe: &Arc<str>,
        route: Option<&Arc<str>>,
        found: Vec<Finding>,
        reach: Reach,
        now: WallTime,
    ) {
        let of_probe = self.outside.entry(Arc::clone(probe)).or_default();
        of_probe.route = route.cloned();
        of_probe.attempts.retain(|(at, _)| between(*at, now) <= OWN);
        of_probe.attempts.push_back((now, reach.attempts));
        let known = &mut of_probe.found;
        let vantages = vec![Vantage::Probe(Arc::clone(probe))];
        let found: Vec<Finding> = found
            .into_iter()
            .map(|finding| {
                let (route, since) = (route.cloned(), finding.since.or(Some(now)));
                let mut finding = Finding { route, vantages: vantages.clone(), since, ..finding };
                self.doubts.recall(&mut finding, now);
                finding
            })
            .collect();
        for one in &mut *known {
            let is_seen = found.iter().any(|finding| is_same(&one.finding, finding));
            match one.could_be_seen(reach) {
                _ if is_seen => one.missed = 0,
                true => one.missed += if reach.is_deep { GONE_RUNS } else { 1 },
                false => {}
            }
        }
        for finding in found {
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
            self.outside.extract_if(.., |name, _| !is_kept(name)).flat_map(|(_, gone)| gone.found).collect();
        for one in gone {
            self.end(one.finding, now);
        }
    }

    /// It is over, unless another vantage sees it still.
    fn end(&mut self, finding: Finding, until: WallTime) {
        let is_seen = self
            .inside
            .iter()
            .map(|(other, _)| other)
            .chain(self.probed_now())
            .any(|other| is_same_cause(other, &finding));
        if finding.route.is_some() && is_seen {
            return;
        }
        self.over.push_front(Finding { until: Some(until), ..finding });
        self.over.truncate(OVER_MAX);
    }

    /// Findings that go on, surest first.
    pub fn active(&self) -> Vec<Finding> {
        let mut active: Vec<Finding> = self.inside.iter().map(|(finding, _)| finding.clone()).collect();
        for outside in self.probed_now().cloned() {
            let same = active.iter().position(|known| is_same_cause(known, &outside));
            match same.filter(|_| outside.route.is_some()) {
                Some(index) => {
                    let inside = active.remove(index);
                    let are_independent = self.is_of_others(&inside);
                    active.insert(index, joined(inside, outside, are_independent));
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
        self.outside.get(probe).map_or(0, |of_probe| of_probe.found.len())
    }

    fn probed_now(&self) -> impl Iterator<Item = &Finding> {
        self.outside.values().flat_map(|of_probe| &of_probe.found).map(|one| &one.finding)
    }

    /// Whether the inside alone has found it, in connections of more than the probes that stand for the same clients:
    /// what a probe sees is seen inside too, and that is no second observation.
    fn is_of_others(&self, finding: &Finding) -> bool {
        let of_route = self.outside.values().filter(|of_probe| of_probe.route == finding.route);
        let own: u64 = of_route.flat_map(|of_probe| &of_probe.attempts).map(|(_, attempts)| attempts).sum();
        finding.vantages == [Vantage::Inside]
            && finding.affected.is_some_and(|affected| affected.connections > own)
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
        let of_probes = self.outside.values_mut().flat_map(|of| &mut of.found).map(|one| &mut one.finding);
        let findings = self.inside.iter_mut().map(|(finding, _)| finding).chain(of_probes);
        let meant = findings.filter(|finding| {
            finding.id == id
                && (route.is_none() || finding.route.as_deref() == route)
                && place.is_none_or(|place| [place, Place::Unknown].contains(&finding.place))
        });
        let judge = |finding: &mut Finding| {
            self.doubts.judged(finding, doubt);
            finding.doubt = doubt.cloned();
        };
        meant.map(judge).count()
    }

    /// Takes the doubts that an earlier process remembered.
    pub fn restore_doubts(&mut self, doubts: Vec<Doubted>, now: WallTime) {
        self.doubts.restore(doubts, now);
    }

    /// All doubts that are to be remembered, when they have changed since this was last asked.
    pub fn changed_doubts(&mut self) -> Option<Vec<Doubted>> {
        self.doubts.take_changed()
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

/// What is said again, since when it was said first.
fn again(known: &Finding, finding: Finding) -> Finding {
    let since = [known.since, finding.since].into_iter().flatten().min();
    Finding { since, ..finding }
}

#[cfg(test)]
mod tests {
    use model::finding::{Affected, Level, Place, Said};

    use super::super::doubts::DOUBTS_MAX;
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
        let affected = Affected { connections: 90, share_of_closes: Some(0.5) };
        claim(id, Place::Upstream, "inside").concerns("chat".into(), at(5), affected)
    }

    fn outside(id: &str) -> Finding {
        claim(id, Place::Unknown, "outside").finding()
    }

    const SHALLOW: Reach = Reach { is_deep: false, is_whole: true, attempts: 9 };
    const DEEP: Reach = Reach { is_deep: true, ..SHALLOW };
    const CLOSED: Reach = Reach { is_whole: false, ..SHALLOW };

    impl Ledger {
        /// A run of a probe that stands for clients of `chat`.
        fn ran(&mut self, probe: &str, found: Vec<Finding>, reach: Reach, now: u64) {
            self.probed(&probe.into(), Some(&"chat".into()), found, reach, at(now));
        }
    }

    fn ids(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.id.as_ref()).collect()
    }

    #[test]
    fn two_vantages_of_one_route_are_one_finding() {
        let mut ledger = Ledger::default();
        let left = inside(REFUSED).unless(Said::new("look-alike"));
        ledger.looked(vec![left.finding()], at(10));
        assert_eq!(ledger.active()[0].level, Level::Medium);
        ledger.ran("echo", vec![outside(REFUSED)], SHALLOW, 11);
        let active = ledger.active();
        let [one] = active.as_slice() else { panic!("{active:?}") };
        assert_eq!((one.level, one.confidence), (Level::High, 0.9), "the outside leaves no look-alike");
        assert_eq!((one.place, one.since), (Place::Upstream, Some(at(5))));
        let signs: Vec<&str> = one.evidence.iter().map(|said| said.code.as_ref()).collect();
        assert_eq!(signs, ["inside", "outside"]);
        assert_eq!(one.vantages, [Vantage::Inside, Vantage::Probe("echo".into())]);
        assert_eq!(one.affected.map(|affected| affected.connections), Some(90));
    }

    #[test]
    fn a_suspicion_beside_a_decisive_sign_proves_nothing_more() {
        let mut ledger = Ledger::default();
        ledger.looked(vec![inside(REFUSED).finding()], at(10));
        let alone = ledger.active()[0].confidence;
        let weak = claim(REFUSED, Place::Upstream, "outside").suspected().finding();
        ledger.ran("echo", vec![weak], SHALLOW, 11);
        assert_eq!(ledger.active()[0].confidence, alone);
    }

    #[test]
    fn a_second_probe_proves_nothing_more() {
        let mut ledger = Ledger::default();
        ledger.looked(vec![inside(REFUSED).finding()], at(10));
        ledger.ran("a", vec![outside(REFUSED)], SHALLOW, 11);
        let confidence = ledger.active()[0].confidence;
        ledger.ran("b", vec![outside(REFUSED)], SHALLOW, 12);
        let active = ledger.active();
        assert_eq!((active.len(), active[0].confidence, active[0].vantages.len()), (1, confidence, 3));
    }

    #[test]
    fn what_the_inside_sees_of_probes_alone_proves_nothing_more() {
        let mut ledger = Ledger::default();
        let look = |ledger: &mut Ledger, now| ledger.looked(vec![inside(REFUSED).finding()], at(now));
        look(&mut ledger, 10);
        let alone = ledger.active()[0].confidence;
        for minute in 1..=10 {
            ledger.ran("echo", vec![outside(REFUSED)], SHALLOW, 60 * minute);
            look(&mut ledger, 60 * minute);
            assert_eq!(ledger.active()[0].confidence > alone, minute < 10, "9 each minute, and 90 are seen");
        }
        ledger.ran("echo", vec![outside(REFUSED)], SHALLOW, 1_500);
        look(&mut ledger, 1_500);
        assert!(ledger.active()[0].confidence > alone, "the first attempts are forgotten");
    }

    #[test]
    fn other_causes_and_other_routes_stand_beside_each_other() {
        let mut ledger = Ledger::default();
        ledger.looked(vec![inside(REFUSED).finding()], at(10));
        ledger.ran("echo", vec![outside(CUT)], SHALLOW, 11);
        for elsewhere in ["a", "b"] {
            ledger.probed(&elsewhere.into(), None, vec![outside(REFUSED)], SHALLOW, at(11));
        }
        assert_eq!(ledger.active().len(), 4);
    }

    #[test]
    fn it_is_over_when_no_vantage_sees_it() {
        let mut ledger = Ledger::default();
        ledger.looked(vec![inside(REFUSED).finding()], at(10));
        ledger.ran("echo", vec![outside(REFUSED)], SHALLOW, 11);
        ledger.looked(Vec::new(), at(100));
        assert_eq!((ledger.active().len(), ledger.over().len()), (1, 0), "the probe sees it still");
        for second in 101..103 {
            ledger.ran("echo", Vec::new(), SHALLOW, second);
            assert_eq!(ledger.active().len(), 1);
        }
        ledger.ran("echo", Vec::new(), SHALLOW, 103);
        assert_eq!((ledger.active().len(), ledger.over()[0].until), (0, Some(at(103))));
    }

    #[test]
    fn only_runs_that_could_see_it_count() {
        let mut ledger = Ledger::default();
        ledger.ran("echo", vec![outside(CUT), outside(REFUSED)], DEEP, 1);
        for second in 2..12 {
            ledger.ran("echo", Vec::new(), SHALLOW, second);
        }
        assert_eq!(ids(&ledger.active()), [CUT], "silence is for deep runs");
        ledger.ran("echo", vec![outside(REFUSED)], CLOSED, 12);
        ledger.ran("echo", Vec::new(), DEEP, 13);
        assert_eq!(ids(&ledger.active()), [] as [&str; 0]);
    }

    #[test]
    fn what_ordinary_runs_have_seen_they_may_end() {
        let mut ledger = Ledger::default();
        ledger.ran("echo", vec![outside(CUT)], DEEP, 1);
        ledger.ran("echo", vec![outside(CUT)], SHALLOW, 2);
        for second in 3..6 {
            ledger.ran("echo", Vec::new(), CLOSED, second);
        }
        assert_eq!(ledger.active().len(), 1, "what does not open tells nothing of silence");
        for second in 6..9 {
            ledger.ran("echo", Vec::new(), SHALLOW, second);
        }
        assert_eq!(ledger.active().len(), 0);
    }

    #[test]
    fn findings_of_a_probe_end_with_it() {
        let mut ledger = Ledger::default();
        ledger.ran("a", vec![outside(CUT)], DEEP, 1);
        ledger.ran("b", vec![outside(REFUSED)], DEEP, 1);
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
        let weaker = Finding { level: Level::Low, ..said_with(2, "b") };
        ledger.looked(vec![weaker], at(4));
        assert!(is_doubted(&ledger), "it is less sure");
        let surer = Finding { level: Level::High, ..said_with(2, "b") };
        ledger.looked(vec![surer], at(4));
        assert!(!is_doubted(&ledger));
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, None, Some(&doubt)), 1);
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, None, None), 1);
        assert!(!is_doubted(&ledger));
        assert_eq!(ledger.changed_doubts(), Some(Vec::new()), "nothing is left to be remembered");
    }

    #[test]
    fn a_doubt_outlives_the_finding_and_the_process() {
        let doubt = Doubt { at: at(1), note: "ours".to_owned() };
        let mut ledger = Ledger::default();
        assert_eq!(ledger.changed_doubts(), None);
        ledger.looked(vec![said_with(1, "a")], at(1));
        ledger.ran("echo", vec![outside(CUT)], DEEP, 1);
        assert_eq!(ledger.doubt("ws-upgrade-stripped", None, None, Some(&doubt)), 1);
        assert_eq!(ledger.doubt(CUT, None, None, Some(&doubt)), 1);
        let kept = ledger.changed_doubts().expect("two are new");
        assert_eq!((kept.len(), ledger.changed_doubts()), (2, None), "they are given once");
        let text = serde_json::to_string(&kept).expect("is JSON");

        let again = || {
            let mut ledger = Ledger::default();
            ledger.restore_doubts(serde_json::from_str(&text).expect("is read"), at(100));
            ledger
        };
        let doubts = |ledger: &Ledger| -> Vec<(String, bool)> {
            ledger.active().iter().map(|one| (one.id.to_string(), one.doubt.is_some())).collect()
        };
        let mut ledger = again();
        ledger.looked(vec![said_with(7, "a")], at(101));
        ledger.ran("other", vec![outside(CUT)], DEEP, 102);
        assert_eq!(
            doubts(&ledger),
            [("ws-upgrade-stripped".to_owned(), true), (CUT.to_owned(), false)],
            "another probe was not doubted"
        );
        ledger.ran("echo", vec![outside(CUT)], DEEP, 102);
        assert!(ledger.outside["echo"].found[0].finding.doubt.is_some());

        let mut ledger = again();
        ledger.looked(vec![said_with(7, "b")], at(101));
        assert!(!doubts(&ledger)[0].1, "it says something else");
        assert_eq!(ledger.changed_doubts().map(|left| left.len()), Some(1), "and is forgotten");

        let mut ledger = again();
        ledger.looked(vec![Finding { place: Place::Client, ..said_with(7, "a") }], at(101));
        assert!(!doubts(&ledger)[0].1, "it is looked for elsewhere");

        let mut ledger = again();
        ledger.looked(vec![said_with(7, "a")], at(100 + 6 * 86_400));
        ledger.looked(Vec::new(), at(100 + 8 * 86_400));
        assert_eq!(ledger.changed_doubts().map(|left| left.len()), Some(1), "one was seen two days ago");

        let mut ledger = again();
        ledger.looked(Vec::new(), at(100 + 8 * 86_400));
        assert_eq!(ledger.changed_doubts(), Some(Vec::new()), "nobody has seen them for a week");
    }

    #[test]
    fn doubts_are_bounded() {
        let mut ledger = Ledger::default();
        for number in 0..DOUBTS_MAX as u64 + 5 {
            let header = number.to_string();
            ledger.looked(vec![said_with(1, &header)], at(number));
            let route: Arc<str> = header.as_str().into();
            for (finding, _) in &mut ledger.inside {
                finding.route = Some(Arc::clone(&route));
            }
            let doubt = Doubt { at: at(number), note: header };
            ledger.doubt("ws-upgrade-stripped", None, None, Some(&doubt));
            ledger.inside.clear();
        }
        let kept = ledger.changed_doubts().expect("some are new");
        assert_eq!(kept.len(), DOUBTS_MAX);
        assert!(!serde_json::to_string(&kept).expect("is JSON").contains(r#""note":"4""#), "the oldest went");
    }
}
