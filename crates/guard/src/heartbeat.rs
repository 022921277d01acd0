//! When a connection is to be given a sign of life, and when its peer is given up.
//!
//! What stands on the way forgets or cuts a connection that is silent, and many look at each direction by itself. So a
//! sign of life is due when either direction of a leg has been silent for the interval: where both are busy none is sent,
//! and the answer to it speaks for the way back. A peer that was asked and from which nothing came for the time-out is
//! given up.

use std::time::Duration;

use model::{Leg, Moment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Signs of life that the gateway gives by itself: a Ping on a WebSocket, a comment on an event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Typed")]
#[schemars(with = "Typed")]
pub struct HeartbeatConfig {
    /// Silence in either direction of a leg after which a sign of life is sent.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// A peer that was sent a Ping and from which nothing has come for so long is given up.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// The peers that are sent signs of life.
    pub towards: Towards,
}

/// As it is typed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Typed {
    /// Silence in either direction of a connection after which a sign of life is sent: a Ping on a WebSocket, a comment on
    /// an event stream. At least 1 s. Less than half of the shortest idle time-out on the way.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    interval: Duration,
    /// A peer that was sent a Ping and from which nothing has come for so long is given up; longer than `interval`.
    /// Twice the interval if absent.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<String>")]
    timeout: Option<Duration>,
    /// Who is sent signs of life: `client`, `upstream` or `both`. Event streams have none towards the upstream.
    #[serde(default)]
    towards: Towards,
}

/// Peers that are sent signs of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Towards {
    /// Clients.
    #[default]
    Client,
    /// Upstreams.
    Upstream,
    /// Both.
    Both,
}

impl Towards {
    /// Whether the peer on `leg` is one of them.
    pub fn includes(self, leg: Leg) -> bool {
        match self {
            Towards::Client => leg == Leg::Client,
            Towards::Upstream => leg == Leg::Upstream,
            Towards::Both => true,
        }
    }
}

/// Shortest interval: connections are looked at once a second.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

impl TryFrom<Typed> for HeartbeatConfig {
    type Error = String;

    fn try_from(Typed { interval, timeout, towards }: Typed) -> Result<Self, String> {
        if interval < INTERVAL_MIN {
            return Err("`interval` of a heartbeat is 1s at least".to_owned());
        }
        let timeout = timeout.unwrap_or(interval * 2);
        if timeout <= interval {
            let why = "a peer is asked when it was silent for the interval, and needs time to answer";
            return Err(format!("`timeout` of a heartbeat must be longer than its `interval`: {why}"));
        }
        Ok(HeartbeatConfig { interval, timeout, towards })
    }
}

/// What is known of one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// When something was last read from the peer; none where it has nothing to say.
    pub heard: Option<Moment>,
    /// When something was last sent to it, signs of life left out.
    pub told: Moment,
    /// When the first sign of life was sent that it has not answered by anything.
    pub asked: Option<Moment>,
    /// When the last sign of life was sent.
    pub last_asked: Option<Moment>,
}

/// What is to be done for a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Nothing before this moment.
    Wait(Moment),
    /// Send a sign of life.
    Ask,
    /// Give the peer up.
    GiveUp,
}

/// The heartbeat of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    towards: Towards,
}

impl Heartbeat {
    /// Spreads the intervals of connections that began together: `seed`, which is random, shortens it by up to a tenth.
    pub fn new(config: &HeartbeatConfig, seed: u64) -> Heartbeat {
        let HeartbeatConfig { interval, timeout, towards } = *config;
        let shorter = interval / 10 * u32::try_from(seed % 1024).expect("it is less than 1024") / 1024;
        Heartbeat { interval: interval - shorter, timeout, towards }
    }

    /// Whether the peer on `leg` is sent signs of life.
    pub fn is_towards(&self, leg: Leg) -> bool {
        self.towards.includes(leg)
    }

