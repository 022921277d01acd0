//! Messages above a size end the stream without saying so.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Manner, is_for_credentials};
use crate::sizes::{Fate, bracket, passes_straight, whole};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "message-size-limit",
    number: 955,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "messages above a size end the stream, and nobody says why",
            "超过某个大小的消息会结束连接，且没有说明",
        ),
        symptoms: text(
            "Large messages drop the connection with 1006 or an unfitting code.",
            "大消息使连接以 1006 或不相称的代码断开。",
        ),
        evidence: text(
            "Messages up to a size pass; from a size on the stream ends, without a word or with a code that \
             does not name a size.",
            "到某个大小为止的消息可以通过；超过后连接结束，没有 Close 帧，或代码与大小无关。",
        ),
        look_alikes: text(
            "`message-too-big-1009`: its receiver says so. `mtu-blackhole`: nothing ends, nothing is \
             acknowledged. `messages-lost`: the stream stays open.",
            "`message-too-big-1009`：接收方会说明；`mtu-blackhole`：没有结束也没有确认；`messages-lost`：连接保持打开。",
        ),
        fix: text(
            "Find the hop with this limit: buffers of a proxy, a firewall that inspects content, the service's \
             parser; raise it, or cut messages in the application. Then a message above the old limit must \
             come back.",
            "找到设有该上限的一跳：代理缓冲区、内容检查防火墙、服务的解析器；调大它，或由应用分片发送。之后超过原上限的消息应能返回。",
        ),
        sources: &["RFC 6455, section 7.4.1"],
    },
    phrases: &[
        phrase(
            "edge",
            "A message of {passed} passes, one of {failed} ends the stream",
            "{passed}的消息可以通过，{failed}的消息使连接结束",
        ),
        phrase(
            "straight_passes",
            "Straight at {upstream} a message of {failed} passes",
            "直连 {upstream} 时 {failed}的消息可以通过",
        ),
        phrase("straight_too", "Straight at {upstream} it ends as well", "直连 {upstream} 时同样结束"),
        phrase("whose", "the service's own limit", "服务自身的上限"),
        phrase("content", "the content of the message, not its size", "消息的内容而非大小"),
        phrase(
            "more_sizes",
            "Repeat with more sizes around the limit: `--checks size`",
            "在上限附近用更多大小重复：`--checks size`",
        ),
        phrase(
            "raise",
            "At the hop or in the service: raise the limit above {failed}, or send in pieces; then a message \
             of {failed} must come back",
            "在该跳或服务中：把上限调到大于 {failed}，或分片发送；之后 {failed}的消息应能返回",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let limit = bracket(seen, Via::Url)?;
    let Fate::Ended(manner) = limit.fate else { return None };
    let is_told_elsewhere =
        manner == Manner::Close(1009) || is_for_credentials(manner) || matches!(manner, Manner::Status(8));
    if is_told_elsewhere {
        return None;
    }
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let edge = Said::new("edge").bytes("passed", limit.passed).bytes("failed", limit.failed);
    let raise = Said::new("raise").bytes("failed", limit.failed);
    let is_narrow = limit.tries > 3;
    let straight = bracket(seen, Via::Direct).filter(|direct| direct.is_same(&limit)).is_some()
        || whole(seen, Via::Direct)
            .iter()
            .any(|(bytes, fate)| *bytes >= limit.failed && matches!(fate, Fate::Ended(_)));
    let claim = if passes_straight(seen, limit.failed) {
        let said = Said::new("straight_passes").with("upstream", upstream).bytes("failed", limit.failed);
        Claim::of(&CAUSE, Place::UpstreamLeg, edge).corroborated(said)
    } else if straight {
        let said = Said::new("straight_too").with("upstream", upstream);
        Claim::of(&CAUSE, Place::Upstream, edge).corroborated(said)
    } else {
        Claim::of(&CAUSE, Place::Unknown, edge).unless(Said::new("whose")).next(Said::new("pass_upstream"))
    };
    let claim =
        if is_narrow { claim } else { claim.unless(Said::new("content")).next(Said::new("more_sizes")) };
    Some(claim.fix(raise).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Sign;
    use crate::scene::{DIRECT, Scene, URL, close, found, none, sent};

    fn limit(sign: &Sign) -> Scene {
        let fates = [(1024, true), (4096, true), (65_536, false), (16_384, true), (40_960, false)];
        let fate = |passes: bool| if passes { Ok(0.01) } else { Err(Some(sign.clone())) };
        Scene::opened()
            .direct("10.0.3.7:80")
            .attempts(fates.map(|(bytes, passes)| sent(URL, bytes, fate(passes))))
    }

    #[test]
    fn a_size_from_which_streams_end() {
        found(probe, limit(&Sign::Fin), Level::Medium);
        found(probe, limit(&close(1011, "")), Level::Medium);
        let hop = limit(&Sign::Rst).attempt(sent(DIRECT, 40_960, Ok(0.01)));
        assert_eq!(found(probe, hop, Level::High).place, Place::UpstreamLeg);
        let own = limit(&Sign::Rst).attempt(sent(DIRECT, 40_960, Err(Some(Sign::Rst))));
        assert_eq!(found(probe, own, Level::High).place, Place::Upstream);
    }

    #[test]
    fn a_spoken_limit_and_ends_at_any_size_are_others() {
        none(probe, limit(&close(1009, "")));
        none(probe, limit(&Sign::Fin).attempt(sent(URL, 262_144, Ok(0.1))));
        none(probe, Scene::opened().attempts([sent(URL, 100, Ok(0.01)), sent(URL, 1 << 20, Ok(0.5))]));
    }
}
