//! A query as a tree. Each node knows its place in the text.

use model::series::Matcher;

use crate::error::Span;
use crate::functions::Function;
use crate::query::Range;

/// What an expression evaluates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Scalar,
    Text,
    Instant,
    Range,
}

impl Type {
    /// As the documentation of Prometheus calls it.
    pub fn name(self) -> &'static str {
        match self {
            Type::Scalar => "scalar",
            Type::Text => "string",
            Type::Instant => "instant vector",
            Type::Range => "range vector",
        }
    }
}

/// An expression with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub span: Span,
    pub expr: Expr,
    /// How many levels of nodes are below, itself counted.
    pub depth: usize,
    /// Whether each step of a range query gives the same (set when the query is prepared).
    pub invariant: bool,
}

/// An expression.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Number(f64),
    Text(String),
    Selector(Selector),
    /// A selector with a range, or an expression evaluated over one.
    Window(Box<Window>),
    Call(Call),
    Aggregate(Box<Aggregate>),
    Binary(Box<Binary>),
    Negate(Box<Node>),
    Paren(Box<Node>),
}

/// Where in time something is looked at, relative to the step.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeShift {
    pub at: Option<At>,
    /// How far back; negative is ahead.
    pub offset: Option<Duration>,
}

impl TimeShift {
    /// Whether it changes nothing.
    pub fn is_none(&self) -> bool {
        self.at.is_none() && self.offset.is_none()
    }

    /// The time that its `@` means at a step of a query.
    pub fn base(&self, step_ms: i64, query: Range) -> i64 {
        match self.at {
            None => step_ms,
            Some(At::Start) => query.start_ms,
            Some(At::End) => query.end_ms,
            Some(At::Time(time)) => time,
        }
    }

    fn computed(&self) -> Option<&Node> {
        self.offset.as_ref().and_then(Duration::computed)
    }
}

/// A length of time.
#[derive(Clone, Debug)]
pub(crate) enum Duration {
    /// In milliseconds.
    Fixed(i64),
    /// A scalar, in seconds, that is the same at each step of a query.
    Computed(Box<Node>),
}

impl Duration {
    /// In milliseconds, unless it is computed.
    pub fn fixed_ms(&self) -> Option<i64> {
        match self {
            Duration::Fixed(ms) => Some(*ms),
            Duration::Computed(_) => None,
        }
    }

    fn computed(&self) -> Option<&Node> {
        match self {
            Duration::Fixed(_) => None,
            Duration::Computed(node) => Some(node),
        }
    }
}

/// An `@` modifier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum At {
    Start,
    End,
    Time(i64),
}

#[derive(Clone, Debug)]
pub(crate) struct Selector {
    pub matchers: Vec<Matcher>,
    pub shift: TimeShift,
}

#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub input: Input,
    pub range: Duration,
}

/// What a window slides over.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Samples(Selector),
    Subquery { inner: Node, step: Option<Duration>, shift: TimeShift },
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub function: &'static Function,
    pub arguments: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    pub op: AggregateOp,
    pub parameter: Option<Node>,
    pub inner: Node,
    pub grouping: Grouping,
}

/// Which labels make a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Quantile,
    TopK,
    BottomK,
    LimitK,
    LimitRatio,
    CountValues,
}

impl AggregateOp {
    /// By its name, in any case.
    pub fn named(word: &str) -> Option<AggregateOp> {
        Some(match word.to_ascii_lowercase().as_str() {
            "sum" => AggregateOp::Sum,
            "avg" => AggregateOp::Avg,
            "min" => AggregateOp::Min,
            "max" => AggregateOp::Max,
            "count" => AggregateOp::Count,
            "group" => AggregateOp::Group,
            "stddev" => AggregateOp::Stddev,
            "stdvar" => AggregateOp::Stdvar,
            "quantile" => AggregateOp::Quantile,
            "topk" => AggregateOp::TopK,
            "bottomk" => AggregateOp::BottomK,
            "limitk" => AggregateOp::LimitK,
            "limit_ratio" => AggregateOp::LimitRatio,
            "count_values" => AggregateOp::CountValues,
            _ => return None,
        })
    }

