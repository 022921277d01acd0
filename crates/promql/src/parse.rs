//! Text to a tree: a parser by precedence whose errors say where, and what could stand there.

mod aggregate;
mod duration;
mod lex;
mod selector;
mod text;

pub(crate) use lex::DURATION_MAX_MS;
use lex::{Token, TokenKind};

use crate::ast::{At, Binary, BinaryOp, Call, Expr, Fill, Group, MatchLabels, Matching, Node, Selector};
use crate::error::{Error, ErrorKind, Span};
use crate::functions;
use crate::options::{Feature, Options};

/// Precedence of a sign: as `*`, so that `-a ^ b` is `-(a ^ b)`.
const SIGN_PRECEDENCE: u8 = 5;

/// Parses a whole query.
pub(crate) fn parse(text: &str, options: &Options) -> Result<Node, Error> {
    if text.len() > options.length_max {
        let message = format!("the query is longer than {} bytes; split it", options.length_max);
        return Err(Error::new(ErrorKind::Limit, &(options.length_max..text.len()), message));
    }
    let tokens = lex::tokens(text)?;
    let mut parser = Parser { tokens, at: 0, nesting: 0, options };
    if parser.peek().kind == TokenKind::End {
        return Err(Error::parse(&(0..text.len()), "the query is empty; name a metric, such as `up`"));
    }
    let node = parser.expression(0)?;
    match parser.peek().kind {
        TokenKind::End => Ok(node),
        _ => Err(parser.unexpected("an operator or the end of the query")),
    }
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    nesting: usize,
    options: &'a Options,
}

