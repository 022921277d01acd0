//! The queue on virtual time: a script of what happens and what is seen.

use proptest::prelude::*;

use super::*;
use crate::channel::Rate;
use crate::testing::{alert, notice};

const TRAITS: Traits = Traits { rates: &[Rate::per_minute(2)], has_digests: true, is_costly: false };

/// Time at the start, milliseconds.
const START: i64 = 1_000_000;

struct Scene {
    queue: Queue,
    now_ms: i64,
    given: u32,
}

impl Scene {
    fn new(traits: Traits) -> Scene {
        Scene { queue: Queue::new(traits, true, false, BTreeMap::new(), START), now_ms: START, given: 0 }
    }

    fn at(&mut self, seconds: i64) -> &mut Scene {
        self.now_ms = START + seconds * 1000;
        self
    }

    /// Gives the alerts of a group: `A+` fires, `A-` has ended.
    fn give(&mut self, group: &str, alerts: &[&str]) -> &mut Scene {
        let alerts = alerts.iter().map(|text| {
            let (name, state) = text.split_at(1);
            alert(name, START, (state == "-").then_some(self.now_ms))
        });
        let notice = notice(group, alerts.collect());
        self.given += 1;
        self.queue.give(notice, format!("msg_{}", self.given), self.now_ms);
        self
    }

    /// What is done next: seconds until then, or the groups and alerts that are told.
    fn next(&mut self) -> String {
        match self.queue.poll(self.now_ms) {
            Step::Idle => "idle".to_owned(),
            Step::Until(at_ms) => format!("until {}", (at_ms - START) as f64 / 1000.0),
            Step::Send => self.queue.message().1.iter().map(shown).collect::<Vec<_>>().join(" "),
        }
    }

    fn ends(&mut self, outcome: Outcome) -> &mut Scene {
        self.queue.done(outcome, self.now_ms, 0.0);
        self
    }

