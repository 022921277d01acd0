//! Plans against services that functions play.

use super::*;
use crate::scene::{Scene, answer};

/// Runs a plan against a service that this function plays; the experiments in their order.
fn played(scene: Scene, options: Options, mut play: impl FnMut(&Experiment) -> Attempt) -> Vec<Experiment> {
    let mut seen = scene.seen();
    let mut plan = Plan::new(options);
    let mut made = Vec::new();
    for round in 0..500 {
        let step = plan.next(&seen, &[], f64::from(round));
        if step.start.is_empty() {
            return made;
        }
        seen.attempts.extend(step.start.iter().map(&mut play));
        made.extend(step.start);
    }
    panic!("a plan without end: {made:?}");
}

fn refused(experiment: &Experiment, status: u16) -> Attempt {
    let mut attempt = crate::scene::greeted(experiment.clone(), answer(status));
    if status != 101 {
        attempt.stages.push(crate::attempt::Stage {
            name: StageName::Upgrade,
            seconds: 0.0,
            fault: Some(Fault::Answer),
            detail: String::new(),
        });
    }
    attempt
}

#[test]
fn a_refusal_is_varied_in_one_thing_at_a_time() {
    let made = played(Scene::websocket(), Options::default(), |experiment| refused(experiment, 403));
    assert_eq!(made[0], greeting(Check::Handshake, Via::Url, None));
    let own = Vary::Origin("http://example.com".to_owned());
    assert!(made.iter().any(|experiment| experiment.vary.as_ref() == Some(&own)), "{made:?}");
    assert!(made.iter().any(|experiment| experiment.vary == Some(Vary::NoUpgrade)), "{made:?}");
    assert!(made.iter().all(|experiment| experiment.conduct == Conduct::Greet), "{made:?}");
    let again = made.iter().filter(|experiment| **experiment == made[0]).count();
    assert_eq!(again, 1 + REPEATED);
}

#[test]
fn a_limit_is_bisected_to_the_byte() {
    let limit = 5000;
    let checks = vec![Check::Size];
    let options = Options { checks, ..Options::default() };
    let made = played(Scene::websocket(), options, |experiment| {
        let mut attempt = refused(experiment, 101);
        let Conduct::Send { bytes, .. } = experiment.conduct else { return attempt };
        crate::scene::passes(&mut attempt, bytes <= limit);
        attempt
    });
    let sizes: Vec<u64> = made
        .iter()
        .filter_map(|experiment| match experiment.conduct {
            Conduct::Send { bytes, frames: 1 } => Some(bytes),
            _ => None,
        })
        .collect();
    assert_eq!(sizes[..4], [1024, 4096, 16384, 10240]);
    assert!(sizes.contains(&5000) || sizes.contains(&5001), "{sizes:?}");
    assert!(made.iter().any(|experiment| matches!(experiment.conduct, Conduct::Send { frames: 4, .. })));
}

#[test]
fn what_is_safe_finds_no_limits() {
    let options = Options { is_safe: true, ..Options::default() };
    let made = played(Scene::websocket(), options, |experiment| refused(experiment, 101));
    let is_hard = |experiment: &&Experiment| {
        matches!(experiment.conduct, Conduct::Crowd { .. }) || experiment.check == Check::Size
    };
    assert_eq!(made.iter().find(is_hard), None);
}

#[test]
fn a_stream_that_the_service_ends_is_resumed_in_its_middle() {
    let played_by = |is_ended: bool| {
        played(Scene::sse(), Options::default(), |experiment| {
            let mut attempt = crate::scene::greeted(experiment.clone(), crate::scene::event_stream());
            let stream = attempt.stream.as_mut().expect("it is open");
            stream.ids = (1..=8).map(|id: u32| id.to_string()).collect();
            let end = crate::scene::end(3.0, crate::attempt::Sign::BodyEnd);
            stream.end = is_ended.then_some(end);
            attempt
        })
    };
    let is_resumed =
        |made: &[Experiment]| made.iter().any(|made| made.vary == Some(Vary::LastEventId("5".to_owned())));
    assert!(is_resumed(&played_by(true)));
    assert!(!is_resumed(&played_by(false)));
}

