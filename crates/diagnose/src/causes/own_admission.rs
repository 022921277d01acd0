//! This gateway's own limits turn clients away, or end connections that carry too much.

use std::collections::BTreeMap;

use model::AdmissionReason;
use model::finding::{Affected, Finding, Place, Said, Severity};
use model::record::{CloseRecord, What};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::Population;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "own-admission",
    number: 976,
    severity: Severity::Warning,
    manual: Manual {
        title: text("Heartline's own limits turn clients away", "Heartline 自身的限额拒绝了客户端"),
        symptoms: text(
            "A part of the clients is answered 429 or 503 with `Retry-After`, is closed with 1013, or gets \
             RESOURCE_EXHAUSTED or UNAVAILABLE at once; those that are let in work well.",
            "部分客户端立即得到 429 或 503（带 `Retry-After`）、以 1013 关闭，或收到 RESOURCE_EXHAUSTED、\
             UNAVAILABLE；被接纳的客户端工作正常。",
        ),
        evidence: text(
            "The record of each such attempt names the limit (`handshake.refused_by`), and no upstream was tried; \
             `heartline_admissions_total{decision=\"refused\"}` counts them.",
            "每次此类尝试的记录都给出所触及的限额（`handshake.refused_by`），且没有尝试任何上游；\
             `heartline_admissions_total{decision=\"refused\"}` 对其计数。",
        ),
        look_alikes: text(
            "A 429 or 503 of the service or of a proxy has an upstream in its record; here there is none.",
            "服务或代理返回的 429、503 在记录中带有上游；这里没有上游。",
        ),
        fix: text(
            "The limit does what it is for: more clients come than it allows. When the service has room (its latency and its \
             CPU say so), raise the limit; else add upstreams, which take new connections at once after a reload, and raise \
             it then. Of one client: look at it first, it may reconnect in a loop.",
            "限额按预期工作：到来的客户端超过其允许的数量。若服务仍有余量（看其延迟与 CPU），可提高限额；否则先增加\
             上游（重新加载后立即承接新连接），再提高限额。若为单个客户端的限额：先查看该客户端，它可能在循环重连。",
        ),
        sources: &["docs/guard.md", "RFC 6585, section 4", "RFC 9110, sections 10.2.3 and 15.6.4"],
    },
    phrases: &[
        phrase("title", "{limit} of Heartline turns clients away", "Heartline 的 {limit} 拒绝了客户端"),
        phrase("ends_title", "{limit} of Heartline ends connections", "Heartline 的 {limit} 结束了连接"),
        phrase(
            "refused",
            "{count} attempts of {all} were refused by `{limit}` ({reason}), before an upstream was tried",
            "{all} 次尝试中有 {count} 次被 `{limit}`（{reason}）拒绝，此前没有尝试任何上游",
        ),
        phrase(
            "ended",
            "{count} connections were closed: they carried more than `{limit}` allows",
            "{count} 个连接被关闭：其承载的内容超过 `{limit}` 的允许范围",
        ),
        phrase(
            "recorded",
            "Each record names the limit, and this gateway as the one that decided",
            "每条记录都给出该限额，并注明由本网关决定",
        ),
        phrase("raise", "When the service has room, raise `{limit}`", "若服务仍有余量，提高 `{limit}`"),
        phrase(
            "scale",
            "Else add upstreams to the route and reload: they take new connections at once",
            "否则为该路由增加上游并重新加载：新连接会立即分配过去",
        ),
        phrase(
            "one_client",
            "Look at these clients first: one that reconnects in a loop is to be mended, not let in",
            "先查看这些客户端：循环重连的客户端应当修复，而不是放行",
        ),
    ],
    signs: Signs::population(population),
};

/// Least number of attempts or ends that it is told for.
const COUNT_MIN: usize = 3;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    let mut by_reason: BTreeMap<AdmissionReason, Vec<&CloseRecord>> = BTreeMap::new();
    for &record in &seen.refused {
        if let Some(reason) = record.handshake.refused_by {
            by_reason.entry(reason).or_default().push(record);
        }
    }
    let refused = by_reason.into_iter().filter(|(_, attempts)| attempts.len() >= COUNT_MIN);
    refused
        .map(|(reason, attempts)| turned_away(seen, reason, &attempts))
        .chain(sent_too_much(seen))
        .collect()
}

