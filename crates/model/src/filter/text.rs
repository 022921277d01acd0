//! A filter as people write it: terms with blanks between them, which must all hold.
//!
//! `key:value`, `key:gl*b`, `key>number` (also `>=`, `<`, `<=`), `ip:10.0.0.0/8`, free text; `-` in front of a term means
//! that it must not hold. Values and free text with blanks or colons stand in double quotes, in which `*` is itself and
//! `\` takes the next character as it is. Numbers of time may have units (`90s`, `5m`, `1h30m`), so may those of bytes (`10kB`, `1MiB`).

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Compare, Condition, Filter, NumberField, Pattern, Term, TextField};
use crate::country::Country;
use crate::quoted::shown;
use crate::words::{GrpcCode, HandshakeResult, Initiator, Layer, Protocol, Reason, Word};

/// Longest text of a filter, bytes.
pub const TEXT_BYTES_MAX: usize = 2048;

/// Most terms of a filter.
pub const TERMS_MAX: usize = 32;

/// The key of networks; single addresses may be asked for as `client` too.
pub const IP: &str = "ip";

/// A short form of the key `country`.
const CC: &str = "cc";

/// Words of the key `state`: those of open connections, and those of the journal.
const STATES: [&str; 5] = ["open", "slow", "closing", "closed", "lost"];

/// Words of the key `tryout`.
const YES_AND_NO: [&str; 2] = ["true", "false"];

const OPERATORS: [(&str, Compare); 5] = [
    (">=", Compare::AtLeast),
    ("<=", Compare::AtMost),
    (":", Compare::Equal),
    (">", Compare::Above),
    ("<", Compare::Below),
];

const SECONDS: [(&str, f64); 5] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];

const BYTES: [(&str, f64); 7] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
];

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct FilterError {
    /// Where, in characters from 1.
    pub at: u32,
    /// What is wrong.
    pub mistake: Mistake,
}

/// What is wrong with a filter. A `value` is what was written, cut when it is long; `example` is a term that is right,
/// `meant` the nearest word that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[expect(missing_docs, reason = "the fields of all are described once")]
pub enum Mistake {
    /// The text is longer than is read.
    TooLong { bytes: u32, most: u32 },
    /// It has a control character.
    ControlCharacter,
    /// It has more terms than are read.
    TooManyTerms { most: u32 },
    /// There is no end to a quoted text.
    NoEnd,
    /// A term is nothing but `-`, or an empty text.
    NoText,
    /// A text has the characters of an operator, and no key in front of it.
    NoKey { value: String, known: String },
    /// The same, and the key is known, but not so.
    NoTerm { value: String, example: String },
    /// A key and an operator, and nothing behind.
    NoValue { value: String, example: String },
    /// No such key.
    UnknownKey { value: String, meant: String, known: String },
    /// The key never has such a value.
    UnknownWord { key: String, value: String, meant: String, known: String },
    /// A key of texts is compared as a number.
    NotOfNumbers { key: String, example: String },
    /// A key of numbers is given something else.
    NoNumber { key: String, value: String, example: String },
    /// Neither an address nor a network.
    NoNetwork { value: String, example: String },
    /// A network with `*`.
    StarInNetwork { example: String },
    /// No code of a country.
    NoCountry { value: String, example: String },
}