#[test]
fn a_feed_is_watched_with_pings_and_an_uneven_echo_longer() {
    let is_made = |made: &[Experiment], wanted: Conduct| made.iter().any(|made| made.conduct == wanted);
    let watched = Conduct::Hold { seconds: 6.0, ping_seconds: Some(0.5), message_seconds: None };
    let longer = Conduct::Echo { messages: 40, with_pings: true };
    let made = |messages_seen, echo: Option<f64>| {
        played(Scene::websocket(), Options::default(), |experiment| {
            let mut attempt = refused(experiment, 101);
            let stream = attempt.stream.as_mut().expect("it is open");
            stream.messages_seen = messages_seen;
            stream.echoes = vec![Some(0.001), echo, Some(0.002)];
            stream.echoes.retain(|_| echo.is_some());
            attempt
        })
    };
    assert!(is_made(&made(9, None), watched) && !is_made(&made(1, None), watched));
    assert!(!is_made(&made(9, Some(0.3)), watched));
    let beside = |seconds| Conduct::Hold { seconds: 7.0, ping_seconds: Some(seconds), message_seconds: None };
    let echo = made(1, Some(0.003));
    assert!(is_made(&echo, beside(0.25)) && is_made(&echo, beside(0.3)), "two streams side by side");
    assert!(is_made(&made(1, Some(0.3)), longer) && !is_made(&made(1, Some(0.003)), longer));
}

#[test]
fn nothing_follows_a_closed_port() {
    let made = played(Scene::websocket(), Options::default(), |experiment| {
        let mut attempt = refused(experiment, 200);
        attempt.answer = None;
        attempt.stages = vec![crate::attempt::Stage {
            name: StageName::Tcp,
            seconds: 0.0,
            fault: Some(Fault::Refused),
            detail: String::new(),
        }];
        attempt
    });
    assert_eq!(made.len(), 1);
}

#[test]
fn holds_end_when_the_busy_ones_have_outlived_the_silence() {
    let scene = Scene::websocket().plain(answer(101));
    let mut seen = scene.seen();
    let silent = experiment(
        Check::Idle,
        Via::Url,
        Conduct::Hold { seconds: 70.0, ping_seconds: None, message_seconds: None },
    );
    for _ in 0..2 {
        seen.attempts.push(crate::scene::cut(silent.clone(), 3.0));
    }
    let busy = Conduct::Hold { seconds: 70.0, ping_seconds: Some(1.0), message_seconds: None };
    let running = [Running { number: 7, experiment: experiment(Check::Idle, Via::Url, busy), began: 0.0 }];
    assert!(finished(&seen, &running, 7.0).is_empty());
    assert_eq!(finished(&seen, &running, 8.0), [7]);
}

#[test]
fn heartbeats_of_a_hold() {
    let beats = |scene: Scene, idle_max, status| {
        let checks = vec![Check::Idle, Check::Keepalive];
        let options = Options { idle_max, checks, ..Options::default() };
        let made = played(scene, options, |experiment| refused(experiment, status));
        let beat = |experiment: &Experiment| match experiment.conduct {
            Conduct::Hold { ping_seconds, message_seconds, .. } => Some((ping_seconds, message_seconds)),
            _ => None,
        };
        made.iter().filter_map(beat).collect::<Vec<_>>()
    };
    let silent = (None, None);
    let pinged = |period| (Some(period), None);
    let url = [silent, pinged(HEARTBEAT), pinged(SPARSE_HEARTBEAT), silent];
    assert_eq!(beats(Scene::websocket(), 70.0, 101), url);
    assert_eq!(beats(Scene::websocket(), 20.0, 101), [silent, pinged(HEARTBEAT), silent]);
}

#[test]
fn sizes_follow_each_other_at_once_where_nothing_comes_back() {
    let options = Options { checks: vec![Check::Size], ..Options::default() };
    let mut seen = Scene::websocket().seen();
    let mut plan = Plan::new(options);
    let first = plan.next(&seen, &[], 0.0).start;
    seen.attempts.extend(first.iter().map(|experiment| refused(experiment, 101)));
    let next = plan.next(&seen, &[], 1.0).start;
    assert_eq!(next, [size(SIZES[0]), size(SIZES[1]), size(SIZES[2])]);
    seen.attempts.extend(next.iter().map(|experiment| {
        let mut attempt = refused(experiment, 101);
        crate::scene::passes(&mut attempt, experiment != &size(SIZES[1]));
        attempt
    }));
    let limit = plan.next(&seen, &[], 2.0).start;
    assert_eq!(limit, [size((SIZES[0] + SIZES[1]) / 2)]);
}

#[test]
fn what_opens_instead_is_tried_again() {
    let own = Vary::Origin("http://example.com".to_owned());
    let made = played(Scene::websocket().origin("http://app.example"), Options::default(), |experiment| {
        refused(experiment, if experiment.vary.as_ref() == Some(&own) { 101 } else { 403 })
    });
    let again = made.iter().filter(|made| made.vary.as_ref() == Some(&own)).count();
    assert_eq!(again, 1 + CONFIRMED);
}

