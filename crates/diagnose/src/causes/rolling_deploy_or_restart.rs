//! The service is replaced or restarted, and says so.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::holds::{Manner, clump};
use crate::population::{Population, departures};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "rolling-deploy-or-restart",
    number: 205,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the service was restarted and took its streams with it", "服务被重启，其连接随之结束"),
        symptoms: text("Everybody drops at once, and comes back at once.", "所有人同时掉线，又同时重连。"),
        evidence: text(
            "Streams of different ages end at one moment with Close 1001 (going away) or 1012 (service \
             restart); new ones open shortly after.",
            "存活时长不同的连接在同一时刻以 Close 1001（离开）或 1012（服务重启）结束；随后可以建立新连接。",
        ),
        look_alikes: text(
            "`proxy-reload-drain`: no Close frame, and streams straight at the service live on. \
             `server-crash-or-oom`: no Close frame, and new connections fail for a while. `max-lifetime`: one \
             age, different moments.",
            "`proxy-reload-drain`：没有 Close 帧，直连服务的连接继续存活；`server-crash-or-oom`：没有 Close 帧，一段时间内无法建立新连接；`max-lifetime`：存活时长相同、时刻不同。",
        ),
        fix: text(
            "Drain before the end: stop taking new streams, close those that are open spread over a minute \
             with 1001 or 1012 (Kubernetes: `preStop`, and `terminationGracePeriodSeconds` above it); let \
             clients come back after a random wait and resume. Then hold streams over a deploy: they must not \
             end in the same second.",
            "结束前先排空：停止接收新连接，用 1001 或 1012 在一分钟内分散关闭已有连接（Kubernetes：`preStop`，并让 `terminationGracePeriodSeconds` 更大）；客户端随机等待后重连并续传。然后在发布期间保持连接：不应在同一秒内全部结束。",
        ),
        sources: &[
            "RFC 6455, section 7.4.1",
            "https://www.iana.org/assignments/websocket/websocket.xhtml (1012)",
            "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination",
        ],
    },
    phrases: &[
        phrase(
            "clump",
            "{count} streams of different ages ended within one second",
            "{count} 条存活时长不同的连接在一秒内同时结束",
        ),
        phrase(
            "code_says",
            "Each ended with Close {code}: the sender goes away or restarts",
            "每条都以 Close {code} 结束：发送方正在离开或重启",
        ),
        phrase(
            "straight_too",
            "Streams straight at the service ended at the same moment",
            "直连服务的连接也在同一时刻结束",
        ),
        phrase(
            "gateway_says",
            "a gateway in between restarts and says so itself",
            "中间的网关重启并自行发出该帧",
        ),
        phrase(
            "drain",
            "Spread the closing of open streams over the drain time, and let clients come back after a random \
             wait",
            "把已有连接的关闭分散到排空时间内，并让客户端随机等待后重连",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let clump = clump(seen)?;
    let Some(Manner::Close(code @ (1001 | 1012))) = clump.manner() else { return None };
    let count = clump.at_url.len() + clump.direct.len();
    let is_straight_too = !clump.direct.is_empty();
    let place = if is_straight_too { Place::Upstream } else { Place::Unknown };
    let claim = Claim::of(&CAUSE, place, Said::new("clump").with("count", count))
        .noted(Said::new("code_says").with("code", code))
        .corroborated(is_straight_too.then(|| Said::new("straight_too")));
    let claim = if is_straight_too {
        claim
    } else {
        claim.unless(Said::new("gateway_says")).next(Said::new("pass_upstream"))
    };
    Some(claim.fix(Said::new("drain")).finding())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    departures::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Sign;
    use crate::scene::{DIRECT, SILENT, Scene, URL, close, cut_at, found, none, silent_end, talked};

    fn leaves(sign: &Sign) -> Scene {
        let ends =
            [cut_at(URL, SILENT, 0.0, 9.0, sign.clone()), cut_at(URL, talked(1.0), 2.3, 6.8, sign.clone())];
        Scene::opened().direct("10.0.3.7:80").attempts(ends)
    }

    #[test]
    fn streams_that_go_away_at_one_moment() {
        let both = leaves(&close(1012, "")).attempt(cut_at(DIRECT, SILENT, 1.0, 8.0, close(1012, "")));
        assert_eq!(found(probe, both, Level::High).place, Place::Upstream);
        found(probe, leaves(&close(1001, "")), Level::Medium);
    }

    #[test]
    fn look_alikes_are_others() {
        none(probe, leaves(&Sign::Fin));
        none(probe, leaves(&close(1008, "")));
        none(probe, Scene::opened().attempts(silent_end(URL, 9.0, &close(1001, ""))));
    }
}
