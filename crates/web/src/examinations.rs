//! Examinations that somebody asks for: what `heartline diagnose` does, from where this gateway stands.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use diagnose::text::told;
use http::{HeaderMap, StatusCode, Uri};
use model::examination::{Asked, Denial};
use model::{Language, quoted};
use serde_json::{Value, json};

use crate::body::{Examine, JobView};
use crate::error::ApiError;
use crate::headers::language;
use crate::router::Site;

/// `POST /api/v1/diagnose`
pub(crate) async fn examine(
    State(site): State<Arc<Site>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let hint = r#"it is {"target": "wss://example.com/chat", "upstream": "10.0.0.7:3000", "safe": true}; only `target` is needed"#;
    let Examine { target, upstream, safe, lang } = serde_json::from_slice(&body)
        .map_err(|error| ApiError::bad_query(format!("the body is not understood: {error}")).hint(hint))?;
    let told_in = lang.as_deref().and_then(Language::of_tag).unwrap_or_else(|| language(&uri, &headers));
    let asked = Asked { target, upstream, is_safe: safe };
    match site.asker.ask(move |ports| ports.examinations.examine(&asked)).await? {
        Ok(job) => {
            let report = format!("/api/v1/jobs/{job}?lang={told_in}");
            Ok((StatusCode::ACCEPTED, Json(json!({ "job": job, "report": report }))))
        }
        Err(Denial::Wrong(why)) => Err(ApiError::bad_query(why).hint(hint)),
        Err(Denial::Busy) => {
            let message = "another examination runs, and as many wait as may";
            Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", message)
                .hint("ask again in a few minutes"))
        }
    }
}

/// `GET /api/v1/jobs/{id}`
pub(crate) async fn job(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<JobView>, ApiError> {
    let language = language(&uri, &headers);
    let asked = id.clone();
    let examined = site.asker.ask(move |ports| ports.examinations.examination(&asked)).await?;
    let examined = examined.ok_or_else(|| {
        ApiError::not_found(format!("there is no job {}", quoted(&id))).hint("jobs are kept for 10 minutes")
    })?;
    let findings = examined.findings.iter().map(|finding| told(finding, language)).collect();
    Ok(Json(JobView { job: examined.job, findings }))
}
