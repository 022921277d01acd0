//! What a timer in the ends of a population means: one decision for all causes that end connections after a time.

use model::finding::{Finding, Place, Said};
use model::record::{CloseRecord, What};
use model::{GrpcCode, Initiator, Leg, Protocol};

use super::amounts;
use super::calls::aged;
use super::{Clock, Population, Timer};
use crate::cause::Cause;
use crate::claim::Claim;

/// The findings of timers that are this cause.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    let timers = seen.timers().iter().filter(|timer| timer.manner.initiator != Initiator::Proxy);
    timers
        .filter(|timer| decided(seen, timer) == Some(cause.id))
        .map(|timer| told(cause, seen, timer))
        .collect()
}

/// Codes by which services say that credentials are over: policy violation, and the common ones of applications.
pub(super) const CREDENTIAL_CODES: [u16; 6] = [1008, 4001, 4003, 4401, 4403, 3000];

/// Which cause a timer is.
fn decided(seen: &Population<'_>, timer: &Timer<'_>) -> Option<&'static str> {
    let by_word = timer.manner.is_told;
    Some(match (timer.clock, seen.protocol) {
        (Clock::Age, _) if timer.code.is_some_and(|code| CREDENTIAL_CODES.contains(&code)) => {
            "token-expiry-close"
        }
        // Calls have deadlines and statuses, and say more (`calls::aged`).
        (_, Protocol::Grpc) if is_told_by_calls(timer) => return None,
        (Clock::Age, Protocol::Grpc) if is_goaway(timer) => "grpc-max-age-goaway",
        // Whoever says a word, or ends a body as announced, is done: that is no cut, and a code tells more.
        (Clock::Age, _) if by_word => return None,
        (Clock::Age, _) => "max-lifetime",
        // Whoever waits for a client that is not there any more says so after a silence.
        (_, Protocol::WebSocket) if by_word && seen.dead_paths().len() * 2 > timer.ends.len() => return None,
        // A word that comes after silence is the application's: its own heartbeat, its own policy.
        (_, Protocol::WebSocket) if by_word => "server-ping-timeout-client-silent",
        (_, Protocol::Grpc) if by_word => "grpc-proxy-read-timeout",
        (_, _) if is_race(timer) => "heartbeat-period-vs-timeout-race",
        (_, Protocol::Sse) => "sse-idle-cut-no-comment-heartbeat",
        (_, _) if timer.manner.is_reset => "idle-timeout-l4-cloud",
        _ => "idle-timeout-l7-proxy",
    })
}

/// Pings come about as often as the timer fires.
fn is_race(timer: &Timer<'_>) -> bool {
    timer.heartbeat.is_some_and(|beat| beat >= 0.85 * timer.seconds && beat <= 1.5 * timer.seconds)
}

/// They ended by deadlines of their own, with the status of work that is done, or, by a word, while messages flowed.
fn is_told_by_calls(timer: &Timer<'_>) -> bool {
    let is_most = |is: &dyn Fn(&CloseRecord) -> bool| {
        timer.ends.iter().filter(|record| is(record)).count() * 2 > timer.ends.len()
    };
    let is_done = |record: &CloseRecord| {
        let is_told = record.causes.first().is_some_and(|first| first.what == What::BodyEnd);
        is_told && record.grpc.as_deref().is_some_and(|grpc| grpc.code == GrpcCode::Ok)
    };
    is_most(&aged::is_at_deadline)
        || is_most(&is_done)
        || (timer.manner.is_told && is_most(&aged::is_in_flow))
}

fn is_goaway(timer: &Timer<'_>) -> bool {
    let goaway =
        |record: &&&CloseRecord| record.grpc.as_ref().is_some_and(|grpc| grpc.upstream.goaway.is_some());
    timer.ends.iter().filter(goaway).count() * 2 > timer.ends.len()
}

