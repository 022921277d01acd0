//! Answers that the gateway gives by itself. They say what to do, and nothing of the inside.

use http::{HeaderValue, Response, StatusCode, header};

use crate::body::{AnswerBody, full};

/// A plain-text answer.
pub fn text(status: StatusCode, message: &str) -> Response<AnswerBody> {
    let mut answer = Response::new(full(format!("{} {message}\n", status.as_u16())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The same, and the connection ends with it.
pub fn last_text(status: StatusCode, message: &str) -> Response<AnswerBody> {
    let mut answer = text(status, message);
    end_connection(&mut answer);
    answer
}

/// Makes an answer the last one of its connection.
pub fn end_connection<B>(answer: &mut Response<B>) {
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}
