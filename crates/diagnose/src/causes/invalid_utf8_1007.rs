//! A text message is not valid UTF-8 where it arrives.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::Manner;
use crate::sizes::{Fate, sent};
use crate::population::{Population, codes};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "invalid-utf8-1007",
    number: 216,
    severity: Severity::Warning,
    manual: Manual {
        title: text("a text message arrives that is not valid UTF-8", "到达的文本消息不是有效的 UTF-8"),
        symptoms: text(
            "The stream dies on certain texts, emoji, or binary data.",
            "遇到某些文本、表情或二进制数据时连接断开。",
        ),
        evidence: text(
            "Close 1007 follows a TEXT message at once. The probe sends valid UTF-8 alone: its bytes were \
             changed on the way, or the receiver judges pieces of a message.",
            "TEXT 消息之后立即收到 Close 1007。探测只发送有效的 UTF-8：字节在途中被改动，或接收方按片段判断。",
        ),
        look_alikes: text(
            "A service that refuses a message by its meaning and takes 1007 for it: then no text passes.",
            "服务因含义拒绝消息并借用 1007：那么没有任何文本能通过。",
        ),
        fix: text(
            "Send bytes as BINARY, encode text as UTF-8, do not cut it by bytes; switch off what rewrites \
             payload on the way. Then the same text must come back.",
            "二进制用 BINARY 发送，文本用 UTF-8 编码且不要按字节切断；关闭途中改写载荷的功能。之后同样的文本应能返回。",
        ),
        sources: &["RFC 6455, sections 5.6 and 8.1"],
    },
    phrases: &[
        phrase(
            "refused",
            "A message of {bytes} in valid UTF-8 was answered with Close 1007",
            "{bytes}的有效 UTF-8 消息得到 Close 1007",
        ),
        phrase(
            "straight_passes",
            "Straight at {upstream} the same message comes back",
            "直连 {upstream} 时同样的消息能够返回",
        ),
        phrase("others_pass", "{count} other texts came back", "另有 {count} 条文本能够返回"),
        phrase("by_meaning", "the service refuses what the message means", "服务因消息的含义拒绝它"),
        phrase(
            "unchanged",
            "On the way: switch off what rewrites payload; then the same text must come back",
            "在途中：关闭改写载荷的功能；之后同样的文本应能返回",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let sends = |via| seen.of_open(via).filter_map(|attempt| Some((sent(attempt)?, Fate::of(attempt)?)));
    let refused = |fate| fate == Fate::Ended(Manner::Close(1007));
    let ((bytes, frames), _) = sends(Via::Url).find(|((_, frames), fate)| *frames == 1 && refused(*fate))?;
    let passed = sends(Via::Url).filter(|(_, fate)| *fate == Fate::Echoed).count();
    let is_straight = sends(Via::Direct).any(|(what, fate)| what == (bytes, frames) && fate == Fate::Echoed);
    if !is_straight && passed == 0 {
        return None;
    }
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let place = if is_straight { Place::UpstreamLeg } else { Place::Unknown };
    let claim = Claim::of(&CAUSE, place, Said::new("refused").bytes("bytes", bytes))
        .corroborated(is_straight.then(|| Said::new("straight_passes").with("upstream", upstream)))
        .noted((passed > 0).then(|| Said::new("others_pass").with("count", passed)));
    let claim =
        if is_straight { claim } else { claim.unless(Said::new("by_meaning")).next(Said::new("pass_upstream")) };
    Some(claim.fix(Said::new("unchanged")).finding())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    codes::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{self, DIRECT, Scene, URL, close, found, none};

    fn refused() -> Scene {
        let refused = scene::sent(URL, 4096, Err(Some(close(1007, "invalid UTF-8"))));
        Scene::opened().direct("10.0.3.7:80").attempt(refused)
    }

    #[test]
    fn text_that_is_changed_on_the_way() {
        found(probe, refused().attempt(scene::sent(DIRECT, 4096, Ok(0.01))), Level::High);
        found(probe, refused().attempt(scene::sent(URL, 1024, Ok(0.01))), Level::Medium);
    }

    #[test]
    fn a_service_that_refuses_each_message_so_is_healthy() {
        none(probe, refused());
    }
}
