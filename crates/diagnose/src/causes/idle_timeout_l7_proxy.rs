//! Something between client and service ends streams that are silent for a time.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Clock, Manner, Owner, compared, late_heartbeat, owner, timer};
use crate::population::{Population, timed};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "idle-timeout-l7-proxy",
    number: 201,
    severity: Severity::Warning,
    manual: Manual {
        title: text("an idle timeout on the way cuts quiet streams", "途中的空闲超时切断安静的连接"),
        symptoms: text(
            "Connections drop after the same time, often 60 s, and only when nothing is said. Clients see 1006. On \
             localhost all is well.",
            "连接总在同样的时长（常为 60 秒）后断开，而且只在没有数据时发生；客户端看到 1006；本机直连正常。",
        ),
        evidence: text(
            "Several silent streams, begun at different moments, end after the same silence T without a Close frame. \
             One with a heartbeat shorter than T lives on beyond 2 T. Straight at the service a silent stream outlives T.",
            "多条在不同时刻开始的静默连接都在同样的静默时长 T 后结束，没有 Close 帧；心跳周期小于 T 的连接存活超过 2T；直连服务时静默连接存活超过 T。",
        ),
        look_alikes: text(
            "`max-lifetime`: busy streams end at the same age too. `http-server-timeout-applied-to-stream`: the same \
             straight at the service. `nat-or-firewall-silent-drop`: no FIN; what is sent later is never acknowledged. \
             `idle-timeout-l4-cloud`: what is sent later is answered with RST.",
            "`max-lifetime`：有流量的连接也在同样的存活时长结束；`http-server-timeout-applied-to-stream`：直连服务也一样；`nat-or-firewall-silent-drop`：没有 FIN，之后发送的数据得不到确认；`idle-timeout-l4-cloud`：之后发送的数据得到 RST。",
        ),
        fix: text(
            "Send a heartbeat each T/2 or more often, from either side: nginx starts its timer anew for bytes of either \
             direction. Raise the timer as well: nginx `proxy_read_timeout` and `proxy_send_timeout` (60 s each by \
             default), HAProxy `timeout tunnel`, Apache `ProxyTimeout`, AWS ALB `idle_timeout.timeout_seconds`. TCP keepalive does \
             not count as traffic there. Then hold a silent stream again: it must outlive the old T.",
            "任一方每 T/2 或更频繁地发送心跳：nginx 对任一方向的数据都会重新计时。同时调大超时：nginx `proxy_read_timeout` 与 `proxy_send_timeout`（默认均为 60 秒）、HAProxy `timeout tunnel`、Apache `ProxyTimeout`、AWS ALB `idle_timeout.timeout_seconds`。TCP keepalive 在这里不算流量。然后再次保持静默连接：应存活超过原来的 T。",
        ),
        sources: &[
            "https://nginx.org/en/docs/http/websocket.html",
            "https://docs.haproxy.org/2.6/configuration.html#4.2-timeout%20tunnel",
            "https://httpd.apache.org/docs/2.4/mod/mod_proxy.html#proxytimeout",
        ],
    },
    phrases: &[
        phrase(
            "title",
            "streams that are silent for {seconds} are cut on their way",
            "静默 {seconds}的连接在途中被切断",
        ),
        phrase(
            "lifetime",
            "a maximum lifetime of the same length, which cuts busy streams too",
            "时长相同的最大存活时间，它也会切断有流量的连接",
        ),
        phrase("own_timer", "the service's own timer", "服务自身的超时"),
        phrase(
            "pings_do_not_count",
            "Pings do not count as traffic there, messages do",
            "在那里 Ping 不算流量，消息才算",
        ),
        phrase(
            "beat_faster",
            "Send a heartbeat each {half} or more often, from the client or the service",
            "由客户端或服务每 {half}或更频繁地发送心跳",
        ),
        phrase(
            "raise_timer",
            "In the proxy in front of the service: raise its idle timeout above {seconds}; then hold a silent stream \
             again, it must live longer",
            "在服务前面的代理中：把空闲超时调到大于 {seconds}；再次保持静默连接，应存活更久",
        ),
        phrase(
            "nginx",
            "# nginx; HAProxy: timeout tunnel 1h\nproxy_read_timeout 1h;\nproxy_send_timeout 1h;",
            "# nginx；HAProxy：timeout tunnel 1h\nproxy_read_timeout 1h;\nproxy_send_timeout 1h;",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    if seen.target.protocol == Protocol::Sse {
        return None;
    }
    let timer = timer(seen, Via::Url).filter(|timer| late_heartbeat(timer).is_none())?;
    let owner = owner(seen, &timer);
    let is_theirs = match timer.manner {
        Manner::Wordless => owner != Owner::Service,
        Manner::Close(_) => owner == Owner::Hop,
        _ => false,
    };
    if !is_theirs || !matches!(timer.clock, Clock::Silence | Clock::Messages | Clock::Unknown) {
        return None;
    }
    let place = if owner == Owner::Hop { Place::UpstreamLeg } else { Place::Unknown };
    let is_unknown = timer.clock == Clock::Unknown;
    let mut claim = timer.claim(&CAUSE, place).corroborated(compared(seen, owner, timer.seconds));
    if owner == Owner::Unknown {
        claim = claim.unless(Said::new("own_timer")).next(Said::new("pass_upstream"));
    }
    if is_unknown {
        claim = claim.unless(Said::new("lifetime")).next(Said::new("try_heartbeat"));
    }
    let messages_only = timer.clock == Clock::Messages;
    Some(
        claim
            .titled(Said::new("title").seconds("seconds", timer.seconds))
            .noted(messages_only.then(|| Said::new("pings_do_not_count")))
            .fix(Said::new("beat_faster").seconds("half", timer.seconds / 2.0))
            .fix_by(Said::new("raise_timer").seconds("seconds", timer.seconds), Said::new("nginx"))
            .finding(),
    )
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    timed::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Sign;
    use crate::scene::{
        DIRECT, SILENT, Scene, URL, can_be_told, close, cut_at, lives, pinged, silent_end, talked,
    };

    fn level(scene: Scene) -> Option<Level> {
        let finding = probe(&scene.seen())?;
        can_be_told(&finding);
        Some(finding.level)
    }

    #[test]
    fn any_timeout_on_the_way_is_told_with_comparison_and_heartbeat() {
        for seconds in [3.0, 42.0, 60.0, 350.0] {
            let scene = Scene::opened()
                .direct("10.0.3.7:8080")
                .attempts(silent_end(URL, seconds, &Sign::Fin))
                .attempt(lives(URL, pinged(seconds / 3.0), 0.0, seconds * 2.5))
                .attempt(lives(DIRECT, SILENT, 0.0, seconds * 2.0));
            assert_eq!(level(scene), Some(Level::High), "{seconds}");
        }
    }

    #[test]
    fn without_the_service_its_own_timer_is_not_excluded() {
        let scene = Scene::opened().attempts(silent_end(URL, 60.0, &Sign::Fin)).attempt(lives(
            URL,
            pinged(20.0),
            0.0,
            150.0,
        ));
        assert_eq!(level(scene), Some(Level::Medium));
    }

    #[test]
    fn without_a_heartbeat_a_lifetime_is_not_excluded() {
        let seen = Scene::opened()
            .direct("10.0.3.7:8080")
            .attempts(silent_end(URL, 60.0, &Sign::Fin))
            .attempt(lives(DIRECT, SILENT, 0.0, 120.0))
            .seen();
        let finding = probe(&seen).expect("it is found");
        assert_eq!((finding.level, finding.place), (Level::Medium, Place::UpstreamLeg));
        assert_eq!(finding.next_measurement, Some(Said::new("try_heartbeat")));
    }

    #[test]
    fn timers_that_only_messages_start_anew_are_told() {
        let seen = Scene::opened()
            .direct("10.0.3.7:8080")
            .attempts(silent_end(URL, 10.0, &Sign::Fin))
            .attempt(cut_at(URL, pinged(3.0), 1.0, 10.0, Sign::Fin))
            .attempt(lives(URL, talked(3.0), 1.0, 25.0))
            .attempt(lives(DIRECT, SILENT, 0.0, 20.0))
            .seen();
        let finding = probe(&seen).expect("it is found");
        assert!(finding.evidence.contains(&Said::new("pings_do_not_count")));
    }

    #[test]
    fn look_alikes_are_others() {
        let ends = || Scene::opened().direct("10.0.3.7:8080").attempts(silent_end(URL, 60.0, &Sign::Fin));
        let lifetime = ends().attempt(cut_at(URL, talked(20.0), 1.0, 60.1, Sign::Fin));
        assert_eq!(level(lifetime), None, "a lifetime");
        let own = ends().attempts(silent_end(DIRECT, 60.0, &Sign::Fin));
        assert_eq!(level(own), None, "the service's own");
        let spoken = Scene::opened().attempts(silent_end(URL, 60.0, &close(4408, "idle")));
        assert_eq!(level(spoken), None, "an application that says why");
        let churn = [(0.0, 31.0), (2.0, 12.5), (9.0, 77.0)];
        let churn = churn.map(|(began, age)| cut_at(URL, SILENT, began, age, Sign::Fin));
        assert_eq!(level(Scene::opened().attempts(churn)), None, "ends of any age");
        assert_eq!(level(Scene::opened().attempt(lives(URL, SILENT, 0.0, 120.0))), None, "no end at all");
    }
}
