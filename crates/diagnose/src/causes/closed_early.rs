//! The peer ends a stream right after its opening, and does not say why.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{EARLY_SECONDS, Manner, is_for_credentials};
use crate::openings;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "closed-early",
    number: 951,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "streams end right after their opening, and nobody says why",
            "连接一打开就结束，且没有说明原因",
        ),
        symptoms: text("It connects, and is gone at once.", "刚连上就断开。"),
        evidence: text(
            "The opening is accepted, and within a second, before anything is sent, the stream ends without a \
             word or by an error.",
            "打开被接受，而在一秒内、尚未发送任何数据时，连接无声结束或以错误结束。",
        ),
        look_alikes: text(
            "`handler-exits-early`: a normal Close. `ws-auth-401`: 1008 or 4401. \
             `server-exception-1011-or-overload-1012-1013`: its code says why.",
            "`handler-exits-early`：正常的 Close；`ws-auth-401`：1008 或 4401；`server-exception-1011-or-overload-1012-1013`：代码说明原因。",
        ),
        fix: text(
            "Compare with the service itself; if it holds, look at the hop in between: it accepts the upgrade \
             and then fails to reach or to relay. If not, read the service's log at that instant. Then the \
             stream must live longer than a second.",
            "与服务本身对比：若直连正常，检查中间一跳：它接受升级后无法到达或转发；若不正常，查看服务当时的日志。之后连接应存活超过一秒。",
        ),
        sources: &["RFC 6455, section 7.1.7"],
    },
    phrases: &[
        phrase(
            "ended",
            "The stream ended {seconds} after its opening: {how}",
            "连接在打开 {seconds}后结束：{how}",
        ),
        phrase("each_time", "{count} of {all} streams did", "{all} 条连接中有 {count} 条如此"),
        phrase("straight_lives", "Straight at {upstream} it lives", "直连 {upstream} 可以存活"),
        phrase("straight_too", "Straight at {upstream} it ends as well", "直连 {upstream} 同样结束"),
        phrase(
            "why_unknown",
            "a reason that shows only in the log of who ends it",
            "原因只体现在结束方的日志中",
        ),
        phrase(
            "read_log",
            "Read the log of who ends it at that instant: straight comparison says which",
            "查看结束方当时的日志：与直连对比可知是哪一方",
        ),
        phrase(
            "find",
            "Read the log of the hop that ends it, at that instant; then repeat: the stream must live longer \
             than a second",
            "查看结束连接的一跳当时的日志；然后重复：连接应存活超过一秒",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain()?;
    let (age, how) = early(plain)?;
    let all = seen.of_open(Via::Url).count();
    let alike = seen.of_open(Via::Url).filter(|attempt| early(attempt).is_some()).count();
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let direct = seen.direct().filter(|direct| direct.is_open());
    let said = Said::new("ended").seconds("seconds", age).with("how", how);
    let (place, compared) = match direct.map(early) {
        Some(Some(_)) => (Place::Upstream, Some("straight_too")),
        Some(None) => (Place::UpstreamLeg, Some("straight_lives")),
        None => (Place::Unknown, None),
    };
    let claim = Claim::of(&CAUSE, place, said)
        .noted(Said::new("each_time").with("count", alike).with("all", all))
        .corroborated(compared.map(|code| Said::new(code).with("upstream", upstream)))
        .unless(Said::new("why_unknown"));
    let claim = if compared.is_some() {
        claim.next(Said::new("read_log"))
    } else {
        claim.suspected().next(Said::new("pass_upstream"))
    };
    Some(claim.fix(Said::new("find")).finding())
}

/// Age and manner of an end that came too early and does not say why.
fn early(attempt: &Attempt) -> Option<(f64, String)> {
    let end = attempt.peer_end().filter(|end| end.age < EARLY_SECONDS)?;
    let stream = attempt.stream.as_ref()?;
    let manner = Manner::of(attempt, end);
    let says_why = manner.is_normal()
        || is_for_credentials(manner)
        || matches!(manner, Manner::Close(1011..=1013) | Manner::Status(_));
    // A call of gRPC always begins with a message.
    let is_unasked = attempt.sent_while_open().is_empty() || stream.grpc.is_some();
    (!says_why && is_unasked).then(|| (end.age, openings::how(attempt)))
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Sign, Stream};
    use crate::scene::{DIRECT, Scene, URL, close, end, found, greeted_by, none};

    fn ends(via: Via, sign: Sign, sent: Vec<f64>) -> Attempt {
        greeted_by(via, Stream { sent, end: Some(end(0.05, sign)), ..Stream::default() })
    }

    fn scene(sign: Sign) -> Scene {
        Scene::websocket().direct("10.0.3.7:80").attempt(ends(URL, sign, Vec::new()))
    }

    #[test]
    fn a_stream_that_is_gone_at_once() {
        found(probe, scene(Sign::Fin), Level::Low);
        assert_eq!(found(probe, scene(Sign::Fin).direct_opens(), Level::Medium).place, Place::UpstreamLeg);
        found(probe, scene(Sign::Rst).attempt(ends(DIRECT, Sign::Rst, Vec::new())), Level::Medium);
    }

    #[test]
    fn ends_that_say_why_or_follow_a_message_are_others() {
        for code in [1000, 1008, 4401, 1013] {
            none(probe, scene(close(code, "")));
        }
        none(probe, scene(Sign::BodyEnd));
        none(probe, Scene::websocket().attempt(ends(URL, Sign::Fin, vec![0.04])));
    }
}
