//! Conditions on labels: their syntax is that of Alertmanager, where what its newer parser refuses
//! (`matcher/parse`) or reads otherwise is read by the classic one (`pkg/labels/parse.go`).

use std::fmt;

use model::series::{Labels, MatchOp};
use promql::Pattern;
use serde::{Deserialize, Serialize};

use super::quoting::{quote, unquote};

/// A condition on one label. A label that is not there has the empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    pattern: Option<Pattern>,
}

impl Matcher {
    /// A condition.
    ///
    /// # Errors
    /// The regular expression (RE2) is not valid, or too large.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Matcher, String> {
        let is_pattern = matches!(op, MatchOp::Regex | MatchOp::NotRegex);
        let whole = format!("(?-s:{value})");
        let pattern = is_pattern.then(|| Pattern::new(&whole)).transpose();
        let pattern = pattern.map_err(|error| error.replace(&whole, value))?;
        Ok(Matcher { name: name.to_owned(), op, value: value.to_owned(), pattern })
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The value, or the regular expression.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it holds for a value.
    pub fn is_match(&self, value: &str) -> bool {
        let fits = self.pattern.as_ref().map_or(value == self.value, |pattern| pattern.is_match(value));
        fits != matches!(self.op, MatchOp::NotEqual | MatchOp::NotRegex)
    }

    fn key(&self) -> (&str, &str, u8) {
        (&self.name, &self.value, rank(self.op))
    }
}

/// The order in which Alertmanager has the operators.
fn rank(op: MatchOp) -> u8 {
    match op {
        MatchOp::Equal => 0,
        MatchOp::NotEqual => 1,
        MatchOp::Regex => 2,
        MatchOp::NotRegex => 3,
    }
}

fn sign(op: MatchOp) -> &'static str {
    match op {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex => "=~",
        MatchOp::NotRegex => "!~",
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(is_reserved) {
            return write!(f, "{}{}{}", quote(&self.name), sign(self.op), quote(&self.value));
        }
        let value = self.value.replace('\\', r"\\").replace('\n', r"\n").replace('"', "\\\"");
        write!(f, "{}{}\"{value}\"", self.name, sign(self.op))
    }
}

/// The form of Alertmanager's API.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

impl Serialize for Matcher {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let posted = Posted {
            name: self.name.clone(),
            value: self.value.clone(),
            is_regex: self.pattern.is_some(),
            is_equal: matches!(self.op, MatchOp::Equal | MatchOp::Regex),
        };
        posted.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Matcher, D::Error> {
        let posted = Posted::deserialize(deserializer)?;
        let op = match (posted.is_equal, posted.is_regex) {
            (true, false) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (false, true) => MatchOp::NotRegex,
        };
        Matcher::new(&posted.name, op, &posted.value).map_err(serde::de::Error::custom)
    }
}

/// Conditions that must all hold; none hold for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Matchers(Vec<Matcher>);

impl Matchers {
    /// In the order of Alertmanager: by name, value and operator.
    pub fn new(matchers: impl IntoIterator<Item = Matcher>) -> Matchers {
        let mut matchers: Vec<Matcher> = matchers.into_iter().collect();
        matchers.sort_by(|a, b| a.key().cmp(&b.key()));
        Matchers(matchers)
    }

    /// Whether all hold.
    pub fn is_match(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.is_match(labels.get(&matcher.name)))
    }

    /// Each condition.
    pub fn iter(&self) -> std::slice::Iter<'_, Matcher> {
        self.0.iter()
    }

    /// Whether there is no condition.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Matchers {
    /// `{severity="critical",team=~"a|b"}`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let matchers: Vec<String> = self.0.iter().map(Matcher::to_string).collect();
        write!(f, "{{{}}}", matchers.join(","))
    }
}

/// Reads conditions: `severity="critical", team=~"a|b"`, in braces or not.
///
/// # Errors
/// What is wrong, for a person.
pub fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    let (newer, classic) = (newer::parse(text), classic::parse(text));
    match (newer, classic) {
        (_, Ok(classic)) => Ok(classic),
        (Ok(newer), Err(_)) => Ok(newer),
        (Err(_), Err(error)) => Err(error),
    }
}

/// Runes that a name or value needs quotes for.
fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

