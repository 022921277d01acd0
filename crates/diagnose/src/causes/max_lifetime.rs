//! Something between client and service ends streams at an age, whatever they carry.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Clock, Manner, Owner, compared, owner, recycles, timer};
use crate::population::{Population, calls::aged, timed};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "max-lifetime",
    number: 204,
    severity: Severity::Warning,
    manual: Manual {
        title: text("a maximum lifetime ends streams, busy or not", "最大存活时间到期，无论忙闲都结束连接"),
        symptoms: text(
            "Streams drop each 15 s, 30 s, 5 min or 2 h, even while messages flow. A heartbeat does not help.",
            "连接每 15 秒、30 秒、5 分钟或 2 小时断开一次，即使正在传输消息；心跳没有帮助。",
        ),
        evidence: text(
            "Silent streams and busy ones, begun at different moments, end at the same age. Straight at the service they \
             live on.",
            "静默的与繁忙的连接在不同时刻开始，却在同样的存活时长结束；直连服务则继续存活。",
        ),
        look_alikes: text(
            "`idle-timeout-l7-proxy`: a busy stream survives. `http-server-timeout-applied-to-stream`: the same straight \
             at the service. `token-expiry-close`: a code of the application ends it. `rolling-deploy-or-restart`: one \
             moment, different ages. `grpc-max-age-goaway`: GOAWAY comes first.",
            "`idle-timeout-l7-proxy`：繁忙的连接能存活；`http-server-timeout-applied-to-stream`：直连服务也一样；`token-expiry-close`：以应用的代码结束；`rolling-deploy-or-restart`：同一时刻、不同存活时长；`grpc-max-age-goaway`：先有 GOAWAY。",
        ),
        fix: text(
            "Raise it where it sits: Envoy route `timeout: 0s` with `stream_idle_timeout` (15 s by default), Google Cloud \
             backend service `timeoutSec` (30 s by default, a lifetime for WebSocket), Traefik \
             `respondingTimeouts.readTimeout` (60 s). API Gateway's 2 h cannot be changed: let clients come back with \
             jitter and resume. Then hold a busy stream again: it must outlive the old age.",
            "在其所在处调大：Envoy 路由 `timeout: 0s` 并设 `stream_idle_timeout`（默认 15 秒）、Google Cloud 后端服务 `timeoutSec`（默认 30 秒，对 WebSocket 是存活时间）、Traefik `respondingTimeouts.readTimeout`（60 秒）。API Gateway 的 2 小时不可更改：让客户端带抖动地重连并续传。然后再次保持繁忙连接：应存活超过原来的时长。",
        ),
        sources: &[
            "https://www.envoyproxy.io/docs/envoy/latest/faq/configuration/timeouts",
            "https://cloud.google.com/load-balancing/docs/backend-service#timeout-setting",
            "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html",
            "https://doc.traefik.io/traefik/routing/entrypoints/#respondingtimeouts",
        ],
    },
    phrases: &[
        phrase(
            "title",
            "streams end at an age of {seconds}, busy or not",
            "连接存活 {seconds}即结束，无论忙闲",
        ),
        phrase("own_timer", "the service itself ends its streams at that age", "服务自身在该时长结束连接"),
        phrase(
            "messages_only",
            "an idle timeout that only messages start anew, not Pings",
            "只有消息（而非 Ping）才会重新计时的空闲超时",
        ),
        phrase(
            "try_messages",
            "Hold a stream with a message each third of that time",
            "以该时长的三分之一为周期发送消息并保持连接",
        ),
        phrase(
            "counts_messages",
            "who ends them counts messages: each had brought as many, and ended at the moment of one",
            "结束连接的一方在统计消息数：每条都带来同样多的消息，并在某条消息的时刻结束",
        ),
        phrase(
            "raise",
            "In the proxy or balancer in front of the service: raise the maximum duration above {seconds}; then a busy \
             stream must live longer",
            "在服务前面的代理或负载均衡中：把最大时长调到大于 {seconds}；然后繁忙的连接应存活更久",
        ),
        phrase(
            "envoy",
            "# Envoy, in the route\ntimeout: 0s\nidle_timeout: 1h",
            "# Envoy，路由内\ntimeout: 0s\nidle_timeout: 1h",
        ),
        phrase(
            "come_back",
            "Let clients take it as routine: come back after a random wait, and resume",
            "让客户端把它当作常态：随机等待后重连并续传",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let timer = timer(seen, Via::Url).filter(|timer| matches!(timer.clock, Clock::Age | Clock::NotPings))?;
    let owner = owner(seen, &timer);
    if recycles(seen, &timer) {
        return None;
    }
    let is_theirs = match timer.manner {
        Manner::Wordless | Manner::Reset(_) | Manner::Status(4 | 13 | 14) => owner != Owner::Service,
        Manner::Close(_) | Manner::Announced => owner == Owner::Hop,
        Manner::Away(_) | Manner::Status(_) | Manner::Broken => false,
    };
    if !is_theirs {
        return None;
    }
    let place = if owner == Owner::Hop { Place::UpstreamLeg } else { Place::Unknown };
    let mut claim = timer.claim(&CAUSE, place).corroborated(compared(seen, owner, timer.seconds));
    if timer.clock == Clock::NotPings {
        claim = claim.unless(Said::new("messages_only")).next(Said::new("try_messages"));
    }
    if owner == Owner::Unknown && timer.is_on_message() {
        claim = claim.suspected().unless(Said::new("counts_messages"));
    }
    if owner == Owner::Unknown {
        claim = claim.unless(Said::new("own_timer")).next(Said::new("pass_upstream"));
    }
    Some(
        claim
            .titled(Said::new("title").seconds("seconds", timer.seconds))
            .fix_by(Said::new("raise").seconds("seconds", timer.seconds), Said::new("envoy"))
            .fix(Said::new("come_back"))
            .finding(),
    )
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [timed::findings(&CAUSE, seen), aged::findings(&CAUSE, seen)].concat()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Sign, Stream};
    use crate::scene::{
        DIRECT, SILENT, Scene, URL, can_be_told, close, cut_at, lives, message, pinged, silent_end, talked,
    };

    fn level(scene: Scene) -> Option<Level> {
        let finding = probe(&scene.seen())?;
        can_be_told(&finding);
        Some(finding.level)
    }

    fn ends(seconds: f64) -> Scene {
        Scene::opened()
            .direct("10.0.3.7:8080")
            .attempts(silent_end(URL, seconds, &Sign::Fin))
            .attempt(cut_at(URL, talked(seconds / 4.0), 2.0, seconds + 0.05, Sign::Fin))
    }

    #[test]
    fn busy_streams_end_at_the_same_age_and_the_service_keeps_them() {
        for seconds in [5.0, 33.0, 300.0] {
            let scene = ends(seconds).attempt(lives(DIRECT, talked(1.0), 0.0, seconds * 1.6));
            assert_eq!(level(scene), Some(Level::High), "{seconds}");
        }
    }

    #[test]
    fn without_the_service_it_may_be_the_service() {
        assert_eq!(level(ends(30.0)), Some(Level::Medium));
    }

    #[test]
    fn pings_alone_do_not_tell_it_from_silence_of_messages() {
        let scene = Scene::opened().attempts(silent_end(URL, 30.0, &Sign::Fin)).attempt(cut_at(
            URL,
            pinged(9.0),
            2.0,
            30.0,
            Sign::Fin,
        ));
        assert_eq!(level(scene), Some(Level::Medium));
    }

    #[test]
    fn event_streams_that_are_cut_at_an_age_while_events_flow() {
        let busy = |began: f64, last: f64| {
            cut_at(URL, SILENT, began, 15.0, Sign::BodyCut).stream_with(|stream: &mut Stream| {
                stream.messages = vec![message(last, 1, 20)];
                stream.end.as_mut().expect("cut").silence = 15.0 - last;
            })
        };
        let scene = Scene::sse().attempts([busy(0.0, 14.2), busy(3.0, 12.0), busy(5.0, 11.0)]);
        assert_eq!(level(scene), Some(Level::Medium));
    }

    #[test]
    fn a_flow_that_a_hop_stops_before_it_cuts_is_no_silence() {
        let flow = |until: u32| (0..until).map(|nth| message(0.4 * f64::from(nth), 1, 20)).collect();
        let stopped = |began: f64| {
            cut_at(URL, SILENT, began, 4.0, Sign::BodyCut).stream_with(|stream: &mut Stream| {
                stream.messages = flow(8);
                stream.end.as_mut().expect("cut").silence = 1.2;
            })
        };
        let scene = || Scene::sse().direct("10.0.3.7:8080").attempts([stopped(0.0), stopped(3.0)]);
        let straight =
            |messages| lives(DIRECT, SILENT, 0.0, 9.0).stream_with(|stream| stream.messages = messages);
        assert_eq!(level(scene().attempt(straight(flow(22)))), Some(Level::High));
        assert_eq!(level(scene().attempt(straight(flow(8)))), None, "the service falls silent too");
    }

    #[test]
    fn a_hop_may_end_a_stream_as_if_it_were_done() {
        let flow = |until: u32| (0..until).map(|nth| message(0.3 * f64::from(nth), 1, 20)).collect();
        let done = |began: f64| {
            cut_at(URL, SILENT, began, 3.0, Sign::BodyEnd).stream_with(|stream: &mut Stream| {
                (stream.messages, stream.messages_seen) = (flow(10), 10);
                stream.end.as_mut().expect("ended").silence = 0.3;
            })
        };
        let scene = || Scene::sse().direct("10.0.3.7:8080").attempts([done(0.0), done(2.0)]);
        let straight = |messages: Vec<_>| {
            lives(DIRECT, SILENT, 0.0, 6.0).stream_with(|stream| {
                (stream.messages_seen, stream.messages) = (messages.len() as u64, messages);
            })
        };
        assert_eq!(level(scene().attempt(straight(flow(20)))), Some(Level::High));
        assert_eq!(level(scene().attempt(straight(flow(10)))), None, "it has no more to say");
        assert_eq!(level(scene()), None, "it may be done");
    }

    #[test]
    fn feeds_that_end_with_the_same_message_may_be_counted() {
        let fed = |began: f64, count: u32, end: f64| {
            cut_at(URL, SILENT, began, end, Sign::Rst).stream_with(|stream: &mut Stream| {
                stream.messages = (0..count).map(|nth| message(0.5 * f64::from(nth), 1, 20)).collect();
                stream.messages_seen = count.into();
                stream.end.as_mut().expect("cut").silence = end - 0.5 * f64::from(count - 1);
            })
        };
        let scene = |counts: [u32; 2], end| {
            Scene::sse().attempts([fed(0.0, counts[0], end), fed(3.0, counts[1], end)])
        };
        assert_eq!(level(scene([12, 12], 6.0)), Some(Level::Low), "when the next one was due");
        assert_eq!(level(scene([12, 12], 5.51)), Some(Level::Low), "right behind the last one");
        assert_eq!(level(scene([12, 12], 5.75)), Some(Level::Medium), "between two");
        assert_eq!(level(scene([12, 11], 5.51)), Some(Level::Medium), "others");
    }

    #[test]
    fn look_alikes_are_others() {
        let idle = Scene::opened().attempts(silent_end(URL, 30.0, &Sign::Fin)).attempt(lives(
            URL,
            talked(9.0),
            0.0,
            80.0,
        ));
        assert_eq!(level(idle), None, "an idle timeout");
        assert_eq!(
            level(ends(30.0).attempts(silent_end(DIRECT, 30.0, &Sign::Fin))),
            None,
            "the service's own"
        );
        let done = Scene::sse().attempts(silent_end(URL, 30.0, &Sign::BodyEnd));
        assert_eq!(level(done), None, "an end as announced");
        let bye = Scene::opened().attempts(silent_end(URL, 30.0, &close(1000, "done"))).attempt(cut_at(
            URL,
            talked(9.0),
            2.0,
            30.0,
            close(1000, "done"),
        ));
        assert_eq!(level(bye), None, "work that is done");
    }
}
