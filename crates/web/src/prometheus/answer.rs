//! Answers in Prometheus' form.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use meter::queries::QueryResult;
use promql::{Error, ErrorKind, Notes};
use serde::Serialize;
use serde_json::json;

/// Why there is no answer: the kind is Prometheus' `errorType`.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(super) kind: QueryResult,
    pub(super) message: String,
}

impl Failed {
    pub(super) fn new(kind: QueryResult, message: impl Into<String>) -> Failed {
        Failed { kind, message: message.into() }
    }

    /// A parameter that is not understood.
    pub(super) fn parameter(name: &str, why: impl std::fmt::Display) -> Failed {
        Failed::new(QueryResult::BadData, format!("invalid parameter {name:?}: {why}"))
    }

    /// A query that is not understood, with its place.
    pub(super) fn parse(name: &str, text: &str, error: &Error) -> Failed {
        match error.line_and_column(text) {
            Some((line, column)) => {
                Failed::parameter(name, format_args!("{line}:{column}: parse error: {error}"))
            }
            None => Failed::parameter(name, error),
        }
    }

    /// A query that could not be evaluated.
    pub(super) fn evaluation(error: &Error) -> Failed {
        let kind = match error.kind {
            ErrorKind::Parse | ErrorKind::Unsupported => QueryResult::BadData,
            ErrorKind::Limit | ErrorKind::Execution => QueryResult::Execution,
            ErrorKind::Deadline => QueryResult::Timeout,
            ErrorKind::Source => QueryResult::Internal,
        };
        Failed::new(kind, error.to_string())
    }

    fn status(&self) -> StatusCode {
        match self.kind {
            QueryResult::Success => StatusCode::OK,
            QueryResult::BadData => StatusCode::BAD_REQUEST,
            QueryResult::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            QueryResult::Timeout | QueryResult::Canceled => StatusCode::SERVICE_UNAVAILABLE,
            QueryResult::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            QueryResult::Unavailable => StatusCode::BAD_GATEWAY,
        }
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let body = json!({"status": "error", "errorType": self.kind.to_string(), "error": self.message});
        (self.status(), Json(body)).into_response()
    }
}

#[derive(Serialize)]
struct Success<'a, T> {
    status: &'static str,
    data: &'a T,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    infos: &'a [String],
}

/// The text of an answer.
#[derive(Debug)]
pub(crate) struct Body(Vec<u8>);

impl Body {
    /// # Errors
    /// It cannot be written as JSON.
    pub(super) fn new<T: Serialize>(data: &T, notes: &Notes) -> Result<Body, Failed> {
        let Notes { warnings, infos } = notes;
        let body = Success { status: "success", data, warnings, infos };
        let text = serde_json::to_vec(&body);
        text.map(Body).map_err(|error| Failed::new(QueryResult::Internal, error.to_string()))
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}