/// Operators, the longer ones first.
const OPERATORS: [(&str, MatchOp); 4] =
    [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)];

fn operator(text: &str) -> Option<(MatchOp, &str)> {
    OPERATORS.iter().find_map(|(sign, op)| text.strip_prefix(sign).map(|rest| (*op, rest)))
}

/// The parser of names and values in UTF-8.
mod newer {
    use super::{Matcher, is_reserved, operator, unquote};

    pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, String> {
        let rest = text.trim_start();
        let inner = rest.strip_prefix('{');
        let (is_braced, mut rest) = (inner.is_some(), inner.unwrap_or(rest).trim_start());
        let mut matchers = Vec::new();
        let is_end = |rest: &str| rest.is_empty() || rest.starts_with('}');
        while !is_end(rest) {
            let (matcher, behind) = matcher(rest)?;
            matchers.push(matcher);
            rest = match behind.strip_prefix(',') {
                Some(more) => more.trim_start(),
                None if is_end(behind) => behind,
                None => return Err(format!("a comma is missing before `{behind}`")),
            };
        }
        let rest = match (is_braced, rest.strip_prefix('}')) {
            (true, Some(rest)) => rest.trim_start(),
            (true, None) => return Err(format!("`{text}` has no closing brace")),
            (false, _) => rest,
        };
        if rest.is_empty() { Ok(matchers) } else { Err(format!("`{rest}` is too much")) }
    }

    /// One condition, and what is behind it.
    fn matcher(text: &str) -> Result<(Matcher, &str), String> {
        let (name, rest) = word(text).ok_or_else(|| format!("a label's name is missing at `{text}`"))?;
        let (op, rest) = operator(rest).ok_or_else(|| format!("=, !=, =~ or !~ is missing at `{rest}`"))?;
        let (value, rest) =
            word(rest.trim_start()).ok_or_else(|| format!("a value is missing at `{rest}`"))?;
        Ok((Matcher::new(&name, op, &value)?, rest))
    }

    /// A word, quoted or not, and what is behind it and its blanks.
    fn word(text: &str) -> Option<(String, &str)> {
        let (word, rest) = if text.starts_with('"') {
            let end = closing_quote(text)?;
            (unquote(&text[..=end])?, &text[end + 1..])
        } else {
            let end = text.find(is_reserved).unwrap_or(text.len());
            (text[..end].to_owned(), &text[end..])
        };
        let is_word = text.starts_with('"') || !word.is_empty();
        is_word.then(|| (word, rest.trim_start()))
    }

    fn closing_quote(text: &str) -> Option<usize> {
        let mut is_escaped = false;
        text.char_indices().skip(1).find_map(|(at, c)| {
            let is_end = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end.then_some(at)
        })
    }
}

/// The parser of names of letters, digits, underscores and colons, tolerant of values.
mod classic {
    use super::{Matcher, operator};

    /// Blanks as RE2's `\s` has them.
    const BLANKS: [char; 5] = ['\t', '\n', '\u{c}', '\r', ' '];

    pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, String> {
        let text = text.strip_prefix('{').unwrap_or(text);
        let text = text.strip_suffix('}').unwrap_or(text);
        split(text).into_iter().map(matcher).collect()
    }

    /// Parts between commas outside quotes. What is behind the last comma may be blank.
    fn split(text: &str) -> Vec<&str> {
        let (mut parts, mut begin, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
        for (at, c) in text.char_indices() {
            match c {
                ',' if !is_quoted => {
                    parts.push(&text[begin..at]);
                    begin = at + 1;
                }
                // A comma in quotes leaves an escape as it is.
                ',' => {}
                '"' if is_escaped => is_escaped = false,
                '"' => is_quoted = !is_quoted,
                '\\' => is_escaped = !is_escaped,
                _ => is_escaped = false,
            }
        }
        let last = text[begin..].trim();
        parts.extend((!last.is_empty()).then_some(last));
        parts
    }

    fn matcher(text: &str) -> Result<Matcher, String> {
        let wrong = || format!("`{text}` is not a matcher, such as severity=\"critical\"");
        let trimmed = text.trim_start_matches(BLANKS);
        let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let end = trimmed.find(|c| !is_inner(c)).unwrap_or(trimmed.len());
        let (name, rest) = trimmed.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(wrong());
        }
        let (op, rest) = operator(rest.trim_start_matches(BLANKS)).ok_or_else(wrong)?;
        Matcher::new(name, op, &value(rest.trim_matches(BLANKS))?)
    }

