//! Text to tokens, each with its place. Keywords are identifiers here: the parser knows where a word is one.

use crate::error::{Error, Span};

/// A piece of the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub span: Span,
}

/// What a piece of the text is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A word: a name or a keyword.
    Word(String),
    /// A number.
    Number(f64),
    /// A duration such as `1h30m`, in milliseconds.
    Duration(i64),
    /// A string without its quotes.
    Text(String),
    /// An operator, a bracket or another mark.
    Mark(&'static str),
    /// After the last token.
    End,
}

/// All marks; those of two characters come first.
const MARKS: [&str; 24] = [
    "==", "!=", "=~", "!~", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "^", "@", "(", ")", "{", "}",
    "[", "]", ",", ":",
];

/// Cuts the text into tokens; the last one is [`TokenKind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut in_brackets = false;
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if first == '#' {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (kind, length) = token(rest, in_brackets, at)?;
        match kind {
            TokenKind::Mark("[") => in_brackets = true,
            TokenKind::Mark("]") => in_brackets = false,
            _ => {}
        }
        tokens.push(Token { kind, span: at..at + length });
        at += length;
    }
    tokens.push(Token { kind: TokenKind::End, span: at..at });
    Ok(tokens)
}

fn token(rest: &str, in_brackets: bool, at: usize) -> Result<(TokenKind, usize), Error> {
    let mut chars = rest.chars();
    let first = chars.next().expect("the caller has seen a character");
    let second_is_digit = chars.next().is_some_and(|c| c.is_ascii_digit());
    if first.is_ascii_digit() || (first == '.' && second_is_digit) {
        return number_or_duration(rest, at);
    }
    if matches!(first, '"' | '\'' | '`') {
        return super::text::quoted(rest, at).map(|(text, length)| (TokenKind::Text(text), length));
    }
    if first.is_ascii_alphabetic() || first == '_' || (first == ':' && !in_brackets) {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        return Ok((TokenKind::Word(rest[..length].to_owned()), length));
    }
    match MARKS.iter().find(|mark| rest.starts_with(**mark)) {
        Some(mark) => Ok((TokenKind::Mark(mark), mark.len())),
        None => {
            let hint = if first == '!' { "; write `!=` or `!~`" } else { "" };
            Err(Error::parse(&(at..at + first.len_utf8()), format!("unexpected character {first:?}{hint}")))
        }
    }
}

fn number_or_duration(rest: &str, at: usize) -> Result<(TokenKind, usize), Error> {
    if let Some(result) = duration(rest, at) {
        return result;
    }
    let length = number_length(rest);
    let text = &rest[..length];
    let end = rest[length..]
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .map_or(rest.len(), |n| length + n);
    match number(text) {
        Some(value) if end == length => Ok((TokenKind::Number(value), length)),
        _ => Err(Error::parse(
            &(at..at + end),
            format!("`{}` is neither a number nor a duration such as 1h30m", &rest[..end]),
        )),
    }
}

fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    if bytes.len() > 1 && bytes[0] == b'0' && bytes[1] | 0x20 == b'x' {
        return 2 + bytes[2..].iter().take_while(|b| b.is_ascii_hexdigit() || **b == b'_').count();
    }
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let is_sign = matches!(byte, b'+' | b'-') && at > 0 && bytes[at - 1] | 0x20 == b'e';
        if !(byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'e' | b'E') || is_sign) {
            break;
        }
        at += 1;
    }
    at
}

/// As Go reads a number: `0x` is hexadecimal, a leading `0` octal where it can be, `_` stands between digits.
fn number(text: &str) -> Option<f64> {
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_hexdigit());
    let misplaced = text.char_indices().any(|(at, c)| {
        let before = text[..at].chars().next_back();
        c == '_'
            && !(is_digit(text[at + 1..].chars().next())
                && (is_digit(before) || matches!(before, Some('x' | 'X'))))
    });
    if misplaced {
        return None;
    }
    let plain = text.replace('_', "");
    if let Some(digits) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok().map(|value| value as f64);
    }
    if plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|b| matches!(b, b'0'..=b'7')) {
        return i64::from_str_radix(&plain, 8).ok().map(|value| value as f64);
    }
    plain.parse().ok()
}

/// The units of a duration, longest first, in milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A duration at the start of the text, or none if there is no unit behind the first digits.
fn duration(rest: &str, at: usize) -> Option<Result<(TokenKind, usize), Error>> {
    let mut total: i64 = 0;
    let mut length = 0;
    let mut smallest = usize::MAX;
    loop {
        let tail = &rest[length..];
        let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
        let letters = tail[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = UNITS.iter().position(|(name, _)| *name == &tail[digits..digits + letters]);
        let (true, Some(unit)) = (digits > 0, unit) else { break };
        let span = at + length..at + length + digits + letters;
        if smallest != usize::MAX && unit <= smallest {
            return Some(Err(Error::parse(
                &span,
                "a duration names each unit once, the longest first: 1h30m",
            )));
        }
        let part = tail[..digits].parse().ok().and_then(|count: i64| count.checked_mul(UNITS[unit].1));
        match part.and_then(|part| total.checked_add(part)).filter(|total| *total <= DURATION_MAX_MS) {
            Some(sum) => total = sum,
            None => return Some(Err(Error::parse(&span, "the duration is too long; the longest is 292y"))),
        }
        smallest = unit;
        length += digits + letters;
    }
    let next_is_word = rest[length..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    (length > 0 && !next_is_word).then_some(Ok((TokenKind::Duration(total), length)))
}

/// What Prometheus can hold: 2⁶³ nanoseconds.
pub(crate) const DURATION_MAX_MS: i64 = i64::MAX / 1_000_000;
