//! Escalations on virtual time, in seconds.

mod random;

use std::collections::BTreeSet;

use model::series::Labels;

use super::*;

/// Groups of alerts, an escalation, and those who are called.
struct World {
    escalations: Escalations,
    now: i64,
    /// Alerts by group: labels, and whether they fire.
    groups: BTreeMap<String, BTreeMap<String, bool>>,
    /// Whether everything is silenced.
    is_silenced: bool,
    /// Destinations that cannot be reached.
    unreachable: BTreeSet<String>,
    /// Destinations that do not answer yet.
    slow: BTreeSet<String>,
    /// Calls without an answer.
    waiting: BTreeMap<u64, Call>,
    log: Vec<String>,
}

fn destinations() -> BTreeMap<String, Destination> {
    let all = [
        ("chat", DestinationKind::Message, false),
        ("mail", DestinationKind::Message, false),
        ("sms", DestinationKind::Sms, false),
        ("phone", DestinationKind::Voice, false),
        ("phone2", DestinationKind::Voice, false),
        ("pager", DestinationKind::Message, true),
    ];
    let all = all.map(|(name, kind, delegates)| (name.to_owned(), Destination { kind, delegates }));
    all.into()
}

fn night() -> BTreeMap<String, Vec<TimeInterval>> {
    // From 00:00 to 01:00, 3600 s.
    let interval = TimeInterval { times: Some(vec![(0, 60)]), ..TimeInterval::default() };
    [("night".to_owned(), vec![interval])].into()
}

#[track_caller]
fn policy(text: &str) -> Policy {
    let config: PolicyConfig = serde_saphyr::from_str(text).expect("it is a policy");
    config.judged("critical", &destinations(), &night()).expect("it may be used")
}

const POLICY: &str = "
when: [severity=critical]
steps:
- notify: [chat]
- {after: 5m, notify: [sms]}
- {after: 10m, notify: [phone], only: [team!=none]}
repeat: 1
ack_ttl: 30m
";

fn setup(policies: Vec<Policy>) -> Setup {
    Setup {
        policies,
        destinations: destinations(),
        time_intervals: night(),
        phone_calls_per_hour: 20,
        incidents_max: 100,
    }
}

impl World {
    fn new(text: &str) -> World {
        World {
            escalations: Escalations::new(setup(vec![policy(text)])),
            now: 0,
            groups: BTreeMap::new(),
            is_silenced: false,
            unreachable: BTreeSet::new(),
            slow: BTreeSet::new(),
            waiting: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    fn look_at(
        groups: &BTreeMap<String, BTreeMap<String, bool>>,
        is_silenced: bool,
        group: &str,
    ) -> Option<Flush> {
        let alerts = groups.get(group)?;
        let firing = alerts.values().filter(|fires| **fires).count();
        let alert = |(labels, fires): (&String, &bool)| {
            let pairs =
                labels.split_whitespace().map(|pair| pair.split_once('=').unwrap_or(("alertname", pair)));
            NoticeAlert {
                labels: Labels::new(pairs),
                annotations: Vec::new(),
                starts_at_ms: 0,
                ends_at_ms: 0,
                is_resolved: !fires,
                generator_url: String::new(),
            }
        };
        Some(Flush {
            group: group.to_owned(),
            group_key: group.to_owned(),
            group_labels: Labels::default(),
            receiver: "ops".to_owned(),
            alerts: alerts.iter().filter(|_| !is_silenced).map(alert).collect(),
            suppressed: if is_silenced { alerts.len() } else { 0 },
            suppressed_firing: if is_silenced { firing } else { 0 },
            group_interval_ms: 300_000,
            sends: Vec::new(),
        })
    }

    fn observe(&mut self, group: &str) {
        let look = World::look_at(&self.groups, self.is_silenced, group).expect("the group is there");
        let actions = self.escalations.observe(&look, self.now * 1000);
        self.act(actions);
    }

    /// An alert of the group `g` fires: its name and labels beside `severity=critical page=true`.
    fn fires(&mut self, alert: &str) {
        let alert = format!("{alert} page=true");
        self.groups.entry("g".to_owned()).or_default().insert(alert, true);
        self.observe("g");
    }

    fn ends(&mut self, alert: &str) {
        let alert = format!("{alert} page=true");
        self.groups.entry("g".to_owned()).or_default().insert(alert, false);
        self.observe("g");
    }

    fn silence(&mut self, is_silenced: bool) {
        self.is_silenced = is_silenced;
        self.observe("g");
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Cancel { call } => {
                    if let Some(call) = self.waiting.remove(&call) {
                        self.log.push(format!("{} {}: cancelled", self.now, call.destination));
                        self.answer(call.number, Answer::Failed);
                    }
                }
                Action::Tell(call) => self.call(call),
            }
        }
    }

