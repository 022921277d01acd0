//! Durations: of ranges, offsets, and the steps of subqueries.

use super::lex::TokenKind;
use super::{DURATION_MAX_MS, Parser, milliseconds};
use crate::ast::{Duration, Expr, Node};
use crate::error::{Error, ErrorKind, Span};
use crate::options::Feature;

/// The functions that may stand in a duration; there, they are keywords in any case.
pub(super) const FUNCTIONS: [&str; 4] = ["step", "range", "min_of", "max_of"];

impl Parser<'_> {
    /// A duration in brackets, up to `:` or `]`.
    pub(super) fn duration(&mut self) -> Result<Duration, Error> {
        if self.has(Feature::DurationExpressions) && !(self.begins_plain() && self.ends_behind()) {
            let node = self.expression(0)?;
            return computed(node);
        }
        self.plain_duration().map(Duration::Fixed)
    }

    /// A duration behind `offset`: operators behind it are those of the query, unless it is in parentheses.
    pub(super) fn offset(&mut self) -> Result<Duration, Error> {
        let start = self.peek().span.start;
        let is_negative = self.take("-");
        if !is_negative {
            self.take("+");
        }
        if self.has(Feature::DurationExpressions) && !self.begins_plain() {
            let mut node = self.term()?;
            if is_negative {
                node = self.node(start, Expr::Negate(Box::new(node)))?;
            }
            return computed(node);
        }
        let ms = self.plain_duration()?;
        Ok(Duration::Fixed(if is_negative { -ms } else { ms }))
    }

    fn begins_plain(&self) -> bool {
        matches!(self.peek().kind, TokenKind::Duration(_) | TokenKind::Number(_))
    }

    fn ends_behind(&self) -> bool {
        matches!(self.peek_behind(), TokenKind::Mark("]" | ":"))
    }

    /// A duration, or a number of seconds; in milliseconds.
    fn plain_duration(&mut self) -> Result<i64, Error> {
        let token = self.peek().clone();
        let ms = match token.kind {
            TokenKind::Duration(ms) => Some(ms),
            TokenKind::Number(seconds) => milliseconds(seconds),
            TokenKind::Mark("(" | "+" | "-") => return Err(arithmetic(&token.span)),
            TokenKind::Word(_) if *self.peek_behind() == TokenKind::Mark("(") => {
                return Err(arithmetic(&token.span));
            }
            _ => return Err(self.unexpected("a duration such as 5m")),
        };
        self.next();
        ms.filter(|ms| *ms <= DURATION_MAX_MS)
            .ok_or_else(|| Error::parse(&token.span, "the duration is too long; the longest is 292y"))
    }
}

/// Arithmetic where it is not evaluated.
pub(super) fn arithmetic(span: &Span) -> Error {
    let message = "arithmetic on durations is experimental in Prometheus and not evaluated here";
    Error::new(ErrorKind::Unsupported, span, message)
}

fn computed(node: Node) -> Result<Duration, Error> {
    check(&node)?;
    Ok(Duration::Computed(Box::new(node)))
}

/// A duration is made of numbers, arithmetic and a few functions, so that it is the same at each step.
fn check(node: &Node) -> Result<(), Error> {
    let may_stand = match &node.expr {
        Expr::Number(_) | Expr::Negate(_) | Expr::Paren(_) => true,
        Expr::Binary(binary) => binary.op.is_arithmetic(),
        Expr::Call(call) => FUNCTIONS.contains(&call.function.name),
        _ => false,
    };
    if !may_stand {
        let message =
            "a duration is made of durations, numbers, + - * / % ^, step(), range(), min_of() and max_of()";
        return Err(Error::parse(&node.span, message));
    }
    node.children().into_iter().try_for_each(check)
}
