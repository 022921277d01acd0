//! The languages that people are told in.

use crate::words;

words! {
    /// A language, by its tag (BCP 47).
    Language {
        /// English.
        English = "en",
        /// Simplified Chinese.
        Chinese = "zh-CN",
    }
}

impl Language {
    /// The language of a tag such as `zh`, `zh-CN` or `en-GB`; none for others.
    pub fn of_tag(tag: &str) -> Option<Language> {
        let main = tag.split(['-', '_']).next().unwrap_or_default();
        [("en", Language::English), ("zh", Language::Chinese)]
            .into_iter()
            .find_map(|(known, language)| main.eq_ignore_ascii_case(known).then_some(language))
    }
}

/// A text in each language.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// English.
    pub en: &'static str,
    /// Simplified Chinese.
    pub zh: &'static str,
}

impl Text {
    /// The text in one language.
    pub fn of(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Chinese => self.zh,
        }
    }
}

/// A text in each language.
pub const fn text(en: &'static str, zh: &'static str) -> Text {
    Text { en, zh }
}
