//! A TCP balancer spreads connections, and all calls of a client stay on one.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-l4-imbalance",
    number: 705,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "calls are not spread: a TCP balancer sees one connection for each client",
            "调用没有被分摊：四层负载均衡只看到每个客户端一条连接",
        ),
        symptoms: text("One server takes all the traffic.", "一台服务器承担了全部流量。"),
        evidence: text(
            "Each client has one connection that carries all its calls; calls for each server differ by more \
             than 3 to 1 while there are few connections.",
            "每个客户端只有一条承载其全部调用的连接；连接很少时，各服务器的调用量相差超过三倍。",
        ),
        look_alikes: text(
            "`long-lived-imbalance`: many connections, old ones on one server.",
            "`long-lived-imbalance`：连接很多，旧连接集中在一台服务器。",
        ),
        fix: text(
            "Balance calls: a proxy that speaks HTTP/2, `round_robin` in the client over all addresses \
             (headless service), or `MaxConnectionAge`. Then calls for each server must come within 3 to 1.",
            "按调用分摊：使用会说 HTTP/2 的代理，客户端对所有地址 `round_robin`（headless service），或 `MaxConnectionAge`。之后各服务器的调用量应在三倍以内。",
        ),
        sources: &[
            "https://grpc.io/blog/grpc-load-balancing/",
            "https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: Heartline itself spreads calls over the upstreams of a route, and behind an upstream that is a TCP \
         balancer nothing on the wire says which server answers. Compare the calls that the servers count themselves, or \
         list each server as an upstream of the route.",
        "无法检测：Heartline 自身会把调用分摊到路由的各上游；若上游是四层负载均衡，链路上看不出由哪台服务器应答。请比较各服务器自身统计的调用\
         量，或把每台服务器列为该路由的一个上游。",
    )),
};
