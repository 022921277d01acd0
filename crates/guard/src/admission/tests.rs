//! Scenarios on virtual time, and what holds of every sequence of them.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;

use model::Moment;
use proptest::prelude::*;

use super::*;

/// Time as a scenario has it.
#[derive(Clone, Debug, Default)]
struct Hands(Rc<Cell<u64>>);

impl Clock for Hands {
    fn now(&self) -> Moment {
        Moment(self.0.get())
    }
}

impl Hands {
    fn pass(&self, time: Duration) {
        self.0.set(self.0.get() + u64::try_from(time.as_nanos()).expect("short"));
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn rate(tokens: u32, interval: Duration) -> Rate {
    Rate { tokens: NonZeroU32::new(tokens).expect("some"), interval }
}

/// A gate with what stands behind it: connections that are open.
struct Scene {
    clock: Hands,
    gate: Gate<Hands>,
    open: Vec<Option<Slot<Hands>>>,
}

impl Scene {
    fn new(limits: Limits) -> Scene {
        let clock = Hands::default();
        let gate = Gate::new(Scope::Route, limits, clock.clone(), None);
        Scene { clock, gate, open: Vec::new() }
    }

    fn ask(&self, ask: &Ask) -> Verdict<Hands> {
        self.gate.ask(ask, || self.open.len() as u64)
    }

    /// Opens a connection, or tells the reason why not.
    fn open_by(&mut self, ask: &Ask) -> Result<Option<AdmissionReason>, AdmissionReason> {
        let (slot, would) = match self.ask(ask) {
            Verdict::Admitted(slot) => (slot, None),
            Verdict::WouldRefuse(slot, refusal) => (slot, Some(refusal.reason)),
            Verdict::Refused(refusal) => return Err(refusal.reason),
        };
        self.open.push(None);
        let last = self.open.len() - 1;
        self.open[last] = slot.opened();
        Ok(would)
    }

    fn reload(&mut self, limits: Limits) {
        self.gate = Gate::new(Scope::Route, limits, self.clock.clone(), Some(&self.gate));
    }

    /// Opens as many as come in, and says how many did and what the next one was told.
    #[track_caller]
    fn fill(&mut self, ask: &Ask, expected: usize, reason: AdmissionReason) {
        for number in 0..expected {
            assert_eq!(self.open_by(ask), Ok(None), "connection {number}");
        }
        assert_eq!(self.open_by(ask), Err(reason));
    }
}

fn of(client: u64) -> Ask {
    Ask { client: Some(Client(client)), ..Ask::default() }
}

#[test]
fn a_ceiling_holds_what_is_being_opened_as_well() {
    let mut scene = Scene::new(Limits { connections: Some(3), ..Limits::default() });
    let Verdict::Admitted(opening) = scene.ask(&Ask::default()) else { panic!("the first comes in") };
    scene.fill(&Ask::default(), 2, AdmissionReason::Connections);
    drop(opening);
    scene.fill(&Ask::default(), 1, AdmissionReason::Connections);
    scene.open.pop();
    scene.fill(&Ask::default(), 1, AdmissionReason::Connections);
}

#[test]
fn a_bucket_fills_again_evenly() {
    let new_connections = Some(rate(10, 10 * SECOND));
    let mut scene = Scene::new(Limits { new_connections, ..Limits::default() });
    assert_eq!(scene.gate.taken(), Some(0));
    scene.fill(&Ask::default(), 10, AdmissionReason::NewConnections);
    assert_eq!(scene.gate.taken(), Some(10));
    scene.clock.pass(SECOND);
    assert_eq!(scene.gate.taken(), Some(9));
    scene.fill(&Ask::default(), 1, AdmissionReason::NewConnections);
    scene.clock.pass(3 * SECOND);
    scene.fill(&Ask::default(), 3, AdmissionReason::NewConnections);
    scene.clock.pass(60 * SECOND);
    scene.fill(&Ask::default(), 10, AdmissionReason::NewConnections);
}

#[test]
fn who_meets_a_ceiling_takes_no_token() {
    let limits =
        Limits { connections: Some(1), new_connections: Some(rate(2, 60 * SECOND)), ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.fill(&Ask::default(), 1, AdmissionReason::Connections);
    for _ in 0..10 {
        assert_eq!(scene.open_by(&Ask::default()), Err(AdmissionReason::Connections));
    }
    scene.open.clear();
    assert_eq!(scene.open_by(&Ask::default()), Ok(None));
}

#[test]
fn each_client_has_its_own() {
    let per_client = PerClient { connections: Some(2), new_connections: Some(rate(3, 30 * SECOND)) };
    let mut scene = Scene::new(Limits { per_client, ..Limits::default() });
    scene.fill(&of(1), 2, AdmissionReason::ClientConnections);
    scene.fill(&of(2), 2, AdmissionReason::ClientConnections);
    scene.fill(&of(3), 2, AdmissionReason::ClientConnections);
    scene.open.clear();
    scene.fill(&of(1), 1, AdmissionReason::ClientNewConnections);
    scene.clock.pass(10 * SECOND);
    scene.fill(&of(1), 1, AdmissionReason::ClientConnections);
    assert_eq!(scene.open_by(&Ask::default()), Ok(None), "nobody knows who this is");
    assert_eq!((scene.gate.clients(), scene.gate.busiest_client()), (3, 2));
}

#[test]
fn clients_are_bounded_and_those_at_rest_make_room() {
    let per_client = PerClient { connections: Some(1), new_connections: Some(rate(1, 60 * SECOND)) };
    let mut scene = Scene::new(Limits { per_client, ..Limits::default() });
    for client in 0..CLIENTS_MAX as u64 {
        assert_eq!(scene.open_by(&of(client)), Ok(None));
    }
    let one_more = of(u64::MAX);
    assert_eq!(scene.open_by(&one_more), Ok(None));
    assert_eq!(scene.open_by(&one_more), Ok(None), "let in without a limit of its own");
    assert_eq!((scene.gate.clients(), scene.gate.clients_left_out()), (CLIENTS_MAX as u64, 2));
    scene.open.truncate(10);
    scene.clock.pass(59 * SECOND);
    assert_eq!(scene.open_by(&one_more), Ok(None), "their buckets are not full again");
    scene.clock.pass(SECOND);
    assert_eq!(scene.open_by(&one_more), Ok(None));
    assert_eq!(scene.open_by(&one_more), Err(AdmissionReason::ClientConnections));
    assert_eq!((scene.gate.clients(), scene.gate.clients_left_out()), (11, 3));
}

#[test]
fn a_trial_refuses_nobody_and_says_whom() {
    let limits = Limits { connections: Some(1), dry_run: true, ..Limits::default() };
    let mut scene = Scene::new(limits);
    assert_eq!(scene.open_by(&Ask::default()), Ok(None));
    assert_eq!(scene.open_by(&Ask::default()), Ok(Some(AdmissionReason::Connections)));
}

#[test]
fn who_is_exempt_is_let_in_and_counted() {
    let mut scene = Scene::new(Limits { connections: Some(2), ..Limits::default() });
    let exempt = Ask { is_exempt: true, ..Ask::default() };
    for _ in 0..5 {
        assert_eq!(scene.open_by(&exempt), Ok(None));
    }
    assert_eq!(scene.open_by(&Ask::default()), Err(AdmissionReason::Connections));
}

#[test]
fn what_is_counted_outlives_its_limits() {
    let per_client = |connections| PerClient { connections: Some(connections), ..PerClient::default() };
    let bucket = Some(rate(5, 60 * SECOND));
    let limits = |connections, clients, new_connections| Limits {
        connections: Some(connections),
        per_client: per_client(clients),
        new_connections,
        ..Limits::default()
    };
    let mut scene = Scene::new(limits(10, 2, bucket));
    scene.fill(&of(1), 2, AdmissionReason::ClientConnections);
    scene.reload(limits(10, 3, bucket));
    scene.fill(&of(1), 1, AdmissionReason::ClientConnections);
    scene.reload(limits(2, 3, bucket));
    assert_eq!(scene.open_by(&of(2)), Err(AdmissionReason::Connections));
    scene.reload(limits(10, 3, bucket));
    scene.fill(&of(2), 2, AdmissionReason::NewConnections);
    scene.reload(limits(10, 3, Some(rate(6, 60 * SECOND))));
    assert_eq!(scene.open_by(&of(2)), Ok(None), "another rate is another bucket");
    scene.open.clear();
    assert_eq!(scene.gate.clients(), 0, "each was given back once");
}

#[test]
fn the_gateway_in_all_has_reasons_of_its_own() {
    let limits = Limits { connections: Some(0), ..Limits::default() };
    let gate = Gate::new(Scope::Gateway, limits, Hands::default(), None);
    let verdict = gate.ask(&Ask::default(), || 0);
    assert!(matches!(verdict, Verdict::Refused(Refusal { reason: AdmissionReason::GatewayConnections, .. })));
}

#[test]
fn those_who_are_refused_are_spread() {
    let retry_after = 10 * SECOND;
    let limits = Limits { connections: Some(0), retry_after, ..Limits::default() };
    let scene = Scene::new(limits);
    let told = |seed| match scene.ask(&Ask { seed, ..Ask::default() }) {
        Verdict::Refused(refusal) => refusal.retry_after,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(0), retry_after);
    assert_eq!(told(u64::MAX), 2 * retry_after);
    assert!((14..=16).contains(&told(u64::MAX / 2).as_secs()));
    let new_connections = Some(rate(1, 60 * SECOND));
    let scene = Scene::new(Limits { new_connections, retry_after, ..Limits::default() });
    let _slot = scene.ask(&Ask::default());
    let Verdict::Refused(refusal) = scene.ask(&Ask::default()) else { panic!("the bucket is empty") };
    assert_eq!(refusal.retry_after, 60 * SECOND, "not before there is a token");
}

#[test]
fn a_pace_is_in_debt_for_what_has_come() {
    let mut pace = Pace::new(rate(10, SECOND), Moment(0));
    pace.take(10, Moment(0));
    assert_eq!(pace.wait(Moment(0)), None);
    pace.take(5, Moment(0));
    assert_eq!(pace.wait(Moment(0)), Some(SECOND / 2));
    assert_eq!(pace.wait(Moment(500_000_000)), None);
    pace.take(1, Moment(500_000_000));
    assert_eq!(pace.wait(Moment(500_000_000)), Some(SECOND / 10));
    assert_eq!(pace.wait(Moment(60_000_000_000)), None);
}

#[derive(Clone, Debug)]
enum Step {
    Come(u64),
    Open(usize),
    Fail(usize),
    End(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4_u64).prop_map(Step::Come),
        3 => any::<usize>().prop_map(Step::Open),
        1 => any::<usize>().prop_map(Step::Fail),
        2 => any::<usize>().prop_map(Step::End),
        1 => (0..2_000_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn never_more_than_the_ceiling_nor_than_the_tokens(
        steps in steps(), ceiling in 1..8_u64, each in 1..4_u64, tokens in 1..20_u32, millis in 100..5_000_u64,
    ) {
        let interval = Duration::from_millis(millis);
        let per_client = PerClient { connections: Some(each), ..PerClient::default() };
        let limits = Limits {
            connections: Some(ceiling), per_client, new_connections: Some(rate(tokens, interval)), ..Limits::default()
        };
        let scene = Scene::new(limits);
        let (mut opening, mut open) = (Vec::new(), Vec::new());
        let mut granted = Vec::new();
        for step in steps {
            match step {
                Step::Come(client) => {
                    if let Verdict::Admitted(slot) = scene.gate.ask(&of(client), || open.len() as u64) {
                        opening.push((client, slot));
                        granted.push(scene.clock.now());
                    }
                }
                Step::Open(at) if !opening.is_empty() => {
                    let (client, slot) = opening.swap_remove(at % opening.len());
                    open.push((client, slot.opened()));
                }
                Step::Fail(at) if !opening.is_empty() => drop(opening.swap_remove(at % opening.len())),
                Step::End(at) if !open.is_empty() => drop(open.swap_remove(at % open.len())),
                Step::Wait(millis) => scene.clock.pass(Duration::from_millis(millis)),
                Step::Open(_) | Step::Fail(_) | Step::End(_) => {}
            }
            prop_assert!((opening.len() + open.len()) as u64 <= ceiling);
            prop_assert_eq!(scene.gate.opening(), opening.len() as u64);
            for client in 0..4 {
                let has = opening.iter().filter(|one| one.0 == client).count()
                    + open.iter().filter(|one| one.0 == client).count();
                prop_assert!(has as u64 <= each);
            }
        }
        for (first, begin) in granted.iter().enumerate() {
            for (last, end) in granted.iter().enumerate().skip(first) {
                let most = f64::from(tokens) * (1.0 + end.since(*begin).as_secs_f64() / interval.as_secs_f64());
                prop_assert!((last - first + 1) as f64 <= most + 1e-6);
            }
        }
        drop(opening);
        drop(open);
        prop_assert_eq!((scene.gate.opening(), scene.gate.clients()), (0, 0));
    }

    #[test]
    fn what_is_paced_is_within_its_rate(sizes in prop::collection::vec(0..50_u64, 1..100), tokens in 1..40_u32) {
        let rate = rate(tokens, SECOND);
        let (mut pace, mut now, mut taken) = (Pace::new(rate, Moment(0)), Moment(0), 0);
        for size in sizes {
            if let Some(wait) = pace.wait(now) {
                now = now + wait;
            }
            let most = f64::from(tokens) * (1.0 + now.since(Moment(0)).as_secs_f64());
            prop_assert!(taken as f64 <= most + 1e-3, "{taken} by {now:?}");
            pace.take(size, now);
            taken += size;
        }
    }
}
