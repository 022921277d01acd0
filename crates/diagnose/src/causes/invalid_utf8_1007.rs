//! A text message is not valid UTF-8 where it arrives.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::Manner;
use crate::population::{Population, codes};
use crate::sizes::{Fate, sent};

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
            "A TEXT message of the service is not UTF-8 from some byte on. Or Close 1007 follows a TEXT message \
             at once: the probe sends valid UTF-8 alone, so its bytes were changed on the way, or the receiver \
             judges pieces of a message.",
            "服务发来的 TEXT 消息从某个字节起不是 UTF-8；或者 TEXT 消息之后立即收到 Close 1007：探测只发送有效的 \
             UTF-8，因此字节在途中被改动，或接收方按片段判断。",
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
            "broken",
            "{count} text messages of the service are not UTF-8, the first one from byte {offset} of {bytes} on",
            "服务发来的 {count} 条文本消息不是 UTF-8，第一条从第 {offset} 字节（共 {bytes}）起",
        ),
        phrase("straight_valid", "Straight at {upstream} its texts are valid", "直连 {upstream} 时文本有效"),
        phrase("straight_too", "Straight at {upstream} it is the same", "直连 {upstream} 也一样"),
        phrase(
            "encode",
            "In the service: send bytes as BINARY, and cut text by characters; then each text must be valid",
            "在服务中：二进制用 BINARY 发送，文本按字符而非字节切分；之后每条文本都应有效",
        ),
        phrase(
            "unchanged",
            "On the way: switch off what rewrites payload; then the same text must come back",
            "在途中：关闭改写载荷的功能；之后同样的文本应能返回",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    // Readers of event streams replace what is no UTF-8, and go on.
    let fails = seen.target.protocol == Protocol::WebSocket;
    fails.then(|| broken(seen).or_else(|| refused(seen))).flatten()
}

/// Texts of the service are not UTF-8.
fn broken(seen: &Examination) -> Option<Finding> {
    let texts = |via| seen.of_open(via).filter_map(|attempt| attempt.intact()).flat_map(|it| &it.messages);
    let broken = |via| texts(via).filter_map(|text| Some((text.bytes, text.broken_at?)));
    let (bytes, offset) = broken(Via::Url).next()?;
    let is_straight = broken(Via::Direct).next().is_some();
    let (place, compared) = match (is_straight, texts(Via::Direct).next()) {
        (true, _) => (Place::Upstream, Some("straight_too")),
        (false, Some(_)) => (Place::UpstreamLeg, Some("straight_valid")),
        (false, None) => (Place::Unknown, None),
    };
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let decisive = Said::new("broken").with("count", broken(Via::Url).count()).with("offset", offset);
    let claim = Claim::of(&CAUSE, place, decisive.bytes("bytes", bytes))
        .proven()
        .corroborated(compared.map(|code| Said::new(code).with("upstream", upstream)));
    let is_theirs = place == Place::UpstreamLeg;
    Some(claim.fix(Said::new(if is_theirs { "unchanged" } else { "encode" })).finding())
}

/// Valid text is answered with Close 1007.
fn refused(seen: &Examination) -> Option<Finding> {
    let sends = |via| seen.of_open(via).filter_map(|attempt| Some((sent(attempt)?, Fate::of(attempt)?)));
    let is_refused = |fate| fate == Fate::Ended(Manner::Close(1007));
    let ((bytes, frames), _) =
        sends(Via::Url).find(|((_, frames), fate)| *frames == 1 && is_refused(*fate))?;
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
    let claim = if is_straight {
        claim
    } else {
        claim.unless(Said::new("by_meaning")).next(Said::new("pass_upstream"))
    };
    Some(claim.fix(Said::new("unchanged")).finding())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    codes::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use model::event::FrameViolation;

    use crate::attempt::{Attempt, Message, Stream};
    use crate::scene::{self, DIRECT, Scene, URL, close, found, greeted_by, message, none};

    fn refused() -> Scene {
        let refused = scene::sent(URL, 4096, Err(Some(close(1007, "invalid UTF-8"))));
        Scene::opened().direct("10.0.3.7:80").attempt(refused)
    }

    fn says(via: Via, broken_at: Option<u64>) -> Attempt {
        let text = Message { broken_at, ..message(0.01, 1, 4) };
        greeted_by(via, Stream { messages: vec![text], messages_seen: 1, ..Stream::default() })
    }

    #[test]
    fn text_of_the_service_that_is_no_utf8_is_a_fact() {
        let seen = || Scene::websocket().direct("10.0.3.7:80").attempt(says(URL, Some(3)));
        assert_eq!(found(probe, seen(), Level::High).place, Place::Unknown);
        assert_eq!(found(probe, seen().attempt(says(DIRECT, Some(3))), Level::High).place, Place::Upstream);
        assert_eq!(found(probe, seen().attempt(says(DIRECT, None)), Level::High).place, Place::UpstreamLeg);
        none(probe, Scene::websocket().attempt(says(URL, None)));
        none(probe, Scene::sse().attempt(says(URL, Some(3))));
        let scrambled = says(URL, Some(3))
            .stream_with(|stream| stream.violations.push((FrameViolation::ReservedOpcode, 9)));
        none(probe, Scene::websocket().attempt(scrambled));
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