    /// What is to be done at `now` for a leg with these signs.
    pub fn judge(&self, signs: &Signs, now: Moment) -> Beat {
        let Signs { heard, told, asked, last_asked } = *signs;
        let silent_since = heard.map_or(told, |heard| heard.min(told));
        let ask_at = last_asked.map_or(silent_since, |last| last.max(silent_since)) + self.interval;
        let give_up_at = heard.zip(asked).filter(|(heard, asked)| asked > heard).map(|(heard, asked)| {
            let to_answer = self.timeout.saturating_sub(self.interval);
            (heard + self.timeout).max(asked + to_answer)
        });
        match give_up_at {
            Some(at) if at <= now => Beat::GiveUp,
            _ if ask_at <= now => Beat::Ask,
            Some(at) => Beat::Wait(at.min(ask_at)),
            None => Beat::Wait(ask_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000_000)
    }

    fn config(interval: u64, timeout: u64) -> HeartbeatConfig {
        let seconds = Duration::from_secs;
        HeartbeatConfig { interval: seconds(interval), timeout: seconds(timeout), towards: Towards::Both }
    }

    /// A leg on virtual time, looked at each second: what was heard and told at which seconds, and whether the peer
    /// answers. Gives the seconds of signs of life, and of the peer given up.
    fn play(
        config: &HeartbeatConfig,
        heard: &[u64],
        told: &[u64],
        answers: impl Fn(u64) -> bool,
        end: u64,
    ) -> (Vec<u64>, Option<u64>) {
        let heartbeat = Heartbeat::new(config, 0);
        let mut signs = Signs { heard: Some(at(0)), told: at(0), asked: None, last_asked: None };
        let mut beats = Vec::new();
        for second in 1..=end {
            if heard.contains(&second) {
                signs.heard = Some(at(second));
            }
            if told.contains(&second) {
                signs.told = at(second);
            }
            match heartbeat.judge(&signs, at(second)) {
                Beat::Wait(until) => assert!(until > at(second), "it waits for what is to come"),
                Beat::Ask => {
                    beats.push(second);
                    if signs.asked.is_none_or(|asked| Some(asked) <= signs.heard) {
                        signs.asked = Some(at(second));
                    }
                    signs.last_asked = Some(at(second));
                    if answers(second) {
                        signs.heard = Some(Moment(at(second).0 + 1));
                    }
                }
                Beat::GiveUp => return (beats, Some(second)),
            }
        }
        (beats, None)
    }

    #[test]
    fn a_silent_peer_that_answers_is_asked_each_interval() {
        assert_eq!(play(&config(30, 60), &[], &[], |_| true, 100), (vec![30, 60, 90], None));
    }

    #[test]
    fn a_busy_connection_is_left_alone() {
        let busy: Vec<u64> = (1..100).step_by(9).collect();
        assert_eq!(play(&config(10, 20), &busy, &busy, |_| true, 100), (vec![], None));
    }

    #[test]
    fn one_silent_direction_is_enough() {
        let busy: Vec<u64> = (1..100).collect();
        let (beats, end) = play(&config(10, 20), &[], &busy, |_| true, 35);
        assert_eq!((beats, end), (vec![10, 21, 32], None));
        let (beats, _) = play(&config(10, 20), &busy, &[], |_| true, 35);
        assert_eq!(beats, [10, 20, 30]);
    }

    #[test]
    fn a_peer_that_answers_nothing_is_given_up() {
        assert_eq!(play(&config(30, 60), &[], &[], |_| false, 100), (vec![30], Some(60)));
        assert_eq!(play(&config(10, 60), &[], &[], |_| false, 100), (vec![10, 20, 30, 40, 50], Some(60)));
        let (_, end) = play(&config(10, 20), &[], &[], |second| second < 30, 100);
        assert_eq!(end, Some(41), "21 answered, 31 not");
    }

    #[test]
    fn who_was_not_asked_is_not_given_up() {
        let signs = Signs { heard: Some(at(0)), told: at(0), asked: None, last_asked: None };
        assert_eq!(Heartbeat::new(&config(10, 20), 0).judge(&signs, at(1000)), Beat::Ask);
        let late = Signs { asked: Some(at(1000)), last_asked: Some(at(1000)), ..signs };
        assert_eq!(Heartbeat::new(&config(10, 20), 0).judge(&late, at(1001)), Beat::Wait(at(1010)));
    }

    #[test]
    fn who_has_nothing_to_say_is_never_given_up() {
        let signs = Signs { heard: None, told: at(0), asked: Some(at(10)), last_asked: Some(at(10)) };
        assert_eq!(Heartbeat::new(&config(10, 20), 0).judge(&signs, at(20)), Beat::Ask);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let read =
            |text: &str| serde_json::from_str::<HeartbeatConfig>(text).map_err(|error| error.to_string());
        let seed = read(r#"{"interval": "30s", "timeout": "60s"}"#).expect("the usual shape");
        assert_eq!(seed, HeartbeatConfig { towards: Towards::Client, ..config(30, 60) });
        assert_eq!(read(r#"{"interval": "20s"}"#).expect("a time-out is there").timeout.as_secs(), 40);
        assert!(read(r#"{"interval": "30s", "timeout": "30s"}"#).expect_err("no time").contains("longer"));
        assert!(read(r#"{"interval": "900ms"}"#).expect_err("too short").contains("1s at least"));
    }

    proptest! {
        /// Whatever goes on, no direction is silent for longer than the interval without a sign of life, and a peer that
        /// answers is not given up.
        #[test]
        fn no_direction_is_silent_for_long(
            heard in prop::collection::btree_set(1u64..200, 0..20),
            told in prop::collection::btree_set(1u64..200, 0..20),
            interval in 1u64..30,
            longer in 1u64..30,
        ) {
            let (heard, told) = (Vec::from_iter(heard), Vec::from_iter(told));
            let (beats, end) = play(&config(interval, interval + longer), &heard, &told, |_| true, 200);
            prop_assert_eq!(end, None);
            for direction in [&heard, &told] {
                let mut signs: Vec<u64> = direction.iter().chain(&beats).copied().collect();
                signs.sort_unstable();
                let gaps = signs.iter().zip(std::iter::once(&0).chain(&signs));
                prop_assert!(gaps.into_iter().all(|(sign, before)| sign - before <= interval + 1));
            }
        }

        #[test]
        fn intervals_are_spread_and_never_longer(seed: u64) {
            let heartbeat = Heartbeat::new(&config(100, 200), seed);
            prop_assert!((Duration::from_secs(90)..=Duration::from_secs(100)).contains(&heartbeat.interval));
        }
    }
}
