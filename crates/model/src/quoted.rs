//! Texts of strangers in messages.

/// A stranger's text between backticks, cut and with control characters made visible, to be put in a message.
pub fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

/// The same without backticks.
pub fn shown(text: &str) -> String {
    const SHOWN: usize = 64;
    let shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!("{shown}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_short_and_on_one_line() {
        assert_eq!(quoted("idle"), "`idle`");
        assert_eq!(quoted("a\r\n\u{1b}[31m"), r"`a\r\n\u{1b}[31m`");
        assert_eq!(quoted(&"é".repeat(1000)), format!("`{}…`", "é".repeat(64)));
    }
}