    fn call(&mut self, call: Call) {
        let news = match &call.news {
            News::Open { step, round, why: Why::Opened } => format!("step {step}/{round}"),
            News::Open { step, round, why } => format!("step {step}/{round} {why:?}"),
            News::Reopened => "reopened".to_owned(),
            News::Acked { by } => format!("acked by {by}"),
            News::Resolved => "resolved".to_owned(),
        };
        self.log.push(format!("{} {}: {news}", self.now, call.destination));
        if self.slow.contains(&call.destination) {
            self.waiting.insert(call.number, call);
        } else if self.unreachable.contains(&call.destination) {
            self.answer(call.number, Answer::Failed);
        } else {
            self.answer(call.number, Answer::Delivered);
        }
    }

    fn answer(&mut self, call: u64, answer: Answer) {
        let actions = self.escalations.answered(call, answer, self.now * 1000);
        self.act(actions);
    }

    fn ack(&mut self, by: &str) {
        let number = self.escalations.incidents()[0].number;
        let actions = self.escalations.ack(number, by, self.now * 1000).expect("it is open");
        self.act(actions);
    }

    /// Lets time pass.
    fn pass(&mut self, now: i64) {
        while let Some(at_ms) = self.escalations.next_at_ms().filter(|at_ms| *at_ms <= now * 1000) {
            self.now = self.now.max(at_ms / 1000);
            let groups = self.groups.clone();
            let look = |group: &str| World::look_at(&groups, self.is_silenced, group);
            let actions = self.escalations.advance(look, self.now * 1000);
            self.act(actions);
        }
        self.now = now;
    }

    #[track_caller]
    fn check(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.log), expected);
    }
}

const A: &str = "A severity=critical";

#[test]
fn steps_follow_each_other_and_the_end_is_told() {
    let mut world = World::new(POLICY);
    world.fires(A);
    world.pass(10_000);
    world.check(&[
        "0 chat: step 1/1",
        "300 sms: step 2/1",
        "600 phone: step 3/1",
        "900 chat: step 1/2",
        "1200 sms: step 2/2",
        "1500 phone: step 3/2",
    ]);
    world.ends(A);
    world.pass(20_000);
    world.check(&["10000 chat: resolved", "10000 phone: resolved", "10000 sms: resolved"]);
    world.fires("B severity=warning");
    world.check(&[]);
}

#[test]
fn who_cares_stops_the_steps() {
    let mut world = World::new(POLICY);
    world.fires(A);
    world.pass(310);
    world.ack("ann");
    world.pass(2109);
    world.check(&[
        "0 chat: step 1/1",
        "300 sms: step 2/1",
        "310 chat: acked by ann",
        "310 sms: acked by ann",
    ]);
    let number = world.escalations.incidents()[0].number;
    let again = world.escalations.ack(number, "bob", 2_109_000);
    assert_eq!(again, Err(AckError::Acked("ann".to_owned())));
    world.pass(2411);
    world.check(&["2110 chat: step 1/1 AckLapsed", "2410 sms: step 2/1 AckLapsed"]);
    world.ack("bob");
    world.log.clear();
    world.ends(A);
    world.check(&["2411 chat: resolved", "2411 sms: resolved"]);
    assert_eq!(world.escalations.ack(number, "eve", 2_411_000), Err(AckError::Closed));
    assert_eq!(world.escalations.ack(99, "eve", 2_411_000), Err(AckError::Unknown));
}

#[test]
fn more_of_the_same_weight_undoes_an_acknowledgement() {
    let mut world = World::new(POLICY);
    world.fires(A);
    world.ack("ann");
    world.log.clear();
    world.fires("B severity=warning");
    world.fires(A);
    world.pass(100);
    world.check(&[]);
    world.fires("C severity=critical");
    world.pass(401);
    world.check(&["100 chat: step 1/1 NewAlerts", "400 sms: step 2/1 NewAlerts"]);
    world.fires("D severity=critical");
    world.pass(700);
    world.check(&["700 phone: step 3/1 NewAlerts"]);
}