/// A heartbeat of this gateway that the timer does not cut: a third of it, so that one sign of life may be lost. None where
/// silence is not what counts, or where no heartbeat can be so fast.
fn proposal(seen: &Population<'_>, timer: &Timer<'_>) -> Option<Said> {
    let protocol = seen.protocol;
    let leg = timer.manner.leg()?;
    let can_beat = protocol == Protocol::WebSocket || (protocol == Protocol::Sse && leg == Leg::Client);
    let interval = (timer.seconds / 3.0).floor().max(1.0);
    if !can_beat || timer.clock == Clock::Age || timer.manner.is_told || interval * 2.0 > timer.seconds {
        return None;
    }
    let is_towards_other = seen.own_heartbeat.is_some_and(|own| own.is_towards[leg.other()]);
    let towards = match leg {
        _ if is_towards_other => "both",
        Leg::Client => "client",
        Leg::Upstream => "upstream",
    };
    let seconds = |seconds: f64| format!("{seconds}s");
    Some(
        Said::new("heartbeat_yaml")
            .with("interval", &*seconds(interval))
            .with("timeout", &*seconds(interval * 2.0))
            .with("towards", towards),
    )
}

/// The interval of the gateway's own heartbeat towards the leg that cuts, seconds, where that is too long: one sign of life
/// that is lost, or none at all, and the timer has fired.
fn late_interval(seen: &Population<'_>, timer: &Timer<'_>) -> Option<f64> {
    let leg = timer.manner.leg().filter(|_| timer.clock != Clock::Age && !timer.manner.is_told)?;
    let own = seen.own_heartbeat.filter(|own| own.is_towards[leg])?;
    (own.interval_seconds * 2.0 > timer.seconds).then_some(own.interval_seconds)
}

