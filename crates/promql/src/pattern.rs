//! Regular expressions as Prometheus means them: RE2 syntax, the whole text must match, `.` is any character.

use std::fmt::Write as _;

use regex::{Captures, Regex, RegexBuilder};

/// Largest compiled expression, in bytes.
const SIZE_MAX: usize = 1 << 20;

/// An anchored regular expression.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles an expression of RE2.
    ///
    /// # Errors
    /// What is wrong with the expression, or that it is too large.
    pub fn new(text: &str) -> Result<Pattern, String> {
        RegexBuilder::new(&format!("^(?s:{})$", translated(text)))
            .size_limit(SIZE_MAX)
            .nest_limit(100)
            .build()
            .map(Pattern)
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => format!("the regular expression `{text}` is too large"),
                error => {
                    format!("the regular expression `{text}` is not valid: {}", last_line(&error.to_string()))
                }
            })
    }

    /// Whether the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// What the groups have matched, if the whole text matches.
    pub(crate) fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.0.captures(text)
    }
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().next_back().unwrap_or(text).trim_start_matches("error: ")
}

/// RE2 to the syntax of the regex crate: classes are of ASCII, a brace that begins no repetition and a bracket
/// within a class are themselves, `\Q…\E` quotes.
fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        rest = tail;
        match c {
            '\\' => rest = escape(tail, in_class, &mut out),
            '[' if in_class && tail.starts_with(':') => out.push('['),
            '[' | '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            '[' => {
                in_class = true;
                out.push('[');
                let negated = tail.strip_prefix('^');
                if negated.is_some() {
                    out.push('^');
                }
                rest = negated.unwrap_or(tail);
                if let Some(after) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = after;
                }
            }
            ']' if in_class && !(out.ends_with(':') && is_in_named_class(&out)) => {
                in_class = false;
                out.push(']');
            }
            '{' if !in_class && !begins_repetition(tail) => out.push_str("\\{"),
            c => out.push(c),
        }
    }
    out
}

fn is_in_named_class(out: &str) -> bool {
    out.rfind("[:")
        .is_some_and(|at| out[at + 2..out.len() - 1].bytes().all(|b| b.is_ascii_alphabetic() || b == b'^'))
}

/// Whether `{` before this text begins a repetition: `3}`, `3,}`, `3,5}`.
fn begins_repetition(tail: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let first = digits(tail);
    let behind = &tail[first..];
    let behind = behind.strip_prefix(',').map_or(behind, |more| &more[digits(more)..]);
    first > 0 && behind.starts_with('}')
}

/// Writes what an escape means; gives what is behind it.
fn escape<'t>(tail: &'t str, in_class: bool, out: &mut String) -> &'t str {
    let Some(c) = tail.chars().next() else {
        out.push('\\');
        return tail;
    };
    let behind = &tail[c.len_utf8()..];
    let (set, negated) = match c {
        'd' | 'D' => ("0-9", c == 'D'),
        'w' | 'W' => ("0-9A-Za-z_", c == 'W'),
        's' | 'S' => ("\\t\\n\\f\\r ", c == 'S'),
        'b' | 'B' if !in_class => {
            let _ = write!(out, "(?-u:\\{c})");
            return behind;
        }
        'Q' => {
            let end = behind.find("\\E").unwrap_or(behind.len());
            out.push_str(&regex::escape(&behind[..end]));
            return behind[end..].strip_prefix("\\E").unwrap_or("");
        }
        c => {
            out.push('\\');
            out.push(c);
            return behind;
        }
    };
    let _ = match (in_class, negated) {
        (true, false) => write!(out, "{set}"),
        (_, true) => write!(out, "[^{set}]"),
        (false, false) => write!(out, "[{set}]"),
    };
    behind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let compiled = Pattern::new(pattern).expect("the pattern is valid");
        for text in matching {
            assert!(compiled.is_match(text), "{pattern} should match {text:?}");
        }
        for text in other {
            assert!(!compiled.is_match(text), "{pattern} should not match {text:?}");
        }
    }

    #[test]
    fn the_whole_text_matches_with_the_meaning_of_re2() {
        check("a|bc", &["a", "bc"], &["", "abc", "ab"]);
        check("a.c", &["abc", "a\nc"], &["ac"]);
        check("\\d+", &["12"], &["١"]);
        check("[\\d.]+", &["1.2"], &["a"]);
        check("[^\\W]", &["a"], &["-", "é"]);
        check("\\w\\s\\S", &["a b"], &["é b"]);
        check("a{2}", &["aa"], &["a{2}"]);
        check("a{x}", &["a{x}"], &["ax"]);
        check("a{,2}", &["a{,2}"], &["aa"]);
        check("[[]a", &["[a"], &["a"]);
        check("[]a]", &["]", "a"], &["b"]);
        check("[[:alpha:]]+1", &["ab1"], &["11"]);
        check("[a&&b]+", &["a&b"], &["c"]);
        check("\\Qa.b\\E.", &["a.bc"], &["axbc"]);
        check("(?i)CHAT", &["chat"], &["chats"]);
    }

    #[test]
    fn what_is_not_valid_or_too_large_is_refused() {
        assert!(Pattern::new("(").is_err());
        assert_eq!(
            Pattern::new("(a{1000}){1000}").expect_err("it is large"),
            "the regular expression `(a{1000}){1000}` is too large"
        );
    }
}
