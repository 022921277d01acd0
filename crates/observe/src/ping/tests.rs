//! Heartbeats as they are seen, and what must be told of them.

use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Moment {
    Moment(millis * 1_000_000)
}

fn millis(time: Duration) -> u128 {
    time.as_millis()
}

/// `ping TAG TIME`, `taken TIME` (all is accepted), `pong TAG TIME`, `end`; each Pong and the end give what they
/// tell: `pong rtt/missed`, `pong -/missed`, `ignored`, `end missed`.
fn play(story: &str) -> (String, Pings) {
    let mut pings = Pings::default();
    let (mut told, mut offset) = (Vec::new(), 0);
    for step in story.split(", ") {
        let words: Vec<&str> = step.split(' ').collect();
        let number = |place: usize| words[place].parse::<u64>().expect("a number");
        match words[0] {
            "ping" => {
                offset += 10;
                pings.sent(number(1), offset, at(number(2)));
            }
            "taken" => assert!(!pings.accepted(offset, at(number(1)))),
            "pong" => told.push(match pings.pong(number(1), at(number(2))) {
                None => "ignored".to_owned(),
                Some(Answer { rtt: None, missed }) => format!("pong -/{missed}"),
                Some(Answer { rtt: Some(rtt), missed }) => format!("pong {}/{missed}", millis(rtt)),
            }),
            "end" => told.push(format!("end {}", pings.end())),
            other => panic!("{other}"),
        }
    }
    (told.join(", "), pings)
}

#[track_caller]
fn check(story: &str, expected: &str) {
    assert_eq!(play(story).0, expected, "{story}");
}

#[test]
fn a_round_trip_begins_with_the_acceptance() {
    check("ping 1 0, taken 2, pong 1 50, end", "pong 48/0, end 0");
    check("ping 1 0, taken 2, taken 30, pong 1 50", "pong 48/0");
    check("ping 1 0, pong 1 50, end", "pong -/0, end 0");
}

#[test]
fn pongs_that_nobody_asked_for() {
    check("pong 1 5, end", "ignored, end 0");
    check("ping 1 0, taken 0, pong 2 5, pong 1 6, pong 1 7, end", "ignored, pong 6/0, ignored, end 0");
}

#[test]
fn what_a_peer_passes_over_is_missed() {
    check("ping 1 0, ping 2 10, taken 10, pong 2 15, pong 1 16, end", "pong 5/1, ignored, end 0");
    check("ping 1 0, taken 0, ping 2 10, taken 10, end", "end 2");
    check("ping 1 0, taken 0, ping 2 10, end", "end 1");
    check("ping 1 0, ping 2 5, taken 6, pong 1 8, pong 2 9, end", "pong 2/0, pong 3/0, end 0");
}

#[test]
fn equal_payloads_are_matched_to_the_newest() {
    check(
        "ping 7 0, taken 0, ping 7 20, taken 20, pong 7 25, ping 7 40, taken 40, pong 7 45, end",
        "pong 5/1, pong 5/0, end 0",
    );
}

#[test]
fn of_many_open_pings_the_oldest_are_counted() {
    let pings: String = (1..=6).map(|tag| format!("ping {tag} {tag}, taken {tag}, ")).collect();
    check(&format!("{pings}end"), "end 6");
    check(&format!("{pings}pong 6 16, end"), "pong 10/5, end 0");
    let answers = "pong 1 20, pong 2 20, pong 3 20, pong 4 20, pong 5 20, pong 6 20";
    let told = "ignored, ignored, pong 17/0, pong 16/0, pong 15/0, pong 14/0, end 0";
    check(&format!("{pings}{answers}, end"), told);
    check("ping 1 0, ping 2 0, ping 3 0, ping 4 0, ping 5 0, ping 6 0, taken 1, end", "end 4");
}

#[test]
fn the_slowest_round_trip_stays_known() {
    let (_, pings) = play("ping 1 0, taken 0, pong 1 900, ping 2 1000, taken 1000, pong 2 1003");
    assert_eq!(pings.rtt().map(millis), Some(3));
    assert_eq!(pings.slowest_rtt().map(millis), Some(900));
}

#[test]
fn an_interval_is_the_median_of_the_last_gaps() {
    let check = |times: &[u64], expected: Option<u128>| {
        let mut pings = Pings::default();
        times.iter().for_each(|&time| pings.sent(0, 0, at(time)));
        assert_eq!(pings.interval().map(millis), expected, "{times:?}");
    };
    check(&[], None);
    check(&[0, 20, 40], None);
    check(&[0, 20, 40, 60], Some(20));
    check(&[0, 20, 40, 900, 920], Some(20));
    check(&[0, 20, 40, 60, 80, 100, 150, 200, 250], Some(50));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ping,
    Accept,
    /// Answers one of the Pings so far, or none.
    Pong(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Ping),
        3 => Just(Step::Accept),
        3 => (0usize..40).prop_map(Step::Pong),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// Pings have payloads of their own, as those of careful endpoints have.
    #[test]
    fn no_ping_is_counted_twice(steps in steps()) {
        let mut pings = Pings::default();
        let mut accepted: Vec<Option<Moment>> = Vec::new();
        let (mut answered, mut missed) = (0, 0);
        for (time, &step) in steps.iter().enumerate() {
            let now = at(time as u64);
            match step {
                Step::Ping => {
                    pings.sent(accepted.len() as u64, accepted.len() as u64 + 1, now);
                    accepted.push(None);
                }
                Step::Accept => {
                    prop_assert!(!pings.accepted(accepted.len() as u64, now));
                    accepted.iter_mut().for_each(|ping| { ping.get_or_insert(now); });
                }
                Step::Pong(tag) => if let Some(answer) = pings.pong(tag as u64, now) {
                    prop_assert_eq!(answer.rtt, accepted[tag].map(|accepted| now.since(accepted)));
                    answered += 1;
                    missed += answer.missed;
                },
            }
            prop_assert!(pings.open_count <= OPEN_MAX);
        }
        missed += pings.end();
        prop_assert_eq!(pings.missed(), missed);
        prop_assert!(answered + missed <= accepted.len() as u32);
        prop_assert_eq!(pings.end(), 0);
    }

    /// A peer that answers each Ping in order, however late, misses none.
    #[test]
    fn a_peer_that_answers_all_misses_none(delays in prop::collection::vec(0u64..12, 1..60)) {
        let mut happenings: Vec<(u64, bool, u64)> = Vec::new();
        let mut last = 0;
        for (tag, delay) in delays.iter().enumerate() {
            let sent = tag as u64 * 2;
            last = last.max(sent + 1 + delay);
            happenings.extend([(sent, false, tag as u64), (last, true, tag as u64)]);
        }
        happenings.sort_unstable();
        let mut pings = Pings::default();
        for (time, is_pong, tag) in happenings {
            if is_pong {
                pings.pong(tag, at(time));
            } else {
                pings.sent(tag, tag, at(time));
                pings.accepted(tag, at(time));
            }
        }
        prop_assert_eq!(pings.end(), 0);
        prop_assert_eq!(pings.missed(), 0);
    }
}
