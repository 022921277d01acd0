//! No source port is left towards one address and port of a service.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ephemeral-port-exhaustion",
    number: 505,
    severity: Severity::Critical,
    manual: Manual {
        title: text("no source port is left towards the service", "通往服务的源端口已耗尽"),
        symptoms: text(
            "At some 28,000 connections to one upstream further ones get 502.",
            "与某个上游的连接数达到约 28000 后，新连接得到 502。",
        ),
        evidence: text(
            "The connections from one machine to one address and port are about as many as \
             `net.ipv4.ip_local_port_range` has; the dialling program gets EADDRNOTAVAIL (errno 99) at \
             once. Sockets in TIME_WAIT count where connections are short.",
            "某台机器到同一地址和端口的连接数接近 `net.ipv4.ip_local_port_range` 的端口数；发起连接的程序\
             立即得到 EADDRNOTAVAIL（errno 99）。短连接场景下 TIME_WAIT 套接字也占用端口。",
        ),
        look_alikes: text(
            "`upstream-down-502-503`: connection refused (errno 111), at any number. \
             `conntrack-table-full`: a wait in place of an error. `fd-limit-proxy`: errno 24.",
            "`upstream-down-502-503`：连接被拒绝（errno 111），与连接数无关；`conntrack-table-full`：等待\
             而不是报错；`fd-limit-proxy`：errno 24。",
        ),
        fix: text(
            "On the machine that dials: a wider `net.ipv4.ip_local_port_range`, several source addresses \
             (nginx `proxy_bind`), or more addresses of the service; a Unix socket where both are on one \
             machine. Prove it: the number of connections passes the old limit.",
            "在发起连接的机器上：扩大 `net.ipv4.ip_local_port_range`，使用多个源地址（nginx \
             `proxy_bind`），或增加服务的地址；同一台机器上可用 Unix 套接字。验证：连接数能超过旧上限。",
        ),
        sources: &[
            "ip(7), ip_local_port_range, IP_BIND_ADDRESS_NO_PORT",
            "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_bind",
        ],
    },
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: None },
};