impl Mistake {
    /// What to do about it: what may have been meant, or what is known.
    pub fn hint(&self) -> String {
        match self {
            Mistake::TooLong { most, .. } => format!("at most {most} are read"),
            Mistake::ControlCharacter => "leave it out".to_owned(),
            Mistake::TooManyTerms { .. } => "leave some out".to_owned(),
            Mistake::NoEnd => "close it with `\"`".to_owned(),
            Mistake::NoText => "quote a `-` that is meant".to_owned(),
            Mistake::NoKey { known, .. } => {
                format!("keys are {known}; free text with such characters stands in quotes")
            }
            Mistake::UnknownKey { meant, known, .. } | Mistake::UnknownWord { meant, known, .. } => {
                format!("did you mean `{meant}`? Known: {known}")
            }
            Mistake::NoTerm { example, .. } | Mistake::NotOfNumbers { example, .. } => {
                format!("write `{example}`")
            }
            Mistake::NoValue { example, .. }
            | Mistake::NoNumber { example, .. }
            | Mistake::NoNetwork { example, .. } => format!("such as `{example}`"),
            Mistake::StarInNetwork { example } => {
                format!("write `client:…` with what you have, or a network such as `{example}`")
            }
            Mistake::NoCountry { example, .. } => format!("countries are codes of two letters: `{example}`"),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mistake::TooLong { bytes, .. } => write!(f, "the filter has {bytes} bytes"),
            Mistake::ControlCharacter => f.write_str("the filter has a control character"),
            Mistake::TooManyTerms { most } => write!(f, "the filter has more than {most} terms"),
            Mistake::NoEnd => f.write_str("a quoted text has no end"),
            Mistake::NoText => f.write_str("there is no text"),
            Mistake::NoKey { value, .. } | Mistake::NoTerm { value, .. } => {
                write!(f, "`{value}` begins with no key and operator")
            }
            Mistake::NoValue { value, .. } => write!(f, "`{value}` has no value"),
            Mistake::UnknownKey { value, .. } => write!(f, "`{value}` is no key"),
            Mistake::UnknownWord { key, value, .. } => write!(f, "`{key}` is never `{value}`"),
            Mistake::NotOfNumbers { key, .. } => write!(f, "`{key}` is no number"),
            Mistake::NoNumber { key, value, .. } => write!(f, "`{value}` is no number of `{key}`"),
            Mistake::NoNetwork { value, .. } => write!(f, "`{value}` is no address and no network"),
            Mistake::StarInNetwork { .. } => f.write_str("`*` stands in no network"),
            Mistake::NoCountry { value, .. } => write!(f, "`{value}` is no country"),
        }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FilterError { at, mistake } = self;
        write!(f, "character {at}: {mistake}; {}", mistake.hint())
    }
}

impl Error for FilterError {}

/// A value as it was written.
struct Value {
    text: String,
    is_quoted: bool,
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Filter, FilterError> {
        let error = |at: usize, mistake: Mistake| {
            let before = text.get(..at).map_or(0, |before| before.chars().count());
            FilterError { at: count(before + 1), mistake }
        };
        if text.len() > TEXT_BYTES_MAX {
            let (bytes, most) = (count(text.len()), count(TEXT_BYTES_MAX));
            return Err(error(0, Mistake::TooLong { bytes, most }));
        }
        // SQLite's GLOB ends at a NUL, where `Pattern` goes on.
        if let Some(at) = text.find(|c: char| c.is_control() && !c.is_whitespace()) {
            return Err(error(at, Mistake::ControlCharacter));
        }
        let mut filter = Filter::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            if filter.terms.len() == TERMS_MAX {
                return Err(error(at, Mistake::TooManyTerms { most: count(TERMS_MAX) }));
            }
            let mut ahead = rest;
            let term =
                term(&mut rest, &mut ahead).map_err(|mistake| error(text.len() - ahead.len(), mistake))?;
            filter.terms.push(term);
            rest = rest.trim_start();
        }
        Ok(filter)
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Takes a term from the front of `rest`. When it is wrong, `ahead` begins with what is.
fn term<'a>(rest: &mut &'a str, ahead: &mut &'a str) -> Result<Term, Mistake> {
    let positive = rest.strip_prefix('-');
    let is_negated = positive.is_some();
    *rest = positive.unwrap_or(rest);
    *ahead = rest;
    let key_end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(rest.len());
    let (key, behind) = rest.split_at(key_end);
    let operator = OPERATORS.iter().find(|(text, _)| !key.is_empty() && behind.starts_with(text));
    let condition = match operator {
        Some(&(text, compare)) => {
            let field = Field::new(key, compare)?;
            *rest = &behind[text.len()..];
            *ahead = rest;
            let value = value(rest)?;
            if value.text.is_empty() {
                return Err(Mistake::NoValue {
                    value: format!("{key}{text}"),
                    example: example(key).to_owned(),
                });
            }
            field.condition(key, compare, &value)?
        }
        None => free_text(rest)?,
    };
    Ok(Term { is_negated, condition })
}

/// Takes a value: what is quoted, or all up to a blank.
fn value(rest: &mut &str) -> Result<Value, Mistake> {
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (value, behind) = rest.split_at(end);
        *rest = behind;
        return Ok(Value { text: value.to_owned(), is_quoted: false });
    };
    let mut text = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                *rest = &quoted[at + 1..];
                return Ok(Value { text, is_quoted: true });
            }
            '\\' => text.extend(characters.next().map(|(_, taken)| taken)),
            other => text.push(other),
        }
    }
    Err(Mistake::NoEnd)
}

