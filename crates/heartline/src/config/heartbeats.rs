//! Heartbeats that work as they are written, and do not help.

use std::time::Duration;

use gateway::config::RouteConfig;
use guard::heartbeat::HeartbeatConfig;
use model::Leg;

/// Idle time-out that nginx (`proxy_read_timeout`) and AWS' Application Load Balancer come with.
const COMMON_IDLE: Duration = Duration::from_secs(60);

/// What is hardly meant so.
pub(super) fn warnings(route: &RouteConfig) -> Vec<String> {
    let Some(HeartbeatConfig { interval, timeout, towards }) = route.heartbeat else { return Vec::new() };
    let name = route.name.as_str();
    let mut warnings = Vec::new();
    let idle = route.timeouts.idle;
    if let Some(idle) = idle.filter(|idle| *idle <= interval) {
        warnings.push(format!(
            "route `{name}`: `heartbeat.interval` ({interval:?}) is not shorter than the route's own `timeouts.idle` \
             ({idle:?}), which ends a silent connection before a sign of life is sent: raise `timeouts.idle`"
        ));
    } else if let Some(idle) = idle.filter(|idle| *idle <= timeout) {
        warnings.push(format!(
            "route `{name}`: `heartbeat.timeout` ({timeout:?}) is not shorter than the route's own `timeouts.idle` \
             ({idle:?}), which ends the connection of a peer that answers nothing first, as idle: raise `timeouts.idle`"
        ));
    }
    if interval >= COMMON_IDLE {
        let legs = match (towards.includes(Leg::Client), towards.includes(Leg::Upstream)) {
            (true, true) => "towards clients and upstreams",
            (true, false) => "towards clients",
            (false, _) => "towards upstreams",
        };
        warnings.push(format!(
            "route `{name}`: a sign of life {legs} comes after {interval:?} of silence, and nginx and AWS' balancers, as they \
             come, cut after {COMMON_IDLE:?}: unless their time-outs were raised, 20s to 30s is what survives"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[track_caller]
    fn check(keys: &str, expected: &[&str]) {
        let text = format!(
            "listeners: [{{ listen: 127.0.0.1:0 }}]\n\
             routes: [{{ name: chat, upstreams: [http://127.0.0.1:1], {keys} }}]\n"
        );
        let warnings = parse("test.yaml", &text).expect("it can work").warnings();
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, part) in warnings.iter().zip(expected) {
            assert!(warning.contains("`chat`") && warning.contains(part), "{warning}");
        }
    }

    #[test]
    fn heartbeats_that_do_not_help_are_warned_of() {
        check("heartbeat: { interval: 20s }", &[]);
        check("heartbeat: { interval: 20s }, timeouts: { idle: 41s }", &[]);
        check("heartbeat: { interval: 20s }, timeouts: { idle: 20s }", &["before a sign of life is sent"]);
        check("heartbeat: { interval: 20s }, timeouts: { idle: 40s }", &["as idle"]);
        check("heartbeat: { interval: 59s }", &[]);
        check("heartbeat: { interval: 60s, towards: both }", &["towards clients and upstreams"]);
        check("timeouts: { idle: 1s }", &[]);
    }
}