fn told(cause: &'static Cause, seen: &Population<'_>, timer: &Timer<'_>) -> Finding {
    let place = match (timer.manner.leg(), timer.manner.is_told) {
        (Some(Leg::Client), true) => Place::Client,
        (Some(Leg::Client), false) => Place::ClientLeg,
        (Some(Leg::Upstream), true) => Place::Upstream,
        (Some(Leg::Upstream), false) => Place::UpstreamLeg,
        (None, _) => Place::Gateway,
    };
    let leg = timer.manner.leg().map_or("-", |leg| if leg == Leg::Client { "client" } else { "upstream" });
    let counted = |code| {
        Said::new(code)
            .with("count", timer.ends.len())
            .share("share", timer.share)
            .seconds("seconds", timer.seconds)
            .with("leg", leg)
    };
    let decisive = match timer.clock {
        Clock::Silence => counted("ended_after_same_silence"),
        Clock::Age => counted("ended_at_same_age"),
        Clock::Either => counted("same_silence_and_age"),
    };
    let mut claim = Claim::of(cause, place, decisive);
    claim = match timer.code {
        Some(code) => claim.noted(Said::new("with_code").with("code", code)),
        None if !timer.manner.is_told => claim.noted(Said::new("without_word").with("leg", leg)),
        None => claim,
    };
    claim = match timer.clock {
        Clock::Silence if timer.outlived > 0 => claim.corroborated(
            Said::new("busy_outlive").with("count", timer.outlived).seconds("seconds", timer.seconds),
        ),
        Clock::Silence => claim.corroborated(Said::new("ages_differ")),
        Clock::Age if timer.silent_longer * 2 > timer.ends.len() => {
            claim.corroborated(Said::new("silent_longer").with("count", timer.silent_longer))
        }
        Clock::Age => claim.corroborated(Said::new("silences_differ")),
        Clock::Either => claim.unless(Said::new("other_clock")).next(Said::new("hold_busy")),
    };
    if let Some(beat) = timer.heartbeat.filter(|_| cause.id == "heartbeat-period-vs-timeout-race") {
        claim = claim
            .corroborated(Said::new("beat_is_late").seconds("beat", beat).seconds("seconds", timer.seconds));
    }
    // By which process on that leg is not seen from here, when nobody said a word.
    if !timer.manner.is_told && timer.clock != Clock::Either && place == Place::UpstreamLeg {
        claim = claim.noted(Said::new("hop_or_service"));
    }
    // What comes at a steady pace has the same number at the same age.
    let counted_alike = (timer.clock == Clock::Age).then(|| amounts::messages(&timer.ends)).flatten();
    claim = claim
        .unless(counted_alike.map(|(_, messages)| Said::new("maybe_counted").with("messages", messages)));
    let fix = match timer.clock {
        Clock::Age => Said::new("outlive_age").seconds("seconds", timer.seconds),
        _ => Said::new("beat_sooner").seconds("seconds", timer.seconds).seconds("half", timer.seconds / 2.0),
    };
    let late = late_interval(seen, timer);
    let claim = claim.noted(late.map(|interval| {
        Said::new("own_beat_is_late").seconds("interval", interval).seconds("seconds", timer.seconds)
    }));
    let claim = claim.titled(counted("title_timer")).fix(fix);
    let claim = match proposal(seen, timer) {
        Some(lines) => {
            let code = if late.is_some() { "gateway_beats_sooner" } else { "gateway_beats" };
            claim.fix_by(Said::new(code).with("route", &*seen.route), lines)
        }
        None => claim,
    };
    claim
        .concerns(seen.route.clone(), seen.since(&timer.ends), seen.affected(&timer.ends))
        .selects(seen.selection(&timer.ends))
        .finding()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::language::Language;
    use model::record::{EventStreamFacts, What};
    use model::{Leg, PerLeg, Protocol, Reason};

    use super::super::tests::{Made, NOW, at, end, evidence_of, judged, random, told_of};
    use super::super::{Own, OwnHeartbeat, Watch, WatchOptions};
    use crate::text;

    /// The lines that are offered for ends after a silence, by the leg that ends.
    fn offered(seconds: f64, leg: Leg) -> Vec<String> {
        found(seconds, leg, None).1
    }

    /// Codes of evidence and fixes, and the lines that are offered, where the gateway beats by itself.
    fn found(seconds: f64, leg: Leg, own: Option<OwnHeartbeat>) -> (Vec<String>, Vec<String>) {
        let cut = |number: u64| -> Made {
            let [ago, age, silence] = [1, 2, 3].map(|salt| random(10 * number + salt));
            let made = end(number).by(leg, What::Fin, Reason::Abnormal);
            made.lived(10.0 * ago, seconds + 100.0 * age, seconds + 0.04 * silence)
        };
        let mut watch = Watch::new(WatchOptions::default());
        let heartbeats = own.map(|own| ("chat".into(), own)).into_iter().collect();
        watch.know(Own { heartbeats, ..Own::default() });
        let mut records: Vec<_> = (0..30).map(cut).map(Made::made).collect();
        records.sort_by_key(|record| record.closed_at);
        records.into_iter().for_each(|record| watch.closed(record));
        let findings = watch.judge(at(NOW));
        findings.iter().for_each(crate::scene::can_be_told);
        let finding = findings.iter().find(|finding| finding.id == "idle-timeout-l7-proxy").expect("a timer");
        let told = text::told(finding, Language::English);
        let said = finding.evidence.iter().chain(finding.fixes.iter().map(|fix| &fix.text));
        let codes = said.map(|said| said.code.to_string()).collect();
        (codes, told.fixes.into_iter().filter_map(|fix| fix.config).collect())
    }

    #[test]
    fn a_heartbeat_that_comes_too_late_is_told_with_the_interval_that_survives() {
        let own = |interval_seconds, client, upstream| {
            Some(OwnHeartbeat { interval_seconds, is_towards: PerLeg { client, upstream } })
        };
        let says = |own, code: &str| found(60.0, Leg::Upstream, own).0.iter().any(|said| said == code);
        for late in [31.0, 60.0, 90.0] {
            assert!(says(own(late, false, true), "own_beat_is_late"), "{late}");
            assert!(says(own(late, true, true), "gateway_beats_sooner"), "{late}");
        }
        assert!(!says(own(29.0, false, true), "own_beat_is_late"), "one may be lost");
        assert!(!says(own(90.0, true, false), "own_beat_is_late"), "it is towards the other leg");
        assert!(says(None, "gateway_beats"));
        let lines = |own| found(60.0, Leg::Upstream, own).1;
        assert_eq!(
            lines(own(90.0, false, true)),
            ["heartbeat:\n  interval: 20s\n  timeout: 40s\n  towards: upstream"]
        );
        assert_eq!(
            lines(own(20.0, true, false)),
            ["heartbeat:\n  interval: 20s\n  timeout: 40s\n  towards: both"]
        );
    }

    /// An event stream with a comment each second from its opening on, until it is cut.
    fn beating(number: u64, age: f64, silence: f64, longest: f64) -> Made {
        let made = end(number).by(Leg::Upstream, What::BodyTruncated, Reason::Abnormal);
        made.lived(10.0 * random(number), age + 0.03 * random(number + 1), silence).with(|record| {
            record.protocol = Protocol::Sse;
            record.event_stream = Some(Box::new(EventStreamFacts {
                reads: (age - silence) as u64,
                longest_silence_seconds: longest,
                ..EventStreamFacts::default()
            }));
        })
    }

    #[test]
    fn a_beat_in_step_with_the_opening_does_not_hide_an_age() {
        for (age, silence) in [(14.6, 0.6), (14.97, 0.97), (14.2, 0.2)] {
            let ends = || (0..30).map(|number| beating(number, age, silence, 1.01));
            assert_eq!(told_of("max-lifetime", ends()).map(|told| told.0), Some(Level::High), "{silence}");
            assert_eq!(told_of("sse-idle-cut-no-comment-heartbeat", ends()), None, "{silence}");
            assert!(evidence_of("max-lifetime", ends()).contains(&"silent_longer".to_owned()), "{silence}");
        }
        let sparse = (0..30).map(|number| {
            beating(number, 14.6, 0.6, 7.0).with(|record| {
                record.event_stream.as_mut().expect("there is one").reads = 2;
            })
        });
        assert_eq!(
            told_of("max-lifetime", sparse).map(|told| told.0),
            Some(Level::High),
            "it was silent for longer"
        );
    }

    #[test]
    fn ends_with_the_same_number_of_messages_may_be_counted() {
        let ends = |messages: fn(u64) -> u64| {
            (0..30).map(move |number| {
                beating(number, 14.6, 0.6, 1.01)
                    .with(|record| record.messages.server_to_client = messages(number))
            })
        };
        let level = |messages| told_of("max-lifetime", ends(messages)).map(|told| told.0);
        assert_eq!(level(|_| 14), Some(Level::Medium));
        assert_eq!(level(|number| 3 * number), Some(Level::High));
    }

    #[test]
    fn streams_that_fall_silent_and_are_cut_are_no_matter_of_age() {
        // Busy for ten seconds and quiet from then on: cut after 5 s of the longest silence there was.
        let quiet = (0..30).map(|number| beating(number, 15.0, 5.0, 1.0));
        let longer = (30..40).map(|number| beating(number, 25.0 + number as f64, 0.5, 1.0));
        let longer = longer.map(|made| made.by(Leg::Client, What::Fin, Reason::Abnormal));
        let found = judged(quiet.chain(longer));
        let ids: Vec<_> = found.iter().map(|finding| &*finding.id).collect();
        assert!(
            ids.contains(&"sse-idle-cut-no-comment-heartbeat") && !ids.contains(&"max-lifetime"),
            "{ids:?}"
        );
    }

    #[test]
    fn a_heartbeat_of_a_third_is_offered_towards_the_leg_that_cuts() {
        let lines = |interval, timeout, leg| {
            vec![format!("heartbeat:\n  interval: {interval}s\n  timeout: {timeout}s\n  towards: {leg}")]
        };
        assert_eq!(offered(60.0, Leg::Upstream), lines(20, 40, "upstream"));
        assert_eq!(offered(8.0, Leg::Client), lines(2, 4, "client"));
        assert_eq!(offered(2.5, Leg::Upstream), lines(1, 2, "upstream"));
        assert_eq!(offered(1.5, Leg::Upstream), Vec::<String>::new(), "no heartbeat is so fast");
    }
}
