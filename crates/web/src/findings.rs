//! What explains the ends of connections, in the language of the reader; and what people tell of deploys.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use diagnose::cause::Cause;
use diagnose::causes;
use diagnose::text::{Told, told};
use http::{HeaderMap, StatusCode, Uri};
use model::finding::{Coverage, Doubt, Finding, NOTE_MAX};
use model::record::CloseRecord;
use model::{Language, WallTime};
use serde::Deserialize;

use crate::Ports;
use crate::body::{Explanation, Feedback, FindingList};
use crate::error::ApiError;
use crate::headers::language;
use crate::router::Site;

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
    let (mut found, coverage) = site
        .asker
        .ask(move |ports| {
            let active = if state == "resolved" { Vec::new() } else { ports.findings.active() };
            let over = if state == "active" { Vec::new() } else { ports.findings.over() };
            ([active, over].concat(), ports.findings.coverage())
        })
        .await?;
    found.retain(|finding| which.route.is_none() || finding.route.as_deref() == which.route.as_deref());
    Ok(Json(list(&found, coverage, language)))
}

/// `GET /api/v1/findings/{id}`: all findings of one cause, by its name or number.
pub(crate) async fn finding(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<FindingList>, ApiError> {
    let cause = cause(&id)?;
    Ok(Json(of_cause(&site, cause, language(&uri, &headers)).await?))
}

/// `POST /api/v1/findings/{id}/feedback`: somebody says that findings of a cause that go on are wrong, or takes that
/// back. What is doubted is no series and no alert until it says something else.
pub(crate) async fn feedback(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<FindingList>, ApiError> {
    let cause = cause(&id)?;
    let Feedback { wrong, note, route, place } = serde_json::from_slice(&body).map_err(|error| {
        ApiError::bad_query(format!("the body is not understood: {error}"))
            .hint("it is {\"wrong\": true, \"note\": \"why\", \"route\": \"chat\"}; all but `wrong` may be left out")
    })?;
    let at = std::time::SystemTime::now().into();
    let note = note.chars().filter(|char| !char.is_control()).take(NOTE_MAX).collect();
    let doubt = wrong.then_some(Doubt { at, note });
    let doubted =
        site.asker.ask(move |ports| ports.findings.doubt(cause.id, route.as_deref(), place, doubt)).await?;
    if doubted == 0 {
        let error = ApiError::not_found(format!("no finding of {} goes on there", cause.id));
        return Err(error.hint("GET /api/v1/findings lists those that go on, with `route` and `where`"));
    }
    tracing::info!(finding = cause.id, wrong, "somebody judged a finding");
    Ok(Json(of_cause(&site, cause, language(&uri, &headers)).await?))
}

fn cause(id: &str) -> Result<&'static Cause, ApiError> {
    causes::by_id(id).ok_or_else(|| {
        ApiError::not_found(format!("there is no cause {}", model::quoted(id)))
            .hint("`heartline explain` and /findings/ list all")
    })
}

async fn of_cause(site: &Site, cause: &'static Cause, language: Language) -> Result<FindingList, ApiError> {
    let (mut found, coverage) = site
        .asker
        .ask(|ports| {
            let all = [ports.findings.active(), ports.findings.over()].concat();
            (all, ports.findings.coverage())
        })
        .await?;
    found.retain(|finding| finding.id == cause.id);
    Ok(list(&found, coverage, language))
}

fn list(found: &[Finding], coverage: Coverage, language: Language) -> FindingList {
    FindingList {
        items: found.iter().map(|finding| told(finding, language)).collect(),
        total: found.len(),
        coverage,
    }
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