fn free_text(rest: &mut &str) -> Result<Condition, Mistake> {
    let Value { text, is_quoted } = value(rest)?;
    if text.is_empty() {
        return Err(Mistake::NoText);
    }
    if is_quoted || !text.contains([':', '<', '>', '=']) {
        return Ok(Condition::Contains(text));
    }
    let key = text.split([':', '<', '>', '=']).next().unwrap_or_default().to_ascii_lowercase();
    let value = shown(&text);
    Err(if keys().contains(&key.as_str()) {
        Mistake::NoTerm { value, example: example(&key).to_owned() }
    } else {
        Mistake::NoKey { value, known: keys().join(", ") }
    })
}

/// The term `key:value` as people write it, in quotes where it must be.
pub fn written(key: &str, value: &str) -> String {
    let is_plain = !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || "\"*".contains(c));
    if is_plain {
        return format!("{key}:{value}");
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{key}:\"{escaped}\"")
}

/// What a key stands for.
enum Field {
    Text(TextField),
    Number(NumberField),
    Network,
}

impl Field {
    fn new(key: &str, compare: Compare) -> Result<Field, Mistake> {
        let key = if key == CC { TextField::Country.as_str() } else { key };
        if let Some(field) = NumberField::ALL.iter().find(|field| field.as_str() == key) {
            return Ok(Field::Number(*field));
        }
        let field = match TextField::ALL.iter().find(|field| field.as_str() == key) {
            Some(field) => Field::Text(*field),
            None if key == IP => Field::Network,
            None => {
                let known = keys();
                let (value, meant) = (shown(key), nearest(key, &known).to_owned());
                return Err(Mistake::UnknownKey { value, meant, known: known.join(", ") });
            }
        };
        match compare {
            Compare::Equal => Ok(field),
            _ => Err(Mistake::NotOfNumbers { key: key.to_owned(), example: example(key).to_owned() }),
        }
    }

    fn condition(self, key: &str, compare: Compare, value: &Value) -> Result<Condition, Mistake> {
        let Value { text, is_quoted } = value;
        let has_star = text.contains('*') && !is_quoted;
        match self {
            Field::Number(field) => Ok(Condition::Number { field, compare, value: number(field, text)? }),
            Field::Network if has_star => Err(Mistake::StarInNetwork { example: example(key).to_owned() }),
            Field::Text(TextField::Client) if !has_star => network(key, text),
            Field::Network => network(key, text),
            Field::Text(field) => {
                let is_code = field == TextField::Country;
                let text = &if is_code { text.to_ascii_uppercase() } else { text.clone() };
                let pattern = if has_star { Pattern::new(text) } else { Pattern::Is(text.clone()) };
                known_word(field, text, &pattern)?;
                Ok(Condition::Text { field, pattern })
            }
        }
    }
}

/// Where only some words can be, others are a mistake.
fn known_word(field: TextField, value: &str, pattern: &Pattern) -> Result<(), Mistake> {
    let words = match field {
        TextField::State => STATES.to_vec(),
        TextField::Protocol => words::<Protocol>(),
        TextField::Result => words::<HandshakeResult>(),
        TextField::Initiator => words::<Initiator>(),
        TextField::Layer => words::<Layer>(),
        TextField::Reason => words::<Reason>(),
        TextField::GrpcCode => words::<GrpcCode>(),
        TextField::Tryout => YES_AND_NO.to_vec(),
        TextField::Id
        | TextField::Route
        | TextField::Client
        | TextField::Upstream
        | TextField::Service
        | TextField::Method
        | TextField::UserAgent => return Ok(()),
        TextField::Country if matches!(pattern, Pattern::Glob(_)) || value.parse::<Country>().is_ok() => {
            return Ok(());
        }
        TextField::Country => {
            return Err(Mistake::NoCountry { value: shown(value), example: example(CC).to_owned() });
        }
    };
    if words.iter().any(|word| pattern.takes(word)) {
        return Ok(());
    }
    let meant = nearest(value, &words).to_owned();
    Err(Mistake::UnknownWord { key: field.to_string(), value: shown(value), meant, known: words.join(", ") })
}

fn words<W: Word>() -> Vec<&'static str> {
    W::ALL.iter().map(|word| word.as_str()).collect()
}

