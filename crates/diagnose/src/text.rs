//! Findings in the words of a language.

use model::WallTime;
use model::finding::{
    Affected, Doubt, Finding, Level, Param, Place, Said, Selection, Severity, Topic, Vantage,
};
use model::language::Language;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::cause::{Cause, Phrase, Signs, Text, text};
use crate::{causes, phrases};

/// A finding as people and programs read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Told {
    /// Name of its cause.
    pub id: String,
    /// Its cause's number, such as `HL-101`.
    pub code: String,
    /// How much it hurts.
    pub severity: Severity,
    /// How sure it is.
    pub level: Level,
    /// The same from 0 to 1.
    pub confidence: f64,
    /// Where the cause sits.
    #[serde(rename = "where")]
    pub place: Place,
    /// One line.
    pub title: String,
    /// What stands in the title's gaps.
    #[cfg_attr(feature = "ts", ts(type = "Record<string, string | number>"))]
    pub params: Map<String, Value>,
    /// What speaks for it.
    pub evidence: Vec<Sentence>,
    /// What speaks against it.
    pub against: Vec<Sentence>,
    /// Look-alikes that are left.
    pub not_excluded: Vec<Sentence>,
    /// The measurement that would decide.
    pub next_measurement: Option<Sentence>,
    /// What helps.
    pub fixes: Vec<Remedy>,
    /// Route of a gateway.
    pub route: Option<String>,
    /// First sign of it.
    pub since: Option<WallTime>,
    /// End of it.
    pub until: Option<WallTime>,
    /// How much it explains.
    pub affected: Option<Affected>,
    /// What it explains.
    pub topic: Option<Topic>,
    /// Which ends it explains.
    pub selection: Option<Selection>,
    /// Who sees it, in a running gateway.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "ts", ts(as = "Option<Vec<Vantage>>", optional))]
    pub vantages: Vec<Vantage>,
    /// Somebody says that it is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub doubt: Option<Doubt>,
}

/// A sentence, with what it was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Sentence {
    /// The sentence.
    pub text: String,
    /// Its code in the catalogue.
    pub code: String,
    /// What stands in its gaps: seconds, bytes and shares as plain numbers.
    #[cfg_attr(feature = "ts", ts(type = "Record<string, string | number>"))]
    pub params: Map<String, Value>,
}

/// Something that helps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Remedy {
    /// What to do.
    #[serde(flatten)]
    pub sentence: Sentence,
    /// Lines to paste.
    pub config: Option<String>,
}

/// A finding in a language.
pub fn told(finding: &Finding, language: Language) -> Told {
    let cause = causes::by_id(&finding.id);
    let sentence = |said: &Said| Sentence {
        text: said_in(cause, said, language),
        code: said.code.to_string(),
        params: plain(said),
    };
    let sentences = |all: &[Said]| all.iter().map(sentence).collect();
    Told {
        id: finding.id.to_string(),
        code: cause.map(Cause::code).unwrap_or_default(),
        severity: finding.severity,
        level: finding.level,
        confidence: (finding.confidence * 100.0).round() / 100.0,
        place: finding.place,
        title: said_in(cause, &finding.title, language),
        params: plain(&finding.title),
        evidence: sentences(&finding.evidence),
        against: sentences(&finding.against),
        not_excluded: sentences(&finding.not_excluded),
        next_measurement: finding.next_measurement.as_ref().map(sentence),
        fixes: finding
            .fixes
            .iter()
            .map(|fix| Remedy {
                sentence: sentence(&fix.text),
                config: fix.config.as_ref().map(|lines| said_in(cause, lines, language)),
            })
            .collect(),
        route: finding.route.as_deref().map(str::to_owned),
        since: finding.since,
        until: finding.until,
        affected: finding.affected,
        topic: finding.topic,
        selection: finding.selection.clone(),
        vantages: finding.vantages.clone(),
        doubt: finding.doubt.clone(),
    }
}

