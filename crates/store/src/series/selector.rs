//! Matchers, ready to be asked of many series.

use std::collections::HashMap;

use model::series::{MatchOp, Matcher, ReadError};
use regex::{Regex, RegexBuilder};

/// Bytes of memory that a compiled regular expression may have.
const REGEX_BYTES_MAX: usize = 4 << 20;

/// All matchers of a selector.
#[derive(Debug)]
pub(crate) struct Selector {
    pub(crate) terms: Vec<Term>,
}

/// One matcher.
#[derive(Debug)]
pub(crate) struct Term {
    pub(crate) name: String,
    test: Test,
    is_negated: bool,
    takes_empty: bool,
}

#[derive(Debug)]
enum Test {
    Is(String),
    Matches(Regex),
}

impl Selector {
    /// # Errors
    /// A regular expression cannot be parsed or is too large.
    pub(crate) fn new(matchers: &[Matcher]) -> Result<Selector, ReadError> {
        Ok(Selector { terms: matchers.iter().map(Term::new).collect::<Result<_, _>>()? })
    }
}

impl Term {
    fn new(matcher: &Matcher) -> Result<Term, ReadError> {
        let test = match matcher.op {
            MatchOp::Equal | MatchOp::NotEqual => Test::Is(matcher.value.clone()),
            MatchOp::Regex | MatchOp::NotRegex => Test::Matches(whole(&matcher.value)?),
        };
        let is_negated = matches!(matcher.op, MatchOp::NotEqual | MatchOp::NotRegex);
        let mut term = Term { name: matcher.name.clone(), test, is_negated, takes_empty: false };
        term.takes_empty = term.takes("");
        Ok(term)
    }

    /// Whether a series without the label is taken.
    pub(crate) fn takes_empty(&self) -> bool {
        self.takes_empty
    }

    /// The one value that is taken, when there is but one.
    pub(crate) fn only_value(&self) -> Option<&str> {
        match &self.test {
            Test::Is(value) if !self.is_negated => Some(value),
            _ => None,
        }
    }

    /// Whether a value is taken.
    pub(crate) fn takes(&self, value: &str) -> bool {
        let holds = match &self.test {
            Test::Is(expected) => expected == value,
            Test::Matches(regex) => regex.is_match(value),
        };
        holds != self.is_negated
    }

    fn is_regex(&self) -> bool {
        matches!(self.test, Test::Matches(_))
    }
}

/// A regular expression for the whole value, where `.` is any character (as in Prometheus 3).
fn whole(pattern: &str) -> Result<Regex, ReadError> {
    RegexBuilder::new(&format!("^(?s:{pattern})$"))
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| ReadError::Regex(error.to_string()))
}

/// Asks a term about shared values: a regular expression looks at each text once.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    term: &'a Term,
    known: HashMap<*const u8, bool>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(term: &'a Term) -> Asked<'a> {
        Asked { term, known: HashMap::new() }
    }

    /// Whether the term takes a value; the same text must not move meanwhile.
    pub(crate) fn takes(&mut self, value: &str) -> bool {
        if value.is_empty() {
            return self.term.takes_empty;
        }
        if !self.term.is_regex() {
            return self.term.takes(value);
        }
        *self.known.entry(value.as_ptr()).or_insert_with(|| self.term.takes(value))
    }

    pub(crate) fn name(&self) -> &str {
        &self.term.name
    }
}
