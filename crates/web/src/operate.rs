//! What operators and their machines ask for: the metrics page, health, readiness, reload.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use model::ports::MetricsFormat;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::headers::metrics_format;
use crate::router::Site;

/// `GET /metrics`
pub(crate) async fn metrics(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let format = metrics_format(&headers);
    let content_type = match format {
        MetricsFormat::Text => "text/plain; version=0.0.4; charset=utf-8",
        MetricsFormat::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
    };
    let page = site.asker.ask(move |ports| ports.metrics.expose(format)).await?;
    Ok(([(CONTENT_TYPE, content_type)], page))
}

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /readyz`: new connections are accepted. Without history it is ready all the same, and says so.
pub(crate) async fn readyz(State(site): State<Arc<Site>>) -> Response {
    let operations = &site.asker.ports().operations;
    match operations.ready() {
        Ok(()) => match operations.history() {
            Ok(()) => healthz().await.into_response(),
            Err(reason) => {
                Json(json!({"status": "ok", "history": {"kept": false, "reason": reason}})).into_response()
            }
        },
        Err(reason) => {
            let body = Json(json!({"status": "not_ready", "reason": reason}));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

/// `POST /-/reload`
pub(crate) async fn reload(State(site): State<Arc<Site>>) -> Result<Json<Value>, ApiError> {
    match site.asker.ask(|ports| ports.operations.reload()).await? {
        Ok(()) => Ok(healthz().await),
        Err(problem) => Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_config", problem)
            .hint("the old configuration stays in force; correct the file and reload again")),
    }
}
