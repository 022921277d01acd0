//! A service queues without a limit for clients that do not read.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "unbounded-send-buffer-memory",
    number: 509,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the service queues without limit for slow clients", "服务为慢客户端无限制地排队"),
        symptoms: text(
            "The service's memory grows until it is killed, with only a few slow clients.",
            "服务内存不断增长直至被杀死，而慢客户端只有少数几个。",
        ),
        evidence: text(
            "A handful of connections whose client does not read (`slow-consumer-client`), and the \
             resident memory of the service grows by about what was made for them and not taken; the \
             service goes on making messages at the same rate.",
            "有少数连接的客户端不读取数据（`slow-consumer-client`），服务常驻内存的增长与为它们产生却未取\
             走的数据量相当；服务仍以同样的速率产生消息。",
        ),
        look_alikes: text(
            "A leak by connection: memory grows with churn and does not fall when the slow ones leave. A \
             cache: it grows without slow clients and then stays. `compression-cpu-memory`: grows with \
             the number of connections.",
            "按连接泄漏：内存随连接更替增长，慢客户端离开后不回落；缓存：没有慢客户端也增长，随后稳定；\
             `compression-cpu-memory`：随连接数增长。",
        ),
        fix: text(
            "In the service: bound what waits for each connection, by bytes and by age; above it merge, \
             drop what is stale, or close with 1013. Prove it: with one client that does not read, memory \
             stays level for ten minutes.",
            "在服务中：按字节数和时长限制每个连接的待发送量；超过后合并、丢弃过时数据，或以 1013 关闭。验\
             证：有一个不读取的客户端时，内存十分钟内保持平稳。",
        ),
        sources: &[
            "https://nodejs.org/en/learn/modules/backpressuring-in-streams",
            "https://websockets.readthedocs.io/en/stable/topics/broadcast.html",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: what waits inside a service is not on the wire, and the memory of its process \
         grows for other reasons as well. `slow-consumer-client` names the connections; compare their \
         number with `heartline_upstream_process_resident_memory_bytes` over the same time.",
        "无法检测：服务内部排队的数据不在链路上，其进程内存也会因其他原因增长。`slow-consumer-client` 会指\
         出这些连接；将其数量与同一时段的 `heartline_upstream_process_resident_memory_bytes` 对照。",
    )),
};