#[test]
fn a_step_that_reaches_nobody_does_not_wait() {
    let mut world = World::new(POLICY);
    world.unreachable.extend(["chat".to_owned(), "sms".to_owned()]);
    world.fires(A);
    world.pass(899);
    world.check(&["0 chat: step 1/1", "0 sms: step 2/1", "0 phone: step 3/1"]);
    let mut world = World::new(POLICY);
    world.unreachable.extend(["chat", "sms", "phone"].map(str::to_owned));
    world.fires(A);
    world.pass(0);
    let all: Vec<String> = std::mem::take(&mut world.log);
    assert_eq!(all[..3], ["0 chat: step 1/1", "0 sms: step 2/1", "0 phone: step 3/1"]);
    world.unreachable.clear();
    world.pass(301);
    world.check(&["300 chat: step 1/1"]);
}

#[test]
fn one_of_several_is_enough() {
    let mut world = World::new(
        "{when: [severity=critical], steps: [{notify: [chat, mail]}, {after: 5m, notify: [sms]}]}",
    );
    world.unreachable.insert("mail".to_owned());
    world.fires(A);
    world.pass(299);
    world.check(&["0 chat: step 1/1", "0 mail: step 1/1"]);
    world.ends(A);
    world.check(&["299 chat: resolved"]);
}

#[test]
fn what_waits_is_cancelled_and_who_was_told_too_late_is_told_more() {
    let mut world = World::new(POLICY);
    world.slow.extend(["chat".to_owned(), "sms".to_owned()]);
    world.fires(A);
    world.pass(300);
    let late = world.waiting.pop_last().expect("the text message waits").0;
    world.ack("ann");
    world.check(&["0 chat: step 1/1", "300 sms: step 2/1", "300 chat: cancelled"]);
    world.slow.clear();
    world.answer(late, Answer::Delivered);
    world.check(&["300 sms: acked by ann"]);
    world.ends(A);
    world.check(&["300 sms: resolved"]);
    let mut world = World::new(POLICY);
    world.slow.insert("chat".to_owned());
    world.fires(A);
    let late = world.waiting.pop_last().expect("the message waits").0;
    world.ends(A);
    world.slow.clear();
    world.answer(late, Answer::Delivered);
    world.check(&["0 chat: step 1/1", "0 chat: resolved"]);
}

#[test]
fn timers_stand_while_all_is_silenced() {
    let mut world = World::new(POLICY);
    world.fires(A);
    world.pass(200);
    world.silence(true);
    world.pass(1200);
    world.silence(false);
    world.pass(1700);
    world.check(&["0 chat: step 1/1", "1300 sms: step 2/1", "1600 phone: step 3/1"]);
    world.ack("ann");
    world.log.clear();
    world.silence(true);
    world.pass(9000);
    world.silence(false);
    world.pass(10_799);
    world.check(&[]);
    world.pass(10_800);
    world.check(&["10800 chat: step 1/1 AckLapsed"]);
    world.silence(true);
    world.ends(A);
    assert_eq!(world.log.len(), 3, "who was told is told of the end all the same: {:?}", world.log);
}

#[test]
fn a_silence_is_seen_before_the_next_look() {
    let mut world = World::new(POLICY);
    world.fires(A);
    world.is_silenced = true;
    world.pass(1000);
    world.check(&["0 chat: step 1/1"]);
    world.groups.get_mut("g").expect("it is there").values_mut().for_each(|fires| *fires = false);
    world.silence(false);
    world.check(&["1000 chat: resolved"]);
    let mut world = World::new(POLICY);
    world.fires(A);
    world.groups.clear();
    world.pass(300);
    world.check(&["0 chat: step 1/1", "300 chat: resolved"]);
}

#[test]
fn what_flaps_calls_no_phone_again() {
    let mut world = World::new(POLICY);
    world.fires(A);
    world.pass(310);
    world.ack("ann");
    world.ends(A);
    world.log.clear();
    world.pass(500);
    world.fires(A);
    world.check(&["500 chat: reopened", "500 chat: acked by ann"]);
    assert_eq!(world.escalations.incidents()[0].acked_by.as_deref(), Some("ann"));
    world.ends(A);
    world.pass(799);
    world.check(&["500 chat: resolved"]);
    world.pass(800);
    world.fires(A);
    world.check(&["800 chat: step 1/1"]);
    assert_eq!(world.escalations.incidents().len(), 1, "the old one is forgotten");
}