    fn reports(&mut self) -> String {
        let reports = self.queue.reports();
        let shown = reports.iter().map(|(notice, told)| {
            let told = match told {
                Told::Delivered { .. } => "delivered".to_owned(),
                Told::Failed { reason, .. } => format!("failed({})", reason.word()),
                Told::Dropped => "dropped".to_owned(),
                Told::Cancelled => "cancelled".to_owned(),
            };
            format!("{} {told}", shown(notice))
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    fn counts(&self) -> Vec<String> {
        let counts = self.queue.counts().iter();
        counts.map(|((result, reason), count)| format!("{result} {reason} {count}")).collect()
    }
}

fn shown(notice: &Notice) -> String {
    let alerts = notice.alerts.iter().map(|alert| {
        format!("{}{}", alert.labels.get("alertname"), if alert.is_resolved { "-" } else { "+" })
    });
    format!("{}:{}", notice.group_key, alerts.collect::<Vec<_>>().join(""))
}

fn retry(reason: Reason, after_s: Option<u64>) -> Outcome {
    Outcome::Retry { after: after_s.map(Duration::from_secs), reason, detail: "said".to_owned() }
}

#[test]
fn while_there_is_room_each_group_is_told_at_once() {
    let mut scene = Scene::new(TRAITS);
    scene.give("g", &["A+"]).give("h", &["B+"]);
    assert_eq!(scene.next(), "g:A+");
    scene.ends(Outcome::delivered());
    assert_eq!(scene.next(), "h:B+");
    scene.ends(Outcome::delivered());
    assert_eq!(scene.next(), "idle");
    assert_eq!(scene.reports(), "g:A+ delivered, h:B+ delivered");
    assert_eq!(scene.counts(), ["delivered  2"]);
}

#[test]
fn what_has_to_wait_goes_as_one_digest() {
    let mut scene = Scene::new(TRAITS);
    for group in ["g", "h"] {
        scene.give(group, &["A+"]).next();
        scene.ends(Outcome::delivered());
    }
    scene.at(5).give("i", &["B+"]).give("j", &["C+"]).give("k", &["D+"]);
    assert_eq!(scene.next(), "until 60");
    assert_eq!(scene.at(60).next(), "i:B+ j:C+ k:D+");
    scene.ends(Outcome::delivered());
    assert_eq!(scene.counts(), ["delivered  3", "merged  2"]);
}

#[test]
fn of_one_group_the_newest_state_waits() {
    let mut scene = Scene::new(TRAITS);
    scene.give("g", &["A+"]).next();
    scene.ends(retry(Reason::RateLimited, Some(30))).reports();
    scene.at(10).give("g", &["A+", "B+"]).give("g", &["A-", "B+"]);
    assert_eq!(scene.next(), "until 30");
    assert_eq!(scene.at(30).next(), "g:B+");
    scene.ends(Outcome::delivered());
    assert_eq!(scene.reports(), "g:B+ delivered");
    assert_eq!(scene.counts(), ["delivered  1", "merged  2", "retried rate_limited 1"]);
}

#[test]
fn what_ends_before_anyone_knew_is_not_told() {
    let mut scene = Scene::new(TRAITS);
    scene.give("g", &["A+"]).next();
    scene.ends(retry(Reason::Unreachable, None));
    scene.give("g", &["A-"]);
    assert_eq!(scene.reports(), "g:A- cancelled");
    assert_eq!(scene.at(9).next(), "idle");
}

#[test]
fn who_may_know_that_it_fires_is_told_that_it_has_ended() {
    let told = |outcome: Outcome| {
        let mut scene = Scene::new(TRAITS);
        scene.give("g", &["A+"]).next();
        scene.ends(outcome).give("g", &["A-"]);
        scene.at(50).next()
    };
    assert_eq!(told(Outcome::delivered()), "g:A-");
    assert_eq!(told(retry(Reason::Timeout, None)), "g:A-");
    assert_eq!(told(retry(Reason::RateLimited, None)), "idle");
}

#[test]
fn an_alert_from_before_the_start_may_be_known() {
    let mut scene = Scene::new(TRAITS);
    let old = |ended| notice("g", vec![alert("A", START - 1, ended)]);
    scene.queue.give(old(None), "msg_1".to_owned(), START);
    scene.queue.give(old(Some(START)), "msg_2".to_owned(), START);
    assert_eq!(scene.next(), "g:A-");
}

#[test]
fn a_notice_that_comes_while_its_group_is_told_follows() {
    let mut scene = Scene::new(TRAITS);
    scene.give("g", &["A+"]).next();
    scene.give("g", &["A-"]);
    scene.ends(Outcome::delivered());
    assert_eq!(scene.next(), "g:A-");
}

#[test]
fn what_ended_stays_until_it_is_told() {
    let mut scene = Scene::new(TRAITS);
    scene.give("g", &["A+"]).next();
    scene.ends(Outcome::delivered()).give("g", &["A-"]).give("g", &["B+"]);
    assert_eq!(scene.next(), "g:B+A-");
}

#[test]
fn waits_double_up_to_five_minutes_and_a_message_is_given_up_after_an_hour() {
    let mut scene = Scene::new(Traits { rates: &[], ..TRAITS });
    scene.give("g", &["A+"]);
    let mut waits = Vec::new();
    loop {
        let next = scene.next();
        match next.strip_prefix("until ") {
            Some(at) => {
                let at: f64 = at.parse().expect("seconds");
                waits.push(at - (scene.now_ms - START) as f64 / 1000.0);
                scene.now_ms = START + (at * 1000.0) as i64;
            }
            None if next == "idle" => break,
            None => {
                scene.ends(retry(Reason::Server, None));
            }
        }
    }
    assert_eq!(waits[..10], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0]);
    assert_eq!(scene.now_ms, START + TRY_MS);
    assert_eq!(scene.reports(), "g:A+ failed(server)");
}

#[test]
fn chance_shortens_waits_by_up_to_a_half() {
    assert_eq!((backoff_ms(1, 0.0), backoff_ms(1, 1.0), backoff_ms(3, 0.5)), (1000, 500, 3000));
    assert_eq!(backoff_ms(u32::MAX, 0.0), 300_000);
}

#[test]
fn a_message_that_fails_holds_up_no_other() {
    let mut scene = Scene::new(Traits { rates: &[], has_digests: false, ..TRAITS });
    scene.give("g", &["A+"]).give("h", &["B+"]);
    assert_eq!(scene.next(), "g:A+");
    scene.ends(retry(Reason::Server, None));
    assert_eq!(scene.at(1).next(), "h:B+");
    scene.ends(Outcome::delivered());
    assert_eq!(scene.next(), "g:A+");
    scene.ends(Outcome::failed(Reason::BadRequest, "no"));
    assert_eq!(scene.reports(), "h:B+ delivered, g:A+ failed(bad_request)");
}

#[test]
fn of_a_digest_that_is_refused_each_is_told_alone() {
    const RATES: &[Rate] = &[Rate::per_second(1)];
    let mut scene = Scene::new(Traits { rates: RATES, ..TRAITS });
    scene.give("g", &["A+"]).give("h", &["B+"]);
    assert_eq!(scene.next(), "g:A+ h:B+");
    scene.ends(Outcome::failed(Reason::BadRequest, "no"));
    assert_eq!(scene.at(1).next(), "g:A+");
    scene.ends(Outcome::failed(Reason::BadRequest, "no"));
    assert_eq!(scene.at(2).next(), "h:B+");
    scene.ends(Outcome::delivered());
    assert_eq!(scene.reports(), "g:A+ failed(bad_request), h:B+ delivered");
}

#[test]
fn of_too_many_the_oldest_that_ended_leaves() {
    let mut scene = Scene::new(TRAITS);
    for number in 0..WAITING_MAX {
        let state = if number == 1 { "A-" } else { "A+" };
        scene.give(&format!("g{number}"), &[state]);
    }
    scene.give("h", &["B+"]).give("i", &["B+"]);
    assert_eq!(scene.reports(), "g1:A- dropped, g0:A+ dropped");
    assert_eq!(scene.queue.len(), WAITING_MAX);
    assert_eq!(scene.counts(), ["dropped queue_full 2"]);
}

#[test]
fn letters_follow_what_waits() {
    let mut scene = Scene::new(TRAITS);
    let changes = |scene: &mut Scene| -> Vec<(String, bool)> {
        scene.queue.changes().into_iter().map(|(group, text)| (group, text.is_some())).collect()
    };
    scene.give("g", &["A+"]);
    assert_eq!(changes(&mut scene), [("g".to_owned(), true)]);
    scene.next();
    let told = scene.queue.changes().pop().and_then(|(_, text)| text).expect("a letter");
    assert_eq!(letter::tried_at_ms(&told), Some(START));
    scene.ends(Outcome::delivered());
    assert_eq!(changes(&mut scene), [("g".to_owned(), false)]);
}

#[test]
fn what_is_withdrawn_while_it_is_told_is_not_tried_again() {
    let mut scene = Scene::new(TRAITS);
    scene.give("g", &["A+"]);
    scene.next();
    scene.queue.withdraw("g");
    scene.ends(Outcome::Retry { after: None, reason: Reason::Server, detail: String::new() });
    assert_eq!((scene.queue.len(), scene.reports()), (0, "g:A+ cancelled".to_owned()));
}

#[test]
fn a_costly_message_is_not_kept_while_it_is_told() {
    let mut scene = Scene::new(Traits { is_costly: true, ..TRAITS });
    scene.give("g", &["A+"]);
    scene.queue.changes();
    scene.next();
    assert_eq!(scene.queue.changes(), [("g".to_owned(), None)]);
}

#[test]
fn letters_of_a_process_before_go_first() {
    let mut scene = Scene::new(TRAITS);
    scene.give("g", &["A+"]).at(1).give("b", &["B+"]);
    let letters = scene.queue.changes().into_iter().map(|(group, text)| (group, text.expect("a letter")));
    let mut letters: BTreeMap<String, String> = letters.collect();
    letters.insert("x".to_owned(), "not a letter".to_owned());
    let mut queue = Queue::new(TRAITS, true, false, letters, START + 5000);
    assert_eq!(queue.changes(), [("x".to_owned(), None)]);
    assert_eq!(queue.poll(START + 5000), Step::Send);
    let (id, notices) = queue.message();
    assert_eq!((&*id, shown(&notices[0])), ("msg_1", "g:A+".to_owned()));
}

#[test]
fn a_channel_that_tells_no_ends_tells_none() {
    let mut queue = Queue::new(TRAITS, false, false, BTreeMap::new(), START);
    queue.give(
        notice("g", vec![alert("A", START, None), alert("B", START, Some(START))]),
        "1".to_owned(),
        START,
    );
    assert_eq!(queue.poll(START), Step::Send);
    assert_eq!(queue.message().1.iter().map(shown).collect::<Vec<_>>(), ["g:A+"]);
    queue.done(Outcome::delivered(), START, 0.0);
    queue.give(notice("g", vec![alert("A", START, Some(START))]), "2".to_owned(), START);
    assert_eq!(queue.poll(START), Step::Idle);
    assert_eq!(queue.reports().len(), 2);
}

#[test]
fn what_is_delivered_can_be_taken_back() {
    for (can_withdraw, expected) in [(true, Some("CA1".to_owned())), (false, None)] {
        let mut queue = Queue::new(TRAITS, false, can_withdraw, BTreeMap::new(), START);
        queue.give(notice("g", vec![alert("A", START, None)]), "1".to_owned(), START);
        assert_eq!(queue.poll(START), Step::Send);
        queue.done(Outcome::Delivered { id: Some("CA1".to_owned()) }, START, 0.0);
        let told: Vec<Told> = queue.reports().into_iter().map(|(_, told)| told).collect();
        assert_eq!(told, [Told::Delivered { withdraw: expected }]);
    }
}

proptest! {
    /// Whatever happens, no window of time has more attempts than the rate allows, each given group comes to an end,
    /// and nothing is reported twice for one notice.
    #[test]
    fn rates_hold_and_everything_ends(
        events in prop::collection::vec((0i64..20_000, 0usize..4, 0usize..4, any::<bool>()), 1..80)
    ) {
        let mut scene = Scene::new(TRAITS);
        let mut attempts = Vec::new();
        let mut settle = |scene: &mut Scene, outcome: usize| {
            if scene.queue.poll(scene.now_ms) == Step::Send {
                attempts.push(scene.now_ms);
                let outcome = match outcome {
                    0 | 1 => Outcome::delivered(),
                    2 => Outcome::failed(Reason::BadRequest, "no"),
                    _ => retry(Reason::Server, None),
                };
                scene.queue.done(outcome, scene.now_ms, 0.5);
            }
        };
        for (wait_ms, group, outcome, is_firing) in events {
            scene.now_ms += wait_ms;
            scene.give(&format!("g{group}"), &[if is_firing { "A+" } else { "A-" }]);
            settle(&mut scene, outcome);
        }
        for _ in 0..1000 {
            scene.now_ms += 5_000;
            settle(&mut scene, 0);
        }
        prop_assert_eq!(scene.queue.len(), 0);
        for window in attempts.windows(3) {
            prop_assert!(window[2] - window[0] >= 60_000, "{:?}", window);
        }
    }
}
