//! A verdict as people read it: the answer first, then what was measured, why, how sure, and what to do.

mod facts;
mod markdown;
mod paint;
#[cfg(test)]
mod tests;

use model::language::{Language, Text, text as t};
use unicode_width::UnicodeWidthStr as _;

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
    head(&mut page, seen, verdict, findings.first(), words);
    page.gap();
    for line in facts::lines(seen, language, style.is_verbose) {
        page.line(&format!("  {line}"));
    }
    for line in facts::holds(seen, language, page.marks()) {
        page.line(&format!("  {line}"));
    }
    let shown = if style.is_verbose { findings.len() } else { findings.len().min(1) };
    for finding in &findings[..shown] {
        page.gap();
        explained(&mut page, finding, words, style.is_verbose);
    }
    also(&mut page, findings.get(shown..).unwrap_or_default(), words);
    if let Some(first) = findings.first() {
        page.part(words.more(), &format!("heartline explain {}", first.code));
    }
    page.end()
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
    if is_verbose {
        page.line(&format!("  {}  {}", finding.code, finding.title));
    }
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
