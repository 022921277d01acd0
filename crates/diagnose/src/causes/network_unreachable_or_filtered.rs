//! No connection comes about: the name, the way or the port is missing.

use model::Word as _;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Fault, Stage, StageName};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::openings;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "network-unreachable-or-filtered",
    number: 118,
    severity: Severity::Critical,
    manual: Manual {
        title: text("no connection comes about", "无法建立连接"),
        symptoms: text(
            "`ERR_NAME_NOT_RESOLVED`, `ERR_CONNECTION_REFUSED`, `ERR_CONNECTION_TIMED_OUT`, sometimes \
             from some networks only.",
            "`ERR_NAME_NOT_RESOLVED`、`ERR_CONNECTION_REFUSED`、`ERR_CONNECTION_TIMED_OUT`，\
             有时只在部分网络出现。",
        ),
        evidence: text(
            "The first stage that fails: the name has no address; the resolver does not answer; SYN is \
             answered with RST (nobody listens, or a firewall rejects); SYN is not answered (a firewall \
             drops, or the machine is off); ICMP says unreachable.",
            "最先失败的阶段：名称没有地址；解析器不应答；SYN 得到 RST（无人监听，或防火墙拒绝）；SYN \
             没有应答（防火墙丢弃，或主机不在）；ICMP 报告不可达。",
        ),
        look_alikes: text(
            "`accept-queue-overflow`: some connections come about, others after some seconds. \
             `upstream-down-502-503`: a proxy answers. An HTTP intermediary that cannot upgrade: port 80 \
             fails and `wss` on 443 works from the same network.",
            "`accept-queue-overflow`：部分连接可以建立，其他的要等数秒；`upstream-down-502-503`：\
             有代理应答；不支持升级的 HTTP 中间设备：同一网络中 80 端口失败而 443 上的 `wss` 正常。",
        ),
        fix: text(
            "By the stage: correct the DNS record; start what should listen, on the address that clients \
             use; open the port in the firewall or security group; prefer `wss` on port 443, which \
             networks rarely filter. Then run the diagnosis again from the same network.",
            "按阶段处理：改正 DNS 记录；启动应监听的程序，并监听客户端所用的地址；\
             在防火墙或安全组中放行端口；优先使用 443 端口的 `wss`，很少被网络过滤。\
             然后在同一网络中重新诊断。",
        ),
        sources: &[
            "RFC 9293, sections 3.8.1 and 3.10.7.1 (retransmission of SYN, RST)",
            "Linux, Documentation/networking/ip-sysctl: tcp_syn_retries, tcp_syn_linear_timeouts",
            "RFC 2308 (NXDOMAIN and NODATA)",
        ],
    },
    phrases: &[
        phrase("no_name_title", "the name has no address", "名称没有地址"),
        phrase("resolver_title", "the resolver does not answer", "DNS 解析器没有应答"),
        phrase("refused_title", "the port is closed", "端口未开放"),
        phrase(
            "timeout_title",
            "no answer to connections: filtered, or the machine is off",
            "连接没有应答：被过滤，或主机不在线",
        ),
        phrase("unreachable_title", "the address cannot be reached", "地址不可达"),
        phrase("local_title", "this machine cannot connect", "本机无法发起连接"),
        phrase(
            "no_name",
            "{host} does not exist in DNS, or has no address",
            "DNS 中不存在 {host}，或它没有地址",
        ),
        phrase(
            "resolver",
            "No resolver answered for {host} in {seconds}",
            "{seconds}内没有解析器应答 {host}",
        ),
        phrase(
            "refused",
            "Port {port} of {host} answers with RST after {seconds}",
            "{host} 的端口 {port} 在{seconds}后以 RST 应答",
        ),
        phrase(
            "timeout",
            "Port {port} of {host} did not answer in {seconds}",
            "{host} 的端口 {port} 在{seconds}内没有应答",
        ),
        phrase("unreachable", "ICMP says that {host} cannot be reached", "ICMP 报告 {host} 不可达"),
        phrase("local", "This machine could not open a connection: {detail}", "本机无法打开连接：{detail}"),
        phrase("repeated", "{count} attempts came to the same", "{count} 次尝试结果相同"),
        phrase("own_resolver", "another resolver may know the name", "其他解析器可能认识该名称"),
        phrase("own_network", "it may be this network alone", "可能只是本网络的问题"),
        phrase(
            "queue",
            "`accept-queue-overflow`: the machine may have no room for a connection",
            "`accept-queue-overflow`：主机可能没有空间接受连接",
        ),
        phrase(
            "ask_other_resolver",
            "Ask another resolver: `dig @1.1.1.1 {host}`",
            "向其他解析器查询：`dig @1.1.1.1 {host}`",
        ),
        phrase(
            "other_network",
            "Run the diagnosis from a second network, and on the machine itself `ss -ltn`",
            "在另一个网络中重新诊断，并在目标机器上执行 `ss -ltn`",
        ),
        phrase(
            "own_limits",
            "Look at this machine's files, ports and routes: `ulimit -n`, `ss -s`, `ip route`",
            "检查本机的文件、端口与路由：`ulimit -n`、`ss -s`、`ip route`",
        ),
        phrase(
            "fix_name",
            "In DNS: an address record for {host}; or correct the name in the URL",
            "在 DNS 中：为 {host} 添加地址记录；或改正 URL 中的名称",
        ),
        phrase(
            "fix_listen",
            "On {host}: start what listens on port {port}, or correct the port in the URL",
            "在 {host} 上：启动监听端口 {port} 的程序，或改正 URL 中的端口",
        ),
        phrase(
            "fix_filter",
            "In the firewalls on the way to {host}: let port {port} pass",
            "在通往 {host} 的防火墙中：放行端口 {port}",
        ),
        phrase(
            "fix_local",
            "On this machine: free what is used up, or add a route to {host}",
            "在本机：释放耗尽的资源，或添加到 {host} 的路由",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain()?;
    let stage = plain.failed().filter(|stage| matches!(stage.name, StageName::Dns | StageName::Tcp))?;
    let is_same = |attempt: &Attempt| openings::is_alike(attempt, plain);
    if openings::repeats(seen, Via::Url).any(|again| !is_same(again)) {
        return None;
    }
    let same = openings::repeats(seen, Via::Url).filter(|again| is_same(again)).count();
    let claim = by_stage(seen, stage)?
        .corroborated(openings::opens_straight(seen))
        .noted((same > 1).then(|| Said::new("repeated").with("count", same)));
    Some(claim.finding())
}

fn by_stage(seen: &Examination, stage: &Stage) -> Option<Claim> {
    let host = seen.target.host.as_str();
    let about = |code: &'static str| Said::new(code).with("host", host).with("port", seen.target.port);
    let claim = |place, title: &'static str, decisive: Said| {
        Claim::of(&CAUSE, place, decisive).titled(Said::new(title))
    };
    let timed = |code: &'static str| about(code).seconds("seconds", stage.seconds);
    Some(match (stage.name, stage.fault?) {
        (StageName::Dns, Fault::NoName) => claim(Place::Unknown, "no_name_title", about("no_name"))
            .proven()
            .next(about("ask_other_resolver"))
            .fix(about("fix_name")),
        (StageName::Dns, _) => claim(Place::Unknown, "resolver_title", timed("resolver"))
            .unless(Said::new("own_resolver"))
            .next(about("ask_other_resolver"))
            .fix(about("fix_name")),
        (_, Fault::Refused | Fault::Reset) => claim(Place::Upstream, "refused_title", timed("refused"))
            .proven()
            .next(Said::new("other_network"))
            .fix(about("fix_listen"))
            .fix(about("fix_filter")),
        (_, Fault::Timeout) => claim(Place::UpstreamLeg, "timeout_title", timed("timeout"))
            .unless(Said::new("own_network"))
            .unless(Said::new("queue"))
            .next(Said::new("other_network"))
            .fix(about("fix_filter"))
            .fix(about("fix_listen")),
        (_, Fault::Unreachable) => claim(Place::UpstreamLeg, "unreachable_title", about("unreachable"))
            .unless(Said::new("own_network"))
            .next(Said::new("other_network"))
            .fix(about("fix_filter")),
        (_, fault) => {
            let detail = if stage.detail.is_empty() { fault.as_str() } else { &stage.detail };
            claim(Place::Host, "local_title", Said::new("local").with("detail", detail))
                .next(Said::new("own_limits"))
                .fix(about("fix_local"))
        }
    })
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, answer, found, none};

    fn title(name: StageName, fault: Fault, level: Level) -> String {
        found(probe, Scene::websocket().plain_fails(name, fault, 10.0), level).title.code.to_string()
    }

    #[test]
    fn the_stage_is_named() {
        assert_eq!(title(StageName::Dns, Fault::NoName, Level::High), "no_name_title");
        assert_eq!(title(StageName::Dns, Fault::Resolver, Level::Medium), "resolver_title");
        assert_eq!(title(StageName::Tcp, Fault::Refused, Level::High), "refused_title");
        assert_eq!(title(StageName::Tcp, Fault::Timeout, Level::Medium), "timeout_title");
        assert_eq!(title(StageName::Tcp, Fault::Unreachable, Level::Medium), "unreachable_title");
        assert_eq!(title(StageName::Tcp, Fault::Local, Level::Medium), "local_title");
    }

    #[test]
    fn a_connection_that_comes_about_sometimes_is_another_matter() {
        let scene = Scene::websocket().plain_fails(StageName::Tcp, Fault::Timeout, 10.0);
        none(probe, scene.plain(answer(101)));
    }

    #[test]
    fn later_stages_are_another_matter() {
        none(probe, Scene::websocket().tls().plain_fails(StageName::Tls, Fault::Timeout, 10.0));
        none(probe, Scene::websocket().plain_fails(StageName::Http, Fault::Reset, 0.1));
        none(probe, Scene::websocket().plain(answer(502)));
        none(probe, Scene::websocket().plain(answer(101)));
    }
}