    /// The type of its parameter, if it has one.
    pub fn parameter(self) -> Option<Type> {
        use AggregateOp::{BottomK, CountValues, LimitK, LimitRatio, Quantile, TopK};
        match self {
            Quantile | TopK | BottomK | LimitK | LimitRatio => Some(Type::Scalar),
            CountValues => Some(Type::Text),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub op: BinaryOp,
    pub op_span: Span,
    /// Comparisons give 0 or 1 instead of filtering.
    pub returns_bool: bool,
    pub matching: Matching,
    pub left: Node,
    pub right: Node,
}

/// Which series of both sides belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Matching {
    pub labels: MatchLabels,
    pub group: Group,
    pub fill: Fill,
}

/// What stands in for a series that is missing on a side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Fill {
    pub left: Option<f64>,
    pub right: Option<f64>,
}

/// By which labels series of both sides are found to belong together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MatchLabels {
    On(Vec<String>),
    Ignoring(Vec<String>),
}

impl Default for MatchLabels {
    fn default() -> Self {
        MatchLabels::Ignoring(Vec::new())
    }
}

/// Which side may have several series for one of the other; with the labels that are taken from the one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Group {
    #[default]
    None,
    Left(Vec<String>),
    Right(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    /// By its mark or word, in any case.
    pub fn named(text: &str) -> Option<BinaryOp> {
        Some(match text.to_ascii_lowercase().as_str() {
            "+" => BinaryOp::Add,
            "-" => BinaryOp::Sub,
            "*" => BinaryOp::Mul,
            "/" => BinaryOp::Div,
            "%" => BinaryOp::Mod,
            "^" => BinaryOp::Pow,
            "atan2" => BinaryOp::Atan2,
            "==" => BinaryOp::Equal,
            "!=" => BinaryOp::NotEqual,
            ">" => BinaryOp::Greater,
            "<" => BinaryOp::Less,
            ">=" => BinaryOp::GreaterEqual,
            "<=" => BinaryOp::LessEqual,
            "and" => BinaryOp::And,
            "or" => BinaryOp::Or,
            "unless" => BinaryOp::Unless,
            _ => return None,
        })
    }

    /// How strongly it binds; all but `^` bind to the left.
    pub fn precedence(self) -> u8 {
        use BinaryOp::{Add, And, Atan2, Div, Mod, Mul, Or, Pow, Sub, Unless};
        match self {
            Or => 1,
            And | Unless => 2,
            Add | Sub => 4,
            Mul | Div | Mod | Atan2 => 5,
            Pow => 6,
            _ => 3,
        }
    }

    pub fn is_comparison(self) -> bool {
        self.precedence() == 3
    }

    /// Whether it is one of `+ - * / % ^`.
    pub fn is_arithmetic(self) -> bool {
        !self.is_comparison() && !self.is_set() && self != BinaryOp::Atan2
    }

    pub fn is_set(self) -> bool {
        self.precedence() <= 2
    }
}

impl Node {
    /// The type of its value.
    pub fn value_type(&self) -> Type {
        match &self.expr {
            Expr::Number(_) => Type::Scalar,
            Expr::Text(_) => Type::Text,
            Expr::Selector(_) | Expr::Aggregate(_) => Type::Instant,
            Expr::Window(_) => Type::Range,
            Expr::Call(call) => call.function.returns,
            Expr::Binary(binary) => {
                let scalars = [&binary.left, &binary.right].iter().all(|n| n.value_type() == Type::Scalar);
                if scalars { Type::Scalar } else { Type::Instant }
            }
            Expr::Negate(inner) | Expr::Paren(inner) => inner.value_type(),
        }
    }

    /// Itself, or what its parentheses hold.
    pub fn unwrapped(&self) -> &Node {
        match &self.expr {
            Expr::Paren(inner) => inner.unwrapped(),
            _ => self,
        }
    }

    /// The nodes right below.
    pub fn children(&self) -> Vec<&Node> {
        match &self.expr {
            Expr::Number(_) | Expr::Text(_) => Vec::new(),
            Expr::Selector(selector) => selector.shift.computed().into_iter().collect(),
            Expr::Window(window) => {
                let (inner, step, shift) = match &window.input {
                    Input::Samples(selector) => (None, None, &selector.shift),
                    Input::Subquery { inner, step, shift } => (Some(inner), step.as_ref(), shift),
                };
                let durations =
                    [window.range.computed(), step.and_then(Duration::computed), shift.computed()];
                inner.into_iter().chain(durations.into_iter().flatten()).collect()
            }
            Expr::Call(call) => call.arguments.iter().collect(),
            Expr::Aggregate(aggregate) => aggregate.parameter.iter().chain([&aggregate.inner]).collect(),
            Expr::Binary(binary) => vec![&binary.left, &binary.right],
            Expr::Negate(inner) | Expr::Paren(inner) => vec![inner],
        }
    }
}
