//! No source port is left towards one address and port of a service.

use model::finding::{Affected, Finding, Place, Said, Severity, Topic};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::Population;

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
    phrases: &[
        phrase(
            "no_address",
            "{count} of {all} attempts failed since connect(2) found no free address (EADDRNOTAVAIL)",
            "{all} 次尝试中有 {count} 次因 connect(2) 没有可用地址而失败（EADDRNOTAVAIL）",
        ),
        phrase(
            "ports_used",
            "This machine has {sockets} TCP sockets, and {ports} ports to leave from",
            "本机有 {sockets} 个 TCP 套接字，可用源端口共 {ports} 个",
        ),
        phrase(
            "no_source",
            "a source address of the route that this machine does not have any more",
            "路由配置的某个源地址已不在本机上",
        ),
        phrase(
            "count_ports",
            "On this machine: `ss -tn dst ADDRESS | wc -l` beside `sysctl net.ipv4.ip_local_port_range`",
            "在本机上：将 `ss -tn dst 地址 | wc -l` 与 `sysctl net.ipv4.ip_local_port_range` 对比",
        ),
        phrase(
            "more_addresses",
            "Add `source_addresses` to the route, or widen `net.ipv4.ip_local_port_range`",
            "为路由增加 `source_addresses`，或扩大 `net.ipv4.ip_local_port_range`",
        ),
    ],
    signs: Signs::population(population),
};

/// Attempts that it takes.
const COUNT_MIN: usize = 3;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    let failed = seen.failed_by(CAUSE.id);
    if failed.len() < COUNT_MIN {
        return Vec::new();
    }
    let tcp = seen.host.map(|host| host.machine.tcp).unwrap_or_default();
    let sockets = tcp.in_use.map(|in_use| in_use + tcp.time_wait.unwrap_or_default());
    let used = sockets.zip(tcp.ephemeral_ports).filter(|(sockets, ports)| sockets >= ports);
    let attempts = seen.failed.len() + seen.connections();
    let decisive = Said::new("no_address").with("count", failed.len()).with("all", attempts);
    let said = |(sockets, ports)| Said::new("ports_used").with("sockets", sockets).with("ports", ports);
    let affected = Affected { share_of_closes: None, ..seen.affected(&failed) };
    vec![
        Claim::of(&CAUSE, Place::Gateway, decisive)
            .corroborated(used.map(said))
            .unless(used.is_none().then(|| Said::new("no_source")))
            .next(used.is_none().then(|| Said::new("count_ports")))
            .fix(Said::new("more_addresses"))
            .concerns(seen.route.clone(), seen.since(&failed), affected)
            .about(Topic::Openings)
            .selects(seen.selection(&failed))
            .finding(),
    ]
}

#[cfg(test)]
mod tests {
    use model::HandshakeResult;
    use model::finding::Level;
    use model::host::HostFacts;

    use super::*;
    use crate::population::tests::{failed, judged_on};

    const NO_PORT: &str = "http://a: from 10.0.0.1: Cannot assign requested address (os error 99)";

    fn host(in_use: u64) -> HostFacts {
        let mut host = HostFacts::default();
        host.machine.tcp.in_use = Some(in_use);
        host.machine.tcp.ephemeral_ports = Some(28_232);
        host
    }

    #[test]
    fn no_port_is_left() {
        let refused = |detail| (0..12).map(move |n| failed(n, HandshakeResult::Unreachable, 0.01, detail));
        let level = |found: Vec<Finding>| {
            found.iter().map(|finding| (finding.id.to_string(), finding.level)).collect::<Vec<_>>()
        };
        let is = |level| vec![(CAUSE.id.to_owned(), level)];
        assert_eq!(level(judged_on(refused(NO_PORT), host(60_000))), is(Level::High));
        assert_eq!(level(judged_on(refused(NO_PORT), host(200))), is(Level::Medium));
        let other = judged_on(refused("http://a: Connection refused (os error 111)"), host(60_000));
        assert_eq!(other[0].id, "upstream-down-502-503");
    }
}
