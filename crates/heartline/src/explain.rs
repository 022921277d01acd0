//! `heartline explain`: the manual page of a cause or of an alert.

use std::fmt::Write as _;

use clap::Args;
use diagnose::causes;
use model::Language;
use web::manuals;

use crate::Failure;

/// Options of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainOptions {
    /// A cause by its name or number, such as ws-upgrade-stripped or HL-101; or an alert by its name. Without it: a
    /// list of all.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Language: en or zh-CN [default: that of LC_ALL, LC_MESSAGES or LANG, else en].
    #[arg(long, value_name = "LANG", value_parser = language)]
    lang: Option<Language>,
}

/// Prints a page, or the list of all.
///
/// # Errors
/// There is no such page.
pub fn run(options: &ExplainOptions) -> Result<(), Failure> {
    let language = options.lang.unwrap_or_else(preferred);
    let Some(id) = &options.id else {
        print!("{}", list(language));
        return Ok(());
    };
    let cause = causes::by_id(id).map(|cause| diagnose::text::manual(cause, language));
    let page = cause.or_else(|| manuals::alert(id, language)).ok_or_else(|| unknown(id))?;
    println!("{}", page.trim_end());
    Ok(())
}

/// The language that the environment asks for (locale(7)), or English.
pub(crate) fn preferred() -> Language {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG"));
    locale.and_then(|locale| Language::of_tag(&locale)).unwrap_or(Language::English)
}

/// A language from its tag.
pub(crate) fn language(tag: &str) -> Result<Language, String> {
    Language::of_tag(tag).ok_or_else(|| "there are en and zh-CN".to_owned())
}

fn list(language: Language) -> String {
    let mut text = String::new();
    for cause in causes::ALL {
        let _ = writeln!(text, "{:7} {:36} {}", cause.code(), cause.id, cause.manual.title.of(language));
    }
    for alert in manuals::alerts() {
        let _ = writeln!(text, "{:7} {alert}", "alert");
    }
    text
}

fn unknown(id: &str) -> Failure {
    let names = causes::ALL.iter().map(|cause| cause.id.to_owned()).chain(manuals::alerts());
    let near = names
        .map(|name| (strsim::jaro_winkler(&name.to_ascii_lowercase(), &id.to_ascii_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = near.map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"));
    Failure::Usage(format!("there is no cause and no alert `{id}`{hint} `heartline explain` lists all"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let check = |id: &str, part: &str| {
            let error = unknown(id).to_string();
            assert!(error.contains(part), "{error}");
        };
        check("ws-upgrade-striped", "did you mean ws-upgrade-stripped?");
        check("watchdog", "did you mean Watchdog?");
        check("qqq", "`heartline explain` lists all");
    }

    #[test]
    fn every_cause_has_a_page_in_both_languages() {
        for cause in causes::ALL {
            for language in [Language::English, Language::Chinese] {
                let page = diagnose::text::manual(cause, language);
                assert!(page.starts_with(&format!("# {}\n", cause.manual.title.of(language))), "{page}");
            }
        }
    }
}
