//! `/api/v2/silences` and `/api/v2/silence/{id}`.

use std::sync::Arc;

use alert::dispatch::{GettableSilence, PostedSilence, SilenceError};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::{StatusCode, Uri};
use serde::Serialize;

use super::{Refused, params};
use crate::router::Site;

/// What a silence is known by.
#[derive(Serialize)]
pub(crate) struct Made {
    #[serde(rename = "silenceID")]
    id: String,
}

/// `GET /api/v2/silences`
pub(crate) async fn silences(
    State(site): State<Arc<Site>>,
    uri: Uri,
) -> Result<Json<Vec<GettableSilence>>, Refused> {
    let filter = params::filter(&uri)?;
    Ok(Json(site.asker.ports().alertmanager.silences(&filter)))
}

/// `GET /api/v2/silence/{id}`
pub(crate) async fn silence(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
) -> Result<Json<GettableSilence>, Refused> {
    site.asker.ports().alertmanager.silence(&id).map(Json).ok_or_else(|| refused(SilenceError::Unknown))
}

/// `POST /api/v2/silences`
pub(crate) async fn post_silence(State(site): State<Arc<Site>>, body: Bytes) -> Result<Json<Made>, Refused> {
    let posted: PostedSilence = serde_json::from_slice(&body)
        .map_err(|error| Refused::bad(format!("parsing silence body from \"\" failed, because {error}")))?;
    let alertmanager = Arc::clone(&site.asker.ports().alertmanager);
    let set = tokio::task::spawn_blocking(move || alertmanager.set_silence(posted)).await;
    set.unwrap_or_else(|_| Err(broken())).map(|id| Json(Made { id })).map_err(refused)
}

/// `DELETE /api/v2/silence/{id}`
pub(crate) async fn delete_silence(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refused> {
    let alertmanager = Arc::clone(&site.asker.ports().alertmanager);
    let expired = tokio::task::spawn_blocking(move || alertmanager.expire_silence(&id)).await;
    expired.unwrap_or_else(|_| Err(broken())).map(|()| StatusCode::OK).map_err(refused)
}

fn broken() -> SilenceError {
    SilenceError::Invalid("it was not taken".to_owned())
}

fn refused(error: SilenceError) -> Refused {
    match error {
        SilenceError::Unknown => Refused(StatusCode::NOT_FOUND, "silence not found".to_owned()),
        SilenceError::Invalid(why) => Refused::bad(why),
        SilenceError::Full => Refused::bad("there are too many silences"),
    }
}
