//! Scheduled probes: what each sees, and runs at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use diagnose::text::{Told, told};
use http::{HeaderMap, StatusCode, Uri};
use model::finding::{Finding, Vantage};
use model::probe::{ProbeView, Refusal};
use model::{Language, quoted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::headers::language;
use crate::router::Site;

/// A probe with its findings, in the language of the reader.
#[derive(Debug, Serialize)]
pub(crate) struct Probe {
    #[serde(flatten)]
    view: ProbeView,
    findings: Vec<Told>,
}

/// All probes.
#[derive(Debug, Serialize)]
pub(crate) struct ProbeList {
    items: Vec<Probe>,
    total: usize,
}

/// How a run is made.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Depth {
    #[serde(default)]
    deep: bool,
}

impl Probe {
    fn of(view: ProbeView, active: &[Finding], language: Language) -> Probe {
        let vantage = Vantage::Probe(Arc::clone(&view.name));
        let own = active.iter().filter(|finding| finding.vantages.contains(&vantage));
        Probe { findings: own.map(|finding| told(finding, language)).collect(), view }
    }
}

/// `GET /api/v1/probes`
pub(crate) async fn probes(
    State(site): State<Arc<Site>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ProbeList>, ApiError> {
    let items = all(&site, language(&uri, &headers)).await?;
    Ok(Json(ProbeList { total: items.len(), items }))
}

/// `GET /api/v1/probes/{name}`
pub(crate) async fn probe(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Probe>, ApiError> {
    let found = all(&site, language(&uri, &headers)).await?;
    found.into_iter().find(|probe| *probe.view.name == *name).map(Json).ok_or_else(|| unknown(&name))
}

/// `POST /api/v1/probes/{name}/run`; with `?deep=true` the long and hard experiments too.
pub(crate) async fn run(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    Query(Depth { deep }): Query<Depth>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let asked = name.clone();
    match site.asker.ask(move |ports| ports.probes.run(&asked, deep)).await? {
        Ok(()) => Ok((StatusCode::ACCEPTED, Json(json!({"status": "asked"})))),
        Err(Refusal::Unknown) => Err(unknown(&name)),
        Err(Refusal::Running) => {
            let message = format!("a run of {} is under way, or asked for already", quoted(&name));
            Err(ApiError::new(StatusCode::CONFLICT, "running", message)
                .hint("GET /api/v1/probes/<name> has `is_running`; ask again when it is over"))
        }
    }
}

async fn all(site: &Site, language: Language) -> Result<Vec<Probe>, ApiError> {
    let (views, active) = site.asker.ask(|ports| (ports.probes.probes(), ports.findings.active())).await?;
    Ok(views.into_iter().map(|view| Probe::of(view, &active, language)).collect())
}

fn unknown(name: &str) -> ApiError {
    ApiError::not_found(format!("there is no probe {}", quoted(name))).hint("GET /api/v1/probes lists them")
}
