//! Lines on a terminal: columns, wrapping, colour.

use super::width;

/// How a report looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With colours (ECMA-48).
    pub has_color: bool,
    /// With ASCII alone in its drawings.
    pub is_ascii: bool,
    /// Cells of a line.
    pub columns: usize,
    /// All findings, with all evidence.
    pub is_verbose: bool,
}

impl Default for Style {
    fn default() -> Style {
        Style { has_color: false, is_ascii: false, columns: 100, is_verbose: false }
    }
}

/// What a word says of itself.
#[derive(Clone, Copy)]
pub(super) enum Tone {
    Good,
    Bad,
    Doubt,
}

/// Characters of a drawing.
#[derive(Clone, Copy)]
pub(super) struct Marks {
    pub(super) open: char,
    pub(super) cut: char,
    pub(super) on: char,
}

/// Cells of the column of labels.
const LABEL: usize = 9;
const COLUMNS_MIN: usize = 40;

/// Text that grows line by line.
pub(super) struct Page {
    style: Style,
    text: String,
}

impl Page {
    pub(super) fn new(style: Style) -> Page {
        Page { style: Style { columns: style.columns.max(COLUMNS_MIN), ..style }, text: String::new() }
    }

    pub(super) fn marks(&self) -> Marks {
        match self.style.is_ascii {
            true => Marks { open: '#', cut: 'x', on: '.' },
            false => Marks { open: '━', cut: '✕', on: '…' },
        }
    }

    /// The first line: one word, what was examined, the answer, and its number at the right.
    pub(super) fn headline(&mut self, tone: Tone, word: &str, url: &str, answer: &str, code: &str) {
        let color = match tone {
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Doubt => "33",
        };
        let plain = format!("{word}  {url}    {answer}");
        let shown = format!("{}  {url}    {}", self.painted(color, word), self.painted("1", answer));
        let room = self.style.columns.saturating_sub(width(&plain) + width(code));
        match room {
            _ if code.is_empty() => self.line(&shown),
            0..2 => self.line(&format!("{shown}  {code}")),
            room => self.line(&format!("{shown}{}{code}", " ".repeat(room))),
        }
    }

    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// An empty line, unless there is one.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A label with its text.
    pub(super) fn part(&mut self, label: &str, text: &str) {
        self.labelled(label, "", text);
    }

    /// A label with a list: a single item without its number.
    pub(super) fn list(&mut self, label: &str, items: &[&str]) {
        for (index, item) in items.iter().enumerate() {
            let number = if items.len() > 1 { format!("{}. ", index + 1) } else { String::new() };
            self.labelled(if index == 0 { label } else { "" }, &number, item);
        }
    }

    /// Lines to paste.
    pub(super) fn block(&mut self, lines: &str) {
        for line in lines.lines() {
            self.line(&format!("{}{line}", " ".repeat(LABEL + 4)));
        }
    }

    pub(super) fn end(self) -> String {
        self.text
    }

    fn labelled(&mut self, label: &str, number: &str, text: &str) {
        let indent = LABEL + width(number);
        let room = self.style.columns.saturating_sub(indent).max(20);
        for (index, line) in wrapped(text, room).iter().enumerate() {
            let lead = match index {
                0 => {
                    let pad = " ".repeat(LABEL.saturating_sub(2 + width(label)));
                    format!("  {}{pad}{number}", self.painted("36", label))
                }
                _ => " ".repeat(indent),
            };
            self.line(&format!("{lead}{line}"));
        }
    }

    fn painted(&self, color: &str, text: &str) -> String {
        if self.style.has_color && !text.is_empty() {
            format!("\u{1b}[{color}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Lines of at most so many cells. It breaks at spaces, and between wide characters.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        if width(&line) + width(piece.trim_end()) > room && !line.trim().is_empty() {
            lines.push(line.trim_end().to_owned());
            line.clear();
        }
        line.push_str(if line.is_empty() { piece.trim_start() } else { piece });
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// What stays together: words with the spaces behind them, and single wide characters.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        let is_wide = c.len_utf8() > 2 && !"，。；：！？、）”》".contains(c);
        let next = chars.peek().map(|&(_, next)| next);
        let keeps_next = next.is_some_and(|next| "，。；：！？、）”》".contains(next));
        if (c == ' ' && next != Some(' ')) || (is_wide && !keeps_next) || (c.len_utf8() > 2 && !is_wide) {
            pieces.push(&text[start..end]);
            start = end;
        }
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_wrapped_in_each_script() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("averyverylongword", 5), ["averyverylongword"]);
        assert_eq!(wrapped("服务没有看到升级请求。", 10), ["服务没有看", "到升级请", "求。"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