fn network(key: &str, value: &str) -> Result<Condition, Mistake> {
    let wrong = || Mistake::NoNetwork { value: shown(value), example: example(key).to_owned() };
    let (address, bits) =
        value.split_once('/').map_or((value, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    let prefix_bits = match bits {
        None => bits_max,
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= bits_max).ok_or_else(wrong)?,
    };
    Ok(Condition::Network { address, prefix_bits })
}

fn number(field: NumberField, text: &str) -> Result<f64, Mistake> {
    let units: &[(&str, f64)] = match field {
        NumberField::Duration | NumberField::Idle => &SECONDS,
        NumberField::Bytes | NumberField::Unsent => &BYTES,
        NumberField::Messages | NumberField::Status | NumberField::Code | NumberField::Port => &[],
    };
    sum(text, units).ok_or_else(|| Mistake::NoNumber {
        key: field.to_string(),
        value: shown(text),
        example: example(field.as_str()).to_owned(),
    })
}

/// A number, or numbers with units behind one another: their sum.
fn sum(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (mut rest, mut total) = (text, 0.0);
    loop {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let unit_end = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        let factor = match unit {
            "" if rest == text && behind.is_empty() => 1.0,
            unit => units.iter().find(|(name, _)| *name == unit)?.1,
        };
        total += number * factor;
        if behind.is_empty() {
            return Some(total);
        }
        rest = behind;
    }
}

/// All keys.
fn keys() -> Vec<&'static str> {
    words::<TextField>().into_iter().chain(words::<NumberField>()).chain([IP, CC]).collect()
}

/// A term that is right.
fn example(key: &str) -> &'static str {
    match key {
        IP => "ip:10.0.0.0/8",
        "client" => "client:10.1.2.3",
        "duration" => "duration<5s",
        "idle" => "idle>=1m30s",
        "bytes" | "unsent" => "bytes>1MiB",
        "messages" => "messages:0",
        "status" => "status>=500",
        "code" => "code:1006",
        "port" => "port:443",
        "state" => "state:slow",
        "country" | CC => "country:DE",
        "reason" => "reason:abnormal",
        "user_agent" => "user_agent:*Firefox*",
        "tryout" => "tryout:false",
        _ => "route:chat*",
    }
}

