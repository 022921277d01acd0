//! Silences.

use super::*;
use crate::alertmanager::{Matchers, parse_matchers};

fn silence(matchers: &str, starts: i64, ends: i64) -> Silence {
    Silence {
        id: String::new(),
        matchers: Matchers::new(parse_matchers(matchers).expect("they are valid")),
        starts_at_ms: starts * 1000,
        ends_at_ms: ends * 1000,
        updated_at_ms: 0,
        created_by: "me".to_owned(),
        comment: "why".to_owned(),
    }
}

/// Each silence: id, state, start and end in seconds.
#[track_caller]
fn check(dispatcher: &Dispatcher, now: i64, expected: &[&str]) {
    let shown = dispatcher.silences.iter().map(|silence| {
        let (from, to) = (silence.starts_at_ms.div_euclid(1000), silence.ends_at_ms.div_euclid(1000));
        format!("{} {:?} {from}..{to}", silence.id, silence.state(now * 1000))
    });
    assert_eq!(shown.collect::<Vec<_>>(), expected);
}

fn set(
    dispatcher: &mut Dispatcher,
    silence: Silence,
    new_id: &str,
    now: i64,
) -> Result<String, SilenceError> {
    dispatcher.set_silence(silence, new_id.to_owned(), now * 1000)
}

#[test]
fn they_hold_while_they_are_active() {
    let mut world = World::new(&root("group_wait: 10s, group_interval: 30s"));
    set(&mut world.dispatcher, silence("alertname=~\"A|C\"", 120, 160), "s", 50).expect("it is valid");
    world.fires(100, "A");
    world.pass(110);
    world.fires(130, "C");
    world.pass(300);
    world.check(&["110 ops: A (First)", "170 ops: A,C (NewAlerts)"]);
    assert_eq!(world.dispatcher.counters().suppressed_silenced, 2);
}

#[test]
fn they_are_made_changed_and_ended() {
    let mut dispatcher = Dispatcher::new(setup(&root("")));
    let id = set(&mut dispatcher, silence("a=b", 10, 200), "1", 100);
    assert_eq!(id.as_deref(), Ok("1"), "the past is not silenced");
    check(&dispatcher, 100, &["1 Active 100..200"]);
    let longer = Silence { id: "1".to_owned(), ..silence("a=b", 100, 300) };
    assert_eq!(set(&mut dispatcher, longer, "2", 150).as_deref(), Ok("1"));
    check(&dispatcher, 150, &["1 Active 100..300"]);
    let other = Silence { id: "1".to_owned(), ..silence("a=c", 100, 300) };
    assert_eq!(set(&mut dispatcher, other, "3", 160).as_deref(), Ok("3"));
    check(&dispatcher, 160, &["1 Expired 100..159", "3 Active 160..300"]);
    dispatcher.expire_silence("3", 170_000).expect("it is known");
    dispatcher.expire_silence("3", 180_000).expect("once more does nothing");
    check(&dispatcher, 180, &["1 Expired 100..159", "3 Expired 160..169"]);
    set(&mut dispatcher, silence("a=b", 500, 600), "4", 200).expect("it is valid");
    let moved = Silence { id: "4".to_owned(), ..silence("a=b", 700, 800) };
    assert_eq!(set(&mut dispatcher, moved, "5", 210).as_deref(), Ok("4"));
    dispatcher.expire_silence("4", 220_000).expect("it is known");
    check(&dispatcher, 220, &["1 Expired 100..159", "3 Expired 160..169", "4 Expired 219..219"]);
    dispatcher.flush(169_999 + 432_000_000);
    check(&dispatcher, 432_220, &["4 Expired 219..219"]);
}

#[test]
fn wrong_ones_are_refused() {
    let check = |silence: Silence, expected: &str| {
        let mut dispatcher = Dispatcher::new(setup(&root("")));
        match set(&mut dispatcher, silence, "1", 100) {
            Err(SilenceError::Invalid(text)) => assert!(text.contains(expected), "{text}"),
            other => panic!("{other:?}"),
        }
    };
    check(silence("", 100, 200), "at least one matcher");
    check(silence("a=~.*, b=", 100, 200), "would take all alerts");
    check(silence("a=b", 200, 200), "must end after it starts");
    check(silence("a=b", 10, 99), "must not end in the past");
    let mut dispatcher = Dispatcher::new(setup(&root("")));
    let unknown = Silence { id: "x".to_owned(), ..silence("a=b", 100, 200) };
    assert_eq!(set(&mut dispatcher, unknown, "1", 100), Err(SilenceError::Unknown));
    assert_eq!(dispatcher.expire_silence("x", 0), Err(SilenceError::Unknown));
    dispatcher.setup.options.silences_max = 1;
    set(&mut dispatcher, silence("a!=b", 100, 200), "1", 100).expect("there is room");
    assert_eq!(set(&mut dispatcher, silence("a=b", 100, 200), "2", 100), Err(SilenceError::Full));
}
