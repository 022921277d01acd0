//! Whatever happens, in any order.

use proptest::prelude::*;

use super::*;

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    Fires(u8),
    Ends(u8),
    Silence(bool),
    Pass(u16),
    Ack,
    Reachable(u8, bool),
    Answer(u8, bool),
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..4_u8).prop_map(Event::Fires),
        4 => (0..4_u8).prop_map(Event::Ends),
        1 => any::<bool>().prop_map(Event::Silence),
        6 => (1..1000_u16).prop_map(Event::Pass),
        2 => Just(Event::Ack),
        2 => (0..3_u8, any::<bool>()).prop_map(|(which, is_reachable)| Event::Reachable(which, is_reachable)),
        6 => (any::<u8>(), any::<bool>()).prop_map(|(which, is_good)| Event::Answer(which, is_good)),
        2 => Just(Event::Restart),
    ]
}

/// What people believe, by what they were told.
#[derive(Default)]
struct People {
    /// Destinations that believe that something is open.
    worried: BTreeSet<String>,
}

/// Calls that were made since the log had a length.
fn alarms(log: &[String]) -> usize {
    log.iter().filter(|line| line.contains(": step")).count()
}

const ALERTS: [&str; 4] =
    ["A severity=critical", "B severity=critical", "C severity=warning", "D severity=critical team=none"];
const DESTINATIONS: [&str; 3] = ["chat", "sms", "phone"];

struct Run {
    world: World,
    people: People,
}

impl Run {
    fn new() -> Run {
        let mut world = World::new(POLICY);
        // Whoever is called answers only when told to.
        world.slow.extend(DESTINATIONS.map(str::to_owned));
        Run { world, people: People::default() }
    }

    fn happen(&mut self, event: &Event) -> Result<(), TestCaseError> {
        let world = &mut self.world;
        let is_quiet = world.escalations.incidents().iter().all(|incident| incident.state != State::Open);
        let before = alarms(&world.log);
        match event {
            Event::Fires(which) => world.fires(ALERTS[usize::from(*which)]),
            Event::Ends(which) => world.ends(ALERTS[usize::from(*which)]),
            Event::Silence(is_silenced) => {
                world.is_silenced = *is_silenced;
                if !world.groups.is_empty() {
                    world.observe("g");
                }
            }
            Event::Pass(seconds) => {
                let lapses = world.escalations.next_at_ms().is_some();
                let until = world.now + i64::from(*seconds);
                world.pass(until);
                prop_assert!(
                    lapses || !is_quiet || alarms(&world.log) == before,
                    "somebody was called for nothing"
                );
            }
            Event::Ack => {
                let open =
                    world.escalations.incidents().into_iter().find(|incident| incident.state == State::Open);
                if let Some(open) = open {
                    let actions =
                        world.escalations.ack(open.number, "ann", world.now * 1000).expect("it is open");
                    world.act(actions);
                    prop_assert_eq!(alarms(&world.log), before, "nobody is called by an acknowledgement");
                    let still = world
                        .waiting
                        .values()
                        .any(|call| call.news.is_alarm() && call.incident == open.number);
                    prop_assert!(!still, "a call still waits");
                }
            }
            Event::Reachable(which, is_reachable) => {
                let destination = DESTINATIONS[usize::from(*which)].to_owned();
                if *is_reachable {
                    world.unreachable.remove(&destination)
                } else {
                    world.unreachable.insert(destination)
                };
            }
            Event::Answer(which, is_good) => {
                // Each destination is told one after another.
                let chosen = world.waiting.values().nth(usize::from(*which) % world.waiting.len().max(1));
                let destination = chosen.map(|call| call.destination.clone());
                let first =
                    world.waiting.values().find(|call| Some(&call.destination) == destination.as_ref());
                if let Some(number) = first.map(|call| call.number) {
                    self.answer(number, *is_good)?;
                }
            }
            Event::Restart => {
                let saved = serde_json::to_string(world.escalations.saved()).expect("it is JSON");
                let saved = serde_json::from_str(&saved).expect("it is the same JSON");
                world.escalations = Escalations::new(setup(vec![policy(POLICY)]));
                let actions = world.escalations.restore(saved, |_| Fate::Waits, world.now * 1000);
                prop_assert!(actions.is_empty());
            }
        }
        self.check()
    }

    /// A call is answered; who was told believes it.
    fn answer(&mut self, number: u64, is_good: bool) -> Result<(), TestCaseError> {
        let call = self.world.waiting.remove(&number).expect("it waits");
        let is_told = is_good && !self.world.unreachable.contains(&call.destination) || !call.news.is_alarm();
        if is_told {
            match call.news {
                News::Acked { .. } => {}
                News::Resolved => drop(self.people.worried.take(&call.destination)),
                _ => drop(self.people.worried.replace(call.destination.clone())),
            }
        }
        let open = |world: &World| {
            world.escalations.incident(call.incident).filter(|incident| incident.state == State::Open)
        };
        let step = open(&self.world).and_then(|incident| incident.next_step);
        let is_last_of_step =
            self.world.escalations.kept.incidents.get(&call.incident).is_some_and(|incident| {
                incident.waiting.len() == 1 && incident.waiting.contains(&number) && !incident.has_reached
            });
        self.world.answer(number, if is_told { Answer::Delivered } else { Answer::Failed });
        if let Some(after) = open(&self.world)
            .filter(|after| !after.is_paused && is_last_of_step && !is_told && step.is_some())
        {
            prop_assert!(
                after.next_at_ms.is_some_and(|at_ms| at_ms <= self.world.now * 1000),
                "the next step waits"
            );
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let world = &self.world;
        for call in world.waiting.values().filter(|call| call.news.is_alarm()) {
            let state = world.escalations.incident(call.incident).map(|incident| incident.state);
            prop_assert_ne!(state, None, "of a call the incident is known");
            prop_assert!(state == Some(State::Open) || call.news == News::Reopened, "{:?} {:?}", call, state);
        }
        let open = world.escalations.incidents();
        prop_assert!(open.iter().filter(|incident| incident.state != State::Closed).count() <= 1);
        Ok(())
    }

    /// Everything ends; then nobody is worried.
    fn end(&mut self) -> Result<(), TestCaseError> {
        self.world.unreachable.clear();
        for alert in ALERTS {
            self.world.ends(alert);
        }
        while let Some(number) = self.world.waiting.keys().next().copied() {
            self.answer(number, true)?;
        }
        prop_assert_eq!(&self.people.worried, &BTreeSet::new());
        let until = self.world.now + 10_000;
        let before = self.world.log.len();
        self.world.pass(until);
        prop_assert_eq!(self.world.log.len(), before, "nobody is called after the end");
        self.world.ends(ALERTS[0]);
        prop_assert!(
            self.world.escalations.incidents().is_empty() && self.world.escalations.kept.calls.is_empty()
        );
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nobody_is_called_for_nothing_and_nobody_stays_worried(events in prop::collection::vec(event(), 1..120)) {
        let mut run = Run::new();
        for event in &events {
            run.happen(event)?;
        }
        run.end()?;
    }
}