impl Parser<'_> {
    fn has(&self, feature: Feature) -> bool {
        self.options.features.has(feature)
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at]
    }

    fn peek_behind(&self) -> &TokenKind {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].kind
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek().kind, TokenKind::Mark(m) if m == mark);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, mark: &str, what: &str) -> Result<(), Error> {
        if self.take(mark) { Ok(()) } else { Err(self.unexpected(what)) }
    }

    /// Takes the next word if it is this keyword, in any case.
    fn take_word(&mut self, keyword: &str) -> bool {
        let found = matches!(&self.peek().kind, TokenKind::Word(word) if word.eq_ignore_ascii_case(keyword));
        if found {
            self.next();
        }
        found
    }

    fn unexpected(&self, expected: &str) -> Error {
        unexpected(self.peek(), expected)
    }

    /// End of the token that was taken last.
    fn end(&self) -> usize {
        self.tokens[..self.at].last().map_or(0, |token| token.span.end)
    }

    fn node(&self, start: usize, expr: Expr) -> Result<Node, Error> {
        self.measured(Node { span: start..self.end(), expr, depth: 0, invariant: false })
    }

    fn measured(&self, mut node: Node) -> Result<Node, Error> {
        node.depth = 1 + node.children().iter().map(|child| child.depth).max().unwrap_or(0);
        self.bounded(node.depth, &node.span)?;
        Ok(node)
    }

    fn bounded(&self, depth: usize, span: &Span) -> Result<(), Error> {
        if depth <= self.options.depth_max {
            return Ok(());
        }
        let message = format!("expressions nest deeper than {}; split the query", self.options.depth_max);
        Err(Error::new(ErrorKind::Limit, span, message))
    }

    /// An expression of operators that bind at least this strongly.
    fn expression(&mut self, precedence: u8) -> Result<Node, Error> {
        self.nesting += 1;
        self.bounded(self.nesting, &self.peek().span)?;
        let mut left = self.operand()?;
        while let Some(op) = self.operator().filter(|op| op.precedence() > precedence) {
            let op_span = self.next().span;
            let (returns_bool, matching) = self.binary_modifiers()?;
            let binds_right = op == BinaryOp::Pow;
            let right = self.expression(op.precedence() - u8::from(binds_right))?;
            let start = left.span.start;
            let binary = Binary { op, op_span, returns_bool, matching, left, right };
            left = self.node(start, Expr::Binary(Box::new(binary)))?;
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<BinaryOp> {
        match &self.peek().kind {
            TokenKind::Mark(mark) => BinaryOp::named(mark),
            TokenKind::Word(word) => BinaryOp::named(word),
            _ => None,
        }
    }

    fn binary_modifiers(&mut self) -> Result<(bool, Matching), Error> {
        let returns_bool = self.take_word("bool");
        let labels = if self.take_word("on") {
            Some(MatchLabels::On(self.label_list()?))
        } else if self.take_word("ignoring") {
            Some(MatchLabels::Ignoring(self.label_list()?))
        } else {
            None
        };
        let group = if labels.is_none() {
            Group::None
        } else if self.take_word("group_left") {
            Group::Left(self.taken_labels()?)
        } else if self.take_word("group_right") {
            Group::Right(self.taken_labels()?)
        } else {
            Group::None
        };
        let fill = self.fill()?;
        Ok((returns_bool, Matching { labels: labels.unwrap_or_default(), group, fill }))
    }

    /// `fill(0)`, or `fill_left(0)` and `fill_right(0)` in any order; without the parenthesis it is a metric.
    fn fill(&mut self) -> Result<Fill, Error> {
        let mut fill = Fill::default();
        while let TokenKind::Word(word) = &self.peek().kind
            && *self.peek_behind() == TokenKind::Mark("(")
        {
            let (left, right) = match word.to_ascii_lowercase().as_str() {
                "fill" => (true, true),
                "fill_left" => (true, false),
                "fill_right" => (false, true),
                _ => break,
            };
            let span = self.peek().span.clone();
            if !self.has(Feature::FillModifiers) {
                let message = format!("`{word}` is experimental in Prometheus and not evaluated here");
                return Err(Error::new(ErrorKind::Unsupported, &span, message));
            }
            if (left && fill.left.is_some()) || (right && fill.right.is_some()) {
                return Err(Error::parse(&span, "each side may be filled once"));
            }
            self.next();
            let value = self.fill_value()?;
            fill.left = fill.left.or(left.then_some(value));
            fill.right = fill.right.or(right.then_some(value));
        }
        Ok(fill)
    }

    fn fill_value(&mut self) -> Result<f64, Error> {
        self.expect("(", "`(`")?;
        let operand = self.operand()?;
        let Expr::Number(value) = operand.expr else {
            return Err(Error::parse(&operand.span, "a side is filled with a number, such as 0 or NaN"));
        };
        self.expect(")", "`)`")?;
        Ok(value)
    }

    /// The labels behind a group modifier, which may be missing.
    fn taken_labels(&mut self) -> Result<Vec<String>, Error> {
        let is_list = matches!(self.peek().kind, TokenKind::Mark("("));
        if is_list { self.label_list() } else { Ok(Vec::new()) }
    }

    /// A term with its sign and with what is behind it: ranges, offsets, `@`.
    fn operand(&mut self) -> Result<Node, Error> {
        let start = self.peek().span.start;
        if self.take("+") {
            return self.signed_operand();
        }
        if self.take("-") {
            let mut inner = self.signed_operand()?;
            if let Expr::Number(value) = &mut inner.expr {
                *value = -*value;
                inner.span.start = start;
                return Ok(inner);
            }
            return self.node(start, Expr::Negate(Box::new(inner)));
        }
        let term = self.term()?;
        self.suffixes(term)
    }

    fn signed_operand(&mut self) -> Result<Node, Error> {
        self.expression(SIGN_PRECEDENCE)
    }

    fn term(&mut self) -> Result<Node, Error> {
        let token = self.next();
        let start = token.span.start;
        let expr = match token.kind {
            TokenKind::Number(value) => Expr::Number(value),
            TokenKind::Duration(ms) => Expr::Number(ms as f64 / 1000.0),
            TokenKind::Text(text) => Expr::Text(text),
            TokenKind::Mark("(") => {
                let inner = self.expression(0)?;
                self.expect(")", "an operator or `)`")?;
                Expr::Paren(Box::new(inner))
            }
            TokenKind::Mark("{") => Expr::Selector(self.braces(None, &token.span)?),
            TokenKind::Word(word) => return self.word(word, token.span),
            _ => return Err(unexpected(&token, TERM)),
        };
        self.node(start, expr)
    }

    /// What a word begins: a number, an aggregation, a call or a selector.
    fn word(&mut self, word: String, span: Span) -> Result<Node, Error> {
        let lower = word.to_ascii_lowercase();
        let opens = matches!(self.peek().kind, TokenKind::Mark("("));
        let expr = match lower.as_str() {
            "inf" => Expr::Number(f64::INFINITY),
            "nan" => Expr::Number(f64::NAN),
            "bool" | "on" | "ignoring" | "group_left" | "group_right" | "atan2" => {
                return Err(unexpected(&Token { kind: TokenKind::Word(word), span }, TERM));
            }
            _ if self.begins_aggregation(&lower) => return self.aggregation(&lower, span),
            _ if opens => self.call(&word, &span)?,
            _ if self.take("{") => Expr::Selector(self.braces(Some(word), &span)?),
            _ => Expr::Selector(Selector::of_metric(word)),
        };
        self.node(span.start, expr)
    }

    fn call(&mut self, name: &str, span: &Span) -> Result<Expr, Error> {
        let lower = name.to_ascii_lowercase();
        let is_keyword = self.has(Feature::DurationExpressions) && duration::FUNCTIONS.contains(&&*lower);
        let name = if is_keyword { &lower } else { name };
        let function = functions::named(name, self.options.compat).ok_or_else(|| {
            let near =
                functions::nearest(name).map_or(String::new(), |known| format!("; did you mean `{known}`?"));
            Error::parse(span, format!("there is no function `{name}`{near}"))
        })?;
        if let Some(reason) = function.refused() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                span,
                format!("`{name}` is not evaluated here: {reason}"),
            ));
        }
        Ok(Expr::Call(Call { function, arguments: self.arguments()? }))
    }

    /// Arguments in parentheses.
    fn arguments(&mut self) -> Result<Vec<Node>, Error> {
        self.expect("(", "`(`")?;
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0)?);
            if self.take(")") {
                return Ok(arguments);
            }
            self.expect(",", "an operator, `,` or `)`")?;
        }
    }

    /// Names of labels in parentheses.
    fn label_list(&mut self) -> Result<Vec<String>, Error> {
        self.expect("(", "`(` and names of labels")?;
        let mut labels = Vec::new();
        while !self.take(")") {
            labels.push(self.label_name()?);
            if !self.take(",") {
                self.expect(")", "`,` or `)`")?;
                break;
            }
        }
        Ok(labels)
    }

    fn label_name(&mut self) -> Result<String, Error> {
        let name = match &self.peek().kind {
            TokenKind::Word(word) if !word.contains(':') => word.clone(),
            TokenKind::Text(text) if !text.is_empty() => text.clone(),
            _ => return Err(self.unexpected("the name of a label")),
        };
        self.next();
        Ok(name)
    }

    fn at_time(&mut self) -> Result<At, Error> {
        let negative = self.take("-");
        if !negative {
            self.take("+");
        }
        let token = self.next();
        let seconds = match &token.kind {
            TokenKind::Word(word) if matches!(word.as_str(), "start" | "end") && !negative => {
                self.expect("(", "`()`")?;
                self.expect(")", "`)`")?;
                return Ok(if word == "start" { At::Start } else { At::End });
            }
            TokenKind::Number(seconds) => *seconds,
            TokenKind::Duration(ms) => *ms as f64 / 1000.0,
            _ => return Err(unexpected(&token, "a Unix time in seconds, start() or end()")),
        };
        milliseconds(if negative { -seconds } else { seconds })
            .map(At::Time)
            .ok_or_else(|| Error::parse(&token.span, "the time is out of range; give seconds since 1970"))
    }
}

const TERM: &str = "an expression: a metric, a function, a number";

fn unexpected(token: &Token, expected: &str) -> Error {
    let found = match &token.kind {
        TokenKind::Word(word) => format!("`{word}`"),
        TokenKind::Number(value) => format!("the number {value}"),
        TokenKind::Duration(_) => "a duration".to_owned(),
        TokenKind::Text(_) => "a string".to_owned(),
        TokenKind::Mark(mark) => format!("`{mark}`"),
        TokenKind::End => "the end of the query".to_owned(),
    };
    Error::parse(&token.span, format!("unexpected {found}; expected {expected}"))
}

/// Times further from 1970 than this are refused, so that no sum with durations is out of range.
pub(crate) const TIME_MAX_MS: u64 = 4_000_000_000_000_000_000;

/// Seconds to milliseconds, if the bounds of time hold them.
fn milliseconds(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1000.0).round();
    (ms.abs() <= TIME_MAX_MS as f64).then_some(ms as i64)
}
