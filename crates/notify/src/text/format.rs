//! How vendors write bold text and links, and what has to be escaped there.

/// A way to write text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Nothing but text.
    Plain,
    /// Slack's mrkdwn.
    Slack,
    /// Markdown as DingTalk and WeCom read it.
    Markdown,
    /// Markdown of Feishu's and Lark's cards, which has no backslash but HTML's entities.
    Lark,
    /// Markdown as Discord, Teams and CommonMark have it.
    CommonMark,
    /// HTML.
    Html,
    /// HTML as Telegram reads it: line ends are line ends.
    Telegram,
}

impl Format {
    /// A text that means itself.
    pub(crate) fn escape(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 8);
        for c in text.chars() {
            match (self, c) {
                (Format::Plain, _) => out.push(c),
                // Plain text has line ends, a piece of markup has none.
                (_, '\r') => {}
                (Format::Slack, '&') => out.push_str("&amp;"),
                (Format::Html | Format::Telegram, '&') => out.push_str("&amp;"),
                (Format::Html | Format::Telegram, '"') => out.push_str("&quot;"),
                (Format::Html | Format::Telegram, '\'') => out.push_str("&#39;"),
                (_, '<') if self.has_entities() => out.push_str("&lt;"),
                (_, '>') if self.has_entities() => out.push_str("&gt;"),
                (Format::Lark, '*' | '[' | ']' | '`' | '~' | '_' | '&' | '#' | '\\') => {
                    out.push_str(&format!("&#{};", u32::from(c)));
                }
                (Format::Markdown, '*' | '[' | ']' | '`' | '\\') => out.extend(['\\', c]),
                (
                    Format::CommonMark,
                    '*' | '[' | ']' | '`' | '~' | '_' | '#' | '\\' | '|' | '<' | '>' | '@' | '&',
                ) => out.extend(['\\', c]),
                _ => out.push(c),
            }
        }
        out
    }

    fn has_entities(self) -> bool {
        !matches!(self, Format::Plain | Format::CommonMark)
    }

    /// A text in bold.
    pub(crate) fn bold(self, text: &str) -> String {
        let escaped = self.escape(text);
        match self {
            _ if escaped.trim().is_empty() => escaped,
            Format::Plain => escaped,
            Format::Slack => format!("*{escaped}*"),
            Format::Markdown | Format::Lark | Format::CommonMark => format!("**{escaped}**"),
            Format::Html | Format::Telegram => format!("<b>{escaped}</b>"),
        }
    }

    /// A text that leads to a URL. What is no URL of HTTP leads nowhere.
    pub(crate) fn link(self, text: &str, url: &str) -> String {
        let is_link = url.starts_with("https://") || url.starts_with("http://");
        if !is_link || url.contains(char::is_whitespace) {
            return self.escape(text);
        }
        match self {
            Format::Plain => format!("{text}: {url}"),
            Format::Slack => {
                format!("<{}|{}>", self.escape(url).replace('|', "%7C"), self.escape(text).replace('|', "/"))
            }
            Format::Html | Format::Telegram => {
                format!("<a href=\"{}\">{}</a>", self.escape(url), self.escape(text))
            }
            Format::Markdown | Format::Lark | Format::CommonMark => {
                let target = url.chars().fold(String::new(), |mut target, c| {
                    match c {
                        '(' | ')' | '<' | '>' | '\\' | '[' | ']' | '"' => {
                            target.push_str(&format!("%{:02X}", u32::from(c)));
                        }
                        _ => target.push(c),
                    }
                    target
                });
                format!("[{}]({target})", self.escape(text))
            }
        }
    }

    /// Between two lines.
    pub(crate) fn line_end(self) -> &'static str {
        match self {
            Format::Plain | Format::Slack | Format::Lark | Format::Telegram => "\n",
            // Two blanks make a line end of it; WeCom shows it as one too.
            Format::Markdown | Format::CommonMark => "  \n",
            Format::Html => "<br>\n",
        }
    }

    /// Between two alerts.
    pub(crate) fn gap(self) -> &'static str {
        if self == Format::Html { "<br>\n<br>\n" } else { "\n\n" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "<!channel> *b* [x](http://e) & @all";

    #[test]
    fn labels_mean_nothing_but_themselves() {
        let check = |format: Format, expected: &str| assert_eq!(format.escape(HOSTILE), expected);
        check(Format::Plain, HOSTILE);
        check(Format::Slack, "&lt;!channel&gt; *b* [x](http://e) &amp; @all");
        check(Format::Markdown, r"&lt;!channel&gt; \*b\* \[x\](http://e) & @all");
        check(Format::Lark, "&lt;!channel&gt; &#42;b&#42; &#91;x&#93;(http://e) &#38; @all");
        check(Format::CommonMark, r"\<!channel\> \*b\* \[x\](http://e) \& \@all");
        check(Format::Html, "&lt;!channel&gt; *b* [x](http://e) &amp; @all");
    }

    #[test]
    fn links_cannot_be_broken_out_of() {
        let check = |format: Format, url: &str, expected: &str| {
            assert_eq!(format.link("a|b", url), expected);
        };
        check(Format::Plain, "https://e/", "a|b: https://e/");
        check(Format::Slack, "https://e/?a=1&b=|", "<https://e/?a=1&amp;b=%7C|a/b>");
        check(Format::Markdown, "https://e/)x(", "[a|b](https://e/%29x%28)");
        check(Format::Html, "https://e/\"x", "<a href=\"https://e/&quot;x\">a|b</a>");
        check(Format::Html, "javascript:alert(1)", "a|b");
        check(Format::Slack, "https://e/ x", "a|b");
    }
}
