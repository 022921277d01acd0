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

/// Adds [`NAMES`], but for those that the alert has already.
pub(super) fn annotate(annotations: &mut Pairs, found: &[&Finding], language: Language, external_url: &str) {
    for (name, finding) in NAMES.iter().zip(found) {
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
            let name = format!("{name}{end}");
            let is_free = annotations.iter().all(|(known, _)| *known != name);
            annotations.extend(text.filter(|_| is_free).map(|text| (name, text)));
        }
    }
}

/// Whether a sentence has an address, or a network, of clients in it; those of services stand in URLs.
fn names_clients(said: &Said) -> bool {
    said.params.values().any(|param| matches!(param, Param::Text(text) if text.parse::<IpAddr>().is_ok()))
}