fn turned_away(seen: &Population<'_>, reason: AdmissionReason, attempts: &[&CloseRecord]) -> Finding {
    let limit = reason.setting().unwrap_or_default();
    let said = |code| Said::new(code).with("limit", limit);
    let all = seen.refused.len() + seen.failed.len() + seen.connections();
    let is_of_one =
        matches!(reason, AdmissionReason::ClientConnections | AdmissionReason::ClientNewConnections);
    let connections = (attempts.len() as f64 * seen.weight).round() as u64;
    let decisive =
        said("refused").with("count", attempts.len()).with("all", all).with("reason", reason.to_string());
    Claim::of(&CAUSE, Place::Gateway, decisive)
        .titled(said("title"))
        .corroborated(Said::new("recorded"))
        .fix(if is_of_one { Said::new("one_client") } else { said("raise") })
        .fix(if is_of_one { said("raise") } else { Said::new("scale") })
        .concerns(seen.route.clone(), seen.since(attempts), Affected { connections, share_of_closes: None })
        .selects(seen.selection(attempts))
        .finding()
}

fn sent_too_much(seen: &Population<'_>) -> Option<Finding> {
    let ends =
        seen.ends_where(|record| record.causes.first().is_some_and(|cause| cause.what == What::RateLimit));
    let said = |code| Said::new(code).with("limit", "limits.messages, limits.bytes");
    (ends.len() >= COUNT_MIN).then(|| {
        Claim::of(&CAUSE, Place::Gateway, said("ended").with("count", ends.len()))
            .titled(said("ends_title"))
            .corroborated(Said::new("recorded"))
            .fix(Said::new("one_client"))
            .fix(said("raise"))
            .concerns(seen.route.clone(), seen.since(&ends), seen.affected(&ends))
            .selects(seen.selection(&ends))
            .finding()
    })
}

#[cfg(test)]
mod tests {
    use model::finding::{Level, Param};
    use model::{HandshakeResult, Initiator, Leg, Reason};

    use super::*;
    use crate::population::tests::{Made, end, failed, judged};

    fn refused(number: u64, reason: AdmissionReason) -> Made {
        failed(number, HandshakeResult::Denied, 0.001, "refused").with(|record| {
            (record.handshake.status, record.handshake.refused_by) = (Some(503), Some(reason));
            record.upstream = None;
        })
    }

    #[track_caller]
    fn check(records: impl Iterator<Item = Made>, expected: &[&str]) {
        let findings = judged(records);
        let told: Vec<String> = findings
            .iter()
            .map(|finding| {
                assert_eq!((finding.level, finding.place), (Level::High, Place::Gateway), "{finding:?}");
                let Some(Param::Text(limit)) = finding.title.params.get("limit") else {
                    panic!("{finding:?}")
                };
                format!("{} {limit}", finding.id)
            })
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn what_own_limits_refuse_is_told_as_such() {
        let full = (0..20).map(|number| refused(number, AdmissionReason::Connections));
        let busy = (20..30).map(|number| refused(number, AdmissionReason::ClientNewConnections));
        check(full.clone(), &["own-admission limits.connections"]);
        check(
            full.chain(busy),
            &["own-admission limits.connections", "own-admission limits.per_client.new_connections"],
        );
    }

    #[test]
    fn a_few_are_no_finding() {
        check((0..2).map(|number| refused(number, AdmissionReason::Connections)), &[]);
    }

    #[test]
    fn ends_of_those_who_sent_too_much() {
        let records = (0..20).map(|number| {
            end(number).lived(number as f64, 30.0, 0.0).by(Leg::Client, What::RateLimit, Reason::Limit).with(
                |record| {
                    record.initiator = Some(Initiator::Proxy);
                    record.causes[0].leg = None;
                },
            )
        });
        check(records, &["own-admission limits.messages, limits.bytes"]);
    }
}
