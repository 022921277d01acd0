//! What explains the ends of connections, in the language of the reader; and what people tell of deploys.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use diagnose::causes;
use diagnose::text::{Told, told};
use http::{HeaderMap, StatusCode, Uri};
use model::finding::Finding;
use model::record::CloseRecord;
use model::{Language, WallTime};
use serde::{Deserialize, Serialize};

use crate::Ports;
use crate::body::Explanation;
use crate::error::ApiError;
use crate::headers::language;
use crate::router::Site;

/// Findings.
#[derive(Debug, Serialize)]
pub(crate) struct FindingList {
    items: Vec<Told>,
    total: usize,
}

/// Which findings.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Which {
    state: Option<String>,
    route: Option<String>,
}

/// `GET /api/v1/findings`: those that go on, with `?state=resolved` those that are over, with `?state=all` both.
pub(crate) async fn findings(
    State(site): State<Arc<Site>>,
    Query(which): Query<Which>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<FindingList>, ApiError> {
    let state = which.state.unwrap_or_else(|| "active".to_owned());
    if !["active", "resolved", "all"].contains(&state.as_str()) {
        let error = ApiError::bad_query(format!("`state` is {}", model::quoted(&state)));
        return Err(error.hint("it is active, resolved or all"));
    }
    let language = language(&uri, &headers);
    let mut found = site
        .asker
        .ask(move |ports| {
            let active = if state == "resolved" { Vec::new() } else { ports.findings.active() };
            let over = if state == "active" { Vec::new() } else { ports.findings.over() };
            [active, over].concat()
        })
        .await?;
    found.retain(|finding| which.route.is_none() || finding.route.as_deref() == which.route.as_deref());
    let items: Vec<Told> = found.iter().map(|finding| told(finding, language)).collect();
    Ok(Json(FindingList { total: items.len(), items }))
}

/// `GET /api/v1/findings/{id}`: all findings of one cause, by its name or number.
pub(crate) async fn finding(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<FindingList>, ApiError> {
    let Some(cause) = causes::by_id(&id) else {
        let error = ApiError::not_found(format!("there is no cause {}", model::quoted(&id)));
        return Err(error.hint("`heartline explain` and /findings/ list all"));
    };
    let language = language(&uri, &headers);
    let mut found = site.asker.ask(|ports| [ports.findings.active(), ports.findings.over()].concat()).await?;
    found.retain(|finding| finding.id == cause.id);
    let items: Vec<Told> = found.iter().map(|finding| told(finding, language)).collect();
    Ok(Json(FindingList { total: items.len(), items }))
}

/// The findings that explain the end of a connection, surest first.
pub(crate) fn explanations(ports: &Ports, record: &CloseRecord, language: Language) -> Vec<Explanation> {
    let found = [ports.findings.active(), ports.findings.over()].concat();
    let explains = |finding: &&Finding| finding.selected().is_some_and(|selected| selected.takes(record));
    let mut found: Vec<Told> = found.iter().filter(explains).map(|finding| told(finding, language)).collect();
    found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let brief =
        |Told { id, code, title, level, confidence, .. }| Explanation { id, code, title, level, confidence };
    found.into_iter().map(brief).collect()
}

/// What was done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    kind: String,
    #[serde(default)]
    subject: String,
    at: Option<WallTime>,
}

/// `POST /api/v1/events`: somebody tells of a deploy, a reload, a restart.
pub(crate) async fn event(State(site): State<Arc<Site>>, body: Bytes) -> Result<StatusCode, ApiError> {
    let event: Event = serde_json::from_slice(&body).map_err(|error| {
        ApiError::bad_query(format!("the body is not understood: {error}")).hint(
            "it is {\"kind\": \"deploy\", \"subject\": \"chat 1.2.3\", \"at\": \"2026-01-31T12:00:00Z\"}",
        )
    })?;
    let at = event.at.unwrap_or_else(|| std::time::SystemTime::now().into());
    site.asker.ask(move |ports| ports.findings.told(&event.kind, &event.subject, at)).await?;
    Ok(StatusCode::ACCEPTED)
}
