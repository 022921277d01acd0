//! A reverse proxy ends all its streams at once when it is reloaded.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::holds::{Manner, clump};
use crate::population::{Population, departures};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "proxy-reload-drain",
    number: 208,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "a proxy on the way was reloaded or restarted and ended its streams",
            "途中的代理重载或重启，结束了它的连接",
        ),
        symptoms: text(
            "All sockets through one ingress die some minutes after a deploy of something else.",
            "在部署了别的东西几分钟后，经过同一入口的所有连接都断开。",
        ),
        evidence: text(
            "Streams of different ages through the proxy end at one moment without a Close frame; those \
             straight at the service live on, and new ones open. In traffic: those that were opened shortly before the moment \
             live on and none that is older, for a process that is replaced takes no new ones; new ones open all along.",
            "经过代理的、存活时长不同的连接在同一时刻结束且没有 Close 帧；直连服务的连接继续存活，新连接可以建立。\
             在流量中：该时刻前不久建立的连接继续存活，更早的全部结束，因为被替换的进程不再接受新连接；新连接始终可以建立。",
        ),
        look_alikes: text(
            "`rolling-deploy-or-restart`, `server-crash-or-oom`: those straight at the service end too; the youngest end as \
             well, and nobody is there for a while, or a proxy answers 502.",
            "`rolling-deploy-or-restart`、`server-crash-or-oom`：直连服务的连接也会结束；最新建立的也会结束，且一段时间内无法连接，\
             或代理应答 502。",
        ),
        fix: text(
            "nginx: raise `worker_shutdown_timeout` (ingress-nginx `worker-shutdown-timeout`, 240s by default) \
             above the life of a stream, reload less often, give real-time traffic an ingress of its own. Then \
             hold a stream over a reload: it must live on.",
            "nginx：把 `worker_shutdown_timeout`（ingress-nginx `worker-shutdown-timeout`，默认 240s）调到大于连接寿命，减少重载，并为实时流量使用独立入口。然后在重载期间保持连接：应继续存活。",
        ),
        sources: &[
            "https://nginx.org/en/docs/ngx_core_module.html#worker_shutdown_timeout",
            "https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/configmap/#worker-shutdown-timeout",
        ],
    },
    phrases: &[
        phrase(
            "clump",
            "{count} streams of different ages ended within one second",
            "{count} 条存活时长不同的连接在一秒内同时结束",
        ),
        phrase(
            "straight_lives",
            "{count} streams straight at the service lived on over that moment",
            "直连服务的 {count} 条连接在该时刻之后仍然存活",
        ),
        phrase(
            "hop_died",
            "the proxy died, or a balancer moved the address",
            "代理崩溃，或负载均衡切换了地址",
        ),
        phrase(
            "ask_proxy",
            "Look when the proxy's workers were started, and at its log at that moment",
            "查看代理工作进程的启动时间及其当时的日志",
        ),
        phrase(
            "raise",
            "In the proxy: `worker_shutdown_timeout` above the life of a stream (nginx; ingress-nginx: 240s by \
             default), and fewer reloads; then hold a stream over a reload",
            "在代理中：把 `worker_shutdown_timeout` 调到大于连接寿命（nginx；ingress-nginx 默认 240s），并减少重载；然后在重载期间保持连接验证",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let clump = clump(seen)?;
    let is_theirs = clump.direct.is_empty() && clump.direct_lived_on > 0 && clump.url_lived_on == 0;
    if clump.manner() != Some(Manner::Wordless) || !is_theirs {
        return None;
    }
    let decisive = Said::new("clump").with("count", clump.at_url.len());
    let lived = Said::new("straight_lives").with("count", clump.direct_lived_on);
    let claim = Claim::of(&CAUSE, Place::UpstreamLeg, decisive).corroborated(lived);
    let claim = claim.unless(Said::new("hop_died")).next(Said::new("ask_proxy"));
    Some(claim.fix(Said::new("raise")).finding())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    departures::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Sign;
    use crate::scene::{DIRECT, SILENT, Scene, URL, close, cut_at, found, lives, none, talked};

    fn ends(sign: &Sign) -> Scene {
        let ends =
            [cut_at(URL, SILENT, 0.0, 9.0, sign.clone()), cut_at(URL, talked(1.0), 2.3, 6.8, sign.clone())];
        Scene::opened().direct("10.0.3.7:80").attempts(ends)
    }

    #[test]
    fn all_through_the_proxy_and_none_straight() {
        found(probe, ends(&Sign::Fin).attempt(lives(DIRECT, SILENT, 0.0, 20.0)), Level::Medium);
    }

    #[test]
    fn look_alikes_are_others() {
        none(probe, ends(&Sign::Fin));
        let some_straight = ends(&Sign::Fin).attempt(cut_at(DIRECT, SILENT, 1.0, 8.1, Sign::Fin));
        none(probe, some_straight.attempt(lives(DIRECT, SILENT, 0.0, 20.0)));
        none(probe, ends(&close(1001, "")).attempt(lives(DIRECT, SILENT, 0.0, 20.0)));
        none(probe, ends(&Sign::Fin).attempt(cut_at(DIRECT, SILENT, 0.0, 9.1, Sign::Fin)));
    }
}
