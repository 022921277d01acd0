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
