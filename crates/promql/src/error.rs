//! Why a query could not be understood or evaluated, and where in its text.

use std::fmt;
use std::ops::Range;

use model::series::ReadError;

/// A place in the text of a query, in bytes.
pub type Span = Range<usize>;

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is not PromQL, or its types do not fit.
    Parse,
    /// The text is PromQL, but this engine does not evaluate it.
    Unsupported,
    /// A bound of [`Limits`](crate::Limits) or [`Options`](crate::Options) would be passed.
    Limit,
    /// The time for the query is over.
    Deadline,
    /// The data does not fit the query, as when two series have the same labels in a result.
    Execution,
    /// Series could not be read.
    Source,
}

impl ErrorKind {
    /// The word that Prometheus' HTTP API has for it (`errorType`).
    pub fn api_word(self) -> &'static str {
        match self {
            ErrorKind::Parse | ErrorKind::Unsupported => "bad_data",
            ErrorKind::Limit | ErrorKind::Execution => "execution",
            ErrorKind::Deadline => "timeout",
            ErrorKind::Source => "internal",
        }
    }
}

/// A query that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Which part of the text is at fault; none when it is the query as a whole.
    pub position: Option<Span>,
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What is wrong, and where it can be told what to do.
    pub message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, position: &Span, message: impl Into<String>) -> Error {
        Error { position: Some(position.clone()), kind, message: message.into() }
    }

    pub(crate) fn parse(position: &Span, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Parse, position, message)
    }

    pub(crate) fn execution(position: &Span, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Execution, position, message)
    }

    pub(crate) fn read(position: &Span, error: &ReadError) -> Error {
        let kind = match error {
            ReadError::TooManySamples => ErrorKind::Limit,
            ReadError::Regex(_) => ErrorKind::Parse,
            ReadError::Store(_) | ReadError::Engine(_) => ErrorKind::Source,
        };
        Error::new(kind, position, error.to_string())
    }

    /// Line and column of the start of [`Error::position`] in the query's text, both from 1, columns in
    /// characters.
    pub fn line_and_column(&self, text: &str) -> Option<(usize, usize)> {
        line_and_column(text, self.position.as_ref()?.start)
    }
}

/// Line and column of a byte of a text, both from 1, columns in characters.
pub(crate) fn line_and_column(text: &str, at: usize) -> Option<(usize, usize)> {
    let before = text.get(..at.min(text.len()))?;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
