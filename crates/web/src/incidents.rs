//! Incidents: what is being done about groups of alerts, and who cares.

use std::sync::Arc;

use alert::escalation::{AckError, IncidentView};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::router::Site;

/// Longest name of somebody who cares, characters.
const NAME_MAX: usize = 100;

/// Who knows of incidents.
pub trait Incidents: Send + Sync {
    /// All of them, the newest first.
    fn incidents(&self) -> Vec<IncidentView>;

    /// One of them.
    fn incident(&self, number: u64) -> Option<IncidentView>;

    /// Whether a link was signed here for this incident and may still be used; `expires` is in seconds since the Unix
    /// epoch.
    fn is_link(&self, number: u64, expires: i64, signature: &str) -> bool;

    /// Somebody cares; `way` says how that was told, for the log. May wait for the disk.
    ///
    /// # Errors
    /// See [`AckError`].
    fn ack(&self, number: u64, by: &str, way: &str) -> Result<IncidentView, AckError>;
}

/// All incidents.
#[derive(Debug, Serialize)]
pub(crate) struct IncidentList {
    items: Vec<IncidentView>,
    total: usize,
}

/// Who cares.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ack {
    by: Option<String>,
}

/// `GET /api/v1/incidents`
pub(crate) async fn incidents(State(site): State<Arc<Site>>) -> Result<Json<IncidentList>, ApiError> {
    let items = site.asker.ask(|ports| ports.incidents.incidents()).await?;
    Ok(Json(IncidentList { total: items.len(), items }))
}

/// `GET /api/v1/incidents/{id}`
pub(crate) async fn incident(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
) -> Result<Json<IncidentView>, ApiError> {
    let number = number(&id)?;
    let incident = site.asker.ask(move |ports| ports.incidents.incident(number)).await?;
    incident.map(Json).ok_or_else(|| refused(number, AckError::Unknown))
}

/// `POST /api/v1/incidents/{id}/ack`; the body may be `{"by": "name"}`.
pub(crate) async fn ack(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<IncidentView>, ApiError> {
    let number = number(&id)?;
    let ack: Ack = if body.is_empty() {
        Ack::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            ApiError::bad_query(format!("the body cannot be read: {error}"))
                .hint("send {\"by\": \"your name\"}, or nothing")
        })?
    };
    let by = name(ack.by.as_deref().unwrap_or("API"))?;
    let acked = site.asker.ask(move |ports| ports.incidents.ack(number, &by, "api")).await?;
    acked.map(Json).map_err(|error| refused(number, error))
}

fn number(id: &str) -> Result<u64, ApiError> {
    id.parse().map_err(|_| {
        ApiError::bad_query("the number of an incident is expected").hint("GET /api/v1/incidents lists them")
    })
}

/// Somebody's name on one line.
pub(crate) fn name(text: &str) -> Result<String, ApiError> {
    let name: String = text.chars().filter(|char| !char.is_control()).take(NAME_MAX).collect();
    let name = name.trim();
    if name.is_empty() { Err(ApiError::bad_query("`by` is empty")) } else { Ok(name.to_owned()) }
}

fn refused(number: u64, error: AckError) -> ApiError {
    let conflict = |code: &str, message: String| ApiError::new(StatusCode::CONFLICT, code, message);
    match error {
        AckError::Unknown => ApiError::not_found(format!("there is no incident {number}"))
            .hint("GET /api/v1/incidents lists them; those that are over are forgotten soon"),
        AckError::Closed => conflict("closed", format!("incident {number} is over")),
        AckError::Acked(by) => conflict("acked", format!("incident {number} was acknowledged by {by}")),
    }
}
