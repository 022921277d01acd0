//! The default message: what is said, apart from how a vendor writes it.

use std::collections::BTreeSet;

use alert::notice::{Notice, NoticeAlert};
use alert::suspects;
use model::filter;

use super::format::Format;
use super::limit::Limit;
use super::words::Language;

/// Labels that stand elsewhere in a message.
const NAME: &str = "alertname";

/// What is told of one notice, or of several in one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// One line.
    pub(crate) title: String,
    /// Whether everything has ended.
    pub(crate) is_resolved: bool,
    alerts: Vec<Item>,
    language: Language,
    /// The dashboard, at what all alerts are about; may be empty.
    pub(crate) dashboard: String,
}

type Item = Vec<Vec<Span>>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Span {
    Text(String),
    Bold(String),
    Link(String, String),
}

impl Document {
    /// `at_ms` is now, milliseconds since the Unix epoch.
    pub(crate) fn new(notices: &[Notice], language: Language, at_ms: i64) -> Document {
        let all = || notices.iter().flat_map(|notice| &notice.alerts);
        let firing = all().filter(|alert| !alert.is_resolved);
        let resolved = all().filter(|alert| alert.is_resolved);
        let mut told = BTreeSet::new();
        let counts = (firing.clone().count(), resolved.clone().count());
        Document {
            title: format!("{} {}", language.counts(counts), subject(notices, language)),
            is_resolved: counts.0 == 0,
            alerts: firing.chain(resolved).map(|alert| item(alert, language, at_ms, &mut told)).collect(),
            language,
            dashboard: dashboard(notices),
        }
    }

    /// The alerts with the dashboard behind them, as many as there is room for.
    pub(crate) fn body(&self, format: Format, limit: Limit) -> String {
        let mut text = String::new();
        let link = self.rest(format, 0);
        let more = self.rest(format, self.alerts.len());
        let room = limit.less(limit.length(format.gap()) + limit.length(&more));
        let mut shown = 0;
        for item in &self.alerts {
            let gap = if text.is_empty() { "" } else { format.gap() };
            let next = format!("{text}{gap}{}", lines(item, format));
            let is_last = shown + 1 == self.alerts.len();
            let whole = format!("{next}{}{link}", format.gap());
            if !(room.holds(&next) || is_last && limit.holds(&whole)) {
                break;
            }
            text = next;
            shown += 1;
        }
        if shown == 0
            && let Some(item) = self.alerts.first()
        {
            text = cut_lines(item, format, room);
            shown = 1;
        }
        let rest = self.rest(format, self.alerts.len() - shown);
        let gap = if text.is_empty() || rest.is_empty() { "" } else { format.gap() };
        let whole = format!("{text}{gap}{rest}");
        if limit.holds(&whole) {
            whole
        } else {
            cut_lines(&vec![vec![Span::Text(self.title.clone())]], format, limit)
        }
    }

    /// What stands below: how many are left out, and the link.
    fn rest(&self, format: Format, left_out: usize) -> String {
        let words = self.language.words();
        match left_out {
            0 if self.dashboard.is_empty() => String::new(),
            0 => format.link(words.dashboard, &self.dashboard),
            _ => {
                let more = self.language.more(left_out);
                if self.dashboard.is_empty() {
                    return format.escape(&more);
                }
                format!("{}: {}", format.escape(&more), bare(format, &self.dashboard, words.dashboard))
            }
        }
    }
}

/// The dashboard: at the connections that have ended of a route, when all alerts are of one.
fn dashboard(notices: &[Notice]) -> String {
    let Some(url) = notices.first().map(|notice| &notice.external_url) else { return String::new() };
    let mut routes = notices.iter().flat_map(|notice| &notice.alerts).map(|alert| alert.labels.get("route"));
    match routes.next() {
        Some(route) if !url.is_empty() && !route.is_empty() && routes.all(|other| other == route) => {
            let filter = gotmpl::url_encode(&filter::written("route", route));
            format!("{url}/#/connections?set=closed&q={filter}")
        }
        _ => url.clone(),
    }
}

/// A link without a text of its own where that is enough.
fn bare(format: Format, url: &str, text: &str) -> String {
    if format == Format::Plain { url.to_owned() } else { format.link(text, url) }
}

/// What it is about: the name and the labels that the group has in common, or how many groups.
fn subject(notices: &[Notice], language: Language) -> String {
    let [notice] = notices else { return language.groups(notices.len()) };
    let common = notice.common_labels();
    let name = common.get(NAME);
    let mut text = if name.is_empty() { language.alerts(notice.alerts.len()) } else { name.to_owned() };
    for (label, value) in notice.group_labels.iter().filter(|(label, _)| &***label != NAME) {
        text += &format!(" {label}={value}");
    }
    crate::http::one_line(&text)
}

