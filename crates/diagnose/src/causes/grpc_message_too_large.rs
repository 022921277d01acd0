//! A gRPC message is longer than its receiver, or its sender, takes.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::population::{Population, calls};
use crate::sizes::sent;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-message-too-large",
    number: 703,
    severity: Severity::Warning,
    manual: Manual {
        title: text("a gRPC message is longer than its receiver takes", "gRPC 消息超过接收方的上限"),
        symptoms: text(
            "RESOURCE_EXHAUSTED `larger than max (5242880 vs. 4194304)`.",
            "RESOURCE_EXHAUSTED `larger than max (5242880 vs. 4194304)`。",
        ),
        evidence: text(
            "Status 8 with a text that names both sizes. “Received”: the receiver's limit; “SENT” or “trying to send”: the sender's.",
            "状态 8，文本给出两个大小。“Received”：接收方上限；“SENT”或“trying to send”：发送方上限。",
        ),
        look_alikes: text("Status 8 without sizes: a quota.", "没有大小的状态 8：配额。"),
        fix: text(
            "Raise it on the receiving side: grpc-go `MaxRecvMsgSize`, C core and Python \
             `grpc.max_receive_message_length`, Java `maxInboundMessageSize` (4 MiB by default); or send in \
             pieces. Then a message of that size must be answered.",
            "在接收侧调大：grpc-go `MaxRecvMsgSize`、C core 与 Python `grpc.max_receive_message_length`、Java `maxInboundMessageSize`（默认 4 MiB）；或分片发送。之后该大小的消息应得到应答。",
        ),
        sources: &[
            "https://pkg.go.dev/google.golang.org/grpc#MaxRecvMsgSize",
            "https://grpc.github.io/grpc/core/group__grpc__arg__keys.html",
        ],
    },
    phrases: &[
        phrase(
            "status_says",
            "The call ended with RESOURCE_EXHAUSTED: {message}",
            "调用以 RESOURCE_EXHAUSTED 结束：{message}",
        ),
        phrase(
            "raise",
            "On the side that receives: raise the longest message above {bytes}, or send in pieces; then it \
             must be answered",
            "在接收侧：把最大消息调到大于 {bytes}，或分片发送；之后应得到应答",
        ),
    ],
    signs: Signs::both(probe, population),
};

/// The limit that all implementations have by default: who is refused above it has found no fault.
const ORDINARY_BYTES: u64 = 4 << 20;

fn probe(seen: &Examination) -> Option<Finding> {
    let is_needed = |bytes: u64| seen.target.message_max.is_some_and(|needed| needed >= bytes);
    let (message, size, is_fault) = seen.of_open(Via::Url).find_map(|attempt| {
        let end = attempt.stream.as_ref()?.grpc.as_ref().filter(|end| end.code == Some(8))?;
        let size = too_large(&end.message)?;
        // Messages that the probe did not make large on purpose are those that the service is for.
        let own = sent(attempt).map(|(bytes, _)| bytes);
        let is_fault = own.is_none_or(is_needed);
        let is_told = is_fault || own.is_some_and(|own| own <= ORDINARY_BYTES);
        is_told.then_some((end.message.as_str(), size, is_fault))
    })?;
    let claim =
        Claim::of(&CAUSE, Place::Upstream, Said::new("status_says").with("message", message)).proven();
    let claim = if is_fault { claim } else { claim.informing() };
    Some(claim.fix(Said::new("raise").bytes("bytes", size)).finding())
}

/// The size that was too large, by the text of the status.
fn too_large(message: &str) -> Option<u64> {
    let rest = message.to_ascii_lowercase();
    let rest =
        rest.split_once("larger than max").or_else(|| rest.split_once("exceeds maximum size"))?.1.to_owned();
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
    numbers.next()
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    calls::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Sign, Stream};
    use crate::scene::{self, Scene, URL, end, found, greeted_by, none};

    const TEXT: &str = "Received message larger than max (2048 vs. 1024)";

    #[test]
    fn a_status_that_names_sizes() {
        let call = greeted_by(URL, Stream { end: Some(end(0.1, Sign::BodyEnd)), ..Stream::default() });
        found(probe, Scene::grpc().attempt(call.clone().grpc(8, TEXT)), Level::High);
        none(probe, Scene::grpc().attempt(call.grpc(8, "quota exceeded")));
    }

    #[test]
    fn the_default_limit_is_healthy() {
        let large = scene::sent(URL, 5 << 20, Err(Some(Sign::BodyEnd)));
        let large = large.grpc(8, "larger than max (5242880 vs. 4194304)");
        none(probe, Scene::grpc().attempt(large.clone()));
        // Unless more is needed than it lets in.
        let needed = found(probe, Scene::grpc().needs(5 << 20).attempt(large), Level::High);
        assert_eq!(needed.severity, CAUSE.severity);
    }

    #[test]
    fn a_smaller_limit_is_told_and_no_fault() {
        let refused =
            || scene::sent(URL, 4096, Err(Some(Sign::BodyEnd))).grpc(8, "larger than max (4096 vs. 1024)");
        assert_eq!(found(probe, Scene::grpc().attempt(refused()), Level::High).severity, Severity::Info);
        let needed = found(probe, Scene::grpc().needs(4096).attempt(refused()), Level::High);
        assert_eq!(needed.severity, CAUSE.severity);
    }
}