    fn value(raw: &str) -> Result<String, String> {
        let unquoted = raw.strip_prefix('"');
        let (mut needs_quote, raw) = (unquoted.is_some(), unquoted.unwrap_or(raw));
        let (mut value, mut is_escaped) = (String::with_capacity(raw.len()), false);
        for (at, c) in raw.char_indices() {
            let is_last = at + 1 >= raw.len();
            match c {
                'n' if is_escaped => value.push('\n'),
                '"' | '\\' if is_escaped => value.push(c),
                c if is_escaped => value.extend(['\\', c]),
                '\\' if !is_last => {
                    is_escaped = true;
                    continue;
                }
                '"' if needs_quote && is_last => needs_quote = false,
                '"' => return Err(format!("the value `{raw}` has a double quote that is not escaped")),
                c => value.push(c),
            }
            is_escaped = false;
        }
        if needs_quote { Err(format!("the value `{raw}` has no closing quote")) } else { Ok(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown = parse(text).map(|matchers| Matchers(matchers).to_string());
        assert_eq!(shown.as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn both_syntaxes_are_read() {
        check("", "{}");
        check("{}", "{}");
        check("foo=bar", r#"{foo="bar"}"#);
        check(r#"{foo = "bar", dings != "bums", }"#, r#"{foo="bar",dings!="bums"}"#);
        check(r#"statuscode=~"5..""#, r#"{statuscode=~"5.."}"#);
        check(r#"{quote="She said: \"Hi, ladies!\""}"#, r#"{quote="She said: \"Hi, ladies!\""}"#);
        check("a:b=c", r#"{a:b="c"}"#);
        check("foo=", r#"{foo=""}"#);
        check("foo==bar", r#"{foo="=bar"}"#);
        check("foo=bar baz", r#"{foo="bar baz"}"#);
        check(r"foo=a\d", r#"{foo="a\\d"}"#);
        check(r#"foo="a\n\\""#, r#"{foo="a\n\\"}"#);
        check("服务=聊天", r#"{服务="聊天"}"#);
        check(r#""a b"="c", d!~e"#, r#"{"a b"="c",d!~"e"}"#);
        check(r#""\u4e2d"=~x"#, r#"{中=~"x"}"#);
        check("foo!~bar,", r#"{foo!~"bar"}"#);
    }

    #[test]
    fn what_neither_reads_is_wrong() {
        for text in
            ["foo", ",", "=bar", "foo=bar,,a=b", "1a=b c", "foo=~(", "foo=\"a", "中文", "{中=a", "中=a}"]
        {
            assert!(parse(text).is_err(), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn what_is_absent_is_empty() {
        let labels = Labels::new([("severity", "critical"), ("text", "a\nb")]);
        let check = |text: &str, expected| {
            assert_eq!(
                Matchers::new(parse(text).expect("it is valid")).is_match(&labels),
                expected,
                "{text}"
            );
        };
        check("", true);
        check("severity=critical", true);
        check("severity=~crit", false);
        check("severity=~crit.*", true);
        check("team=", true);
        check("team=~.*", true);
        check("team!=x, severity=warning", false);
        check("team!~.+", true);
        check("text=~a.b", false);
    }

    #[test]
    fn they_are_ordered_and_are_json() {
        let matchers = Matchers::new(parse("b=1,a=~2,a=2,a!=1").expect("they are valid"));
        assert_eq!(matchers.to_string(), r#"{a!="1",a="2",a=~"2",b="1"}"#);
        let json = serde_json::to_string(&matchers).expect("they are JSON");
        assert!(json.starts_with(r#"[{"name":"a","value":"1","isRegex":false,"isEqual":false}"#), "{json}");
        assert_eq!(serde_json::from_str::<Matchers>(&json).expect("the same JSON"), matchers);
        assert!(serde_json::from_str::<Matcher>(r#"{"name":"a","value":"(","isRegex":true}"#).is_err());
    }
}
