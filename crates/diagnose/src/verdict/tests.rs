//! Services that are played, each with one fault, and what all causes together say of them.

use super::*;
use crate::attempt::{Answer, Attempt, Fault, Sign, Stage, StageName, Stream};
use crate::experiment::{Check, Conduct, Experiment, Vary, Via};
use crate::plan::{Options, Plan};
use crate::scene::{Scene, answer, event_stream, fails, flushed, greeted, listened, silent_end};

fn ids(scene: Scene) -> (Outcome, Vec<String>) {
    let verdict = verdict(&scene.seen());
    (verdict.outcome, verdict.findings.iter().map(|finding| finding.id.to_string()).collect())
}

#[test]
fn a_cause_that_says_why_silences_those_that_say_how() {
    let scene = Scene::websocket().plain(answer(401));
    assert_eq!(ids(scene), (Outcome::Problem, vec!["ws-auth-401".to_owned()]));
    let scene = Scene::websocket().tls().plain_fails(StageName::Tls, Fault::OtherProtocol, 0.01);
    assert_eq!(ids(scene), (Outcome::Problem, vec!["tls-plaintext-mismatch".to_owned()]));
}

#[test]
fn what_nothing_explains_is_told_as_it_is() {
    let scene = Scene::websocket().plain(answer(418));
    assert_eq!(ids(scene), (Outcome::Inconclusive, vec!["handshake-refused".to_owned()]));
    let scene = Scene::websocket().plain_fails(StageName::Http, Fault::Local, 0.01);
    assert_eq!(ids(scene), (Outcome::Inconclusive, Vec::new()));
    let suspected = Scene::websocket().plain(answer(101));
    let suspected = suspected.with(Check::Origin, Vary::Origin("http://example.com".into()), answer(403));
    assert_eq!(ids(suspected), (Outcome::Inconclusive, vec!["ws-origin-403".to_owned()]));
    let scene = Scene::websocket().direct("10.0.3.7:80").plain(answer(418)).direct_opens();
    assert_eq!(ids(scene), (Outcome::Problem, vec!["handshake-refused".to_owned()]));
}

#[test]
fn what_comes_after_the_opening_does_not_explain_it() {
    let sse = Scene::of(model::Protocol::Sse).direct("10.0.3.7:80").plain(event_stream()).plain(answer(502));
    let scene = sse.attempt(listened(Via::Direct, None, flushed(8, 1, 0.4)));
    let (_, found) = ids(scene.attempt(listened(Via::Url, None, flushed(8, 8, 0.4))));
    assert_eq!(found, ["sse-proxy-buffering", "intermittent-handshake"]);
}

#[test]
fn symptoms_and_general_causes_are_in_the_catalogue() {
    for id in GENERAL.iter().chain(&GENERAL_STREAM) {
        assert!(causes::by_id(id).is_some(), "{id}");
    }
    for (cause, _) in EXPLAINS {
        assert!(causes::by_id(cause).is_some(), "{cause}");
    }
}

#[test]
fn a_healthy_service_has_no_finding() {
    let scene = Scene::websocket().direct("10.0.3.7:80").plain(answer(101)).direct_opens();
    let scene = scene.with(Check::Origin, Vary::Origin("http://example.com".into()), answer(101));
    assert_eq!(ids(scene), (Outcome::Healthy, Vec::new()));
    let scene = Scene::of(model::Protocol::Sse).plain(event_stream());
    assert_eq!(ids(scene), (Outcome::Healthy, Vec::new()));
    assert_eq!(ids(Scene::websocket()), (Outcome::CouldNotTest, Vec::new()));
}

#[test]
fn what_was_not_measured_is_not_healthy() {
    let mut seen = Scene::websocket().plain(answer(101)).seen();
    let size = Experiment {
        check: Check::Size,
        via: Via::Url,
        vary: None,
        conduct: Conduct::Send { bytes: 1024, frames: 1 },
    };
    seen.leave_undone(&size);
    seen.leave_undone(&size);
    assert_eq!(verdict(&seen).outcome, Outcome::Inconclusive);
    assert_eq!(seen.undone, [Check::Size]);
}

