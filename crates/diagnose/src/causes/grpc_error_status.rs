//! The service ends calls with a status that says that something is wrong there.

use model::finding::{Finding, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::population::{Population, calls::statuses};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-error-status",
    number: 979,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "calls end with a status by which the service says that it failed",
            "调用以表示服务自身出错的状态结束",
        ),
        symptoms: text(
            "Clients see INTERNAL, UNKNOWN, UNAVAILABLE or the like, at no certain time.",
            "客户端不定时地看到 INTERNAL、UNKNOWN、UNAVAILABLE 等状态。",
        ),
        evidence: text(
            "A tenth of the calls or more end with one of UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, \
             DATA_LOSS, RESOURCE_EXHAUSTED in the trailers of the upstream side, and no other cause explains it.",
            "十分之一以上的调用以上游一侧尾部中的 UNKNOWN、DEADLINE_EXCEEDED、UNIMPLEMENTED、INTERNAL、UNAVAILABLE、DATA_LOSS \
             或 RESOURCE_EXHAUSTED 结束，且没有其他原因可以解释。",
        ),
        look_alikes: text(
            "`grpc-non-grpc-reply`: the answer is no gRPC. `grpc-message-too-large`, `grpc-max-age-goaway`, \
             `grpc-deadline-on-stream`: told as such. NOT_FOUND, INVALID_ARGUMENT and the like: answers to the caller.",
            "`grpc-non-grpc-reply`：应答不是 gRPC；`grpc-message-too-large`、`grpc-max-age-goaway`、`grpc-deadline-on-stream`：\
             各自报告；NOT_FOUND、INVALID_ARGUMENT 等：是对调用者的正常应答。",
        ),
        fix: text(
            "Look in the service for where it gives that status, and at its log at that moment; then the share of calls that \
             end so must fall.",
            "在服务中查找给出该状态的位置及当时的日志；之后以此结束的调用占比应下降。",
        ),
        sources: &[
            "https://grpc.io/docs/guides/status-codes/",
            "https://opentelemetry.io/docs/specs/semconv/rpc/grpc/",
        ],
    },
    phrases: &[
        phrase(
            "title_status",
            "{count} calls end with the status {status} ({share})",
            "{count} 个调用以状态 {status} 结束（{share}）",
        ),
        phrase(
            "ended_with_status",
            "{count} calls ({share} of those that ended) ended with the status {status} of the upstream side, at no common \
             age or moment",
            "{count} 个调用（占结束的 {share}）以上游一侧给出的状态 {status} 结束，没有共同的存活时长或时刻",
        ),
        phrase("most_of_method", "Most of them are of {method}", "其中多数属于 {method}"),
        phrase(
            "status_of_hop",
            "a proxy on the way that speaks gRPC and gives that status by itself",
            "途中会说 gRPC 的代理自行给出该状态",
        ),
        phrase(
            "service_log",
            "Look for these calls in the service's log: if they are not there, a hop before it answered",
            "在服务日志中查找这些调用：若不存在，则由其前面的代理应答",
        ),
        phrase(
            "find_status",
            "In the service: find where it gives that status, and the error behind it",
            "在服务中：查找给出该状态的位置及其背后的错误",
        ),
    ],
    signs: Signs::population(population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    statuses::findings(&CAUSE, seen)
}