#[test]
fn only_pages_reach_phones() {
    let text = "{when: [severity=critical], steps: [{notify: [chat, sms, phone]}]}";
    let mut world = World::new(text);
    world.groups.insert("g".to_owned(), [(A.to_owned(), true)].into());
    world.observe("g");
    world.check(&["0 chat: step 1/1"]);
    world.fires("B severity=critical");
    world.pass(10_000);
    world.check(&[]);
    let mut world = World::new(POLICY);
    world.fires("A severity=critical team=none");
    world.pass(899);
    world.check(&["0 chat: step 1/1", "300 sms: step 2/1"]);
}

#[test]
fn who_is_called_too_often_is_followed_by_the_next() {
    let text = "{when: [severity=critical], steps: [{notify: [phone]}, {after: 1h, notify: [phone2]}]}";
    let mut world = World::new(text);
    for group in 0..3 {
        world.groups.insert(format!("g{group}"), [("A severity=critical page=true".to_owned(), true)].into());
        world.observe(&format!("g{group}"));
    }
    world.pass(0);
    // The third finds both called within the minute, and begins again later.
    world.check(&["0 phone: step 1/1", "0 phone2: step 2/1"]);
    world.pass(300);
    world.check(&["300 phone: step 1/1"]);
}

#[test]
fn outside_its_time_only_the_first_step_is_run() {
    let text = "{when: [severity=critical], active: [night], steps: [{notify: [chat]}, {after: 5m, notify: [sms]}, \
                {after: 10m, notify: [phone]}]}";
    let mut world = World::new(text);
    world.pass(3601);
    world.fires(A);
    world.pass(86_400 + 300);
    world.check(&["3601 chat: step 1/1", "86401 sms: step 2/1"]);
    world.pass(86_400 + 1000);
    world.check(&["86701 phone: step 3/1"]);
    let mut world = World::new(text);
    world.pass(3601);
    world.unreachable.insert("chat".to_owned());
    world.fires(A);
    world.pass(3601);
    world.check(&["3601 chat: step 1/1", "3601 sms: step 2/1"]);
}

#[test]
fn what_is_handed_over_is_not_escalated_twice() {
    let text = "{when: [severity=critical], steps: [{notify: [pager]}, {after: 5m, notify: [sms]}]}";
    let mut world = World::new(text);
    world.fires(A);
    world.pass(1000);
    world.check(&["0 pager: step 1/1"]);
    assert!(world.escalations.incidents()[0].is_delegated);
    let mut world = World::new(&text.replace("{when", "{also: true, when"));
    world.fires(A);
    world.pass(1000);
    world.check(&["0 pager: step 1/1", "300 sms: step 2/1"]);
    let mut world = World::new(text);
    world.unreachable.insert("pager".to_owned());
    world.fires(A);
    world.pass(0);
    world.check(&["0 pager: step 1/1", "0 sms: step 2/1"]);
}

#[test]
fn the_first_policy_counts_and_a_worse_one_takes_over() {
    let other =
        "{when: ['severity=~\"warning|critical\"'], steps: [{notify: [mail]}, {after: 5m, notify: [mail]}]}";
    let mut world = World::new(POLICY);
    let second = Policy { name: "warning".to_owned(), ..policy(other) };
    world.escalations.reload(setup(vec![policy(POLICY), second]));
    world.fires("B severity=warning");
    world.pass(100);
    world.fires(A);
    world.pass(401);
    world.check(&["0 mail: step 1/1", "100 chat: step 1/1 NewAlerts", "400 sms: step 2/1 NewAlerts"]);
    world.escalations.reload(setup(Vec::new()));
    world.pass(2000);
    world.ends(A);
    world.ends("B severity=warning");
    world.check(&["2000 chat: resolved", "2000 mail: resolved", "2000 sms: resolved"]);
}

#[test]
fn incidents_are_bounded() {
    let mut world = World::new(POLICY);
    world.escalations.setup.incidents_max = 1;
    world.fires(A);
    world.groups.insert("h".to_owned(), [("A severity=critical".to_owned(), true)].into());
    world.observe("h");
    assert_eq!((world.escalations.incidents().len(), world.escalations.dropped()), (1, 1));
}