/// What one alert says; of findings, those that are not `told` yet.
fn item<'a>(alert: &'a NoticeAlert, language: Language, at_ms: i64, told: &mut BTreeSet<&'a str>) -> Item {
    let words = language.words();
    let name = match alert.labels.get(NAME) {
        "" => words.alert,
        name => name,
    };
    let when = if alert.is_resolved {
        let lasted = language.duration(alert.ends_at_ms - alert.starts_at_ms);
        format!(" {} {}, {} {lasted}", words.resolved_at, super::words::time(alert.ends_at_ms), words.lasted)
    } else {
        let age = language.duration(at_ms - alert.starts_at_ms);
        format!(" {} {} ({age})", words.firing_since, super::words::time(alert.starts_at_ms))
    };
    let mut lines = vec![vec![Span::Bold(crate::http::one_line(name)), Span::Text(when)]];
    let annotation = |key: &str| {
        let found = alert.annotations.iter().find(|(name, _)| name == key);
        found.map(|(_, text)| text.trim()).filter(|text| !text.is_empty())
    };
    for key in ["escalation", "summary", "description"] {
        let texts = annotation(key).into_iter().flat_map(str::lines);
        lines.extend(texts.map(|text| vec![Span::Text(text.trim_end().to_owned())]));
    }
    for name in suspects::NAMES {
        let text = annotation(name).filter(|text| told.insert(text));
        let Some(text) = text else { continue };
        let said = |word: &str, text: &str| Span::Text(format!("{word}{}", crate::http::one_line(text)));
        let mut line = vec![said(words.cause, text)];
        if let Some(url) = annotation(&format!("{name}_url")) {
            line.extend([Span::Text(" · ".to_owned()), Span::Link(words.finding.to_owned(), url.to_owned())]);
        }
        lines.push(line);
        let fix = annotation(&format!("{name}_fix"));
        lines.extend(fix.map(|fix| vec![said(words.fix, fix)]));
    }
    let labels: Vec<String> = alert
        .labels
        .iter()
        .filter(|(label, _)| &***label != NAME)
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    if !labels.is_empty() {
        lines.push(vec![Span::Text(crate::http::one_line(&labels.join(" ")))]);
    }
    let mut links = Vec::new();
    for (text, url) in [
        (words.acknowledge, annotation("ack_url").unwrap_or_default()),
        (words.runbook, annotation("runbook_url").unwrap_or_default()),
        (words.source, alert.generator_url.as_str()),
    ] {
        if !url.is_empty() {
            if !links.is_empty() {
                links.push(Span::Text(" · ".to_owned()));
            }
            links.push(Span::Link(text.to_owned(), url.to_owned()));
        }
    }
    if !links.is_empty() {
        lines.push(links);
    }
    lines
}

fn lines(item: &Item, format: Format) -> String {
    let lines: Vec<String> = item.iter().map(|line| spans(line, format)).collect();
    lines.join(format.line_end())
}

fn spans(line: &[Span], format: Format) -> String {
    line.iter()
        .map(|span| match span {
            Span::Text(text) => format.escape(text),
            Span::Bold(text) => format.bold(text),
            Span::Link(text, url) => format.link(text, url),
        })
        .collect()
}

/// As many lines as there is room for; of the first at least its beginning. What is marked up is never split.
fn cut_lines(item: &Item, format: Format, limit: Limit) -> String {
    let mut text = String::new();
    for line in item {
        let end = if text.is_empty() { "" } else { format.line_end() };
        let room = limit.less(limit.length(&text) + limit.length(end));
        let whole = spans(line, format);
        if room.holds(&whole) {
            text = format!("{text}{end}{whole}");
            continue;
        }
        let plain: String = line
            .iter()
            .filter_map(|span| match span {
                Span::Text(text) | Span::Bold(text) => Some(text.as_str()),
                Span::Link(..) => None,
            })
            .collect();
        let cut = cut_escaped(&plain, format, room);
        if !cut.is_empty() {
            text = format!("{text}{end}{cut}");
        }
        break;
    }
    text
}

/// As much of a text as has room when it is escaped.
fn cut_escaped(text: &str, format: Format, limit: Limit) -> String {
    let mut room = limit;
    loop {
        let cut = room.cut(text);
        let escaped = format.escape(&cut);
        if limit.holds(&escaped) || cut.is_empty() {
            return escaped;
        }
        room = room.less((limit.length(&escaped) - limit.max).div_ceil(6));
    }
}
