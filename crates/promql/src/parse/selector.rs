//! Selectors, and what stands behind an expression: `[5m]`, `[1h:1m]`, `offset 5m`, `@ 1700000000`.

use model::series::{METRIC_NAME, MatchOp, Matcher};

use super::lex::TokenKind;
use super::{Parser, duration, unexpected};
use crate::ast::{Duration, Expr, Input, Node, Selector, TimeShift, Window};
use crate::error::{Error, ErrorKind, Span};
use crate::pattern::Pattern;

impl Selector {
    pub(super) fn of_metric(name: String) -> Selector {
        let matcher = Matcher { name: METRIC_NAME.to_owned(), op: MatchOp::Equal, value: name };
        Selector { matchers: vec![matcher], shift: TimeShift::default() }
    }
}

impl Parser<'_> {
    /// Matchers up to the closing brace; the opening one was taken.
    pub(super) fn braces(&mut self, metric: Option<String>, start: &Span) -> Result<Selector, Error> {
        let named_before = metric.is_some();
        let mut selector = metric
            .map_or(Selector { matchers: Vec::new(), shift: TimeShift::default() }, Selector::of_metric);
        while !self.take("}") {
            let matcher_start = self.peek().span.start;
            let matcher = self.matcher()?;
            if matcher.name == METRIC_NAME && named_before {
                let message = format!(
                    "the metric's name is given twice: `{}` and `{}`",
                    selector.matchers[0].value, matcher.value
                );
                return Err(Error::parse(&(matcher_start..self.end()), message));
            }
            selector.matchers.push(matcher);
            if !self.take(",") {
                self.expect("}", "`,` or `}`")?;
                break;
            }
        }
        let selects = selector.matchers.iter().any(|matcher| !matches_empty(matcher));
        if !selects {
            let message = "this would select all series; give at least one matcher that does not match an empty \
                           value";
            return Err(Error::parse(&(start.start..self.end()), message));
        }
        Ok(selector)
    }

    fn matcher(&mut self) -> Result<Matcher, Error> {
        let token = self.next();
        let (name, is_text) = match token.kind {
            TokenKind::Word(word) if !word.contains(':') => (word, false),
            TokenKind::Text(text) => (text, true),
            _ => return Err(unexpected(&token, "a matcher such as route=\"chat\", or `}`")),
        };
        let op = match &self.peek().kind {
            TokenKind::Mark("=") => MatchOp::Equal,
            TokenKind::Mark("!=") => MatchOp::NotEqual,
            TokenKind::Mark("=~") => MatchOp::Regex,
            TokenKind::Mark("!~") => MatchOp::NotRegex,
            TokenKind::Mark("," | "}") if is_text => {
                return Ok(Matcher { name: METRIC_NAME.to_owned(), op: MatchOp::Equal, value: name });
            }
            _ => return Err(self.unexpected("one of = != =~ !~")),
        };
        self.next();
        let value = self.next();
        let TokenKind::Text(text) = value.kind else { return Err(unexpected(&value, "a string in quotes")) };
        if matches!(op, MatchOp::Regex | MatchOp::NotRegex) {
            Pattern::new(&text).map_err(|error| Error::parse(&value.span, error))?;
        }
        Ok(Matcher { name, op, value: text })
    }

    /// Everything that may stand behind an expression.
    pub(super) fn suffixes(&mut self, mut node: Node) -> Result<Node, Error> {
        loop {
            let start = self.peek().span.clone();
            if self.take("[") {
                node = self.range(node, &start)?;
            } else if self.take("@") {
                let at = self.at_time()?;
                node = self.shift(node, start, |shift| shift.at.replace(at).is_none())?;
            } else if self.take_word("offset") {
                let offset = self.offset()?;
                node = self.shift(node, start, |shift| shift.offset.replace(offset).is_none())?;
            } else if self.take_word("anchored") || self.take_word("smoothed") {
                let message = "this modifier is experimental in Prometheus and not evaluated here";
                return Err(Error::new(ErrorKind::Unsupported, &start, message));
            } else {
                return Ok(node);
            }
        }
    }

    /// `5m]` or `1h:1m]` behind an expression.
    fn range(&mut self, inner: Node, start: &Span) -> Result<Node, Error> {
        let range = self.duration()?;
        let node_start = inner.span.start;
        let input = if self.take(":") {
            let is_open = matches!(self.peek().kind, TokenKind::Mark("]"));
            let step = if is_open { None } else { Some(self.duration()?) };
            Input::Subquery { inner, step, shift: TimeShift::default() }
        } else {
            Input::Samples(plain_selector(inner, start)?)
        };
        self.closing_bracket()?;
        let is_zero = |duration: &Duration| duration.fixed_ms() == Some(0);
        if is_zero(&range) || matches!(&input, Input::Subquery { step: Some(step), .. } if is_zero(step)) {
            return Err(Error::parse(
                &(start.start..self.end()),
                "a range and its step must be longer than zero",
            ));
        }
        self.node(node_start, Expr::Window(Box::new(Window { input, range })))
    }

    fn closing_bracket(&mut self) -> Result<(), Error> {
        if matches!(self.peek().kind, TokenKind::Mark("+" | "-" | "*" | "/" | "%" | "^")) {
            return Err(duration::arithmetic(&self.peek().span));
        }
        self.expect("]", "`]` or `:`")
    }

    fn shift(
        &self,
        mut node: Node,
        start: Span,
        set: impl FnOnce(&mut TimeShift) -> bool,
    ) -> Result<Node, Error> {
        let span = start.start..self.end();
        let shift = match &mut node.expr {
            Expr::Selector(selector) => &mut selector.shift,
            Expr::Window(window) => match &mut window.input {
                Input::Samples(selector) => &mut selector.shift,
                Input::Subquery { shift, .. } => shift,
            },
            _ => {
                let message =
                    "offset and @ stand behind a selector or a subquery; write `[1h:1m]` before them";
                return Err(Error::parse(&span, message));
            }
        };
        if !set(shift) {
            return Err(Error::parse(&span, "offset and @ may each be given once"));
        }
        node.span.end = self.end();
        self.measured(node)
    }
}

fn plain_selector(node: Node, span: &Span) -> Result<Selector, Error> {
    match node.expr {
        Expr::Selector(selector) if selector.shift.is_none() => Ok(selector),
        Expr::Selector(_) => {
            Err(Error::parse(&node.span, "offset and @ stand behind the range: x[5m] offset 1h"))
        }
        _ => Err(Error::parse(
            span,
            "a range such as [5m] stands behind a selector; over an expression write a subquery: [5m:1m]",
        )),
    }
}

fn matches_empty(matcher: &Matcher) -> bool {
    let by_pattern = |value: &str| Pattern::new(value).is_ok_and(|pattern| pattern.is_match(""));
    match matcher.op {
        MatchOp::Equal => matcher.value.is_empty(),
        MatchOp::NotEqual => !matcher.value.is_empty(),
        MatchOp::Regex => by_pattern(&matcher.value),
        MatchOp::NotRegex => !by_pattern(&matcher.value),
    }
}