#[test]
fn after_a_restart_what_was_due_is_run_once() {
    let mut world = World::new(POLICY);
    world.fires(A);
    let saved = serde_json::to_string(world.escalations.saved()).expect("it is JSON");
    let saved = serde_json::from_str(&saved).expect("it is the same JSON");
    world.escalations = Escalations::new(setup(vec![policy(POLICY)]));
    world.log.clear();
    world.now = 5000;
    assert!(world.escalations.restore(saved, |_| Fate::Waits, 5_000_000).is_empty());
    world.pass(5000);
    world.check(&["5000 sms: step 2/1"]);
    world.pass(5300);
    world.check(&["5300 phone: step 3/1"]);
}

#[test]
fn calls_are_told_again_as_their_fate_demands() {
    let check = |fate: Fate, expected: &[&str], told: &[&str]| {
        let mut world = World::new(POLICY);
        world.slow.insert("chat".to_owned());
        world.fires(A);
        let saved = world.escalations.saved().clone();
        world.escalations = Escalations::new(setup(vec![policy(POLICY)]));
        world.slow.clear();
        world.log.clear();
        let actions = world.escalations.restore(saved, |_| fate, 10_000);
        world.act(actions);
        world.check(expected);
        assert_eq!(world.escalations.incidents()[0].told, told);
    };
    check(Fate::Waits, &[], &[]);
    check(Fate::Unknown, &["0 chat: step 1/1"], &["chat"]);
    check(Fate::Doubtful { tried_at_ms: 0 }, &[], &["chat"]);
}

#[test]
fn the_timetable_says_what_will_happen() {
    let world = World::new(POLICY);
    let shown = |labels: &[(&str, &str)]| {
        let timetable = world.escalations.timetable(&Labels::new(labels.iter().copied()));
        timetable.map(|(policy, rows)| {
            let rows = rows.iter().map(|row| {
                let left_out = row.left_out.map(|why| format!(" ({why})")).unwrap_or_default();
                format!(
                    "{} {}/{} {} {}{left_out}",
                    row.after_seconds, row.step, row.round, row.kind, row.destination
                )
            });
            (policy.name.clone(), rows.collect::<Vec<_>>().join("\n"))
        })
    };
    assert_eq!(shown(&[("severity", "warning")]), None);
    let (name, rows) =
        shown(&[("severity", "critical"), ("page", "true"), ("team", "none")]).expect("it has a policy");
    assert_eq!(name, "critical");
    let expected = "0 1/1 message chat\n300 2/1 sms sms\n600 3/1 voice phone (the step is only for other alerts)\n\
                    900 1/2 message chat\n1200 2/2 sms sms\n1500 3/2 voice phone (the step is only for other alerts)";
    assert_eq!(rows, expected);
    let (_, rows) = shown(&[("severity", "critical")]).expect("it has a policy");
    assert!(rows.contains("300 2/1 sms sms (only alerts with page=\"true\" may reach a phone)"), "{rows}");
}

#[test]
fn policies_are_judged() {
    let check = |text: &str, expected: &[&str]| {
        let config: PolicyConfig = serde_saphyr::from_str(text).expect("it is a policy");
        let faults = config.judged("p", &destinations(), &night()).expect_err("it is wrong");
        let fits = faults.len() == expected.len()
            && faults.iter().zip(expected).all(|(fault, expected)| fault.contains(expected));
        assert!(fits, "{faults:?}");
    };
    check("{when: [], steps: []}", &["`when` needs at least one", "`steps` needs 1 to 50 steps"]);
    check("{when: [a], steps: [{notify: [chat]}]}", &["`when`: `a` is not a matcher"]);
    check("{when: [a=b], steps: [{notify: []}]}", &["step 1 notifies nobody"]);
    check(
        "{when: [a=b], steps: [{notify: [fone]}]}",
        &["there is no receiver `fone`; did you mean `phone`?"],
    );
    check(
        "{when: [a=b], steps: [{after: 5m, notify: [chat]}, {after: 1m, notify: [chat]}]}",
        &["step 2 is before the one above it"],
    );
    check(
        "{when: [a=b], steps: [{after: 5, notify: [chat], only: ['=']}]}",
        &["`5` is not a duration", "`only`: "],
    );
    check(
        "{when: [a=b], steps: [{notify: [chat]}], active: [always, day]}",
        &["there is no time interval `day`"],
    );
    check("{when: [a=b], steps: [{notify: [chat]}], ack_ttl: 0s}", &["`ack_ttl` must not be zero"]);
    check("{when: [a=b], steps: [{notify: [chat]}], repeat: 101}", &["`repeat` is at most 100"]);
    assert!(serde_saphyr::from_str::<PolicyConfig>("{when: [], steps: [], step: 1}").is_err());
}
