//! The service fails on a message, or asks to come back later.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Sign};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::population::{Population, codes};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "server-exception-1011-or-overload-1012-1013",
    number: 217,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "the service fails (1011) or asks to come back later (1012, 1013)",
            "服务出错（1011）或要求稍后再来（1012、1013）",
        ),
        symptoms: text("1011 on some actions; 1013 at peaks.", "某些操作出现 1011；高峰时出现 1013。"),
        evidence: text(
            "Close 1011 right after the opening or after a message: an error that nobody caught. 1012 or 1013: \
             the service restarts or is overloaded.",
            "打开后或某条消息后立即收到 Close 1011：未捕获的错误。1012 或 1013：服务重启或过载。",
        ),
        look_alikes: text(
            "websockets closes with 1011 for its ping timeout too: read the reason \
             (`event-loop-block-late-pong`). A message that the service does not know: a real client's \
             passes.",
            "websockets 的 ping 超时也用 1011：请看原因（`event-loop-block-late-pong`）。服务不认识的消息：真实客户端的消息可以通过。",
        ),
        fix: text(
            "1011: read the service's log at that instant and handle the error. 1013: more capacity, and \
             clients that wait longer after each failure. Then the same message must be answered.",
            "1011：查看服务当时的日志并处理错误。1013：增加容量，客户端每次失败后等待更久。之后同样的消息应得到应答。",
        ),
        sources: &["RFC 6455, section 7.4.1", "https://www.iana.org/assignments/websocket/websocket.xhtml"],
    },
    phrases: &[
        phrase(
            "at_opening",
            "Close {code} came {seconds} after the opening, before anything was sent; its reason: {reason}",
            "打开 {seconds}后、尚未发送任何数据时收到 Close {code}，原因：{reason}",
        ),
        phrase(
            "after_message",
            "Close {code} came {seconds} after a message; its reason: {reason}",
            "一条消息之后 {seconds}收到 Close {code}，原因：{reason}",
        ),
        phrase("each_time", "{count} streams ended like this", "{count} 条连接这样结束"),
        phrase(
            "silent_lives",
            "A stream without messages lived for {seconds}",
            "没有发送消息的连接存活了 {seconds}",
        ),
        phrase("straight_too", "Straight at the service it is the same", "直连服务也一样"),
        phrase("gateway_says", "a gateway in between says so", "由中间的网关发出"),
        phrase(
            "unknown_message",
            "the service takes the probe's message for nonsense; a real client's may pass",
            "服务不认识探测的消息；真实客户端的消息也许可以通过",
        ),
        phrase(
            "real_message",
            "Repeat with a message of a real client: `--message`",
            "用真实客户端的消息重复：`--message`",
        ),
        phrase(
            "handle",
            "In the service: read the log at that instant and handle the error (1011), or add capacity and let \
             clients wait longer each time (1012, 1013)",
            "在服务中：查看当时的日志并处理错误（1011），或增加容量并让客户端逐次延长等待（1012、1013）",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain()?;
    let (said, after_message) = failure(plain)?;
    let alike = seen.of_open(Via::Url).filter(|attempt| failure(attempt).is_some()).count();
    let straight = seen.direct().and_then(failure).is_some();
    let silent = seen.silent(Via::Url).map(Attempt::lived).fold(0.0, f64::max);
    let lives = after_message && silent > 2.0;
    let place = if straight { Place::Upstream } else { Place::Unknown };
    let mut claim = Claim::of(&CAUSE, place, said)
        .corroborated((alike > 1).then(|| Said::new("each_time").with("count", alike)))
        .corroborated(lives.then(|| Said::new("silent_lives").seconds("seconds", silent)))
        .corroborated(straight.then(|| Said::new("straight_too")));
    if !straight {
        claim = claim.unless(Said::new("gateway_says")).next(Said::new("pass_upstream"));
    }
    if after_message {
        claim = claim.unless(Said::new("unknown_message")).next(Said::new("real_message"));
    }
    Some(claim.fix(Said::new("handle")).finding())
}

/// A Close of that meaning, in a sentence, and whether a message came before.
fn failure(attempt: &Attempt) -> Option<(Said, bool)> {
    const SOON: f64 = 1.0;
    let end = attempt.peer_end()?;
    let Sign::Close(Some(code), reason) = &end.sign else { return None };
    let is_for_pong = reason.to_ascii_lowercase().contains("ping");
    let sent = attempt.sent_while_open().last();
    if !matches!(code.0, 1011..=1013) || is_for_pong {
        return None;
    }
    let reason = if reason.is_empty() { "-" } else { reason };
    let said = |name, seconds| {
        Said::new(name).with("code", code.0).with("reason", reason).seconds("seconds", seconds)
    };
    match sent {
        None if end.age < SOON => Some((said("at_opening", end.age), false)),
        Some(sent) if end.at - sent < SOON => {
            Some((said("after_message", (end.at - sent).max(0.0)), code.0 == 1011))
        }
        _ => None,
    }
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    codes::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Stream;
    use crate::scene::{DIRECT, Scene, URL, close, end, found, greeted_by, none};

    fn fails(via: Via, code: u16, reason: &str, age: f64, sent: Vec<f64>) -> Attempt {
        greeted_by(via, Stream { sent, end: Some(end(age, close(code, reason))), ..Stream::default() })
    }

    #[test]
    fn a_service_that_is_overloaded_or_fails_says_so() {
        let overloaded = |via| fails(via, 1013, "try again later", 0.1, Vec::new());
        found(probe, Scene::websocket().attempts([overloaded(URL), overloaded(DIRECT)]), Level::High);
        found(probe, Scene::websocket().attempt(overloaded(URL)), Level::Medium);
        found(probe, Scene::websocket().attempt(fails(URL, 1011, "", 0.6, vec![0.5])), Level::Medium);
    }

    #[test]
    fn look_alikes_are_others() {
        none(probe, Scene::websocket().attempt(fails(URL, 1011, "keepalive ping timeout", 0.6, vec![0.5])));
        none(probe, Scene::websocket().attempt(fails(URL, 1008, "", 0.6, vec![0.5])));
        none(probe, Scene::websocket().attempt(fails(URL, 1011, "", 40.0, vec![0.5])));
        none(probe, Scene::opened());
    }
}
