//! Matchers as text of the query language.

use std::fmt::Write as _;

use model::series::{MatchOp, Matcher};

/// A selector of the series that all matchers hold for. One without a condition that nothing empty meets is refused
/// everywhere, so that each has one.
pub(super) fn selector(matchers: &[Matcher]) -> String {
    let mut text = String::from("{");
    if !matchers.iter().any(|matcher| matcher.op == MatchOp::Equal && !matcher.value.is_empty()) {
        text.push_str("__name__=~\".+\",");
    }
    for Matcher { name, op, value } in matchers {
        let op = match op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        };
        let _ = if is_plain(name) { write!(text, "{name}") } else { write!(text, "\"{}\"", escaped(name)) };
        let _ = write!(text, "{op}\"{}\",", escaped(value));
    }
    text.pop();
    text.push('}');
    text
}

fn is_plain(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    name.starts_with(is_letter) && name.chars().all(|letter| is_letter(letter) || letter.is_ascii_digit())
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_text() {
        let check = |matchers: &[(&str, MatchOp, &str)], expected: &str| {
            let matcher = |&(name, op, value): &(&str, MatchOp, &str)| Matcher {
                name: name.to_owned(),
                op,
                value: value.to_owned(),
            };
            assert_eq!(selector(&matchers.iter().map(matcher).collect::<Vec<_>>()), expected);
        };
        check(&[], r#"{__name__=~".+"}"#);
        check(
            &[("__name__", MatchOp::Equal, "up"), ("job", MatchOp::NotEqual, "a")],
            r#"{__name__="up",job!="a"}"#,
        );
        check(&[("job", MatchOp::Equal, "")], r#"{__name__=~".+",job=""}"#);
        check(&[("a", MatchOp::Regex, "x.+"), ("b", MatchOp::Equal, "y")], r#"{a=~"x.+",b="y"}"#);
        check(
            &[("a", MatchOp::Equal, "\"\\d\n"), ("b", MatchOp::NotRegex, "游")],
            r#"{a="\"\\d\n",b!~"游"}"#,
        );
        check(&[("游.戏", MatchOp::Equal, "x")], r#"{"游.戏"="x"}"#);
    }
}