#[test]
fn what_is_abnormal_is_not_healthy_until_a_cause_explains_it() {
    let mute = |stream: &mut Stream| stream.pings = vec![None];
    let scene = || Scene::websocket().plain(answer(101)).map(|attempt| attempt.stream_with(mute));
    assert_eq!(ids(scene()), (Outcome::Inconclusive, vec!["stream-deviates".to_owned()]));
    let explained = scene().attempts(silent_end(Via::Url, 5.0, &Sign::Fin));
    assert_eq!(ids(explained), (Outcome::Problem, vec!["idle-timeout-l7-proxy".to_owned()]));
}

#[test]
fn what_only_informs_stands_behind() {
    let limit = Some(crate::scene::close(1009, ""));
    let sizes =
        [(900, Ok(0.01)), (1024, Err(limit))].map(|(bytes, fate)| crate::scene::sent(Via::Url, bytes, fate));
    let healthy = Scene::websocket().plain(answer(101)).attempts(sizes.clone());
    assert_eq!(ids(healthy), (Outcome::Healthy, vec!["message-too-big-1009".to_owned()]));
    let mute = |stream: &mut Stream| stream.pings = vec![None];
    let scene =
        Scene::websocket().plain(answer(101)).map(|attempt| attempt.stream_with(mute)).attempts(sizes);
    let both = vec!["stream-deviates".to_owned(), "message-too-big-1009".to_owned()];
    assert_eq!(ids(scene), (Outcome::Inconclusive, both));
}

/// What a service does with a request: an answer, or no answer.
type Reply = Result<Answer, (StageName, Fault)>;

const OPEN: u16 = 101;

/// Makes the experiments that a plan wants at a service that this function plays, and asks all causes: those that are
/// sure.
fn sure(scene: Scene, play: impl Fn(Via, Option<&Vary>) -> Reply) -> Vec<String> {
    let checks =
        vec![Check::Origin, Check::Host, Check::Credentials, Check::Path, Check::Http, Check::Compression];
    let mut plan = Plan::new(Options { checks, is_safe: true, idle_max: 0.0 });
    let mut seen = scene.seen();
    loop {
        let made = plan.next(&seen, &[], 0.0).start;
        if made.is_empty() {
            break;
        }
        let reply = |experiment: Experiment| {
            let reply = play(experiment.via, experiment.vary.as_ref());
            replied(experiment, reply)
        };
        seen.attempts.extend(made.into_iter().map(reply));
    }
    let verdict = verdict(&seen);
    verdict.findings.iter().filter(|finding| is_sure(finding)).map(|finding| finding.id.to_string()).collect()
}

fn replied(experiment: Experiment, reply: Reply) -> Attempt {
    let mut attempt = match reply {
        Ok(answer) => greeted(experiment, answer),
        Err((stage, fault)) => {
            let failed = fails(experiment.via, experiment.vary.clone(), stage, fault, 10.0);
            Attempt { experiment, ..failed }
        }
    };
    if attempt.answer.is_some() && !attempt.is_open() {
        let (name, fault, detail) = (StageName::Upgrade, Some(Fault::Answer), String::new());
        attempt.stages.push(Stage { name, seconds: 0.0, fault, detail });
    }
    attempt
}

fn known() -> Scene {
    Scene::websocket().direct("10.0.3.7:80")
}

fn page(status: u16, body: &str) -> Answer {
    answer(status).and("content-type", "text/html").body(body)
}

/// A service that speaks WebSocket on the given path alone and answers a plain GET of it so.
fn service(get: Answer) -> impl Fn(Option<&Vary>) -> Reply {
    move |vary| match vary {
        Some(Vary::NoUpgrade) => Ok(get.clone()),
        Some(Vary::Path(_)) => Ok(answer(404).body("Not Found")),
        _ => Ok(answer(OPEN)),
    }
}