/// How sure a finding is, in a word.
pub fn certainty(level: Level, language: Language) -> &'static str {
    let word = match level {
        Level::High => text("sure", "确定"),
        Level::Medium => text("likely", "很可能"),
        Level::Low => text("suspected", "疑似"),
        Level::Inconclusive => text("undecided", "无法判断"),
    };
    word.of(language)
}

/// A sentence of a cause, or of all causes, with its gaps filled. A sentence that the catalogue does not have is
/// its code.
pub fn said_in(cause: Option<&Cause>, said: &Said, language: Language) -> String {
    let own = cause.map_or(&[][..], |cause| cause.phrases);
    let phrase = found(own, &said.code).or_else(|| found(phrases::SHARED, &said.code));
    let title = cause.filter(|_| said.code == "title").map(|cause| cause.manual.title);
    let Some(text) = phrase.map(|phrase| phrase.text).or(title) else { return said.code.to_string() };
    filled(text.of(language), said, language)
}

fn found<'a>(phrases: &'a [Phrase], code: &str) -> Option<&'a Phrase> {
    phrases.iter().find(|phrase| phrase.code == code)
}

/// A text whose gaps `{name}` are filled. A brace that opens no gap with a known name stays.
fn filled(text: &str, said: &Said, language: Language) -> String {
    let mut whole = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        whole.push_str(&rest[..open]);
        let gap = &rest[open + 1..];
        let known = gap.find('}').and_then(|close| Some((said.params.get(&gap[..close])?, close)));
        match known {
            Some((value, close)) => {
                whole.push_str(&word(&gap[..close], value, language));
                rest = &gap[close + 1..];
            }
            None => {
                whole.push('{');
                rest = gap;
            }
        }
    }
    whole + rest
}

/// A value, in the language's own words where it is one of ours: a side of the gateway.
fn word(gap: &str, value: &Param, language: Language) -> String {
    let own = match value {
        Param::Text(side) if gap == "leg" && side == "client" => Some(text("client", "客户端")),
        Param::Text(side) if gap == "leg" && side == "upstream" => Some(text("upstream", "上游")),
        Param::Text(at) if gap == "upstream" && at == SEVERAL => Some(text(SEVERAL, "多个上游")),
        _ => None,
    };
    own.map_or_else(|| shown(value, language), |own| own.of(language).to_owned())
}

/// In place of the name of an upstream.
pub(crate) const SEVERAL: &str = "several upstreams";

/// A value as people read it.
pub(crate) fn shown(value: &Param, language: Language) -> String {
    match value {
        Param::Count(count) => count.to_string(),
        Param::Seconds(seconds) => duration(*seconds, language),
        Param::Bytes(bytes) => size(*bytes),
        Param::Share(share) => percent(*share),
        Param::Text(text) => visible(text),
    }
}

