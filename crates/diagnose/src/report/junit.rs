//! A verdict as JUnit's XML, which build servers read: a test for each check that was made, and one for each finding.

use std::fmt::Write as _;

use model::Word as _;
use model::finding::Severity;
use model::language::Language;

use super::{Words, sureness, texts};
use crate::examination::Examination;
use crate::text::{Told, told};
use crate::verdict::{Outcome, Verdict};

/// What becomes of a test.
enum Fate {
    Passes,
    Skipped(&'static str),
    Fails { id: String, title: String, text: String },
    Errs(&'static str),
}

/// The report of an examination as one test suite. It has failures exactly when something is wrong, and an error when
/// nothing says what.
pub fn junit(seen: &Examination, verdict: &Verdict, language: Language) -> String {
    let words = Words { language };
    let checks = seen.checks().into_iter().filter(|check| !seen.undone.contains(check));
    let mut tests: Vec<(String, Fate)> =
        checks.map(|check| (check.as_str().to_owned(), Fate::Passes)).collect();
    let undone = seen.undone.iter().map(|check| check.as_str().to_owned());
    tests.extend(undone.map(|check| (check, Fate::Skipped("the time was over: see --timeout"))));
    tests.extend(verdict.findings.iter().map(|finding| {
        let told = told(finding, language);
        let name = format!("{} {}", told.code, finding.id);
        let is_note = finding.severity == Severity::Info;
        (name, if is_note { Fate::Passes } else { failed(&told, words) })
    }));
    let is_told = tests.iter().any(|(_, fate)| matches!(fate, Fate::Fails { .. }));
    let error = match verdict.outcome {
        Outcome::CouldNotTest => Some("it could not be tested"),
        Outcome::Inconclusive | Outcome::Problem if !is_told => {
            Some("nothing that was measured tells what is wrong")
        }
        _ => None,
    };
    tests.extend(error.map(|why| ("outcome".to_owned(), Fate::Errs(why))));
    suite(&seen.target.url, &tests)
}

fn failed(told: &Told, words: Words) -> Fate {
    let mut text = sureness(told, words);
    let fixes = told.fixes.iter().map(|fix| fix.sentence.text.as_str());
    let next = told.next_measurement.iter().map(|said| said.text.as_str());
    for line in texts(&told.evidence).into_iter().chain(next).chain(fixes) {
        text.push('\n');
        text.push_str(line);
    }
    Fate::Fails { id: told.id.clone(), title: told.title.clone(), text }
}

fn suite(url: &str, tests: &[(String, Fate)]) -> String {
    let count = |is: fn(&Fate) -> bool| tests.iter().filter(|(_, fate)| is(fate)).count();
    let mut page = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        page,
        "<testsuite name=\"heartline diagnose {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
        escaped(url),
        tests.len(),
        count(|fate| matches!(fate, Fate::Fails { .. })),
        count(|fate| matches!(fate, Fate::Errs(_))),
        count(|fate| matches!(fate, Fate::Skipped(_))),
    );
    for (name, fate) in tests {
        let _ = write!(page, "  <testcase classname=\"heartline.diagnose\" name=\"{}\"", escaped(name));
        let inner = match fate {
            Fate::Passes => {
                page.push_str("/>\n");
                continue;
            }
            Fate::Skipped(why) => format!("<skipped message=\"{}\"/>", escaped(why)),
            Fate::Errs(why) => format!("<error message=\"{}\"/>", escaped(why)),
            Fate::Fails { id, title, text } => format!(
                "<failure type=\"{}\" message=\"{}\">{}</failure>",
                escaped(id),
                escaped(title),
                escaped(text)
            ),
        };
        let _ = writeln!(page, ">{inner}</testcase>");
    }
    page.push_str("</testsuite>\n");
    page
}

/// Text as it may stand in XML 1.0, also between quotes; control characters, which may not, are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(char),
            '\u{fffe}' | '\u{ffff}' => {}
            char if char.is_control() => {}
            char => escaped.push(char),
        }
    }
    escaped
}
