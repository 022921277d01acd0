//! A verdict as people read it: the answer first, then what was measured, why, how sure, and what to do.

mod facts;
mod junit;
mod markdown;
mod paint;
#[cfg(test)]
mod tests;

use model::finding::{Affected, Selection, Severity};
use model::language::{Language, Text, text as t};
use model::{WallTime, Word as _};
use unicode_width::UnicodeWidthStr as _;

pub use junit::junit;
pub use markdown::markdown;
pub use paint::Style;

use crate::examination::Examination;
use crate::text::{Sentence, Told, certainty, told};
use crate::verdict::{Outcome, Verdict};
use paint::{Page, Tone};

/// Evidence, fixes and other findings that a short report has at most.
const EVIDENCE_MAX: usize = 4;
const FIXES_MAX: usize = 2;
const OTHERS_MAX: usize = 4;

/// The report of an examination, for a terminal.
pub fn text(seen: &Examination, verdict: &Verdict, language: Language, style: Style) -> String {
    let words = Words { language };
    let findings: Vec<Told> = verdict.findings.iter().map(|finding| told(finding, language)).collect();
    let mut page = Page::new(style);
    let is_well = verdict.outcome == Outcome::Healthy;
    head(&mut page, seen, verdict, findings.first().filter(|_| !is_well), words);
    page.gap();
    for line in facts::lines(seen, language, style.is_verbose) {
        page.line(&format!("  {line}"));
    }
    for line in facts::holds(seen, language, page.marks()) {
        page.line(&format!("  {line}"));
    }
    let shown = match (style.is_verbose, is_well) {
        (true, _) => findings.len(),
        (false, is_well) => findings.len().min(usize::from(!is_well)),
    };
    for finding in &findings[..shown] {
        page.gap();
        if style.is_verbose {
            page.line(&format!("  {}  {}", finding.code, finding.title));
        }
        explained(&mut page, finding, words, style.is_verbose);
    }
    also(&mut page, findings.get(shown..).unwrap_or_default(), words);
    if let Some(first) = findings.first() {
        page.part(words.more(), &format!("heartline explain {}", first.code));
    }
    page.end()
}

/// Findings of a running gateway, for a terminal.
pub fn findings(found: &[Told], language: Language, style: Style) -> String {
    let words = Words { language };
    let mut page = Page::new(style);
    if found.is_empty() {
        page.line(words.say(t("no finding", "没有诊断结果")));
    }
    for finding in found {
        let tone = match finding.severity {
            Severity::Critical => Tone::Bad,
            Severity::Warning => Tone::Doubt,
            Severity::Info => Tone::Good,
        };
        page.gap();
        let route = finding.route.as_deref().unwrap_or("*");
        page.headline(tone, finding.severity.as_str(), route, &finding.title, &finding.code);
        page.part(words.say(t("when", "时间")), &when(finding, words));
        if let Some(affected) = finding.affected {
            page.part(words.say(t("hits", "影响")), &hits(affected, words));
        }
        explained(&mut page, finding, words, style.is_verbose);
        if let Some(selection) = &finding.selection {
            page.part(words.say(t("show", "查看")), words.say(t("these connections", "这些连接")));
            page.block(&listing(finding, selection));
        }
        page.part(words.more(), &format!("heartline explain {}", finding.code));
    }
    page.end()
}

fn when(finding: &Told, words: Words) -> String {
    let instant = |at: WallTime| at.to_string().chars().take(19).collect::<String>();
    let since = finding.since.map_or_else(|| "?".to_owned(), instant);
    match (finding.until.map(instant), words.language) {
        (Some(until), Language::English) => format!("over: {since} to {until} UTC"),
        (Some(until), Language::Chinese) => format!("已结束：{since} 至 {until} UTC"),
        (None, Language::English) => format!("since {since} UTC"),
        (None, Language::Chinese) => format!("自 {since} UTC 起"),
    }
}

fn hits(affected: Affected, words: Words) -> String {
    let Affected { connections, share_of_closes } = affected;
    let percent = share_of_closes.map(|share| format!("{:.0} %", share * 100.0));
    match (percent, words.language) {
        (Some(percent), Language::English) => {
            format!("{connections} connections, {percent} of those that did not end as they should")
        }
        (Some(percent), Language::Chinese) => format!("{connections} 个连接，占异常断开的 {percent}"),
        (None, Language::English) => format!("{connections} connections"),
        (None, Language::Chinese) => format!("{connections} 个连接"),
    }
}

