//! Messages are handled in another order than they were made in.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Burst;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ordering-violation",
    number: 407,
    severity: Severity::Warning,
    manual: Manual {
        title: text("messages are handled in another order", "消息的处理顺序与产生顺序不一致"),
        symptoms: text("A later update is overwritten by an earlier one.", "较新的更新被较旧的覆盖。"),
        evidence: text(
            "TCP cannot reorder within a connection. When the order on the wire is wrong already, several \
             threads of the service write; when it is right there, handlers of the client that wait for \
             something overtake each other. Where a service echoes, small messages that are sent together come back \
             in another order than they were sent in.",
            "TCP 在一个连接内不会乱序。若链路上的顺序已经错误，说明服务的多个线程同时写入；若链路上正确，\
             则是客户端的异步处理函数互相超越。在会回显的服务上，一起发送的小消息以不同于发送的顺序返回。",
        ),
        look_alikes: text(
            "Two connections of one client (`duplicate-connections-client`): no order holds between them. \
             `missed-while-disconnected`: an old state is sent again after a reconnect.",
            "同一客户端有两个连接（`duplicate-connections-client`）：二者之间没有顺序保证；\
             `missed-while-disconnected`：重连后重新发送了旧状态。",
        ),
        fix: text(
            "In the service: one queue for each key or connection, and one writer. In the client: handle \
             messages one after the other, and drop what has a lower number than what was seen. Prove it: \
             record numbers where they are sent and where they are handled.",
            "在服务中：每个键或连接使用一个队列和一个写入者。在客户端：逐条处理消息，丢弃编号低于已处理编\
             号的消息。验证：在发送处与处理处记录编号并对比。",
        ),
        sources: &["RFC 9293, section 2.2 (in-order byte stream)", "RFC 6455, section 5.4"],
    },
    phrases: &[
        phrase(
            "overtaken",
            "Of {all} small messages that were sent together {count} came back before one that was sent before them",
            "一起发送的 {all} 条小消息中，有 {count} 条先于更早发送的消息返回",
        ),
        phrase("straight_too", "Straight at {upstream} it is the same", "直连 {upstream} 也一样"),
        phrase(
            "straight_not",
            "Straight at {upstream} they come back in their order",
            "直连 {upstream} 时按顺序返回",
        ),
        phrase("again", "In {count} bursts it is so", "在 {count} 次突发中均如此"),
        phrase(
            "when_done",
            "the service may mean to answer each message when it is done with it",
            "服务可能有意在处理完每条消息时才应答",
        ),
        phrase(
            "number_them",
            "Let the service log the numbers in the order of its handling, and compare it with that of sending",
            "让服务按处理顺序记录编号，并与发送顺序比较",
        ),
        phrase(
            "one_writer",
            "Where it is overtaken: one queue for each connection, and one writer; then a burst must come back in its order",
            "在发生乱序处：每个连接一个队列、一个写入者；之后突发消息应按顺序返回",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let (count, bursts, all) = overtaken(seen, Via::Url).filter(|(count, ..)| *count > 0)?;
    let straight = overtaken(seen, Via::Direct).map(|(count, ..)| count > 0);
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let compared = |code: &'static str| Said::new(code).with("upstream", upstream);
    let said = Said::new("overtaken").with("count", count).with("all", all);
    let again = (bursts > 1).then(|| Said::new("again").with("count", bursts));
    let claim = match straight {
        Some(false) => Claim::of(&CAUSE, Place::UpstreamLeg, said).corroborated(compared("straight_not")),
        Some(true) => Claim::of(&CAUSE, Place::Upstream, said)
            .corroborated(compared("straight_too"))
            .unless(Said::new("when_done"))
            .next(Said::new("number_them")),
        None => Claim::of(&CAUSE, Place::Unknown, said)
            .unless(Said::new("when_done"))
            .next(Said::new("pass_upstream")),
    };
    Some(claim.noted(again).fix(Said::new("one_writer")).finding())
}

/// Messages that overtook others, the bursts in which they did, and messages of all bursts; none without bursts.
fn overtaken(seen: &Examination, via: Via) -> Option<(usize, usize, usize)> {
    let bursts: Vec<&Burst> = seen
        .of_open(via)
        .filter_map(|attempt| attempt.intact()?.burst.as_ref())
        .filter(|burst| burst.came.len() > 1)
        .collect();
    let such = bursts.iter().filter(|burst| burst.overtaking() > 0).count();
    let all = bursts.iter().map(|burst| burst.sent as usize).sum();
    let count = bursts.iter().map(|burst| burst.overtaking()).sum();
    (!bursts.is_empty()).then_some((count, such, all))
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Attempt;
    use crate::scene::{DIRECT, Scene, URL, echoed, found, none};

    fn came(via: Via, came: &[u32]) -> Attempt {
        let burst = Burst { sent: 6, came: came.to_vec() };
        echoed(via, &[0.01; 10], &[]).stream_with(|stream| stream.burst = Some(burst))
    }

    #[test]
    fn a_burst_comes_back_in_another_order() {
        let scene = || Scene::opened().direct("10.0.3.7:80").attempt(came(URL, &[1, 0, 3, 2, 5, 4]));
        found(probe, scene(), Level::Medium);
        let hop = scene().attempt(came(DIRECT, &[0, 1, 2, 3, 4, 5]));
        assert_eq!(found(probe, hop, Level::High).place, Place::UpstreamLeg);
        let own = scene().attempt(came(DIRECT, &[0, 2, 1, 3, 4, 5]));
        assert_eq!(found(probe, own, Level::Medium).place, Place::Upstream);
    }

    #[test]
    fn look_alikes_are_others() {
        for kept in [&[0, 1, 2, 3, 4, 5][..], &[0, 0, 1, 2, 3], &[0, 1, 2, 0, 1, 2, 3], &[1, 4], &[3], &[]] {
            none(probe, Scene::opened().attempt(came(URL, kept)));
        }
    }
}