fn nearest<'a>(text: &str, known: &[&'a str]) -> &'a str {
    const COMPARED: usize = 64;
    let text = text.chars().take(COMPARED).collect::<String>().to_ascii_lowercase();
    let distance = |word: &&&str| strsim::damerau_levenshtein(&text, &word.to_ascii_lowercase());
    known.iter().min_by_key(distance).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(text: &str) -> Filter {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn is(field: TextField, value: &str) -> Term {
        Term { is_negated: false, condition: Condition::Text { field, pattern: Pattern::new(value) } }
    }

    fn literal(field: TextField, value: &str) -> Term {
        let pattern = Pattern::Is(value.to_owned());
        Term { is_negated: false, condition: Condition::Text { field, pattern } }
    }

    fn than(field: NumberField, compare: Compare, value: f64) -> Term {
        Term { is_negated: false, condition: Condition::Number { field, compare, value } }
    }

    #[test]
    fn terms() {
        let all = [
            ("route:chat", is(TextField::Route, "chat")),
            ("route:ch*t", is(TextField::Route, "ch*t")),
            ("route:\"a \\\"b\\\": c\"", is(TextField::Route, "a \"b\": c")),
            ("upstream:http://10.0.0.1:3000", is(TextField::Upstream, "http://10.0.0.1:3000")),
            ("route:\"a*\"", literal(TextField::Route, "a*")),
            ("reason:abnormal", is(TextField::Reason, "abnormal")),
            ("reason:*error", is(TextField::Reason, "*error")),
            ("client:10.*", is(TextField::Client, "10.*")),
            ("duration>1h30m", than(NumberField::Duration, Compare::Above, 5400.0)),
            ("duration<=250ms", than(NumberField::Duration, Compare::AtMost, 0.25)),
            ("idle>=1.5", than(NumberField::Idle, Compare::AtLeast, 1.5)),
            ("bytes<10kB", than(NumberField::Bytes, Compare::Below, 10_000.0)),
            ("unsent>1MiB", than(NumberField::Unsent, Compare::Above, 1_048_576.0)),
            ("country:DE", is(TextField::Country, "DE")),
            ("cc:d*", is(TextField::Country, "D*")),
            ("user_agent:*Firefox*", is(TextField::UserAgent, "*Firefox*")),
            ("tryout:true", is(TextField::Tryout, "true")),
            ("code:1006", than(NumberField::Code, Compare::Equal, 1006.0)),
        ];
        for (text, term) in &all {
            assert_eq!(read(text).terms, std::slice::from_ref(term), "{text}");
            let negated = Term { is_negated: true, ..term.clone() };
            assert_eq!(read(&format!("  -{text} ")).terms, [negated], "-{text}");
        }
        let joined = all.iter().map(|(text, _)| *text).collect::<Vec<_>>().join("  ");
        assert_eq!(read(&joined).terms, all.map(|(_, term)| term));
        assert_eq!(read(" "), Filter::default());
    }

    #[test]
    fn networks_and_free_text() {
        let condition = |text: &str| read(text).terms.remove(0).condition;
        let network = |address: &str, prefix_bits| Condition::Network {
            address: address.parse().expect("an address"),
            prefix_bits,
        };
        assert_eq!(condition("ip:10.0.0.0/8"), network("10.0.0.0", 8));
        assert_eq!(condition("client:10.1.2.3"), network("10.1.2.3", 32));
        assert_eq!(condition("ip:2001:db8::/32"), network("2001:db8::", 32));
        assert_eq!(condition("ip:::1"), network("::1", 128));
        assert_eq!(condition("Chat-7"), Condition::Contains("Chat-7".to_owned()));
        assert_eq!(condition("\"http://x y\""), Condition::Contains("http://x y".to_owned()));
        assert_eq!(condition("\"-\""), Condition::Contains("-".to_owned()));
    }

    #[test]
    fn all_keys_are_described() {
        let page = include_str!("../../../../docs/filters.md");
        let mut described: Vec<&str> = page
            .split("## Keys")
            .nth(1)
            .expect("it has a part of keys")
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect();
        let mut known = keys();
        described.sort_unstable();
        known.sort_unstable();
        assert_eq!(described, known);
    }

    #[track_caller]
    fn check(text: &str, at: u32, message: &str, hint: &str) {
        let error = text.parse::<Filter>().expect_err(text);
        assert_eq!((error.at, error.mistake.to_string().as_str()), (at, message), "{text}");
        assert!(error.mistake.hint().contains(hint), "{}", error.mistake.hint());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        check("route:chat -reson:x", 13, "`reson` is no key", "did you mean `reason`?");
        check("聊天 reason:abnormall", 11, "`reason` is never `abnormall`", "did you mean `abnormal`?");
        check("grpc_code:cancelled", 11, "`grpc_code` is never `cancelled`", "did you mean `CANCELLED`?");
        check("route:te\0*", 9, "the filter has a control character", "leave it out");
        check("protocol:web*x", 10, "`protocol` is never `web*x`", "websocket");
        check("reason:\"abnorm*\"", 8, "`reason` is never `abnorm*`", "abnormal");
        check("tryout:yes", 8, "`tryout` is never `yes`", "Known: true, false");
        check("tryout>1", 1, "`tryout` is no number", "tryout:false");
        check("cc:Germany", 4, "`GERMANY` is no country", "codes of two letters: `country:DE`");
        check("route>5", 1, "`route` is no number", "route:chat*");
        check("ip>10.0.0.1", 1, "`ip` is no number", "ip:10.0.0.0/8");
        check("ip:10.0.0.0/33", 4, "`10.0.0.0/33` is no address and no network", "ip:10.0.0.0/8");
        check("ip:10.*", 4, "`*` stands in no network", "ip:10.0.0.0/8");
        check("duration>5x", 10, "`5x` is no number of `duration`", "duration<5s");
        check("duration>5m3", 10, "`5m3` is no number of `duration`", "duration<5s");
        check("messages>5k", 10, "`5k` is no number of `messages`", "messages:0");
        check("bytes:", 7, "`bytes:` has no value", "bytes>1MiB");
        check("rout:", 1, "`rout` is no key", "did you mean `route`?");
        check("http://x", 1, "`http` is no key", "did you mean");
        check("Http://x", 1, "`Http://x` begins with no key and operator", "stands in quotes");
        check("Route:chat", 1, "`Route:chat` begins with no key and operator", "write `route:chat*`");
        check("status=500", 1, "`status=500` begins with no key and operator", "write `status>=500`");
        let long = format!("`{}…` begins with no key and operator", "X".repeat(64));
        check(&format!("{}:", "X".repeat(99)), 1, &long, "stands in quotes");
        check("a -", 4, "there is no text", "quote");
        check("a route:\"b", 9, "a quoted text has no end", "close it");
        check(&"x".repeat(TEXT_BYTES_MAX + 1), 1, "the filter has 2049 bytes", "at most 2048");
        check(&"a ".repeat(TERMS_MAX + 1), 65, "the filter has more than 32 terms", "leave some out");
    }
}
