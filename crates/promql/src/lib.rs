//! PromQL: the text of a query to values, over anything that can be read as series
//! ([`SeriesSource`](model::series::SeriesSource)). It means what Prometheus 3 means by it; where 2.x differs,
//! [`Compat::V2`] says so.
//!
//! Not here: native histograms, what is experimental in Prometheus and neither listed in `functions.rs` nor a
//! [`Feature`] that [`Options`] turns on, and storing.
//! A query that needs what is not here is refused when it is parsed. There is no clock: who asks gives the times,
//! and a function that says when the time is over.
//!
//! ```
//! # use model::series::{Labels, Matcher, ReadError, Series, SeriesSource, TimeRange};
//! # struct Nothing;
//! # impl SeriesSource for Nothing {
//! #     fn select(&self, _: &[Matcher], _: TimeRange, _: usize) -> Result<Vec<Series>, ReadError> { Ok(vec![]) }
//! #     fn identities(&self, _: &[Matcher], _: TimeRange, _: usize) -> Result<Vec<Labels>, ReadError> { Ok(vec![]) }
//! # }
//! use promql::{Limits, Options, Query};
//!
//! let query = Query::parse("sum by (route) (rate(messages_total[5m]))", &Options::default())?;
//! assert_eq!(query.metric_names(), ["messages_total"]);
//! let answer = query.instant(&Nothing, 1_700_000_000_000, &Limits::default())?;
//!
//! let wrong = Query::parse("rate(messages_total)", &Options::default()).unwrap_err();
//! assert_eq!(wrong.position, Some(5..19));
//! # Ok::<(), promql::Error>(())
//! ```

mod ast;
mod error;
mod eval;
pub mod format;
mod functions;
mod labels;
mod natural;
mod options;
mod parse;
mod pattern;
mod prepare;
mod query;
mod sum;
mod value;

pub use error::{Error, ErrorKind, Span};
pub use options::{Compat, Feature, Features, Limits, Options};
pub use pattern::Pattern;
pub use query::{Query, Range, SelectorInfo};
pub use value::{Answer, Matrix, MatrixSeries, Notes, Value, VectorSample};
