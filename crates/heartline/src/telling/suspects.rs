//! What may explain an alert, in what people are told of it: aggregates, never data of clients.

use std::net::IpAddr;

use ::diagnose::causes;
use ::diagnose::text::{certainty, said_in};
use alert::notice::Notice;
use alert::rules::Pairs;
use alert::suspects::NAMES;
pub(super) use alert::suspects::suspects;
use model::Language;
use model::finding::{Finding, Param, Said};

/// Says what may explain the alerts that fire.
pub(super) fn explain(notice: &mut Notice, active: &[Finding], language: Language) {
    for alert in notice.alerts.iter_mut().filter(|alert| !alert.is_resolved) {
        let found = suspects(&alert.labels, &alert.generator_url, active);
        annotate(&mut alert.annotations, &found, language, &notice.external_url);
    }
}

/// Adds [`NAMES`]; what a rule says itself stays.
pub(super) fn annotate(annotations: &mut Pairs, found: &[&Finding], language: Language, external_url: &str) {
    for (name, finding) in NAMES.iter().zip(found) {
        if annotations.iter().any(|(known, _)| known == name) {
            continue;
        }
        let cause = causes::by_id(&finding.id);
        let title = match cause {
            Some(cause) if names_clients(&finding.title) => cause.manual.title.of(language).to_owned(),
            _ => said_in(cause, &finding.title, language),
        };
        let sure = certainty(finding.level, language);
        let percent = finding.confidence * 100.0;
        let text = match language {
            Language::English => format!("{title} ({sure}, {percent:.0} %)"),
            Language::Chinese => format!("{title}（{sure}，{percent:.0} %）"),
        };
        let fix = finding.fixes.iter().map(|fix| &fix.text).find(|text| !names_clients(text));
        let fix = fix.map(|text| said_in(cause, text, language));
        let url = (!external_url.is_empty()).then(|| format!("{external_url}/findings/{}", finding.id));
        for (end, text) in [("", Some(text)), ("_fix", fix), ("_url", url)] {
            annotations.extend(text.map(|text| (format!("{name}{end}"), text)));
        }
    }
}

/// Whether a sentence has an address, or a network, of clients in it; those of services stand in URLs.
fn names_clients(said: &Said) -> bool {
    said.params.values().any(|param| matches!(param, Param::Text(text) if text.parse::<IpAddr>().is_ok()))
}

#[cfg(test)]
mod tests {
    use ::diagnose::claim::Claim;
    use model::WallTime;
    use model::finding::{Affected, Place};
    use model::series::Labels;

    use super::*;

    fn finding(id: &str, title: Said, fixes: [Said; 1]) -> Finding {
        let cause = causes::by_id(id).expect("it is in the catalogue");
        let affected = Affected { connections: 9, share_of_closes: Some(1.0) };
        let claim = Claim::of(cause, Place::ClientLeg, Said::new("x")).proven().titled(title);
        let claim = fixes.into_iter().fold(claim, Claim::fix);
        claim.concerns("chat".into(), WallTime::default(), affected).finding()
    }

    fn timer() -> Finding {
        let title = Said::new("title_timer").with("leg", "upstream").seconds("seconds", 2.0);
        finding("idle-timeout-l7-proxy", title, [Said::new("drain_first")])
    }

    #[track_caller]
    fn check(active: &[Finding], language: Language, own: &[(&str, &str)], expected: &[(&str, &str)]) {
        let labels = Labels::new([("alertname", "Closes"), ("route", "chat")]);
        let mut annotations: Pairs =
            own.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let found = suspects(&labels, "", active);
        annotate(&mut annotations, &found, language, "https://gw");
        let annotations: Vec<(&str, &str)> =
            annotations.iter().map(|(name, text)| (&**name, &**text)).collect();
        assert_eq!(annotations, expected);
    }

    #[test]
    fn a_finding_says_what_how_sure_and_what_helps() {
        let english = [
            ("finding", "connections end by the upstream side after 2 s, as by a timer (sure, 90 %)"),
            (
                "finding_fix",
                "Close in small groups with 1001 or 1012 before a process goes, and let clients come back with jitter",
            ),
            ("finding_url", "https://gw/findings/idle-timeout-l7-proxy"),
        ];
        check(&[timer()], Language::English, &[], &english);
        let chinese = [
            ("finding", "连接在 2 秒后由上游一侧结束，如同定时器到期（确定，90 %）"),
            ("finding_fix", "进程退出前用 1001 或 1012 分批关闭，并让客户端带抖动重连"),
            ("finding_url", "https://gw/findings/idle-timeout-l7-proxy"),
        ];
        check(&[timer()], Language::Chinese, &[], &chinese);
        check(&[], Language::English, &[], &[]);
    }

    #[test]
    fn what_a_rule_says_itself_stays() {
        let own = [("summary", "slow"), ("finding", "ours")];
        check(&[timer()], Language::English, &own, &own);
    }

    #[test]
    fn networks_of_clients_are_not_told() {
        let at = |code| Said::new(code).with("value", "10.1.2.0");
        let found = finding("closes-concentrated", at("title_at"), [at("compare_network")]);
        let general =
            causes::by_id("closes-concentrated").expect("a cause").manual.title.of(Language::English);
        let text = format!("{general} (sure, 90 %)");
        let expected = [("finding", &*text), ("finding_url", "https://gw/findings/closes-concentrated")];
        check(&[found], Language::English, &[], &expected);
    }
}
