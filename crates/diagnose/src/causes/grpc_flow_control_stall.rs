//! A receiver reads nothing, and HTTP/2's flow control stops the sender.

use model::finding::{Finding, Severity};

use crate::cause::{Cause, Manual, Signs, text};
use crate::population::{Population, calls};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-flow-control-stall",
    number: 704,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "a stream is not read, and HTTP/2 flow control stops its sender",
            "某个流没有被读取，HTTP/2 流控使发送方停止",
        ),
        symptoms: text(
            "One stream, or all of them, freeze; the connection lives and answers PINGs.",
            "一个或所有流冻结；连接存活并应答 PING。",
        ),
        evidence: text(
            "PINGs are answered while no WINDOW_UPDATE comes for more than 5 s and the window of the stream \
             (or of the connection: then all stall) is used up.",
            "PING 得到应答，但超过 5 秒没有 WINDOW_UPDATE，且流（或连接：则全部停滞）的窗口已用尽。",
        ),
        look_alikes: text(
            "`slow-consumer-client`: TCP's window is closed.",
            "`slow-consumer-client`：TCP 窗口关闭。",
        ),
        fix: text(
            "Read each stream to its end, cancel those that nobody reads, give slow consumers a channel of \
             their own. Then messages must flow while one stream is not read.",
            "把每个流读到末尾，取消无人读取的流，让慢消费者使用独立的通道。之后即使有一个流不被读取，消息也应继续流动。",
        ),
        sources: &["RFC 9113, section 5.2", "https://grpc.io/docs/guides/flow-control/"],
    },
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: Some(population) },
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    calls::findings(&CAUSE, seen)
}
