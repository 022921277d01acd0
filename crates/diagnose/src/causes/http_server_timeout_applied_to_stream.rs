//! The service's own timer ends its streams.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use model::Protocol;

use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Clock, Manner, Owner, compared, is_for_credentials, owner, recycles, timer};
use crate::population::{Population, calls::aged};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "http-server-timeout-applied-to-stream",
    number: 218,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the service's own timer ends its streams", "服务自身的超时结束了连接"),
        symptoms: text(
            "Streams die after exactly 5, 30, 60 or 300 s, also when the service is asked straight.",
            "连接恰好在 5、30、60 或 300 秒后断开，直连服务时也一样。",
        ),
        evidence: text(
            "Streams end after the same time at the URL and straight at the service; or a Close frame of the \
             service says so. In traffic: calls without `grpc-timeout`, or with a longer one, end with \
             DEADLINE_EXCEEDED at one age while messages flow.",
            "经由 URL 与直连服务时，连接都在同样的时长后结束；或服务的 Close 帧说明了这一点。在流量中：没有 `grpc-timeout` 或其更长的调用\
             在传输消息时于同一时长以 DEADLINE_EXCEEDED 结束。",
        ),
        look_alikes: text(
            "`idle-timeout-l7-proxy`, `max-lifetime`: straight at the service streams live on. A service that \
             waits for a heartbeat of its own protocol: it ends only clients that do not send one.",
            "`idle-timeout-l7-proxy`、`max-lifetime`：直连服务时连接继续存活；等待自身协议心跳的服务：只结束不发送心跳的客户端。",
        ),
        fix: text(
            "Switch the timer off for this route: Go `http.ResponseController.SetWriteDeadline(time.Time{})` \
             instead of `WriteTimeout`, cowboy `idle_timeout` infinity (60 s by default), gunicorn an async \
             worker class instead of `--timeout` 30 s, Spring `SseEmitter` timeout 0. Then hold a stream \
             straight at the service: it must live longer.",
            "为该路由关闭超时：Go 用 `http.ResponseController.SetWriteDeadline(time.Time{})` 代替 `WriteTimeout`，cowboy 将 `idle_timeout` 设为 infinity（默认 60 秒），gunicorn 用异步 worker 代替 `--timeout` 30 秒，Spring 将 `SseEmitter` 超时设为 0。然后直连服务保持连接：应存活更久。",
        ),
        sources: &[
            "https://pkg.go.dev/net/http#ResponseController.SetWriteDeadline",
            "https://ninenines.eu/docs/en/cowboy/2.12/manual/cowboy_http/",
            "https://docs.gunicorn.org/en/stable/settings.html#timeout",
        ],
    },
    phrases: &[
        phrase("title", "the service itself ends streams after {seconds}", "服务自身在 {seconds}后结束连接"),
        phrase(
            "gateway_speaks",
            "a gateway in between that speaks WebSocket and has this timer",
            "中间会说 WebSocket 的网关设有该超时",
        ),
        phrase(
            "own_heartbeat",
            "the service waits for a heartbeat of its own protocol, which the probe does not send",
            "服务等待其自身协议的心跳，而探测没有发送",
        ),
        phrase(
            "try_message",
            "Hold a stream with the messages that a real client sends",
            "用真实客户端会发送的消息保持连接",
        ),
        phrase(
            "beat",
            "Send a heartbeat each {half} or more often, or let the service send one",
            "每 {half}或更频繁地发送心跳，或由服务发送",
        ),
        phrase(
            "switch_off",
            "In the service: switch off or raise the timer of {seconds} for this route; then a stream straight \
             at it must live longer",
            "在服务中：为该路由关闭或调大 {seconds}的超时；然后直连服务的连接应存活更久",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    aged::findings(&CAUSE, seen)
}

fn probe(seen: &Examination) -> Option<Finding> {
    let timer = timer(seen, Via::Url)?;
    let owner = owner(seen, &timer);
    let (is_age, helps) = (timer.clock == Clock::Age, timer.survived.is_some());
    // Event streams that are cut in their silence and connections that are recycled have causes of their own.
    let is_other = (seen.target.protocol == Protocol::Sse && !is_age) || recycles(seen, &timer);
    let is_abnormal = !timer.manner.is_normal() || helps;
    let is_told_by = |manner| match manner {
        Manner::Announced | Manner::Away(_) => false,
        _ if is_for_credentials(manner) => helps,
        Manner::Close(_) => owner != Owner::Hop && is_abnormal,
        _ => owner == Owner::Service,
    };
    if is_other || !is_told_by(timer.manner) {
        return None;
    }
    let mut claim = timer
        .claim(&CAUSE, if owner == Owner::Service { Place::Upstream } else { Place::Unknown })
        .corroborated(compared(seen, owner, timer.seconds));
    if owner == Owner::Unknown {
        claim = claim.unless(Said::new("gateway_speaks")).next(Said::new("pass_upstream"));
    }
    let talks =
        timer.ends.iter().any(|(attempt, _)| attempt.stream.as_ref().is_some_and(|it| it.messages_seen > 0));
    if talks && !helps && !is_age {
        claim = claim.unless(Said::new("own_heartbeat")).next(Said::new("try_message"));
    }
    if helps {
        claim = claim.fix(Said::new("beat").seconds("half", timer.seconds / 2.0));
    }
    let title = Said::new("title").seconds("seconds", timer.seconds);
    Some(claim.titled(title).fix(Said::new("switch_off").seconds("seconds", timer.seconds)).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Sign;
    use crate::scene::{
        DIRECT, SILENT, Scene, URL, close, cut_at, found, lives, none, pinged, silent_end, talked,
    };

    fn ends(sign: &Sign) -> Scene {
        Scene::opened().direct("10.0.3.7:80").attempts(silent_end(URL, 5.0, sign))
    }

    #[test]
    fn the_same_time_straight_at_the_service() {
        let scene = || ends(&Sign::Fin).attempts(silent_end(DIRECT, 5.0, &Sign::Fin));
        assert_eq!(found(probe, scene(), Level::High).place, Place::Upstream);
        found(probe, scene().attempt(cut_at(URL, talked(1.0), 0.0, 5.0, Sign::Fin)), Level::High);
        found(probe, scene().attempt(lives(URL, pinged(1.0), 0.0, 13.0)), Level::High);
    }

    #[test]
    fn a_close_frame_has_a_sender() {
        found(probe, ends(&close(1001, "idle")).attempt(lives(URL, pinged(1.0), 0.0, 13.0)), Level::Medium);
        let normal = || ends(&close(1000, ""));
        none(probe, normal());
        found(probe, normal().attempt(lives(URL, pinged(1.0), 0.0, 13.0)), Level::Medium);
    }

    #[test]
    fn look_alikes_are_others() {
        none(probe, ends(&Sign::Fin));
        none(probe, ends(&Sign::Fin).attempt(lives(DIRECT, SILENT, 0.0, 12.0)));
        none(probe, ends(&close(1001, "")).attempt(lives(DIRECT, SILENT, 0.0, 12.0)));
        none(probe, Scene::sse().attempts(silent_end(URL, 5.0, &Sign::BodyEnd)));
    }
}