/// The command that lists the connections; the last of them ended within the millisecond.
fn listing(finding: &Told, selection: &Selection) -> String {
    let filter = selection.filter.replace('\'', "'\\''");
    let instant = |at: WallTime| at.to_string().chars().take(23).chain(['Z']).collect::<String>();
    let latest = instant(WallTime(selection.latest.0.saturating_add(1_000_000)));
    let since = instant(finding.since.unwrap_or_default());
    format!("heartline connections --closed from:{since} to:{latest} '{filter}'")
}

/// The words between facts.
#[derive(Clone, Copy)]
struct Words {
    language: Language,
}

impl Words {
    fn say(self, text: Text) -> &'static str {
        text.of(self.language)
    }

    fn more(self) -> &'static str {
        self.say(t("more", "详情"))
    }
}

fn head(page: &mut Page, seen: &Examination, verdict: &Verdict, first: Option<&Told>, words: Words) {
    let checks = seen.checks().len();
    let (tone, word, answer) = match (verdict.outcome, first) {
        (Outcome::Healthy, _) => {
            let count = match words.language {
                Language::English => format!("no problem found in {checks} checks"),
                Language::Chinese => format!("{checks} 项检查未发现问题"),
            };
            (Tone::Good, "ok", count)
        }
        (Outcome::Problem, Some(finding)) => (Tone::Bad, "FAIL", finding.title.clone()),
        (Outcome::CouldNotTest, first) => {
            let why = first.map(|finding| finding.title.clone());
            (
                Tone::Doubt,
                "SKIP",
                why.unwrap_or_else(|| words.say(t("it could not be tested", "无法测试")).to_owned()),
            )
        }
        (_, None) if seen.is_cut => {
            let unmeasured = words.say(t(
                "nothing wrong was seen before the time was over",
                "在时间用完之前未发现问题，但测量未全部完成",
            ));
            (Tone::Doubt, "????", unmeasured.to_owned())
        }
        (_, first) => {
            let unclear = words.say(t(
                "something is wrong, and nothing that was measured tells what",
                "存在问题，但已有测量不足以判断原因",
            ));
            let suspicion = first.map(|finding| match words.language {
                Language::English => format!("suspected: {}", finding.title),
                Language::Chinese => format!("疑似：{}", finding.title),
            });
            (Tone::Doubt, "????", suspicion.unwrap_or_else(|| unclear.to_owned()))
        }
    };
    let code = first.map_or("", |finding| finding.code.as_str());
    page.headline(tone, word, &seen.target.url, &answer, code);
}

fn explained(page: &mut Page, finding: &Told, words: Words, is_verbose: bool) {
    let evidence_max = if is_verbose { usize::MAX } else { EVIDENCE_MAX };
    let evidence: Vec<&str> =
        finding.evidence.iter().take(evidence_max).map(|said| said.text.as_str()).collect();
    page.list(words.say(t("why", "原因")), &evidence);
    page.list(words.say(t("against", "反证")), &texts(&finding.against));
    page.part(words.say(t("sure", "把握")), &sureness(finding, words));
    if let Some(next) = &finding.next_measurement {
        page.part(words.say(t("next", "下一步")), &next.text);
    }
    let fixes_max = if is_verbose { usize::MAX } else { FIXES_MAX };
    for (index, fix) in finding.fixes.iter().take(fixes_max).enumerate() {
        let label = if index == 0 { words.say(t("fix", "处理")) } else { words.say(t("or", "或者")) };
        page.part(label, &fix.sentence.text);
        page.block(fix.config.as_deref().unwrap_or_default());
    }
}

fn texts(said: &[Sentence]) -> Vec<&str> {
    said.iter().map(|sentence| sentence.text.as_str()).collect()
}

fn sureness(finding: &Told, words: Words) -> String {
    let percent = format!("{:.0} %", finding.confidence * 100.0);
    let mut text = format!("{percent}, {}", certainty(finding.level, words.language));
    if !finding.not_excluded.is_empty() {
        let left = texts(&finding.not_excluded).join(words.say(t("; or ", "；或者")));
        text.push_str(words.say(t(". Wrong if: ", "。以下情况除外：")));
        text.push_str(&left);
    }
    text
}

fn also(page: &mut Page, others: &[Told], words: Words) {
    for (index, other) in others.iter().take(OTHERS_MAX).enumerate() {
        if index == 0 {
            page.gap();
        }
        let label = if index == 0 { words.say(t("also", "另外")) } else { "" };
        page.part(label, &format!("{} {} ({:.0} %)", other.code, other.title, other.confidence * 100.0));
    }
}

/// Cells that a text takes on a terminal.
fn width(text: &str) -> usize {
    text.width()
}
