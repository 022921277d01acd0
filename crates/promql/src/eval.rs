//! The evaluator: each node once for all steps, column by column.

mod aggregate;
mod best;
mod binary;
mod data;
mod matching;
mod pick;
mod select;
mod window;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use model::series::SeriesSource;

pub(crate) use data::{ABSENT, Column, Data, Steps, duplicate, has_duplicates, is_present, joined};

use crate::ast::{Call, Expr, Node, Type};
use crate::error::{Error, ErrorKind, Span, line_and_column};
use crate::functions::Body;
use crate::functions::date::Date;
use crate::labels;
use crate::options::{Limits, Options};
use crate::query::Range;
use crate::value::{Notes, note};

/// One evaluation of one query.
pub(crate) struct Evaluator<'a> {
    /// The text of the query.
    pub text: &'a str,
    pub source: &'a dyn SeriesSource,
    pub options: &'a Options,
    pub limits: &'a Limits<'a>,
    /// What `start()`, `end()` and `step()` mean; the step of a query at one time is zero.
    pub range: Range,
    samples_left: Cell<usize>,
    notes: RefCell<Notes>,
}

impl<'a> Evaluator<'a> {
    pub fn new(
        text: &'a str,
        source: &'a dyn SeriesSource,
        options: &'a Options,
        limits: &'a Limits<'a>,
        range: Range,
    ) -> Evaluator<'a> {
        let samples_left = Cell::new(limits.samples_max);
        Evaluator { text, source, options, limits, range, samples_left, notes: RefCell::default() }
    }

    pub fn into_notes(self) -> Notes {
        self.notes.into_inner()
    }

    /// Evaluates a node at all steps. What is the same at each step is evaluated once.
    pub fn eval(&self, node: &Node, steps: Steps) -> Result<Data, Error> {
        self.check_time(&node.span)?;
        if !node.invariant || steps.count <= 1 {
            return self.eval_each(node, steps);
        }
        let once = self.eval_each(node, Steps { count: 1, ..steps })?;
        Ok(match once {
            Data::Scalar(values) => Data::Scalar(vec![values[0]; steps.count]),
            Data::Text(text) => Data::Text(text),
            Data::Columns(mut columns) => {
                self.charge(columns.len() * steps.count, &node.span)?;
                columns.iter_mut().for_each(|column| column.values = vec![column.values[0]; steps.count]);
                Data::Columns(columns)
            }
        })
    }

    fn eval_each(&self, node: &Node, steps: Steps) -> Result<Data, Error> {
        match &node.expr {
            Expr::Number(value) => Ok(Data::Scalar(vec![*value; steps.count])),
            Expr::Text(text) => Ok(Data::Text(Arc::from(text.as_str()))),
            Expr::Selector(selector) => self.instant(selector, &node.span, steps).map(Data::Columns),
            Expr::Window(_) => Err(Error::parse(&node.span, "a range vector has no value at a step")),
            Expr::Call(call) => self.call(node, call, steps),
            Expr::Aggregate(aggregate) => self.aggregate(node, aggregate, steps).map(Data::Columns),
            Expr::Binary(binary) => self.binary(node, binary, steps),
            Expr::Paren(inner) => self.eval(inner, steps),
            Expr::Negate(inner) => self.negate(node, inner, steps),
        }
    }

    /// An argument that is an instant vector.
    pub fn columns(&self, node: &Node, steps: Steps) -> Result<Vec<Column>, Error> {
        match self.eval(node, steps)? {
            Data::Columns(columns) => Ok(columns),
            _ => Err(expected(node, Type::Instant)),
        }
    }

    /// An argument that is a scalar: one value per step.
    pub fn scalar(&self, node: &Node, steps: Steps) -> Result<Vec<f64>, Error> {
        match self.eval(node, steps)? {
            Data::Scalar(values) => Ok(values),
            _ => Err(expected(node, Type::Scalar)),
        }
    }

    /// An argument that is a string.
    pub fn text<'n>(&self, node: &'n Node) -> Result<&'n str, Error> {
        match &node.unwrapped().expr {
            Expr::Text(text) => Ok(text),
            _ => Err(expected(node, Type::Text)),
        }
    }

    fn call(&self, node: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
        match call.function.body {
            Body::Each(change) => {
                let mut columns = self.columns(&call.arguments[0], steps)?;
                columns.iter_mut().for_each(|column| column.each(change));
                self.unnamed(columns, &node.span).map(Data::Columns)
            }
            Body::EachWith(change) => self.each_with(node, call, steps, change),
            Body::Scalars(of) => {
                let scalars = self.scalars(call, steps)?;
                Ok(Data::Scalar(scalars.into_iter().map(|pair| of(pair[0], pair[1])).collect()))
            }
            Body::Date(part) => {
                let Some(argument) = call.arguments.first() else {
                    let values = steps.iter().map(|ms| part(Date::of(ms.div_euclid(1000)))).collect();
                    return Ok(Data::Columns(vec![Column::new(Default::default(), values)]));
                };
                let mut columns = self.columns(argument, steps)?;
                columns.iter_mut().for_each(|column| column.each(|value| part(Date::of(value as i64))));
                self.unnamed(columns, &node.span).map(Data::Columns)
            }
            Body::Over(over) => self.over(node, call, steps, over, false),
            Body::OverNamed(over) => self.over(node, call, steps, over, true),
            Body::Whole(whole) => whole(self, node, call, steps),
            Body::Refused(reason) => Err(Error::new(ErrorKind::Unsupported, &node.span, reason)),
        }
    }

    fn each_with(
        &self,
        node: &Node,
        call: &Call,
        steps: Steps,
        change: fn(f64, &[f64]) -> Option<f64>,
    ) -> Result<Data, Error> {
        let mut columns = self.columns(&call.arguments[0], steps)?;
        let scalars = self.scalars(call, steps)?;
        for column in &mut columns {
            for (index, value) in
                column.values.iter_mut().enumerate().filter(|(_, value)| is_present(**value))
            {
                *value = change(*value, &scalars[index]).unwrap_or(ABSENT);
            }
        }
        self.unnamed(columns, &node.span).map(Data::Columns)
    }

    /// The scalars among the arguments of a call, by step.
    fn scalars(&self, call: &Call, steps: Steps) -> Result<Vec<Vec<f64>>, Error> {
        let is_scalar = |node: &&Node| node.value_type() == Type::Scalar;
        let columns: Vec<Vec<f64>> = call
            .arguments
            .iter()
            .filter(is_scalar)
            .map(|node| self.scalar(node, steps))
            .collect::<Result<_, _>>()?;
        Ok((0..steps.count).map(|index| columns.iter().map(|column| column[index]).collect()).collect())
    }

    fn negate(&self, node: &Node, inner: &Node, steps: Steps) -> Result<Data, Error> {
        match self.eval(inner, steps)? {
            Data::Scalar(values) => Ok(Data::Scalar(values.into_iter().map(|value| -value).collect())),
            Data::Columns(mut columns) => {
                columns.iter_mut().for_each(|column| column.each(|value| -value));
                self.unnamed(columns, &node.span).map(Data::Columns)
            }
            Data::Text(_) => Err(expected(inner, Type::Scalar)),
        }
    }

    /// Drops the names of metrics, now or at the end.
    pub fn unnamed(&self, mut columns: Vec<Column>, span: &Span) -> Result<Vec<Column>, Error> {
        for column in &mut columns {
            self.drop_name(column);
        }
        if self.options.delayed_name_removal { Ok(columns) } else { joined(columns, span) }
    }

    pub fn drop_name(&self, column: &mut Column) {
        column.drops_name = true;
        if !self.options.delayed_name_removal {
            column.labels = labels::unnamed(&column.labels, self.options.features);
        }
    }

    /// Refuses what would take more than the query may load.
    pub fn charge(&self, samples: usize, span: &Span) -> Result<(), Error> {
        let left = self.samples_left.get().checked_sub(samples);
        self.samples_left.set(left.ok_or_else(|| {
            let message = format!(
                "the query would load more than {} samples; select fewer series or a shorter time",
                self.limits.samples_max
            );
            Error::new(ErrorKind::Limit, span, message)
        })?);
        Ok(())
    }

    pub fn samples_left(&self) -> usize {
        self.samples_left.get()
    }

    pub fn check_time(&self, span: &Span) -> Result<(), Error> {
        if (self.limits.expired)() {
            let message = "the query takes too long; select fewer series or a shorter time";
            return Err(Error::new(ErrorKind::Deadline, span, message));
        }
        Ok(())
    }

    pub fn warn(&self, text: &str, span: &Span) {
        note(&mut self.notes.borrow_mut().warnings, format!("PromQL warning: {text}{}", self.place(span)));
    }

    pub fn inform(&self, text: &str, span: &Span) {
        note(&mut self.notes.borrow_mut().infos, format!("PromQL info: {text}{}", self.place(span)));
    }

    fn place(&self, span: &Span) -> String {
        let place = line_and_column(self.text, span.start);
        place.map_or(String::new(), |(line, column)| format!(" ({line}:{column})"))
    }
}

/// A type that preparing the query has ruled out.
fn expected(node: &Node, wanted: Type) -> Error {
    Error::parse(&node.span, format!("expected type {}, got {}", wanted.name(), node.value_type().name()))
}
