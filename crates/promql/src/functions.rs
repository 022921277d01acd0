//! The functions of PromQL: one line each, with name, argument types, result and body.

pub(crate) mod date;
pub(crate) mod histogram;
mod labels;
mod math;
mod over_time;
mod rate;
mod trend;
mod vectors;

use model::series::Sample;

use crate::ast::Type::{self, Instant, Range, Scalar, Text};
use crate::ast::{Call, Node};
use crate::error::Error;
use crate::eval::{Data, Evaluator, Steps};
use crate::options::Compat;
use date::Date;

/// A function of the language.
#[derive(Debug)]
pub(crate) struct Function {
    pub name: &'static str,
    pub arguments: Arguments,
    pub returns: Type,
    pub body: Body,
}

/// What a function takes.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub types: &'static [Type],
    /// How many of them must be there.
    pub required: usize,
    /// Whether the last one may be repeated.
    pub repeats: bool,
}

/// How a function is evaluated.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// Value by value.
    Each(fn(f64) -> f64),
    /// Value by value, with the scalars among the arguments; no value leaves the series out.
    EachWith(fn(f64, &[f64]) -> Option<f64>),
    /// Of two scalars.
    Scalars(fn(f64, f64) -> f64),
    /// A part of a date in UTC; without an argument, of the step's time.
    Date(fn(Date) -> f64),
    /// Over a window, with the scalars among the arguments.
    Over(fn(&Slice<'_>, &[f64]) -> Option<f64>),
    /// As [`Body::Over`], but series keep their metric's name.
    OverNamed(fn(&Slice<'_>, &[f64]) -> Option<f64>),
    /// Everything else.
    Whole(fn(&Evaluator<'_>, &Node, &Call, Steps) -> Result<Data, Error>),
    /// Known, but not evaluated, with the reason.
    Refused(&'static str),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}

/// The samples of one series within a window, at least one, without stale markers.
pub(crate) struct Slice<'a> {
    pub samples: &'a [Sample],
    /// The window's bounds.
    pub from_ms: i64,
    pub to_ms: i64,
    /// The time of the step, which offset and `@` do not move.
    pub step_ms: i64,
    pub compat: Compat,
}

impl Function {
    /// Why it is not evaluated, if so.
    pub fn refused(&self) -> Option<&'static str> {
        match self.body {
            Refused(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether its result depends on the time of the step beyond its arguments.
    pub fn depends_on_time(&self, arguments: &[Node]) -> bool {
        match self.body {
            Dated(_) => arguments.is_empty(),
            _ => matches!(self.name, "time" | "timestamp" | "predict_linear"),
        }
    }
}

/// The function of a name, as this version of Prometheus knows it.
pub(crate) fn named(name: &str, compat: Compat) -> Option<&'static Function> {
    let known = match (name, compat) {
        ("holt_winters", Compat::V2) => "double_exponential_smoothing",
        ("holt_winters", Compat::V3) => return None,
        (name, _) => name,
    };
    TABLE.iter().find(|function| function.name == known)
}

/// The known name that a wrong one is like.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    if name == "holt_winters" {
        return Some("double_exponential_smoothing");
    }
    let likeness = |function: &Function| strsim::jaro_winkler(name, function.name);
    let nearest = TABLE.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(nearest) > 0.8).then_some(nearest.name)
}

const fn takes(types: &'static [Type]) -> Arguments {
    Arguments { types, required: types.len(), repeats: false }
}

/// The last argument may be missing.
const fn optional(types: &'static [Type]) -> Arguments {
    Arguments { types, required: types.len() - 1, repeats: false }
}

/// The last argument may be there any number of times.
const fn repeated(types: &'static [Type]) -> Arguments {
    Arguments { types, required: types.len() - 1, repeats: true }
}

const fn f(name: &'static str, arguments: Arguments, returns: Type, body: Body) -> Function {
    Function { name, arguments, returns, body }
}

const NATIVE: &str = "it works on native histograms, which are not stored";
const EXPERIMENTAL: &str = "it is experimental in Prometheus";

use Body::{Date as Dated, Each, EachWith, Over, OverNamed, Refused, Scalars, Whole};

#[rustfmt::skip]
static TABLE: [Function; 91] = [
    f("abs", takes(&[Instant]), Instant, Each(f64::abs)),
    f("absent", takes(&[Instant]), Instant, Whole(vectors::absent)),
    f("absent_over_time", takes(&[Range]), Instant, Whole(vectors::absent_over_time)),
    f("acos", takes(&[Instant]), Instant, Each(f64::acos)),
    f("acosh", takes(&[Instant]), Instant, Each(f64::acosh)),
    f("asin", takes(&[Instant]), Instant, Each(f64::asin)),
    f("asinh", takes(&[Instant]), Instant, Each(f64::asinh)),
    f("atan", takes(&[Instant]), Instant, Each(f64::atan)),
    f("atanh", takes(&[Instant]), Instant, Each(f64::atanh)),
    f("avg_over_time", takes(&[Range]), Instant, Over(over_time::avg)),
    f("ceil", takes(&[Instant]), Instant, Each(f64::ceil)),
    f("changes", takes(&[Range]), Instant, Over(rate::changes)),
    f("clamp", takes(&[Instant, Scalar, Scalar]), Instant, EachWith(math::clamp)),
    f("clamp_max", takes(&[Instant, Scalar]), Instant, EachWith(math::clamp_max)),
    f("clamp_min", takes(&[Instant, Scalar]), Instant, EachWith(math::clamp_min)),
    f("cos", takes(&[Instant]), Instant, Each(f64::cos)),
    f("cosh", takes(&[Instant]), Instant, Each(f64::cosh)),
    f("count_over_time", takes(&[Range]), Instant, Over(over_time::count)),
    f("day_of_month", optional(&[Instant]), Instant, Dated(date::day_of_month)),
    f("day_of_week", optional(&[Instant]), Instant, Dated(date::day_of_week)),
    f("day_of_year", optional(&[Instant]), Instant, Dated(date::day_of_year)),
    f("days_in_month", optional(&[Instant]), Instant, Dated(date::days_in_month)),
    f("deg", takes(&[Instant]), Instant, Each(f64::to_degrees)),
    f("delta", takes(&[Range]), Instant, Over(rate::delta)),
    f("deriv", takes(&[Range]), Instant, Over(trend::deriv)),
    f("double_exponential_smoothing", takes(&[Range, Scalar, Scalar]), Instant, Whole(trend::smoothing)),
    f("end", takes(&[]), Scalar, Whole(vectors::end)),
    f("exp", takes(&[Instant]), Instant, Each(f64::exp)),
    f("first_over_time", takes(&[Range]), Instant, OverNamed(over_time::first)),
    f("floor", takes(&[Instant]), Instant, Each(f64::floor)),
    f("histogram_avg", takes(&[Instant]), Instant, Refused(NATIVE)),
    f("histogram_count", takes(&[Instant]), Instant, Refused(NATIVE)),
    f("histogram_fraction", takes(&[Scalar, Scalar, Instant]), Instant, Whole(histogram::fraction)),
    f("histogram_quantile", takes(&[Scalar, Instant]), Instant, Whole(histogram::quantile)),
    f("histogram_quantiles", repeated(&[Instant, Text, Scalar, Scalar]), Instant, Whole(histogram::quantiles)),
    f("histogram_stddev", takes(&[Instant]), Instant, Refused(NATIVE)),
    f("histogram_stdvar", takes(&[Instant]), Instant, Refused(NATIVE)),
    f("histogram_sum", takes(&[Instant]), Instant, Refused(NATIVE)),
    f("hour", optional(&[Instant]), Instant, Dated(date::hour)),
    f("idelta", takes(&[Range]), Instant, Over(rate::idelta)),
    f("increase", takes(&[Range]), Instant, Over(rate::increase)),
    f("info", optional(&[Instant, Instant]), Instant, Refused(EXPERIMENTAL)),
    f("integral", optional(&[Range, Scalar]), Instant, Refused(EXPERIMENTAL)),
    f("irate", takes(&[Range]), Instant, Over(rate::irate)),
    f("label_join", repeated(&[Instant, Text, Text, Text]), Instant, Whole(labels::join)),
    f("label_replace", takes(&[Instant, Text, Text, Text, Text]), Instant, Whole(labels::replace)),
    f("last_over_time", takes(&[Range]), Instant, OverNamed(over_time::last)),
    f("ln", takes(&[Instant]), Instant, Each(f64::ln)),
    f("log10", takes(&[Instant]), Instant, Each(f64::log10)),
    f("log2", takes(&[Instant]), Instant, Each(f64::log2)),
    f("mad_over_time", takes(&[Range]), Instant, Over(over_time::mad)),
    f("max_of", takes(&[Scalar, Scalar]), Scalar, Scalars(math::upper)),
    f("max_over_time", takes(&[Range]), Instant, Over(over_time::max)),
    f("min_of", takes(&[Scalar, Scalar]), Scalar, Scalars(math::lower)),
    f("min_over_time", takes(&[Range]), Instant, Over(over_time::min)),
    f("minute", optional(&[Instant]), Instant, Dated(date::minute)),
    f("month", optional(&[Instant]), Instant, Dated(date::month)),
    f("pi", takes(&[]), Scalar, Whole(vectors::pi)),
    f("predict_linear", takes(&[Range, Scalar]), Instant, Over(trend::predict_linear)),
    f("present_over_time", takes(&[Range]), Instant, Over(over_time::present)),
    f("quantile_over_time", takes(&[Scalar, Range]), Instant, Whole(over_time::quantile)),
    f("rad", takes(&[Instant]), Instant, Each(f64::to_radians)),
    f("range", takes(&[]), Scalar, Whole(vectors::range)),
    f("rate", takes(&[Range]), Instant, Over(rate::rate)),
    f("resets", takes(&[Range]), Instant, Over(rate::resets)),
    f("round", optional(&[Instant, Scalar]), Instant, EachWith(math::round)),
    f("scalar", takes(&[Instant]), Scalar, Whole(vectors::scalar)),
    f("sgn", takes(&[Instant]), Instant, Each(math::sign)),
    f("sin", takes(&[Instant]), Instant, Each(f64::sin)),
    f("sinh", takes(&[Instant]), Instant, Each(f64::sinh)),
    f("sort", takes(&[Instant]), Instant, Whole(vectors::sort)),
    f("sort_by_label", repeated(&[Instant, Text]), Instant, Whole(vectors::sort_by_label)),
    f("sort_by_label_desc", repeated(&[Instant, Text]), Instant, Whole(vectors::sort_by_label_desc)),
    f("sort_desc", takes(&[Instant]), Instant, Whole(vectors::sort_desc)),
    f("sqrt", takes(&[Instant]), Instant, Each(f64::sqrt)),
    f("start", takes(&[]), Scalar, Whole(vectors::start)),
    f("start_timestamp", takes(&[Instant]), Instant, Refused(EXPERIMENTAL)),
    f("stddev_over_time", takes(&[Range]), Instant, Over(over_time::stddev)),
    f("stdvar_over_time", takes(&[Range]), Instant, Over(over_time::stdvar)),
    f("step", takes(&[]), Scalar, Whole(vectors::step)),
    f("sum_over_time", takes(&[Range]), Instant, Over(over_time::sum)),
    f("tan", takes(&[Instant]), Instant, Each(f64::tan)),
    f("tanh", takes(&[Instant]), Instant, Each(f64::tanh)),
    f("time", takes(&[]), Scalar, Whole(vectors::time)),
    f("timestamp", takes(&[Instant]), Instant, Whole(vectors::timestamp)),
    f("ts_of_first_over_time", takes(&[Range]), Instant, Over(over_time::time_of_first)),
    f("ts_of_last_over_time", takes(&[Range]), Instant, Over(over_time::time_of_last)),
    f("ts_of_max_over_time", takes(&[Range]), Instant, Over(over_time::time_of_max)),
    f("ts_of_min_over_time", takes(&[Range]), Instant, Over(over_time::time_of_min)),
    f("vector", takes(&[Scalar]), Instant, Whole(vectors::vector)),
    f("year", optional(&[Instant]), Instant, Dated(date::year)),
];