#[test]
fn a_proxy_that_strips_the_upgrade_whatever_the_service_says_to_a_get() {
    let gets = [
        answer(426),
        answer(400).body("Expected a WebSocket handshake"),
        answer(400).body("Bad Request"),
        answer(404).body("Not Found"),
        answer(404).and("content-type", "application/json").body(r#"{"detail":"Not Found"}"#),
        answer(405),
        answer(403).body("no"),
        page(200, "<!doctype html><title>Chat</title>"),
        answer(200).body("chat is here"),
    ];
    for get in gets {
        let through = service(get.clone());
        let found = sure(known(), |via, vary| match (via, vary) {
            (Via::Url, Some(Vary::Path(_))) => through(vary),
            (Via::Url, _) => through(Some(&Vary::NoUpgrade)),
            (Via::Direct, _) => through(vary),
        });
        assert_eq!(found, ["ws-upgrade-stripped"], "{get:?}");
    }
}

#[test]
fn a_proxy_that_changes_the_path() {
    let straight = service(answer(426));
    let found = sure(known(), |via, vary| match via {
        Via::Url => Ok(answer(404).body("Not Found")),
        Via::Direct => straight(vary),
    });
    assert_eq!(found, ["ws-path-mismatch-404"]);
    let found = sure(known(), |_, vary| match vary {
        Some(Vary::Path(path)) if path == "/chat/" => Ok(answer(OPEN)),
        _ => Ok(answer(404).body("Not Found")),
    });
    assert_eq!(found, ["ws-path-mismatch-404"]);
}

#[test]
fn a_fallback_that_answers_each_path() {
    let straight = service(answer(426));
    let shop = || page(200, "<!doctype html><title>Shop</title><div id=root>");
    let play = |via, vary: Option<&Vary>| match via {
        Via::Url => Ok(shop()),
        Via::Direct => straight(vary),
    };
    assert_eq!(sure(known(), play), ["ws-handshake-200-html"]);
    assert_eq!(sure(Scene::websocket(), play), ["ws-handshake-200-html"]);
}

#[test]
fn an_origin_that_is_refused() {
    let play = |_, vary: Option<&Vary>| match vary {
        Some(Vary::Origin(_) | Vary::NoOrigin) => Ok(answer(OPEN)),
        Some(Vary::Path(_)) => Ok(answer(404)),
        Some(Vary::NoUpgrade) => Ok(answer(400)),
        _ => Ok(answer(403).body("origin not allowed")),
    };
    assert_eq!(sure(known().origin("https://app.example.net"), play), ["ws-origin-403"]);
    assert_eq!(sure(Scene::websocket().origin("https://app.example.net"), play), ["ws-origin-403"]);
}

#[test]
fn credentials_that_are_refused() {
    let play = |_, _: Option<&Vary>| Ok(answer(401).and("www-authenticate", "Bearer"));
    assert_eq!(sure(known(), play), ["ws-auth-401"]);
    assert_eq!(sure(known().credentials("cookie"), play), ["ws-auth-401"]);
    let login = |_, _: Option<&Vary>| Ok(answer(302).and("location", "/login"));
    assert_eq!(sure(known(), login), ["ws-auth-401"]);
    let forbidden = |_, vary: Option<&Vary>| match vary {
        Some(Vary::NoCredentials) => Ok(answer(401)),
        _ => Ok(answer(403)),
    };
    assert_eq!(sure(known().credentials("authorization"), forbidden), ["ws-auth-401"]);
}

#[test]
fn a_redirection() {
    let slash = |_, vary: Option<&Vary>| match vary {
        Some(Vary::Path(path)) if path == "/chat/" => Ok(answer(OPEN)),
        Some(Vary::Path(_)) => Ok(answer(404)),
        _ => Ok(answer(307).and("location", "http://example.com/chat/")),
    };
    assert_eq!(sure(known(), slash), ["ws-handshake-redirect"]);
    assert_eq!(
        sure(Scene::websocket(), |_, _| Ok(answer(301).and("location", "https://example.com/chat"))),
        ["ws-handshake-redirect"]
    );
}

#[test]
fn a_subprotocol_that_is_refused() {
    let play = |_, vary: Option<&Vary>| match vary {
        Some(Vary::Subprotocol(None)) => Ok(answer(OPEN)),
        Some(Vary::Path(_)) => Ok(answer(404)),
        _ => Ok(answer(400)),
    };
    assert_eq!(sure(known().subprotocol("chat.v9"), play), ["ws-subprotocol-mismatch"]);
}

#[test]
fn a_host_that_is_another_site() {
    let play = |_, vary: Option<&Vary>| match vary {
        Some(Vary::Host(_)) => Ok(answer(OPEN)),
        _ => Ok(answer(404).body("nothing here")),
    };
    assert_eq!(sure(known(), play), ["tls-name-or-vhost-mismatch"]);
}

#[test]
fn a_gateway_that_gets_no_answer() {
    for status in [502, 503, 504] {
        let gateway = |direct: Reply| {
            sure(known(), move |via, _| {
                if via == Via::Url { Ok(page(status, "<center>nginx</center>")) } else { direct.clone() }
            })
        };
        assert_eq!(gateway(Err((StageName::Tcp, Fault::Refused))), ["upstream-down-502-503"], "{status}");
        assert_eq!(gateway(Ok(answer(OPEN))), ["stale-upstream-address"], "{status}");
    }
    let hangs = |status: Option<u16>| {
        sure(known(), move |via, _| match status.filter(|_| via == Via::Url) {
            Some(status) => Ok(page(status, "Gateway Time-out")),
            None => Err((StageName::Http, Fault::Timeout)),
        })
    };
    assert_eq!(hangs(Some(504)), ["upstream-handshake-hang-504"]);
    assert_eq!(hangs(None), ["upstream-handshake-hang-504"]);
}

#[test]
fn a_gateway_that_reaches_the_service_and_not_its_handshake() {
    let found = sure(known(), |via, vary| match (via, vary) {
        (Via::Direct, None) => Ok(answer(OPEN)),
        (_, Some(Vary::NoUpgrade)) => Ok(answer(426)),
        (Via::Url, _) => Ok(answer(502)),
        (Via::Direct, _) => Ok(answer(426)),
    });
    assert_eq!(found, ["handshake-refused"]);
}

#[test]
fn refusals_of_nobody_knows_what() {
    let refused = |direct: u16| {
        sure(known(), move |via, _| {
            Ok(answer(if via == Via::Url { 403 } else { direct }).body("Request blocked"))
        })
    };
    assert_eq!(refused(OPEN), ["handshake-refused"]);
    assert_eq!(refused(403), ["handshake-refused"]);
    assert_eq!(sure(Scene::websocket(), |_, _| Ok(answer(403))), [""; 0]);
    let ended = sure(known(), |_, vary| match vary {
        Some(Vary::OtherScheme) => Err((StageName::Tls, Fault::Ended)),
        _ => Err((StageName::Http, Fault::Ended)),
    });
    assert_eq!(ended, ["handshake-refused"]);
    let lower_case =
        sure(known(), |_, vary| Ok(answer(if vary == Some(&Vary::LowerCaseFields) { OPEN } else { 400 })));
    assert_eq!(lower_case, ["handshake-refused"]);
}

#[test]
fn the_other_scheme_and_no_scheme() {
    let plain_port = |_, vary: Option<&Vary>| match vary {
        Some(Vary::OtherScheme) => Ok(answer(OPEN)),
        _ => Err((StageName::Tls, Fault::OtherProtocol)),
    };
    assert_eq!(sure(Scene::websocket().tls(), plain_port), ["tls-plaintext-mismatch"]);
    let silent_tls_port = |_, vary: Option<&Vary>| match vary {
        Some(Vary::OtherScheme) => Err((StageName::Tls, Fault::Certificate)),
        _ => Err((StageName::Http, Fault::Ended)),
    };
    assert_eq!(sure(Scene::websocket(), silent_tls_port), ["tls-plaintext-mismatch"]);
    let other = |_, vary: Option<&Vary>| match vary {
        Some(Vary::OtherScheme) => Err((StageName::Tls, Fault::OtherProtocol)),
        _ => Err((StageName::Http, Fault::OtherProtocol)),
    };
    assert_eq!(sure(Scene::websocket(), other), ["not-the-protocol"]);
    let ended_in_tls = |_, vary: Option<&Vary>| match vary {
        Some(Vary::OtherScheme) => Err((StageName::Http, Fault::Ended)),
        _ => Err((StageName::Tls, Fault::Ended)),
    };
    assert_eq!(sure(Scene::websocket().tls(), ended_in_tls), ["tls-failed"]);
}

#[test]
fn an_event_stream_of_another_type() {
    let play = |_, _: Option<&Vary>| Ok(answer(200).and("content-type", "text/plain").body("data: 1"));
    assert_eq!(sure(Scene::of(model::Protocol::Sse), play), ["sse-wrong-content-type-or-status"]);
    let shop = |_, _: Option<&Vary>| Ok(page(200, "<!doctype html><title>Shop</title>"));
    assert_eq!(sure(Scene::of(model::Protocol::Sse), shop), ["ws-handshake-200-html"]);
}

#[test]
fn a_session_and_a_version() {
    let session = r#"{"code":1,"message":"Session ID unknown"}"#;
    let turns = std::cell::Cell::new(0);
    let found = sure(Scene::websocket(), |_, vary| {
        turns.set(turns.get() + u32::from(vary.is_none()));
        Ok(if vary.is_none() && turns.get().is_multiple_of(3) {
            answer(OPEN)
        } else {
            answer(400).body(session)
        })
    });
    assert_eq!(found, ["sticky-session-missing"]);
    let version = r#"{"code":5,"message":"Unsupported protocol version"}"#;
    assert_eq!(sure(known(), |_, _| Ok(answer(400).body(version))), ["protocol-version-mismatch"]);
}

#[test]
fn sometimes() {
    let turns = std::cell::Cell::new(0);
    let found = sure(known(), |via, vary| {
        turns.set(turns.get() + u32::from(vary.is_none()));
        Ok(answer(if via == Via::Direct || turns.get().is_multiple_of(3) { OPEN } else { 502 }))
    });
    assert_eq!(found, ["intermittent-handshake"]);
}

#[test]
fn what_opens_by_chance_proves_nothing() {
    let is_lucky = std::cell::Cell::new(true);
    let chance = |_, vary: Option<&Vary>| {
        let opens = matches!(vary, Some(Vary::Origin(_))) && is_lucky.replace(false);
        Ok(answer(if opens { OPEN } else { 403 }))
    };
    assert_eq!(sure(Scene::websocket(), chance), ["intermittent-handshake"]);
    let session = r#"{"code":1,"message":"Session ID unknown"}"#;
    is_lucky.set(true);
    let sticky = |via, vary: Option<&Vary>| match chance(via, vary) {
        Ok(refused) if refused.status == 403 => Ok(answer(400).body(session)),
        other => other,
    };
    assert_eq!(sure(Scene::websocket(), sticky), ["sticky-session-missing"]);
}

#[test]
fn no_connection() {
    for (stage, fault) in [
        (StageName::Dns, Fault::NoName),
        (StageName::Dns, Fault::Resolver),
        (StageName::Tcp, Fault::Refused),
        (StageName::Tcp, Fault::Timeout),
        (StageName::Tcp, Fault::Unreachable),
    ] {
        let found = sure(Scene::websocket(), |_, _| Err((stage, fault)));
        assert_eq!(found, ["network-unreachable-or-filtered"], "{stage:?} {fault:?}");
    }
}

#[test]
fn healthy_services_that_are_odd() {
    type Play<'a> = &'a dyn Fn(Option<&Vary>) -> Reply;
    let odd: [Play<'_>; 3] = [
        &service(answer(404)),
        // A service that refuses foreign hosts and knows each path.
        &|vary| Ok(answer(if matches!(vary, Some(Vary::Host(_))) { 421 } else { OPEN })),
        // A service that wants credentials, and gets them.
        &|vary| Ok(answer(if vary == Some(&Vary::NoCredentials) { 401 } else { OPEN })),
    ];
    for service in odd {
        assert_eq!(sure(known().credentials("authorization"), |_, vary| service(vary)), [""; 0]);
    }
}
