//! The service's handler returns, and its library closes the stream normally.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use model::Protocol;

use crate::attempt::Attempt;
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::Manner;
use crate::population::{Population, codes};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "handler-exits-early",
    number: 211,
    severity: Severity::Critical,
    manual: Manual {
        title: text(
            "the service's handler returned and closed the stream",
            "服务的处理函数返回，连接随之关闭",
        ),
        symptoms: text(
            "“It connects and closes at once”, or after one message; no error anywhere.",
            "“一连上就断”，或收到一条消息后就断；没有任何错误。",
        ),
        evidence: text(
            "Close 1000, or one without a code, comes within a second of the opening without a single message, \
             or right after the first answer; on each connection.",
            "打开后一秒内就收到 Close 1000 或无代码的 Close，一条消息也没有，或紧跟在第一个应答之后；每条连接都如此。",
        ),
        look_alikes: text(
            "`ws-auth-401`: 1008 or 4401. `ws-subprotocol-mismatch`: the client closes. A service that ends \
             when its work is done: messages come before.",
            "`ws-auth-401`：1008 或 4401；`ws-subprotocol-mismatch`：由客户端关闭；完成工作后结束的服务：此前会有消息。",
        ),
        fix: text(
            "In the handler: loop over messages until the client leaves (`async for message in websocket`), \
             and await what it started. Then a held stream must outlive its first message.",
            "在处理函数中：循环读取消息直到客户端离开（`async for message in websocket`），并等待已启动的任务。之后保持的连接应在第一条消息后继续存活。",
        ),
        sources: &["https://websockets.readthedocs.io/en/stable/faq/server.html", "RFC 6455, section 7.4.1"],
    },
    phrases: &[
        phrase(
            "at_once",
            "Close {code} came {seconds} after the opening, before any message",
            "打开 {seconds}后就收到 Close {code}，此前没有任何消息",
        ),
        phrase(
            "after_one",
            "Close {code} came {seconds} after the first message was answered",
            "第一条消息得到应答 {seconds}后收到 Close {code}",
        ),
        phrase("each_time", "All {count} streams ended like this", "全部 {count} 条连接都这样结束"),
        phrase(
            "silent_lives",
            "A stream without messages lived for {seconds}",
            "没有发送消息的连接存活了 {seconds}",
        ),
        phrase("straight_too", "Straight at the service it is the same", "直连服务也一样"),
        phrase(
            "is_meant",
            "the service means it: one question and one answer, or nothing to say",
            "服务本意如此：一问一答，或无话可说",
        ),
        phrase(
            "read_handler",
            "Read the handler: does it return after the first message, or without waiting for one?",
            "阅读处理函数：是否在第一条消息后、或未等待消息就返回？",
        ),
        phrase(
            "loop",
            "In the service's handler: loop until the client leaves, and await what was started",
            "在服务的处理函数中：循环直到客户端离开，并等待已启动的任务",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|_| seen.target.protocol == Protocol::WebSocket)?;
    let said = early(plain)?;
    let alike = seen.of_open(Via::Url).filter(|attempt| early(attempt).is_some()).count();
    let straight = seen.direct().and_then(early).is_some();
    let silent = seen.silent(Via::Url).map(Attempt::lived).fold(0.0, f64::max);
    let lives = said.code == "after_one" && silent > 2.0;
    let place = if straight { Place::Upstream } else { Place::Unknown };
    let claim = Claim::of(&CAUSE, place, said)
        .corroborated((alike > 1).then(|| Said::new("each_time").with("count", alike)))
        .corroborated(lives.then(|| Said::new("silent_lives").seconds("seconds", silent)))
        .corroborated(straight.then(|| Said::new("straight_too")))
        .unless(Said::new("is_meant"))
        .next(Said::new("read_handler"));
    Some(claim.fix(Said::new("loop")).finding())
}

/// How a normal Close came too early, in a sentence.
fn early(attempt: &Attempt) -> Option<Said> {
    const SOON: f64 = 1.0;
    let end = attempt.peer_end()?;
    let Manner::Close(code @ (1000 | 1005)) = Manner::of(attempt, end) else { return None };
    let stream = attempt.stream.as_ref()?;
    let said = |code_of: &'static str, seconds| {
        Some(Said::new(code_of).with("code", code).seconds("seconds", seconds))
    };
    match (attempt.sent_while_open(), stream.messages_seen) {
        ([], 0) if end.age < SOON => said("at_once", end.age),
        ([sent], 1) if end.at - sent < SOON && stream.echoes.iter().any(Option::is_some) => {
            said("after_one", (end.at - sent).max(0.0))
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
    use crate::attempt::{Sign, Stream};
    use crate::scene::{DIRECT, SILENT, Scene, URL, close, end, found, greeted_by, lives, message, none};

    fn greets(via: Via, age: f64, sign: Sign, sent: Vec<f64>, echoes: usize) -> Attempt {
        let messages: Vec<_> = (0..echoes).map(|nth| message(age - 0.01, nth as u64, 9)).collect();
        let messages_seen = echoes as u64;
        let echoes = vec![Some(0.01); echoes];
        greeted_by(
            via,
            Stream { sent, echoes, messages, messages_seen, end: Some(end(age, sign)), ..Stream::default() },
        )
    }

    #[test]
    fn streams_that_close_at_once_or_after_one_message() {
        let at_once = |via| greets(via, 0.02, close(1000, ""), Vec::new(), 0);
        let scene = Scene::websocket().attempt(at_once(URL)).attempt(at_once(DIRECT));
        let written_too_late = greets(URL, 0.02, close(1000, ""), vec![0.03], 0);
        assert_eq!(early(&written_too_late).expect("early").code, "at_once");
        assert_eq!(found(probe, scene, Level::Medium).place, Place::Upstream);
        let after = greets(URL, 0.6, close(1000, ""), vec![0.5], 1);
        found(probe, Scene::websocket().attempt(after).attempt(lives(URL, SILENT, 0.0, 30.0)), Level::Medium);
    }

    #[test]
    fn services_that_end_when_their_work_is_done_are_healthy() {
        none(probe, Scene::websocket().attempt(greets(URL, 0.2, close(1000, "done"), Vec::new(), 3)));
        none(probe, Scene::websocket().attempt(greets(URL, 5.0, close(1000, ""), Vec::new(), 0)));
        none(probe, Scene::websocket().attempt(greets(URL, 0.02, close(4401, "who are you"), Vec::new(), 0)));
        none(probe, Scene::websocket().attempt(greets(URL, 0.02, Sign::Fin, Vec::new(), 0)));
    }
}
