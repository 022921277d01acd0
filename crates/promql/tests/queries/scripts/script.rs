//! Scripts of tests, in the notation of Prometheus' own: `load`, `clear`, `eval … expect …`.

use model::series::Labels;

use super::series::{Described, describe, quoted};

/// One command of a script, with its line.
pub struct Command {
    pub line: usize,
    pub what: What,
}

pub enum What {
    Clear,
    Load(Load),
    Eval(Eval),
}

/// Series to add.
pub struct Load {
    /// Time between their samples, in milliseconds.
    pub gap_ms: i64,
    pub series: Vec<Described>,
    /// Series whose values are not plain numbers.
    pub native: Vec<Labels>,
}

/// A query and what it must evaluate to.
pub struct Eval {
    pub query: String,
    pub when: When,
    pub must_fail: bool,
    pub is_ordered: bool,
    pub scalar: Option<f64>,
    pub text: Option<String>,
    pub series: Vec<Described>,
    /// Times of the samples of a range vector: from, step.
    pub matrix: Option<(i64, i64)>,
    /// Whether what is expected is not of plain numbers.
    pub is_native: bool,
    /// Whether warnings, or infos, must or must not be there.
    pub warns: Option<bool>,
    pub informs: Option<bool>,
    /// A part that the message of a failure must have.
    pub message: Option<String>,
}

#[derive(Clone, Copy)]
pub enum When {
    At(i64),
    Range(i64, i64, i64),
}

/// Reads a script.
///
/// # Panics
/// If a line is not understood.
pub fn parse(text: &str) -> Vec<Command> {
    let lines: Vec<&str> =
        text.lines().map(str::trim).map(|l| if l.starts_with('#') { "" } else { l }).collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = at + 1;
        let end = lines[at..].iter().position(|line| line.is_empty()).map_or(lines.len(), |n| at + n);
        let (first, word) = (lines[at], lines[at].split_whitespace().next().unwrap_or_default());
        let body = &lines[(at + 1).min(end)..end];
        at = if first.is_empty() { at + 1 } else { end };
        let what = match word {
            "" => continue,
            "clear" => {
                at = line;
                What::Clear
            }
            word if word.starts_with("load") => load(first, word, body),
            _ => What::Eval(
                eval(first, body).unwrap_or_else(|| panic!("line {line} is not understood: {first}")),
            ),
        };
        commands.push(Command { line, what });
    }
    commands
}

fn load(first: &str, word: &str, body: &[&str]) -> What {
    let gap_ms = first.split_whitespace().nth(1).and_then(duration).expect("load names a duration");
    let mut load = Load { gap_ms, series: Vec::new(), native: Vec::new() };
    for line in body {
        let (labels, values) = describe(line);
        if word == "load_with_nhcb" {
            let others = labels.iter().filter(|(name, _)| !["__name__", "le"].contains(&&***name));
            let named = labels.metric_name();
            let named = named.strip_suffix("_bucket").unwrap_or(named);
            let name = [("__name__".into(), named.into())];
            load.native
                .push(Labels::new(others.map(|(name, value)| (name.clone(), value.clone())).chain(name)));
        }
        match values {
            Some(values) => load.series.push((labels, values)),
            None => load.native.push(labels),
        }
    }
    What::Load(load)
}

fn eval(first: &str, body: &[&str]) -> Option<Eval> {
    let (word, rest) = first.split_once(' ')?;
    let rest = rest.trim_start();
    let (when, query) = match rest.strip_prefix("instant") {
        Some(rest) => match rest.trim_start().strip_prefix("at ") {
            Some(rest) => {
                let (time, query) = rest.trim_start().split_once(char::is_whitespace)?;
                (When::At(duration(time)?), query)
            }
            None => (When::At(0), rest),
        },
        None => range(rest)?,
    };
    let mut eval = Eval {
        query: query.trim().to_owned(),
        when,
        must_fail: word == "eval_fail",
        is_ordered: word == "eval_ordered",
        scalar: None,
        text: None,
        series: Vec::new(),
        matrix: None,
        is_native: false,
        warns: (word == "eval_warn").then_some(true),
        informs: (word == "eval_info").then_some(true),
        message: None,
    };
    body.iter().for_each(|line| eval.expectation(line));
    Some(eval)
}

fn range(rest: &str) -> Option<(When, &str)> {
    let mut words = rest.split_whitespace();
    let mut numbers = Vec::new();
    for expected in ["range", "from", "to", "step"] {
        if words.next()? != expected {
            return None;
        }
        if expected != "range" {
            numbers.push(words.next()?);
        }
    }
    let query = rest.split_once(" step ")?.1.trim_start().split_once(char::is_whitespace)?.1;
    Some((When::Range(duration(numbers[0])?, duration(numbers[1])?, duration(numbers[2])?), query))
}

impl Eval {
    fn expectation(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.split([' ', ':']).next().unwrap_or_default()) {
            ("expect", "fail") => {
                self.must_fail = true;
                self.message = rest.split_once("msg:").map(|(_, text)| text.trim().to_owned());
            }
            ("expect", "ordered") => self.is_ordered = true,
            ("expect", "warn") => self.warns = Some(true),
            ("expect", "no_warn") => self.warns = self.warns.or(Some(false)),
            ("expect", "info") => self.informs = Some(true),
            ("expect", "no_info") => self.informs = self.informs.or(Some(false)),
            ("expect", "string") => self.text = quoted(rest["string".len()..].trim()).map(|(text, _)| text),
            ("expect", "range") => {
                let words: Vec<&str> = rest.split_whitespace().collect();
                let time =
                    |name| words.iter().position(|word| *word == name).and_then(|at| duration(words[at + 1]));
                self.matrix = Some((time("from").unwrap_or(0), time("step").unwrap_or(1)));
            }
            ("expect" | "expected_fail_message" | "expected_fail_regexp", _) => {}
            _ => match line.parse() {
                Ok(value) => self.scalar = Some(value),
                Err(_) => match describe(line) {
                    (labels, Some(values)) => self.series.push((labels, values)),
                    (_, None) => self.is_native = true,
                },
            },
        }
    }
}

/// `5m`, `1h30m`, `-5m`, or a number of seconds; in milliseconds.
pub fn duration(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    if let Ok(seconds) = text.parse::<f64>() {
        return Some(sign * (seconds * 1000.0).round() as i64);
    }
    let mut total = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |n| digits + n);
        let unit = match &rest[digits..unit_end] {
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 6e4,
            "h" => 3.6e6,
            "d" => 8.64e7,
            "w" => 6.048e8,
            "y" => 3.1536e10,
            _ => return None,
        };
        total += (rest[..digits].parse::<f64>().ok()? * unit) as i64;
        rest = &rest[unit_end..];
    }
    Some(sign * total)
}
