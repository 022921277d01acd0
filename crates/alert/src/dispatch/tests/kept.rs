//! What a restart costs.

use proptest::prelude::*;

use super::*;

impl World {
    /// Writes what has changed.
    fn keep(&mut self) {
        for change in self.dispatcher.take_changes() {
            match change.text {
                Some(text) => drop(self.kept.insert(change.name, text)),
                None => drop(self.kept.remove(&change.name)),
            }
        }
    }

    /// Ends the process and starts another with what was kept.
    fn restart(&mut self, text: &str, fate: Fate, now: i64) {
        self.dispatcher = Dispatcher::new(setup(text));
        let kept = self.kept.clone();
        assert!(self.dispatcher.restore(kept, |_| fate, now * 1000).is_empty());
    }
}

const ROUTE: &str = "group_wait: 10s, group_interval: 30s, repeat_interval: 1h";

#[track_caller]
fn check_fate(fate: Fate, expected: &[&str]) {
    let text = root(ROUTE);
    let mut world = World::new(&text);
    world.answers.insert("ops".to_owned(), Answer::None);
    world.fires(100, "A");
    world.keep();
    world.pass(110);
    world.keep();
    world.log.clear();
    world.restart(&text, fate, 120);
    world.answers.clear();
    world.dispatcher.delivered(&world.given[0], 125_000);
    world.pass(200);
    world.check(expected);
}

#[test]
fn what_was_given_is_told_as_its_fate_demands() {
    check_fate(Fate::Waits, &[]);
    check_fate(Fate::Unknown, &["110 ops: A (First)"]);
    check_fate(Fate::Doubtful { tried_at_ms: 119_000 }, &["149 ops: A (First)"]);
    check_fate(Fate::Doubtful { tried_at_ms: 90_000 }, &["140 ops: A (First)"]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let mut dispatcher = Dispatcher::new(setup(&root("")));
    let kept = [("alert/1", "{}"), ("group/x", "x"), ("other", "{}"), ("silence/a", "[]"), ("log/a", "")];
    let kept = kept.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let unreadable = dispatcher.restore(kept, |_| Fate::Waits, 0);
    assert_eq!(unreadable, ["alert/1", "group/x", "other", "silence/a", "log/a"]);
}

#[test]
fn nothing_stays_behind_on_the_disk() {
    let mut world = World::new(&root(ROUTE));
    world.fires(100, "A");
    world.pass(110);
    world.keep();
    assert_eq!(world.kept.len(), 3, "{:?}", world.kept);
    world.ends(120, "A");
    world.pass(140);
    world.dispatcher.flush(140_000 + 7_200_000);
    world.keep();
    assert!(world.kept.is_empty(), "{:?}", world.kept);
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    Fires(u8),
    Ends(u8),
    Pass(u8),
    Answer(u8, bool),
    Restart,
    Silence(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..5_u8).prop_map(Event::Fires),
        3 => (0..5_u8).prop_map(Event::Ends),
        6 => (1..60_u8).prop_map(Event::Pass),
        4 => (any::<u8>(), any::<bool>()).prop_map(|(which, is_good)| Event::Answer(which, is_good)),
        3 => Just(Event::Restart),
        1 => (0..5_u8).prop_map(Event::Silence),
    ]
}

const TREE: &str = "route: {receiver: a, group_by: [g], group_wait: 10s, group_interval: 30s, repeat_interval: 2m, \
                    routes: [{receiver: b, matchers: [g=0], continue: true}, {receiver: a}]}\n\
                    receivers: [{name: a, webhook_configs: [{}, {send_resolved: false}]}, {name: b, webhook_configs: \
                    [{}]}]\ninhibit_rules: [{source_matchers: [alertname=\"0\"], target_matchers: [alertname=\"3\"]}]\n";

/// Lets it happen to a world whose channels answer only when told. A restart of an `is_steady` world does nothing.
fn happen(world: &mut World, event: &Event, now: &mut i64, is_steady: bool) {
    let alert = |which: u8| format!("alertname={which} g={}", which % 2);
    // What is too old is forgotten at the same time in both.
    world.dispatcher.next_sweep_ms = 0;
    match event {
        Event::Fires(which) => world.report(*now, &alert(*which), *now, *now + 200),
        Event::Ends(which) => world.ends(*now, &alert(*which)),
        Event::Pass(seconds) => {
            *now += i64::from(*seconds);
            world.pass(*now);
        }
        Event::Answer(which, is_good) => {
            if !world.given.is_empty() {
                let id = world.given.remove(usize::from(*which) % world.given.len());
                if *is_good {
                    world.dispatcher.delivered(&id, *now * 1000);
                } else {
                    world.dispatcher.failed(&id);
                }
            }
        }
        Event::Restart if is_steady => {}
        Event::Restart => world.restart(TREE, Fate::Waits, *now),
        Event::Silence(which) => {
            let silence = Silence {
                id: String::new(),
                matchers: alertmanager::Matchers::new(
                    alertmanager::parse_matchers(&format!("alertname=\"{which}\"")).expect("it is valid"),
                ),
                starts_at_ms: *now * 1000,
                ends_at_ms: (*now + 40) * 1000,
                updated_at_ms: 0,
                created_by: String::new(),
                comment: String::new(),
            };
            let id = format!("{which}-{now}");
            world.dispatcher.set_silence(silence, id, *now * 1000).expect("it is valid");
        }
    }
    world.keep();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A process that is started anew tells the same as one that runs on.
    #[test]
    fn a_restart_changes_nothing(events in prop::collection::vec(event(), 1..80)) {
        let world = || {
            let mut world = World::new(TREE);
            world.answers = [("a".to_owned(), Answer::None), ("b".to_owned(), Answer::None)].into();
            world
        };
        let (mut steady, mut restarted) = (world(), world());
        let (mut now, mut same) = (1000, 1000);
        for event in &events {
            happen(&mut steady, event, &mut now, true);
            happen(&mut restarted, event, &mut same, false);
            prop_assert_eq!(&steady.log, &restarted.log);
            prop_assert_eq!(&steady.kept, &restarted.kept);
            prop_assert_eq!(steady.dispatcher.sizes(), restarted.dispatcher.sizes());
            prop_assert_eq!(steady.dispatcher.given(), restarted.dispatcher.given());
        }
    }

    /// Whoever was told that something fires is told of its end, whatever happens in between; and nothing stays.
    #[test]
    fn who_is_told_of_a_beginning_is_told_of_the_end(events in prop::collection::vec(event(), 1..80)) {
        let mut world = World::new(TREE);
        world.answers = [("a".to_owned(), Answer::None), ("b".to_owned(), Answer::None)].into();
        let mut now = 1000;
        for event in &events {
            happen(&mut world, event, &mut now, false);
        }
        world.answers.clear();
        for id in std::mem::take(&mut world.given) {
            world.dispatcher.failed(&id);
        }
        now += 300;
        world.pass(now);
        let still_firing = world.dispatcher.log.entries.iter().filter(|(_, entry)| !entry.told.firing.is_empty());
        // Where a silence or an inhibition hid the end, Alertmanager tells nobody either.
        if world.hidden == 0 {
            prop_assert_eq!(still_firing.count(), 0);
        }
        prop_assert_eq!(world.dispatcher.sizes().alerts, 0);
        prop_assert_eq!(world.dispatcher.sizes().groups, 0);
    }
}