/// What strangers wrote, so that it cannot steer a terminal.
fn visible(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_debug().collect() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// A duration with three digits that count.
fn duration(seconds: f64, language: Language) -> String {
    let (value, unit) = match seconds.abs() {
        below if below < 0.001 => (seconds * 1e6, text("µs", "µs")),
        below if below < 1.0 => (seconds * 1e3, text("ms", "ms")),
        below if below < 300.0 => (seconds, text("s", "秒")),
        below if below < 7200.0 => (seconds / 60.0, text("min", "分钟")),
        _ => (seconds / 3600.0, text("h", "小时")),
    };
    let digits = if value.abs() < 10.0 { 2 } else { usize::from(value.abs() < 100.0) };
    let number = format!("{value:.digits$}");
    let number =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { &number };
    format!("{number} {}", unit.of(language))
}

/// Never rounds down to nothing, or up to all.
fn percent(share: f64) -> String {
    match share * 100.0 {
        little if (f64::MIN_POSITIVE..0.5).contains(&little) => "<1 %".to_owned(),
        most if (99.5..100.0).contains(&most) => ">99 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}

/// A size, exact, since limits are: in binary units when it is a whole number of them.
fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    match bytes {
        whole if whole >= MIB && whole % MIB == 0 => format!("{} MiB", whole / MIB),
        whole if whole >= KIB && whole % KIB == 0 => format!("{} KiB", whole / KIB),
        any => format!("{} B", grouped(any)),
    }
}

/// Digits in groups of three, from five digits on.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

fn plain(said: &Said) -> Map<String, Value> {
    said.params.iter().map(|(name, value)| (name.to_string(), number(value))).collect()
}

fn number(value: &Param) -> Value {
    match value {
        Param::Count(count) | Param::Bytes(count) => json!(count),
        Param::Seconds(number) | Param::Share(number) => json!(number),
        Param::Text(text) => json!(text),
    }
}

fn severity(severity: Severity) -> Text {
    match severity {
        Severity::Info => text("info", "提示"),
        Severity::Warning => text("warning", "警告"),
        Severity::Critical => text("critical", "严重"),
    }
}

/// The manual page of a cause, as Markdown.
pub fn manual(cause: &Cause, language: Language) -> String {
    let heads = match language {
        Language::English => {
            ["What people see", "What tells it", "What looks like it", "What helps", "Sources"]
        }
        Language::Chinese => ["现象", "判断依据", "容易混淆的原因", "处理办法", "资料来源"],
    };
    let page = &cause.manual;
    let hidden = match &cause.signs {
        Signs::Hidden(why) => format!("{}\n\n", why.of(language)),
        Signs::Seen { .. } | Signs::Gateway(_) => String::new(),
    };
    let mut text = format!(
        "# {}\n\n`{}` · {} · {}\n\n{hidden}",
        page.title.of(language),
        cause.id,
        cause.code(),
        severity(cause.severity).of(language)
    );
    for (head, part) in heads.iter().zip([&page.symptoms, &page.evidence, &page.look_alikes, &page.fix]) {
        let body = part.of(language);
        if !body.is_empty() {
            text.push_str(&format!("## {head}\n\n{body}\n\n"));
        }
    }
    if !page.sources.is_empty() {
        text.push_str(&format!("## {}\n\n", heads[4]));
        for source in page.sources {
            text.push_str(&format!("- {source}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_people_read_them() {
        let check = |value: Param, en: &str, zh: &str| {
            assert_eq!(shown(&value, Language::English), en);
            assert_eq!(shown(&value, Language::Chinese), zh);
        };
        check(Param::Seconds(60.01), "60 s", "60 秒");
        check(Param::Seconds(0.0301), "30.1 ms", "30.1 ms");
        check(Param::Seconds(3.04), "3.04 s", "3.04 秒");
        check(Param::Seconds(350.0), "5.83 min", "5.83 分钟");
        check(Param::Bytes(65_536), "64 KiB", "64 KiB");
        check(Param::Bytes(65_535), "65,535 B", "65,535 B");
        check(Param::Bytes(1_020), "1020 B", "1020 B");
        check(Param::Bytes(16_777_217), "16,777,217 B", "16,777,217 B");
        check(Param::Share(0.513), "51 %", "51 %");
        check(Param::Share(0.004), "<1 %", "<1 %");
        check(Param::Share(0.996), ">99 %", ">99 %");
        check(Param::Share(1.0), "100 %", "100 %");
        check(Param::Text("a\u{1b}[31m".to_owned()), "a\\u{1b}[31m", "a\\u{1b}[31m");
    }

    #[test]
    fn sides_are_named_in_the_language() {
        let said = Said::new("x").with("leg", "client").with("upstream", SEVERAL).with("name", "client");
        let text = "{leg} {upstream} {name}";
        assert_eq!(filled(text, &said, Language::English), "client several upstreams client");
        assert_eq!(filled(text, &said, Language::Chinese), "客户端 多个上游 client");
        assert_eq!(filled("{leg}", &said.with("leg", "upstream"), Language::Chinese), "上游");
    }

    #[test]
    fn gaps_are_filled_and_other_braces_stay() {
        let said = Said::new("x").with("status", 404_u16);
        let text = "map $a { default {status}; } {unknown}";
        assert_eq!(filled(text, &said, Language::English), "map $a { default 404; } {unknown}");
    }
}
