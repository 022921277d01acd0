//! A verdict to paste into an issue.

use std::fmt::Write as _;

use model::Word as _;
use model::language::{Language, text as t};

use super::paint::Marks;
use super::{Words, facts, sureness, texts};
use crate::examination::Examination;
use crate::text::{Told, told};
use crate::verdict::Verdict;

/// The report of an examination as Markdown.
pub fn markdown(seen: &Examination, verdict: &Verdict, language: Language) -> String {
    let words = Words { language };
    let mut page = format!("# `{}`: {}\n\n```\n", seen.target.url, verdict.outcome.as_str());
    let marks = Marks { open: '#', cut: 'x', on: '.' };
    for line in facts::lines(seen, language, false).into_iter().chain(facts::holds(seen, language, marks)) {
        let _ = writeln!(page, "{line}");
    }
    page.push_str("```\n");
    for finding in &verdict.findings {
        explained(&mut page, &told(finding, language), words);
    }
    page
}

fn explained(page: &mut String, finding: &Told, words: Words) {
    let _ = write!(
        page,
        "\n## {} {}\n\n`{}` · {}\n",
        finding.code,
        finding.title,
        finding.id,
        sureness(finding, words)
    );
    let mut list = |title: &str, items: &[&str]| {
        if !items.is_empty() {
            let items: String = items.iter().map(|item| format!("- {item}\n")).collect();
            let _ = write!(page, "\n**{title}**\n\n{items}");
        }
    };
    list(words.say(t("Why", "原因")), &texts(&finding.evidence));
    list(words.say(t("Against", "反证")), &texts(&finding.against));
    let next: Vec<&str> = finding.next_measurement.iter().map(|said| said.text.as_str()).collect();
    list(words.say(t("Next", "下一步")), &next);
    for fix in &finding.fixes {
        let _ = write!(page, "\n**{}**: {}\n", words.say(t("Fix", "处理")), fix.sentence.text);
        if let Some(lines) = &fix.config {
            let _ = write!(page, "\n```\n{}\n```\n", lines.trim_end());
        }
    }
}
