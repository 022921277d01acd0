//! Aggregations: `sum by (route) (…)` and `sum(…) by (route)`.

use super::Parser;
use super::lex::TokenKind;
use crate::ast::{Aggregate, AggregateOp, Expr, Grouping, Node};
use crate::error::{Error, Span};

impl Parser<'_> {
    /// Whether this word, which was taken, begins an aggregation and is not a metric of that name.
    pub(super) fn begins_aggregation(&self, word: &str) -> bool {
        let follows = match &self.peek().kind {
            TokenKind::Mark("(") => true,
            TokenKind::Word(next) => is_grouping(next) && *self.peek_behind() == TokenKind::Mark("("),
            _ => false,
        };
        follows && AggregateOp::named(word).is_some()
    }

    pub(super) fn aggregation(&mut self, word: &str, span: Span) -> Result<Node, Error> {
        let op = AggregateOp::named(word).expect("begins_aggregation was asked");
        let before = self.grouping()?;
        let mut arguments = self.arguments()?;
        let grouping = match before {
            Some(grouping) => Some(grouping),
            None => self.grouping()?,
        };
        let expected = if op.parameter().is_some() { 2 } else { 1 };
        if arguments.len() != expected {
            let form = if expected == 2 { "a parameter and an instant vector" } else { "an instant vector" };
            let message = format!("`{word}` takes {form}, but there are {} arguments", arguments.len());
            return Err(Error::parse(&(span.start..self.end()), message));
        }
        let inner = arguments.pop().expect("counted above");
        let grouping = grouping.unwrap_or(Grouping::By(Vec::new()));
        let aggregate = Aggregate { op, parameter: arguments.pop(), inner, grouping };
        self.node(span.start, Expr::Aggregate(Box::new(aggregate)))
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, Error> {
        let opens = *self.peek_behind() == TokenKind::Mark("(");
        if opens && self.take_word("by") {
            return Ok(Some(Grouping::By(self.label_list()?)));
        }
        if opens && self.take_word("without") {
            return Ok(Some(Grouping::Without(self.label_list()?)));
        }
        Ok(None)
    }
}

fn is_grouping(word: &str) -> bool {
    word.eq_ignore_ascii_case("by") || word.eq_ignore_ascii_case("without")
}
