//! Questions that another engine answers in place of this one (`query_url`). Only paths and parameters that are known
//! here go there, and nothing of who asks: no header, no cookie, no address.

use std::sync::Arc;

use axum::extract::{FromRequest as _, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use meter::queries::QueryResult;
use model::ports::{EngineAnswer, EngineError, QueryEngine, Question};
use tokio::time::timeout_at;

use super::answer::Failed;
use super::engine::Counted;
use super::params::Params;
use crate::router::Site;

/// Parameters that go there.
const PARAMETERS: [&str; 9] =
    ["query", "time", "start", "end", "step", "timeout", "match[]", "limit", "lookback_delta"];

/// Asks the other engine, if there is one.
pub(crate) async fn elsewhere(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let engine = site.asker.ports().engine.clone();
    let is_question = matches!(*request.method(), Method::GET | Method::HEAD | Method::POST);
    match engine.filter(|_| is_question) {
        None => next.run(request).await,
        Some(engine) => forward(&site, &*engine, request).await.unwrap_or_else(IntoResponse::into_response),
    }
}

async fn forward(site: &Site, engine: &dyn QueryEngine, request: Request) -> Result<Response, Failed> {
    let path = request.uri().path().to_owned();
    let queries = &site.asker.ports().queries;
    let counted = path.starts_with("/api/v1/query").then(|| Counted::new(Arc::clone(queries)));
    let answer = ask(site, engine, request, path).await;
    if let Some(mut counted) = counted {
        counted.result = answer.as_ref().map_or_else(|failed| failed.kind, |answer| result(answer.status));
    }
    let EngineAnswer { status, body } = answer?;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    Ok((status, [(CONTENT_TYPE, "application/json")], body).into_response())
}

async fn ask(
    site: &Site,
    engine: &dyn QueryEngine,
    request: Request,
    path: String,
) -> Result<EngineAnswer, Failed> {
    let params = Params::from_request(request, &()).await;
    let params = params.map_err(|error| Failed::new(QueryResult::BadData, error.to_string()))?;
    if let Some(name) = path.strip_prefix("/api/v1/label/").and_then(|rest| rest.strip_suffix("/values"))
        && !is_name(name)
    {
        return Err(Failed::new(QueryResult::BadData, format!("invalid label name: {name:?}")));
    }
    let timeout = params.timeout()?;
    let parameters = params.only(&PARAMETERS);
    let deadline = tokio::time::Instant::now() + timeout;
    let _turn = timeout_at(deadline, site.engine.forwards.acquire()).await.map_err(|_| {
        Failed::new(QueryResult::Timeout, "query timed out in query queue: others take all turns")
    })?;
    let timeout = deadline.saturating_duration_since(tokio::time::Instant::now());
    let answer = engine.ask(Question { path, parameters, timeout }).await;
    answer.map_err(|error| match error {
        EngineError::Unavailable(why) => Failed::new(QueryResult::Unavailable, why),
        EngineError::Timeout(why) => Failed::new(QueryResult::Timeout, why),
    })
}

/// Other characters come in the form `U__` (Prometheus 3), never percent-encoded: what that means in a path is the
/// other engine's affair.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn result(status: u16) -> QueryResult {
    match status {
        200 => QueryResult::Success,
        400 => QueryResult::BadData,
        422 => QueryResult::Execution,
        503 => QueryResult::Timeout,
        _ => QueryResult::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_mean_another_path_do_not_go_there() {
        for name in ["job", "__name__", "U__http_2e_status"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "%2e%2e", "..", "a%2fb", "a/b", "a?b", "a;b"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