#[test]
fn a_foreign_origin_is_tried_and_whether_a_cookie_counts() {
    let foreign = |scene: Scene, status| {
        let made = played(scene, Options::default(), |experiment| match &experiment.vary {
            Some(Vary::Origin(origin)) if origin == FOREIGN_ORIGIN => refused(experiment, status),
            _ => refused(experiment, 101),
        });
        let is = |wanted: Vary| made.iter().any(|made| made.vary.as_ref() == Some(&wanted));
        (is(Vary::Origin(FOREIGN_ORIGIN.to_owned())), is(Vary::NoCredentials))
    };
    assert_eq!(foreign(Scene::websocket(), 101), (true, false));
    assert_eq!(foreign(Scene::websocket().credentials("authorization"), 101), (true, false));
    assert_eq!(foreign(Scene::websocket().credentials("cookie"), 403), (true, false));
    assert_eq!(foreign(Scene::websocket().credentials("cookie"), 101), (true, true));
}

#[test]
fn messages_without_an_answer_are_compared_rather_than_bisected() {
    let lost = |bytes: u64| {
        let options = Options { checks: vec![Check::Size], ..Options::default() };
        let scene = Scene::websocket().direct("10.0.3.7:80");
        let made = played(scene, options, |experiment| {
            let mut attempt = refused(experiment, 101);
            let stream = attempt.stream.as_mut().expect("it is open");
            stream.echoes = vec![Some(0.002)];
            if matches!(experiment.conduct, Conduct::Send { bytes: sent, .. } if sent >= bytes) {
                stream.echoes = vec![None];
            }
            attempt
        });
        let sent = |made: &Experiment| match made.conduct {
            Conduct::Send { bytes, frames } if made.check == Check::Size => Some((made.via, bytes, frames)),
            _ => None,
        };
        made.iter().filter_map(sent).collect::<Vec<_>>()
    };
    let (url, direct, kib, kib4, kib16, mib) = (Via::Url, Via::Direct, 1 << 10, 4 << 10, 16 << 10, 1 << 20);
    let expected =
        [(url, kib, 1), (url, kib4, 1), (direct, kib4, 1), (url, kib16, 1), (url, mib, 1), (url, kib4, 4)];
    assert_eq!(lost(2000), expected);
    assert!(lost(1000).contains(&(url, SMALL, 1)));
}

#[test]
fn the_size_that_has_to_pass_is_tried() {
    let tried = |scene: Scene| sizes(&scene.seen().target).collect::<Vec<_>>();
    assert_eq!(tried(Scene::websocket()), SIZES);
    assert_eq!(tried(Scene::websocket().needs(5 << 20)).last(), Some(&(5 << 20)));
    assert_eq!(tried(Scene::websocket().needs(2000))[..3], [1 << 10, 2000, 4 << 10]);
}

#[test]
fn paths_beside_a_path() {
    assert_eq!(paths("/ws/chat?a=1"), ["/ws/chat/?a=1", "/", "/chat?a=1"]);
    assert_eq!(paths("/ws/"), ["/ws", "/", "/ws"]);
    assert!(paths("/").is_empty());
    assert!(paths("/io/?EIO=3&t=1").contains(&"/io/?EIO=4&t=1".to_owned()));
}

#[test]
fn a_subscription_is_held_as_its_client_holds_it() {
    let made = |messages_seen| {
        let made = played(Scene::grpc(), Options::default(), |experiment| {
            let mut attempt = refused(experiment, 101);
            attempt.stream.as_mut().expect("it is open").messages_seen = messages_seen;
            attempt
        });
        made.into_iter().filter(|made| made.check == Check::Idle).collect::<Vec<_>>()
    };
    let is_ended = |made: &Experiment| made.vary == Some(Vary::RequestEnded);
    let subscribed = made(2);
    assert!(subscribed.len() > 1 && subscribed.iter().all(is_ended), "{subscribed:?}");
    assert!(!made(1).iter().any(is_ended));
}

#[test]
fn a_deadline_that_calls_are_sent_with_is_waited_for() {
    let seconds = |scene: Scene| {
        let made = played(scene, Options::default(), |experiment| refused(experiment, 101));
        let held = made.into_iter().filter(|made| made.check == Check::Deadline);
        held.filter_map(|made| match made.conduct {
            Conduct::Hold { seconds, .. } => Some(seconds),
            _ => None,
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(seconds(Scene::grpc().deadline(3.0)), [4.0]);
    assert!(seconds(Scene::grpc().deadline(3600.0)).is_empty() && seconds(Scene::grpc()).is_empty());
}
