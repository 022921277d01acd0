//! A proxy resets a call whose service is silent for a time.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Clock, Manner, Owner, compared, owner, timer};
use crate::population::{Population, calls, timed};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-proxy-read-timeout",
    number: 709,
    severity: Severity::Warning,
    manual: Manual {
        title: text("a proxy resets calls that are silent for a time", "代理重置静默一段时间的调用"),
        symptoms: text(
            "An idle server stream fails with INTERNAL or UNAVAILABLE after 60 s.",
            "空闲的服务端流在 60 秒后以 INTERNAL 或 UNAVAILABLE 失败。",
        ),
        evidence: text(
            "RST_STREAM (nginx: INTERNAL_ERROR), or a status of the proxy, comes T after the last message \
             while the connection stays; straight at the service the call lives on. PINGs do not help.",
            "最后一条消息之后 T 收到 RST_STREAM（nginx：INTERNAL_ERROR）或代理给出的状态，而连接保持；直连服务时调用继续存活；PING 没有帮助。",
        ),
        look_alikes: text(
            "`grpc-max-age-goaway`: GOAWAY. `idle-timeout-l7-proxy`: TCP ends. `max-lifetime`: calls with \
             messages end too.",
            "`grpc-max-age-goaway`：GOAWAY；`idle-timeout-l7-proxy`：TCP 结束；`max-lifetime`：有消息的调用也会结束。",
        ),
        fix: text(
            "nginx: `grpc_read_timeout` and `grpc_send_timeout` up (60 s by default); let the service send a \
             message each T/2: PINGs of HTTP/2 do not count. Then a silent call must outlive the old T.",
            "nginx：调大 `grpc_read_timeout` 与 `grpc_send_timeout`（默认 60 秒）；服务每 T/2 发送一条消息：HTTP/2 的 PING 不算数。之后静默的调用应存活超过原来的 T。",
        ),
        sources: &[
            "https://nginx.org/en/docs/http/ngx_http_grpc_module.html#grpc_read_timeout",
            "RFC 9113, section 6.4",
        ],
    },
    phrases: &[
        phrase(
            "title",
            "calls that are silent for {seconds} are reset on their way",
            "静默 {seconds}的调用在途中被重置",
        ),
        phrase(
            "reset",
            "The stream was reset ({how}), and the connection stayed",
            "流被重置（{how}），而连接保持",
        ),
        phrase("own_timer", "the service's own timer", "服务自身的超时"),
        phrase("lifetime", "a maximum duration of calls of the same length", "时长相同的调用最大时长"),
        phrase(
            "let_talk",
            "Let the service send a message within that time and hold the call again",
            "让服务在该时长内发送一条消息，再次保持调用",
        ),
        phrase(
            "raise",
            "In the proxy: the read timeout of calls above {seconds}; and a message of the service each {half}",
            "在代理中：把调用的读超时调到大于 {seconds}；并让服务每 {half}发送一条消息",
        ),
        phrase(
            "nginx",
            "grpc_read_timeout 1h;\ngrpc_send_timeout 1h;",
            "grpc_read_timeout 1h;\ngrpc_send_timeout 1h;",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let timer = timer(seen, Via::Url).filter(|timer| timer.clock != Clock::Age)?;
    let how = match timer.manner {
        Manner::Reset(error) => error.to_string(),
        Manner::Status(code @ (4 | 13 | 14)) => format!("grpc-status {code}"),
        _ => return None,
    };
    let owner = owner(seen, &timer);
    if owner == Owner::Service {
        return None;
    }
    let place = if owner == Owner::Hop { Place::UpstreamLeg } else { Place::Unknown };
    let mut claim = timer
        .claim(&CAUSE, place)
        .noted(Said::new("reset").with("how", how))
        .corroborated(compared(seen, owner, timer.seconds));
    if owner == Owner::Unknown {
        claim = claim.unless(Said::new("own_timer")).next(Said::new("pass_upstream"));
    }
    if matches!(timer.clock, Clock::Unknown | Clock::NotPings) {
        claim = claim.unless(Said::new("lifetime")).next(Said::new("let_talk"));
    }
    let raise = Said::new("raise").seconds("seconds", timer.seconds).seconds("half", timer.seconds / 2.0);
    let title = Said::new("title").seconds("seconds", timer.seconds);
    Some(claim.titled(title).fix_by(raise, Said::new("nginx")).finding())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [timed::findings(&CAUSE, seen), calls::resets_in_silence(&CAUSE, seen)].concat()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use model::words::Http2Error;

    use crate::attempt::Sign;
    use crate::scene::{DIRECT, SILENT, Scene, URL, cut_at, found, lives, message, none, silent_end, talked};

    const RESET: Sign = Sign::RstStream(Http2Error::InternalError);

    fn resets() -> Scene {
        Scene::grpc().direct("10.0.3.7:50051").attempts(silent_end(URL, 2.0, &RESET))
    }

    #[test]
    fn silent_calls_are_reset() {
        found(probe, resets(), Level::Medium);
        let deaf = resets().attempt(cut_at(URL, talked(1.0), 0.5, 2.0, RESET));
        found(probe, deaf.attempt(lives(DIRECT, SILENT, 0.0, 5.0)), Level::Medium);
        let talks =
            resets().attempt(lives(URL, talked(1.0), 0.0, 5.0)).attempt(lives(DIRECT, SILENT, 0.0, 5.0));
        found(probe, talks, Level::High);
    }

    #[test]
    fn look_alikes_are_others() {
        none(probe, resets().attempts(silent_end(DIRECT, 2.0, &RESET)));
        let answered = cut_at(URL, talked(0.5), 0.5, 2.0, RESET).stream_with(|stream| {
            stream.messages_seen = 3;
            stream.messages = vec![message(0.5, 1, 4)];
        });
        none(probe, resets().attempt(answered));
        none(probe, Scene::grpc().attempts(silent_end(URL, 2.0, &Sign::Fin)));
    }
}
